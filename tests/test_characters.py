"""Characters that JSON writes as two halves."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_core.dialects.chat_completions.dialect import ChatDialect
from airouter_core.provider.parsing import parsed_json
from airouter_core.testing.recordings import pieces
from airouter_core.values.characters import is_whole, parted, with_whole_characters, with_whole_strings
from airouter_core.values.events import ReasoningDelta, StreamEvent, TextDelta
from airouter_core.values.folding import fold
from airouter_core.values.messages import Message
from airouter_core.values.record import plain
from airouter_core.values.response import Response
from airouter_core.wire.failures import ErrorTable

LLAMA = "\U0001f999"
HIGH, LOW = "\ud83e", "\udd99"
WIRE = ChatDialect(provider="p", errors=ErrorTable("p")).wire()


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_a_text_is_whole_or_made_so(text: str) -> None:
    """What comes out can be encoded; what could be before is as it was."""
    made = with_whole_characters(text)
    made.encode()
    assert is_whole(made)
    if is_whole(text):
        assert made.encode() == text.encode("utf-16", "surrogatepass").decode("utf-16").encode()


def test_strings_inside_a_value_are_whole_too() -> None:
    """Names of fields among them; all else stays."""
    given = {"a" + HIGH: [HIGH + LOW, {"b": LOW}], "n": [1, None, 0.5, True]}
    assert with_whole_strings(given) == {"a\ufffd": [LLAMA, {"b": "\ufffd"}], "n": [1, None, 0.5, True]}


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', '{"\\udc00 b": 1}'])
def test_json_that_spells_out_half_a_character_can_be_kept(text: str) -> None:
    """What is made of the text of an answer goes into JSON again, as all else of it does."""
    response = parsed_json(Response(message=Message("assistant", text)))
    assert "\ufffd" in msgspec.json.encode(response, enc_hook=plain).decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", ("a", "")), ("", ("", "")), (HIGH, ("", HIGH)), (LOW, (LOW, "")), ("a" + LLAMA, ("a" + LLAMA, ""))],
)
def test_a_half_at_the_end_waits(text: str, expected: tuple[str, str]) -> None:
    """Only the first half can be waiting for the other."""
    assert parted(text) == expected


def events(*deltas: dict[str, Any], size: int = 1 << 20) -> list[StreamEvent]:
    chunks = [{"model": "m", "choices": [{"delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    data = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode() + b"data: [DONE]\n\n"
    parser = WIRE.open_stream()
    return [*(event for piece in pieces(data, size) for event in parser.feed(piece)), *parser.close()]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_halves_split_over_two_deltas_are_joined(size: int) -> None:
    """No event holds half of a character, however the server cuts its text and the network its bytes."""
    made = events({"content": "hi " + HIGH}, {"content": LOW}, {"content": HIGH + LOW + "!"}, size=size)
    assert [event.text for event in made if isinstance(event, TextDelta)] == ["hi ", LLAMA, LLAMA + "!"]
    assert fold(made).text == "hi " + LLAMA * 2 + "!"


def test_a_half_that_stays_alone_is_replaced() -> None:
    """At the end, before other words, and before a thought; the words around it stay."""
    made = events({"content": "a" + HIGH}, {"content": "b" + LOW}, {"reasoning": "hm" + HIGH}, {"content": "c" + HIGH})
    assert "".join(event.text for event in made if isinstance(event, TextDelta)) == "a\ufffdb\ufffdc\ufffd"
    assert "".join(event.text for event in made if isinstance(event, ReasoningDelta)) == "hm\ufffd"


def test_a_half_in_a_body_is_replaced() -> None:
    """An answer can be printed and stored, whatever its server wrote; arguments of calls too."""
    call = {"id": "c", "function": {"name": "f", "arguments": json.dumps({"a": "x"}).replace("x", HIGH)}}
    message = {"content": "a" + HIGH, "tool_calls": [call]}
    body = json.dumps({"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}).encode()
    response = fold(WIRE.parse_body(body))
    assert (response.text, response.tool_calls[0].arguments) == ("a\ufffd", {"a": "\ufffd"})
