"""Schemas in a few words, and answers that fit them whatever a provider promises."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("jsonschema_rs", reason="validates answers: pip install 'airouter-core[schemas]'")

from airouter_core import Plugins, Response, TextDelta, fitted
from airouter_core.cli.questions.short_schemas import schema_from
from airouter_core.errors import ConfigurationError, ParameterError, ProtocolError
from airouter_core.testing.fakes import Answer, FakeProvider, fake_provider
from airouter_core.testing.server import Answer as ServerAnswer
from airouter_core.testing.server import LoopbackServer
from airouter_core.tools.validation import prepare
from airouter_core.values.code_blocks import code_blocks
from airouter_core.values.messages import Message, RefusalPart, ToolCallPart

SCHEMA = schema_from("name, age int")
RIGHT = '{"name": "Ada", "age": 36}'


def provider(*answers: Answer) -> FakeProvider:
    return fake_provider(*answers, plugins=Plugins().with_layers([fitted]))


def test_a_schema_in_a_few_words() -> None:
    """Names with kinds, of text unless they say otherwise, and with descriptions; each is required."""
    assert schema_from("name, age int, tags list") == {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["name", "age", "tags"],
        "additionalProperties": False,
    }
    described = schema_from("scores list[float]: one for each round\nhappy boolean\n")
    assert described["properties"] == {
        "scores": {"type": "array", "items": {"type": "number"}, "description": "one for each round"},
        "happy": {"type": "boolean"},
    }
    assert schema_from('{"type": "array"}') == {"type": "array"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs fields"),
        ("age integre", "'integre' is no kind"),
        ("a, a int", "'a' twice"),
        ("1st int", "no field of a schema"),
        ("a int int", "no field of a schema"),
        ("a int[str]", "only a list"),
        ("{", "no valid JSON"),
        ("{]", "no valid JSON"),
    ],
)
def test_what_is_no_schema_is_told(text: str, message: str) -> None:
    """With the words that are wrong."""
    with pytest.raises(ParameterError, match=message):
        schema_from(text)


@given(st.text(max_size=60))
def test_any_text_is_a_schema_or_a_parameter_error(text: str) -> None:
    """Nothing else comes of it."""
    with contextlib.suppress(ParameterError):
        assert isinstance(schema_from(text), dict)


@pytest.mark.parametrize("answer", [RIGHT, f"Here it is:\n```json\n{RIGHT}\n```\nGood?"])
def test_an_answer_that_fits_is_parsed(answer: str) -> None:
    """Also where the model has wrapped it in words."""
    asked = provider(answer)
    assert asked.chat("m", "Who?", response_format=SCHEMA).parsed == {"name": "Ada", "age": 36}
    assert len(asked.asked) == 1


@pytest.mark.parametrize(
    ("first", "problem"),
    [
        ('{"name": "Ada", "age": "old"}', 'age: "old" is not of type "integer"'),
        ('{"name": "Ada"}', 'it: "age" is a required property'),
        ("Ada is 36.", "it is no valid JSON"),
        ("", "it is no valid JSON"),
    ],
)
def test_one_that_does_not_fit_is_asked_for_once_more(first: str, problem: str) -> None:
    """The model is shown its answer and what is wrong; the response says that it was asked twice."""
    asked = provider(first, RIGHT)
    response = asked.chat("m", "Who?", response_format=SCHEMA)
    assert response.parsed == {"name": "Ada", "age": 36}
    assert any(problem in warning and "asked for again" in warning for warning in response.warnings)
    question, answer, again = asked.asked[1].messages
    assert (question.text, answer.text) == ("Who?", first)
    assert problem in again.text


def test_the_second_answer_counts() -> None:
    """One that does not fit either is an error with the answer; there is no third."""
    asked = provider("nothing", '{"name": 1, "age": 2}', RIGHT)
    with pytest.raises(ProtocolError, match='name: 1 is not of type "string"') as caught:
        asked.chat("m", "Who?", response_format=SCHEMA)
    assert caught.value.partial is not None
    assert caught.value.partial.text == '{"name": 1, "age": 2}'
    assert len(asked.asked) == 2


def test_an_answer_that_was_cut_is_not_asked_for_again() -> None:
    """It would be cut again."""
    asked = provider(Response(message=Message.assistant('{"name": "A'), finish_reason="length"), RIGHT)
    with pytest.raises(ProtocolError, match="raise max_tokens"):
        asked.chat("m", "Who?", response_format=SCHEMA)
    assert len(asked.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Response(message=Message.assistant(RefusalPart("No.")), finish_reason="content_filter"),
        Response(message=Message.assistant(ToolCallPart("1", "look")), finish_reason="tool_calls"),
    ],
)
def test_refusals_and_calls_go_through(answer: Response) -> None:
    """They are no answers."""
    asked = provider(answer)
    assert asked.chat("m", "Who?", response_format=SCHEMA).message == answer.message


def test_what_has_no_schema_goes_through() -> None:
    """As it comes, streams too."""
    asked = provider("one two")
    assert asked.chat("m", "Who?").text == "one two"
    assert asked.chat("m", "Who?", response_format="json").text == "one two"
    assert list(asked.stream_execute("m", "Who?")) == ["one", " two"]


def test_a_stream_comes_when_it_is_known_to_fit() -> None:
    """Its reader never sees the answer that was thrown away; awaited it is the same."""
    asked = provider("nothing", RIGHT)
    with asked.stream_chat("m", "Who?", response_format=SCHEMA) as stream:
        assert "".join(event.text for event in stream if isinstance(event, TextDelta)) == RIGHT
        assert stream.response.parsed == {"name": "Ada", "age": 36}

    async def awaited() -> Any:
        return (await provider("nothing", RIGHT).achat("m", "Who?", response_format=SCHEMA)).parsed

    assert asyncio.run(awaited()) == {"name": "Ada", "age": 36}


def test_a_schema_that_is_none_is_told_before_anybody_is_asked() -> None:
    """It cost nothing."""
    asked = provider(RIGHT)
    with pytest.raises(ConfigurationError, match="no JSON Schema"):
        asked.chat("m", "Who?", response_format={"type": "nonsense"})
    assert asked.asked == []


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("none", []),
        ("```\na\n```", ["a"]),
        ("~~~python\na\n\nb\n~~~\nand\n````\n```\nc\n```\n````", ["a\n\nb", "```\nc\n```"]),
        ("  ```js\na\n  ```\n```\ncut", ["a", "cut"]),
        ("```\n```", [""]),
        ("`a` and ```b```", []),
    ],
)
def test_code_blocks(text: str, blocks: list[str]) -> None:
    """Fences of either kind and any length; one that is not closed goes to the end."""
    assert code_blocks(text) == blocks


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=5))
def test_what_fits_any_schema_is_taken(value: Any) -> None:
    """The empty schema takes everything that is JSON."""
    text = json.dumps(value)
    assert (
        provider(text)
        .chat("m", "x", response_format={"type": ["object", "array", "string", "number", "boolean", "null"]})
        .parsed
        == value
    )


@pytest.mark.parametrize(
    "schema",
    [
        lambda url: {"$ref": f"{url}/x"},
        lambda url: {"$schema": f"{url}/x"},
        lambda url: {"$id": f"{url}/a", "properties": {"a": {"$ref": "b"}}},
    ],
)
def test_a_schema_opens_no_file_and_asks_no_host(schema: Any) -> None:
    """It may come from anybody: with a row of a table, or with a request."""
    with LoopbackServer(lambda request, connection: connection.answer(ServerAnswer.of_json({}))) as server:
        with pytest.raises(ParameterError, match="no JSON Schema"):
            prepare(schema(server.url))
        assert server.requests == []


def test_a_schema_reads_no_file(tmp_path: Path) -> None:
    """What a problem says would tell what is in it."""
    (tmp_path / "secret.json").write_text('{"const": "secret"}')
    with pytest.raises(ParameterError, match=r"put what is referred to under \$defs"):
        prepare({"$ref": (tmp_path / "secret.json").as_uri()})
