"""Whatever is asked, the body that is sent is one that the vendor's own schema accepts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from ...provider.facade import Provider
from ..halves import in_each_half
from ..subject import Subject, hold, none_of, quietly
from .features import FEATURES, TOOL
from .parameters import ParameterChecks

Problems = Callable[[Any], Iterable[str]]


def problems_by_schema(path: str | os.PathLike[str], entry: str | None = None) -> Problems:
    """What a JSON Schema finds wrong with a body; needs jsonschema, which is no dependency of the kit.

    Args:
        path: the file; without it, or without jsonschema, the check is skipped.
        entry: a name of the file's ``x-entrypoints``, which names the part that describes the body.
    """

    def problems(body: Any) -> Iterator[str]:
        jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
        if not os.path.exists(path):
            pytest.skip(f"there is no schema {os.fspath(path)!r}")
        with open(path, encoding="utf-8") as file:
            schema = json.load(file)
        if entry is not None:
            schema.pop("$id", None)
            schema["$ref"] = schema["x-entrypoints"][entry]
        for error in jsonschema.Draft202012Validator(schema).iter_errors(body):
            yield f"{error.json_path}: {error.message[:200]}"

    return problems


class SchemaChecks(ParameterChecks, Subject):
    """Request bodies."""

    def schema_problems(self) -> Problems | None:
        """What judges a body: see :func:`problems_by_schema`. Without one the check is skipped."""
        return None

    @in_each_half
    def test_bodies_fit_the_vendors_schema(self) -> None:
        """Each parameter, each capability and a conversation with tools are sent in a body that the schema accepts."""
        self.http_class()
        judge = self.schema_problems()
        if judge is None:
            pytest.skip("schema_problems() gives no schema")
        with self.serving() as server, self.provider(server) as provider, quietly():
            for what, ask in self._questions(provider):
                before = len(server.requests)
                ask()
                hold(len(server.requests) > before, f"nothing was sent for {what}")
                none_of(f"{what}: {problem}" for problem in judge(server.requests[-1].json))

    def _questions(self, provider: Provider[Any]) -> Iterator[tuple[str, Callable[[], Any]]]:
        yield "a question", lambda: self.ask(provider)
        if self.can("stream"):
            yield "a stream", lambda: self.ask(provider, stream=True)
        for capability, (ask, _) in FEATURES.items():
            if self.can(capability):
                yield capability, lambda ask=ask: ask(provider, self.model)  # type: ignore[misc]  # bound at once
        for parameter, row in self._taken(provider):
            value = self.value_for(parameter, row)
            given = {**self.parameter_company.get(parameter.name, {}), parameter.name: value}
            yield f"{parameter.name}={value!r}", lambda given=given: self.ask(provider, parameters=given)  # type: ignore[misc]  # as above
        if self.can("tools"):
            yield "a conversation", lambda: self.ask(provider, messages=CONVERSATION, tools=[TOOL])


CONVERSATION = [
    {"role": "user", "content": "What is the weather?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_kit",
                "type": "function",
                "function": {"name": TOOL["name"], "arguments": '{"kit_city": "Zürich"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_kit", "content": "Rain."},
    {"role": "assistant", "content": "It rains."},
    {"role": "user", "content": "And tomorrow?"},
]
