"""Columns of a dataset that went through a run as JSON, and their types again."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec
import pyarrow

from .. import parquet

if TYPE_CHECKING:
    import numpy

STRANGE: Any = None
"""The type of columns whose values JSON does not give back."""


def plain(value: Any) -> Any:
    """A value of a dataset as JSON can say it, where that is a matter of course: of an array its numbers."""
    to_list = getattr(value, "tolist", None)
    return value if to_list is None else to_list()


def add_types(known: dict[str, pyarrow.DataType], schema: pyarrow.Schema) -> None:
    """Add the types of a block; a column that has two keeps the one that holds both, or else none."""
    for field in schema:
        earlier = known.setdefault(field.name, field.type)
        if earlier is not STRANGE and earlier != field.type:
            known[field.name] = parquet.merged(earlier, field.type)


def typed(schema: pyarrow.Schema, given: Mapping[str, pyarrow.DataType]) -> pyarrow.Schema:
    """A schema with the types that columns had, where JSON gives their values back."""
    for index, field in enumerate(schema):
        wanted = given.get(field.name, STRANGE)
        if wanted is not STRANGE and _python(wanted) is not STRANGE:
            schema = schema.set(index, pyarrow.field(field.name, wanted))
    return schema


def lines_in(path: str) -> Iterator[bytes]:
    """The lines of a file."""
    with open(path, "rb") as file:
        yield from file


def read(batch: Mapping[str, numpy.ndarray[Any, Any]], schema: pyarrow.Schema) -> Iterator[pyarrow.Table]:
    """The rows of files, a part at a time.

    Args:
        batch: with their paths as ``item``.
    """
    for path in batch["item"]:
        yield from parquet.tables(lines_in(path), schema, _again)


def _again(values: list[Any], wanted: pyarrow.DataType) -> list[Any]:
    """Values of JSON as those that a type takes."""
    python = _python(wanted)
    return values if python is STRANGE else msgspec.convert(values, list[python])  # type: ignore[valid-type]


def _python(found: pyarrow.DataType) -> Any:
    """The Python type of its values, or nothing."""
    kinds = pyarrow.types
    simple: tuple[tuple[Any, Any], ...] = (
        (kinds.is_boolean, bool),
        (kinds.is_integer, int),
        (kinds.is_floating, float),
        (kinds.is_string, str),
        (kinds.is_large_string, str),
        (kinds.is_timestamp, datetime.datetime),
        (kinds.is_date, datetime.date),
        (kinds.is_time, datetime.time),
        (kinds.is_duration, datetime.timedelta),
        (kinds.is_decimal, Decimal),
        (kinds.is_binary, bytes),
        (kinds.is_large_binary, bytes),
    )
    for holds, python in simple:
        if holds(found):
            return python | None
    if kinds.is_list(found) or kinds.is_large_list(found):
        inner = _python(found.value_type)
        return STRANGE if inner is STRANGE else list[inner] | None  # type: ignore[valid-type]
    if kinds.is_struct(found):
        fields = {field.name: _python(field.type) for field in found}
        if STRANGE not in fields.values():
            fields_type: Any = TypedDict("Fields", fields)  # type: ignore[misc]
            return fields_type | None
    return STRANGE
