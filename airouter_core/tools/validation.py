"""Whether an answer is what its schema says. Needs the extra ``[schemas]``."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from ..errors import ConfigurationError, ParameterError
from ..values.code_blocks import code_blocks

SHOWN = 400
"""Characters of a value that a problem shows."""
KEPT = 256
"""Schemas that are kept ready; rows of a table may each bring one."""


class Checked(NamedTuple):
    """An answer as a value.

    Attributes:
        problem: why it is not what was asked for; then there may be no value.
    """

    value: Any
    problem: str | None = None


def prepare(schema: Mapping[str, Any]) -> None:
    """See that answers can be checked.

    Raises:
        ParameterError: the schema is none.
        ConfigurationError: what checks is not installed.
    """
    _validator(_as_text(schema))


def checked(text: str, schema: Mapping[str, Any] | None) -> Checked:
    """The JSON that an answer is, or that stands in a code block of it.

    Args:
        schema: what it must fit; without one, any object will do.

    Raises:
        ParameterError, ConfigurationError: as :func:`prepare`.
    """
    value, problem = read(text)
    if problem is not None:
        return Checked(None, problem)
    if schema is None:
        return Checked(value, None if isinstance(value, dict) else "it is no JSON object")
    try:
        found = next(_validator(_as_text(schema)).iter_errors(value), None)
    except ValueError as error:  # nested more deeply than the validator goes; newer Pythons read such JSON
        return Checked(None, f"it is no valid JSON ({error})")
    return Checked(value, None if found is None else _told(found))


def read(text: str) -> Checked:
    """The JSON that a text is, or that stands in its last code block."""
    for candidate in (text, *code_blocks(text)[-1:]):
        try:
            return Checked(msgspec.json.decode(candidate))
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            problem = f"it is no valid JSON ({error})"
    return Checked(None, problem)


def _told(error: Any) -> str:
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
    message = re.sub(r"\s+", " ", str(error.message))
    return f"{place.lstrip('.') or 'it'}: {message if len(message) <= SHOWN else message[:SHOWN] + '…'}"


def _as_text(schema: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(schema, order="deterministic")


@functools.lru_cache(maxsize=KEPT)
def _validator(schema: bytes) -> Any:
    try:
        import jsonschema_rs
    except ImportError as error:
        raise ConfigurationError("validating answers needs an extra: pip install 'airouter-core[schemas]'") from error
    try:
        return jsonschema_rs.validator_for(msgspec.json.decode(schema), retriever=_refused)
    except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        raise ParameterError(f"the schema is no JSON Schema: {str(error).splitlines()[0]}") from error


def _refused(address: str) -> Any:
    """A schema may come from anybody: it opens no file and asks no host."""
    raise ValueError(f"{address} is not fetched: put what is referred to under $defs")
