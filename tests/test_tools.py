"""Tool choices and response formats as values."""

from __future__ import annotations

from typing import Any

import pytest

from airouter_core.errors import ParameterError
from airouter_core.values.tools import ResponseFormat, Tool, ToolChoice, invented_id, is_invented, response_format_from

SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}


@pytest.mark.parametrize(("mode", "name"), [("tool", None), ("auto", "f"), ("none", "f"), ("required", "f")])
def test_only_a_named_choice_has_a_name(mode: Any, name: str | None) -> None:
    """The mode ``tool`` needs a name, and no other takes one."""
    with pytest.raises(ParameterError, match="needs a name"):
        ToolChoice(mode, name)


@pytest.mark.parametrize(
    ("given_as", "expected"),
    [
        (None, None),
        ("text", None),
        ({"type": "text"}, None),
        ("json", ResponseFormat()),
        ("json_object", ResponseFormat()),
        ({"type": "json_object"}, ResponseFormat()),
        (ResponseFormat("json_schema", SCHEMA), ResponseFormat("json_schema", SCHEMA)),
        (SCHEMA, ResponseFormat("json_schema", SCHEMA)),
        (
            {**SCHEMA, "title": "My Answer!"},
            ResponseFormat("json_schema", {**SCHEMA, "title": "My Answer!"}, "My_Answer"),
        ),
        ({"anyOf": [SCHEMA]}, ResponseFormat("json_schema", {"anyOf": [SCHEMA]})),
        (
            {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": SCHEMA, "strict": True, "description": "d"},
            },
            ResponseFormat("json_schema", SCHEMA, "n", True, "d"),
        ),
        ({"type": "json_schema", "name": "n", "schema": SCHEMA}, ResponseFormat("json_schema", SCHEMA, "n")),
        ({"type": "json_schema", "schema": SCHEMA}, ResponseFormat("json_schema", SCHEMA)),
    ],
)
def test_accepted_formats(given_as: Any, expected: ResponseFormat | None) -> None:
    """A format may be a word, a value, a chat-completions dict, or the schema itself."""
    assert response_format_from(given_as) == expected


@pytest.mark.parametrize(
    ("given_as", "message"),
    [
        ("yaml", "not 'yaml'"),
        ({"type": "json_schema"}, "has no schema"),
        ({"type": "json_schema", "json_schema": {"name": "n"}}, "has no schema"),
        ({"type": "json_schema", "json_schema": None}, "has no schema"),
        ({"title": "x"}, "neither a known format nor a JSON Schema"),
        ({}, "neither a known format nor a JSON Schema"),
        (7, "must be"),
    ],
)
def test_refused_formats(given_as: Any, message: str) -> None:
    """What is no format is an error that says what is."""
    with pytest.raises(ParameterError, match=message):
        response_format_from(given_as)


@pytest.mark.parametrize("title", ["", "!!!", "日本", "x" * 200])
def test_a_schemas_name_is_one_that_providers_take(title: str) -> None:
    """The name made from a title has 1 to 64 ASCII letters, digits and underscores."""
    made = response_format_from({**SCHEMA, "title": title})
    assert made is not None
    assert made.name.isascii()
    assert 1 <= len(made.name) <= 64


def test_a_format_of_a_schema_needs_one() -> None:
    """A value of kind ``json_schema`` without a schema would ask for nothing."""
    with pytest.raises(ParameterError, match="schema"):
        ResponseFormat("json_schema")


def test_an_invented_id_is_told_from_a_given_one() -> None:
    """What is made up in a server's place can be told, and is another one each time."""
    assert is_invented(invented_id(0))
    assert invented_id(0) != invented_id(0)
    assert not any(map(is_invented, ("", "call_1", "call_0_", "chatcmpl-tool-b24466e29317f465", "call_abc")))


def test_a_schema_is_sent_with_its_type_and_its_properties() -> None:
    """Servers of tools describe one without arguments as ``{}``, or by its type alone, which most vendors refuse."""
    whole = {"type": "object", "properties": {}}
    for schema in ({}, {"type": "object"}, {"properties": {}}):
        assert Tool("f", input_schema=schema).arguments_schema == whole
    assert Tool("f", input_schema={"required": ["x"]}).arguments_schema == {**whole, "required": ["x"]}
    for other in ({"type": "array"}, {"anyOf": [whole]}, {"$ref": "#/$defs/A"}):
        assert Tool("f", input_schema=other).arguments_schema == other
