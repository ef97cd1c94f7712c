"""Tables in Parquet, in and out (extra ``[parquet]``, which is pyarrow; imported when such a file is met).

A file that comes out says what its lines of JSON would: its columns are theirs. What a column holds is found by looking
at all rows of all shards, so that all have the same schema; a column whose values are of no one type holds JSON.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from airouter_core.errors import ConfigurationError

if TYPE_CHECKING:
    import pyarrow

CHUNK = 1000
"""Rows that are held at a time."""
EXACT = 1 << 53
"""Whole numbers up to here are fractions too, in 64 bits."""
JSON = b"airouter:json"
"""In the metadata of a column: its texts are JSON."""


def rows_in(path: str) -> Iterator[Mapping[str, Any]]:
    """The rows of a file, as mappings of what JSON can say.

    Raises:
        ConfigurationError: it cannot be read, or pyarrow is not installed.
    """
    arrow, parquet = _libraries()
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(CHUNK):
                yield from batch.to_pylist()
    except (arrow.ArrowException, OSError) as error:
        raise ConfigurationError(f"{path} cannot be read as Parquet: {error}") from error


def count_in(path: str) -> int:
    """How many rows a file has.

    Raises:
        ConfigurationError: it cannot be read, or pyarrow is not installed.
    """
    arrow, parquet = _libraries()
    try:
        with parquet.ParquetFile(path) as file:
            return int(file.metadata.num_rows)
    except (arrow.ArrowException, OSError) as error:
        raise ConfigurationError(f"{path} cannot be read as Parquet: {error}") from error


def schema_of(shards: Iterable[Iterable[bytes]]) -> pyarrow.Schema:
    """The schema of rows that are given as lines of JSON."""
    arrow, _ = _libraries()
    known: dict[str, Any] = {}
    large: set[str] = set()
    for lines in shards:
        for chunk in _chunks(lines):
            for name in dict.fromkeys(name for row in chunk for name in row):
                values = [row.get(name) for row in chunk]
                known[name] = merged(known.get(name, arrow.null()), _type_of(arrow, values))
                if _is_large(values):
                    large.add(name)
    for name in large:  # as a fraction it would be another number
        known[name] = None if _holds_fractions(arrow, known[name]) else known[name]
    return arrow.schema(
        [
            arrow.field(name, arrow.string(), metadata={JSON: b""}) if found is None else arrow.field(name, found)
            for name, found in known.items()
        ]
    )


def write(lines: Iterable[bytes], schema: pyarrow.Schema, path: str) -> None:
    """Write a file of rows that are given as lines of JSON. The same rows make the same bytes."""
    _, parquet = _libraries()
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in tables(lines, schema):
            writer.write_table(table)


def tables(
    lines: Iterable[bytes],
    schema: pyarrow.Schema,
    prepared: Callable[[list[Any], pyarrow.DataType], list[Any]] = lambda values, _: values,
) -> Iterator[pyarrow.Table]:
    """Rows that are given as lines of JSON, some at a time.

    Args:
        prepared: makes the values of a column those that its type takes.
    """
    arrow, _ = _libraries()
    as_json = {field.name for field in schema if field.metadata and JSON in field.metadata}
    for chunk in _chunks(lines):
        columns = [[row.get(field.name) for row in chunk] for field in schema]
        arrays = [
            arrow.array(list(map(_json, values)) if field.name in as_json else prepared(values, field.type), field.type)
            for field, values in zip(schema, columns, strict=True)
        ]
        yield arrow.Table.from_arrays(arrays, schema=schema)


def _chunks(lines: Iterable[bytes]) -> Iterator[list[dict[str, Any]]]:
    given = iter(lines)
    while chunk := [msgspec.json.decode(line) for line in itertools.islice(given, CHUNK)]:
        yield chunk


def _type_of(arrow: Any, values: list[Any]) -> Any:
    """The type of some values; ``None`` where they are of no one type that a file can hold."""
    try:
        array = arrow.array(values)
    except (arrow.ArrowException, OverflowError):
        return None
    if _is_empty(arrow, array.type):
        return None
    return array.type if not _holds_fractions(arrow, array.type) or _same(values, array.to_pylist()) else None


def _is_empty(arrow: Any, found: Any) -> bool:
    """Whether there is an object without fields in it, which Parquet cannot say."""
    if arrow.types.is_struct(found):
        return found.num_fields == 0 or any(_is_empty(arrow, field.type) for field in found)
    return bool(arrow.types.is_list(found)) and _is_empty(arrow, found.value_type)


def _holds_fractions(arrow: Any, found: Any) -> bool:
    if found is None or not found.num_fields:
        return found is not None and bool(arrow.types.is_floating(found))
    return any(_holds_fractions(arrow, found.field(number).type) for number in range(found.num_fields))


def _is_large(value: Any) -> bool:
    """Whether there is a whole number in it that no fraction is equal to."""
    if isinstance(value, dict | list):
        return any(map(_is_large, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int) and abs(value) > EXACT


def _same(one: Any, other: Any) -> bool:
    """Whether a value has come back as it was: true is not 1."""
    if isinstance(one, dict):
        return all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return all(map(_same, one, other))
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)


def merged(one: Any, other: Any) -> Any:
    """The type that holds the values of two; ``None`` where none does."""
    arrow, _ = _libraries()
    if one is None or other is None:
        return None
    try:
        schemas = [arrow.schema([("", found)]) for found in (one, other)]
        return arrow.unify_schemas(schemas, promote_options="permissive").field(0).type
    except arrow.ArrowException:
        return None


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _libraries() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise ConfigurationError("Parquet needs an extra: pip install 'airouter-bulk[parquet]'") from error
    return pyarrow, pyarrow.parquet
