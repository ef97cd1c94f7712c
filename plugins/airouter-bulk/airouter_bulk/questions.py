"""From a row to what is asked, and to the key by which equal questions are one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from airouter_core.errors import ParameterError
from airouter_core.provider.asking import ask_of
from airouter_core.tools.validation import checked, prepare
from airouter_core.values.ask import Ask
from airouter_core.values.canonical import NAMES
from airouter_core.values.message_dicts import messages_from
from airouter_core.values.messages import Message
from airouter_core.values.response import Response
from airouter_core.values.tools import ResponseFormat, response_format_from

from .bodies import Brought, brought
from .errors import SpecError
from .journal.records import Asked, Job
from .pictures import check_files, holds_files, picture
from .rows import Row, row_of
from .spec import Spec
from .templates import MissingFieldError, Template

REFUSAL = "the model has refused"
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
        self._prompt = None if spec.prompt is None else Template(spec.prompt)
        self._system = None if spec.system is None else Template(spec.system)
        self._images = [Template(text) for text in spec.images]
        try:
            self._format = response_format_from(spec.schema)
            _prepare(self._format)
        except ParameterError as error:
            raise SpecError(str(error)) from error

    def ask(self, value: Mapping[str, Any], correction: tuple[str, str] | None = None) -> Ask:
        """What is asked for one row.

        Args:
            correction: an answer that did not fit, and why.

        Raises:
            MissingFieldError: the row lacks a field.
            ParameterError: nobody could be asked so.
        """
        spec = self._spec
        own = self._templated(value) if self._prompt is not None else brought(value)
        messages = self._messages(own, value)
        if correction is not None:
            answer, problem = correction
            messages += (
                Message("assistant", answer or "(nothing)"),
                Message("user", CORRECTION.format(problem=problem)),
            )
        arguments: dict[str, Any] = {"tools": spec.tools or None, "tool_choice": spec.tool_choice}
        arguments |= own.arguments
        if self._format is not None:
            arguments["response_format"] = self._format
        return ask_of(
            self._model,
            **(arguments | {"messages": messages}),
            parameters=_over(spec.parameters, own.parameters),
            provider_options=_over_each(own.own, spec.provider_options),
            tags={"bulk": spec.hash[:12]},
        )

    def asked(self, row: Row, position: int) -> Asked:
        """A row's question with its key, or why it cannot be asked.

        The key is equal for rows that would be sent the same, whatever their number and whenever they are sent.
        """
        if row.value is None:
            return Asked(row, problem=row.problem)
        for word, name in (("answer", self._spec.answer), ("details", self._spec.details)):
            if name in row.value:
                told = f'the row has a field {name!r} of its own; name another with {word} = "…"'
                return Asked(row, problem=told)
        try:
            ask = self.ask(row.value)
            _prepare(ask.response_format)
            said = f"{self._spec.target}\n{ask.fingerprint()}\n"
        except (MissingFieldError, ParameterError) as error:
            return Asked(row, problem=str(error).encode("utf-8", "replace").decode())
        except UnicodeEncodeError:
            return Asked(row, problem="the row holds half a character (a lone surrogate), which cannot be sent")
        key = hashlib.sha256((said if self._spec.dedupe else f"{said}{position}").encode()).digest()
        # Pictures are read again when it is their turn: those of a hundred rows may be more than the memory.
        return Asked(row, key, None if holds_files(ask.messages) else ask)

    def validates(self, job: Job) -> bool:
        """Whether the answer must be what its question says."""
        return self._format_of(job) is not None

    def problem(self, job: Job, response: Response) -> str | None:
        """Why an answer is not what was asked for; ``None`` when it is."""
        wanted = self._format_of(job)
        if wanted is None or (response.tool_calls and not response.text):
            return None
        if response.refusal is not None:
            return f"{REFUSAL}: {response.refusal}"
        return checked(response.text, wanted.schema).problem

    def _format_of(self, job: Job) -> ResponseFormat | None:
        if self._prompt is not None or self._format is not None:
            return self._format
        if job.ask is not None:
            return job.ask.response_format
        return response_format_from(brought(row_of(job.data)).arguments.get("response_format"))

    def _templated(self, value: Mapping[str, Any]) -> Brought:
        assert self._prompt is not None
        text = self._prompt.filled(value)
        parts = [picture(template.filled(value), self._spec.images_folder) for template in self._images]
        return Brought({"messages": (Message.user(*parts, text),)})

    def _messages(self, own: Brought, value: Mapping[str, Any]) -> tuple[Message, ...]:
        messages = messages_from(own.arguments["messages"])
        if self._images or self._prompt is None:
            check_files(messages)
        system = "" if self._system is None else self._system.filled(value)
        return (Message.system(system), *messages) if system else messages


def _over(usual: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with those of a row in place of the usual ones, whichever of their names each uses."""
    said = {NAMES.get(name, name) for name in own}
    return {name: value for name, value in usual.items() if NAMES.get(name, name) not in said} | dict(own)


def _over_each(own: Mapping[str, Mapping[str, Any]], more: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {name: {**own.get(name, {}), **more.get(name, {})} for name in {**own, **more}}


def _prepare(wanted: ResponseFormat | None) -> None:
    if wanted is not None and wanted.schema is not None:
        prepare(wanted.schema)
