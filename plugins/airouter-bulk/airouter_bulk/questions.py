"""From a row to what is asked, and to the key by which equal questions are one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import msgspec

from airouter_core.errors import ParameterError
from airouter_core.provider.asking import ask_of, conversation
from airouter_core.values.ask import Ask
from airouter_core.values.messages import Message

from .errors import SpecError
from .journal.records import Asked
from .rows import Row
from .spec import Spec
from .templates import MissingFieldError, Template

CORRECTION = (
    "That answer does not fit the schema: {problem}\nAnswer again, with the corrected JSON alone and nothing around it."
)


class Questions:
    """Makes the questions of one run.

    Args:
        model: as the target's provider names it.

    Raises:
        SpecError: the schema is none, or nobody could be asked so.
    """

    def __init__(self, spec: Spec, model: str) -> None:
        self._spec = spec
        self._model = model
        self._prompt = Template(spec.prompt)
        self._system = None if spec.system is None else Template(spec.system)
        self._validator = None if spec.schema is None else _validator(spec.schema)

    @property
    def validates(self) -> bool:
        """Whether answers must fit a schema."""
        return self._validator is not None

    def ask(self, value: Mapping[str, Any], correction: tuple[str, str] | None = None) -> Ask:
        """What is asked for one row.

        Args:
            correction: an answer that did not fit, and why.

        Raises:
            MissingFieldError: the row lacks a field.
            ParameterError: nobody could be asked so.
        """
        system = None if self._system is None else self._system.filled(value)
        messages = conversation(self._prompt.filled(value), system)
        if correction is not None:
            answer, problem = correction
            messages += (
                Message("assistant", answer or "(nothing)"),
                Message("user", CORRECTION.format(problem=problem)),
            )
        return ask_of(
            self._model,
            messages,
            parameters=self._spec.parameters,
            response_format=self._spec.schema,
            provider_options=self._spec.provider_options,
            tags={"bulk": self._spec.hash[:12]},
        )

    def asked(self, row: Row, position: int) -> Asked:
        """A row's question with its key, or why it cannot be asked.

        The key is equal for rows that would be sent the same, whatever their number and whenever they are sent.
        """
        if row.value is None:
            return Asked(row, problem=row.problem)
        if self._spec.answer in row.value:
            told = f'the row has a field {self._spec.answer!r} of its own; name another with answer = "…"'
            return Asked(row, problem=told)
        try:
            ask = self.ask(row.value)
            said = f"{self._spec.target}\n{ask.fingerprint()}\n"
        except (MissingFieldError, ParameterError) as error:
            return Asked(row, problem=str(error).encode("utf-8", "replace").decode())
        except UnicodeEncodeError:
            return Asked(row, problem="the row holds half a character (a lone surrogate), which cannot be sent")
        return Asked(row, hashlib.sha256((said if self._spec.dedupe else f"{said}{position}").encode()).digest(), ask)

    def problem(self, text: str) -> str | None:
        """Why an answer does not fit the schema; ``None`` when it does."""
        if self._validator is None:
            return None
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
            return f"it is no JSON ({error})"
        found = next(self._validator.iter_errors(value), None)
        if found is None:
            return None
        where = "".join(f"[{part!r}]" for part in found.instance_path)
        return f"{found.message}{f' at {where}' if where else ''}"[:500]


def _validator(schema: Mapping[str, Any]) -> Any:
    try:
        return jsonschema_rs.validator_for(dict(schema))
    except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        raise SpecError(f"schema is no JSON Schema: {error}") from error
