"""Whether answers are what was asked for: JSON, and what a schema says. Of answers that the journal has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import msgspec

from airouter_core.errors import ParameterError
from airouter_core.values.response import Response
from airouter_core.values.tools import ResponseFormat

MOST = 256
"""Schemas that are kept ready; rows may each bring one."""


class Validation:
    """Keeps the schemas of a run ready."""

    def __init__(self) -> None:
        self._validators: dict[bytes, Any] = {}

    def prepare(self, wanted: ResponseFormat | None) -> None:
        """See that answers can be validated.

        Raises:
            ParameterError: the schema is none.
        """
        if wanted is not None and wanted.schema is not None:
            self._validator(wanted.schema)

    def problem(self, wanted: ResponseFormat | None, response: Response) -> str | None:
        """Why an answer is not what was asked for; ``None`` when it is, or calls tools instead."""
        if wanted is None or (response.tool_calls and not response.text):
            return None
        try:
            value = msgspec.json.decode(response.text)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
            return f"it is no JSON ({error})"
        if wanted.schema is None:
            return None if isinstance(value, dict) else "it is no JSON object"
        found = next(self._validator(wanted.schema).iter_errors(value), None)
        if found is None:
            return None
        where = "".join(f"[{part!r}]" for part in found.instance_path)
        return f"{found.message}{f' at {where}' if where else ''}"[:500]

    def _validator(self, schema: Mapping[str, Any]) -> Any:
        said = msgspec.json.encode(schema, order="deterministic")
        if said not in self._validators:
            if len(self._validators) >= MOST:
                del self._validators[next(iter(self._validators))]
            try:
                self._validators[said] = jsonschema_rs.validator_for(dict(schema))
            except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
                raise ParameterError(f"the schema is no JSON Schema: {error}") from error
        return self._validators[said]
