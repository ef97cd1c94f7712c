"""What is wrong with a body is said with the field and what it must hold, in each dialect."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airouter_core.errors import ParameterError
from airouter_gateway.dialects import table
from airouter_gateway.dialects.ollama.others import read_embed
from airouter_gateway.dialects.openai.images import read_images
from airouter_gateway.dialects.openai.moderations import read_moderations
from airouter_gateway.dialects.openai.others import read_embeddings
from airouter_gateway.dialects.openai.responses_kept import wants_keeping

HI = [{"role": "user", "content": "hi"}]


def reading(dialect: Any) -> Callable[[bytes], Any]:
    return lambda body: dialect.read(body, {})


CHAT, RESPONSES, MESSAGES = map(reading, (table.CHAT, table.RESPONSES, table.MESSAGES))
OLLAMA, COMPLETIONS = reading(table.OLLAMA_CHAT), reading(table.COMPLETIONS)


@pytest.mark.parametrize("read", [CHAT, RESPONSES, MESSAGES, OLLAMA, COMPLETIONS, read_images, read_embeddings])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is no valid JSON"),
        (b"{", "the body is no valid JSON"),
        (b'{"model": "\xff"}', "the body is no valid JSON"),
        (b"[1]", "the body must be a JSON object"),
        (b'"m"', "the body must be a JSON object"),
    ],
)
def test_a_body_that_is_no_object(read: Callable[[bytes], Any], body: bytes, message: str) -> None:
    """It is told where it goes wrong."""
    with pytest.raises(ParameterError, match=message):
        read(body)


@pytest.mark.parametrize(
    ("read", "fields", "message"),
    [
        (CHAT, {"messages": HI, "model": 5}, "model must be a string, not int"),
        (CHAT, {"messages": HI, "stream": "yes"}, "stream must be true or false, not str"),
        (CHAT, {"messages": HI, "stream_options": []}, "stream_options must be an object, not list"),
        (CHAT, {"messages": HI, "tools": [1]}, "tools must be a list of objects"),
        (CHAT, {"messages": HI, "tools": {}}, "tools must be a list of objects"),
        (MESSAGES, {"messages": []}, "messages is empty: give at least one"),
        (MESSAGES, {"messages": [*HI, {"role": "user", "content": 5}]}, r"messages\[1\].content must be a string or a"),
        (MESSAGES, {"messages": [{"role": "user", "content": ["x"]}]}, r"messages\[0\].content must be a string or a"),
        (
            MESSAGES,
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "1"}]}]},
            "a tool_use needs an id and a name",
        ),
        (
            MESSAGES,
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "name": "f"}]}]},
            "a tool_use needs an id and a name",
        ),
        (
            MESSAGES,
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "x"}]}]},
            "a tool_result needs the tool_use_id that it answers",
        ),
        (OLLAMA, {"messages": [{"role": "me", "content": "x"}]}, r"messages\[0\].role must be one of .*, not 'me'"),
        (OLLAMA, {"messages": [{**HI[0], "images": "x"}]}, "images must be a list of base64 texts"),
        (OLLAMA, {"messages": [{**HI[0], "images": [5]}]}, "images must be a list of base64 texts"),
        (OLLAMA, {"messages": HI, "format": "yaml"}, 'format must be "json" or a JSON Schema'),
        (RESPONSES, {"input": "hi", "include": "x"}, "include must be a list of texts"),
        (RESPONSES, {"input": "hi", "include": [5]}, "include must be a list of texts"),
        (RESPONSES, {"input": []}, "input is empty: give a text, or items"),
        (RESPONSES, {"input": [{"type": "function_call", "name": "f"}]}, "a call needs a call_id and a name"),
        (RESPONSES, {"input": [{"type": "function_call", "call_id": "c"}]}, "a call needs a call_id and a name"),
        (
            RESPONSES,
            {"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": {"a": 1}}]},
            "arguments must be a string",
        ),
        (RESPONSES, {"input": [{"type": "item_reference", "id": "x"}]}, "the item is not found here: send it itself"),
        (read_images, {}, "prompt is required"),
        (read_images, {"prompt": "cat", "stream": True}, "stream must be false: this server sends pictures whole"),
        (read_images, {"prompt": "cat", "response_format": "png"}, "response_format must be b64_json or url, not png"),
        (read_images, {"prompt": "cat", "n": 0}, "n must be a whole number from 1 to 10"),
        (read_images, {"prompt": "cat", "n": 11}, "n must be a whole number from 1 to 10"),
        (read_images, {"prompt": "cat", "n": True}, "n must be a whole number from 1 to 10"),
        (read_images, {"prompt": "cat", "n": "2"}, "n must be a whole number from 1 to 10"),
        (read_moderations, {}, "a list of texts or a list of parts, none of them empty"),
        (read_moderations, {"input": ""}, "none of them empty"),
        (read_moderations, {"input": []}, "none of them empty"),
        (read_moderations, {"input": ["a", ""]}, "none of them empty"),
        (read_moderations, {"input": ["a", {"type": "text", "text": "b"}]}, "a list of texts or a list of parts$"),
        (
            read_embeddings,
            {"input": "hi", "encoding_format": "hex"},
            "must be float or base64, not hex",
        ),
        (read_embeddings, {"input": "hi", "dimensions": "5"}, "dimensions must be a whole number"),
        (read_embeddings, {"input": "hi", "dimensions": True}, "dimensions must be a whole number"),
        (read_embeddings, {"input": [1, 2]}, "input holds ids of tokens, .* send texts"),
        (read_embeddings, {"input": [[1], [2]]}, "input holds ids of tokens"),
        (read_embeddings, {"input": []}, "input must be a text or a list of texts, none of them empty"),
        (read_embeddings, {"input": ["a", ""]}, "input must be a text or a list of texts, none of them empty"),
        (read_embed, {"prompt": ["a", ""]}, "prompt must be a text or a list of texts, none of them empty"),
        (read_embed, {"input": "a", "dimensions": 1.5}, "dimensions must be a whole number"),
    ],
)
def test_a_field_that_holds_something_else(read: Callable[[bytes], Any], fields: Any, message: str) -> None:
    """The field is named, and what it must hold."""
    with pytest.raises(ParameterError, match=message):
        read(json.dumps({"model": "m", **fields}).encode())


def test_what_fits_is_read() -> None:
    """At the bounds too."""
    for count in (1, 10, None):
        assert read_images(json.dumps({"model": "m", "prompt": "cat", "n": count}).encode()).model == "m"
    asked = read_embeddings(
        b'{"model": "m", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 8, "x": 1}'
    )
    assert (asked.texts, asked.options, asked.as_base64) == (("a", "b"), {"dimensions": 8}, True)
    assert asked.losses == ("not sent with texts for vectors: x",)
    one, several = read_moderations(b'{"input": "a"}'), read_moderations(b'{"model": "m", "input": ["a", "b"]}')
    assert (one.operation, one.arguments) == ("moderate_content", {"content": "a"})
    assert (several.model, several.operation, several.arguments) == ("m", "moderate_contents", {"texts": ["a", "b"]})


@pytest.mark.parametrize(("said", "kept"), [({}, True), ({"store": None}, True), ({"store": True}, True)])
def test_answers_are_kept_unless_told_otherwise(said: Any, kept: bool) -> None:
    """As the vendor does."""
    assert wants_keeping(said) is kept
    assert wants_keeping({"store": False}) is False
    with pytest.raises(ParameterError, match="store must be true or false, not str"):
        wants_keeping({"store": "no"})
