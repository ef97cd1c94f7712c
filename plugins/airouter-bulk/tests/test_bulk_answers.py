"""Answers and refusals of every kind that servers give: each has its row, and none ends a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airouter_core.testing.server import Answer

if TYPE_CHECKING:
    from conftest import Bulk

SCHEMA = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
HALF = "\\ud83e"
"""Half of a character, as JSON spells it."""


def _choice(message: str, finish: str = "stop") -> Answer:
    choice = f'{{"index": 0, "message": {{"role": "assistant", {message}}}, "finish_reason": "{finish}"}}'
    usage = '{"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}'
    body = f'{{"id": "1", "model": "m", "choices": [{choice}], "usage": {usage}}}'
    return Answer(200, {"content-type": "application/json"}, (body.encode(),))


def _content(text: str) -> Answer:
    return _choice(f'"content": {json.dumps(text)}')


@pytest.mark.parametrize(
    ("answer", "more", "told"),
    [
        (Answer(400, {}, (b'{"error": {"message": "bad \\ud83e!"}}',)), {}, "bad \ufffd!"),
        (Answer(400, {}, (b"\xff\x00",)), {}, "HTTP 400"),
        (Answer(200, {"content-type": "text/html"}, (b"<html>",)), {}, "web page"),
        (Answer(200, {}, ()), {}, "empty answer"),
        (_content(f'{{"sum": "{HALF}"}}'), {"schema": SCHEMA}, "no valid JSON"),
        (_content(f'{{"sum": 1, "{HALF}": 2}}'), {"schema": SCHEMA}, "no valid JSON"),
        (_content('{"sum": NaN}'), {"schema": SCHEMA}, "no valid JSON"),
        (_content('{"sum": ' + "[" * 3000 + "]" * 3000 + "}"), {"schema": SCHEMA}, "no valid JSON"),
        (_content('{"sum": "' + "x" * 100_000 + '"}'), {"schema": SCHEMA}, "sum"),
        (_content(""), {"schema": SCHEMA}, "no valid JSON"),
    ],
)
def test_whatever_a_server_says_is_kept_and_the_other_rows_are_answered(
    bulk: Bulk, answer: Answer, more: dict[str, Any], told: str
) -> None:
    """In words that can be read, and short ones; the run ends as usual."""
    usual = bulk.said('{"sum": 3}')
    bulk.witness.behave = lambda _, question, number: usual if question in ("question 0", "question 2") else answer
    summary = bulk.run(bulk.numbered(3), retries=0, **more)
    assert (summary.state, summary.valid, summary.failed) == ("finished", 2, 1)
    (error,) = bulk.lines("errors.jsonl")
    assert told in error["airouter"]["error"]["message"]
    assert len(error["airouter"]["error"]["message"]) < 2100
    before = bulk.bytes()
    assert bulk.run(None, retries=0, **more).failed == 1
    assert bulk.bytes() == before


def test_a_pause_says_why_in_words_that_can_be_kept(bulk: Bulk) -> None:
    """Also where the server's hold half a character."""
    bulk.witness.behave = lambda *_: Answer(401, {}, (b'{"error": {"message": "key \\ud83e"}}',))
    assert "key \ufffd" in str(bulk.run(bulk.numbered(1)).reason)


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        (_choice('"content": "half"', "length"), {"finish_reason": "length"}),
        (_choice('"content": "", "reasoning_content": "hm"', "length"), {"finish_reason": "length"}),
        (_choice('"content": ""', "content_filter"), {"finish_reason": "content_filter"}),
        (_choice('"content": null, "refusal": "I cannot."'), {"finish_reason": "stop", "refusal": "I cannot."}),
    ],
)
def test_answers_that_are_cut_short_or_refused_are_counted(bulk: Bulk, answer: Answer, known: dict[str, Any]) -> None:
    """They were paid for and are there, and nobody takes a table of them for a whole one."""
    bulk.witness.behave = lambda _, question, number: answer if question == "question 1" else None
    summary = bulk.run(bulk.numbered(3))
    assert (summary.valid, summary.cut, summary.exit_code) == (3, 1, 0)
    assert "3 questions answered (1 of them cut short or refused)" in str(summary)
    assert known.items() <= bulk.lines()[1]["airouter"].items()
    assert bulk.run(None).cut == 1


def test_a_refusal_is_not_corrected(bulk: Bulk) -> None:
    """Where a schema was to be kept it is a failed row, with the words of the model, for the price of one call."""
    bulk.witness.behave = lambda *_: _choice('"content": null, "refusal": "I cannot."')
    summary = bulk.run(bulk.numbered(1), schema=SCHEMA)
    assert (summary.failed, summary.calls) == (1, 1)
    (error,) = bulk.lines("errors.jsonl")
    assert error["airouter"]["error"] == {"class": "invalid", "message": "the model has refused: I cannot."}


def test_an_answer_under_a_schema_that_was_cut_is_counted(bulk: Bulk) -> None:
    """Judging it makes it no whole one."""
    bulk.witness.behave = lambda *_: _choice('"content": "{\\"sum\\": 1}"', "length")
    assert bulk.run(bulk.numbered(1), schema=SCHEMA).cut == 1
