"""How many tokens a call may have before it is sent; and answers that are given again, event by event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airouter_core.errors import ConfigurationError
from airouter_core.flow.steps import Emit, Flow, Sleep
from airouter_core.values.ask import Ask
from airouter_core.values.events import Finish, TextDelta
from airouter_core.values.messages import FilePart, Message, ReasoningPart, ToolCallPart, ToolResultPart
from airouter_core.values.response import Response
from airouter_ledger import making
from airouter_ledger.estimates import BYTES_PER_TOKEN, FRAME, MARGIN, PICTURE, most_tokens
from airouter_ledger.replays import LONGEST, Kept, Watch, can_be_kept

LONG = "a" * 400
TOKENS = 100
"""Of these letters."""
PICTURED = FilePart("image/png", data=b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    ("parts", "tokens"),
    [
        ((LONG,), TOKENS),
        ((LONG, ReasoningPart(LONG)), 2 * TOKENS),
        ((ToolCallPart("1", "aaaa", LONG),), TOKENS + 1),
        ((ToolResultPart("1", [PICTURED]),), PICTURE),
        ((PICTURED,), PICTURE),
        ((FilePart("application/pdf", url="https://example.com/a.pdf"),), PICTURE),
        ((FilePart("application/pdf", data=b"x" * 5 * BYTES_PER_TOKEN),), 5),
        ((FilePart("application/pdf", data=b"x"),), 1),
    ],
)
def test_what_is_sent_is_counted(parts: Any, tokens: int) -> None:
    """Words, thoughts, calls and their results, pictures and files; with a frame for each message, and a margin."""
    ask = Ask(model="m", messages=(Message("user", "aaaa"), Message("assistant", parts)))
    assert most_tokens(ask, 7) == (int((2 * FRAME + 1 + tokens) * MARGIN), 7)


@pytest.mark.parametrize(
    ("parameters", "made"),
    [
        ({}, 7),
        ({"max_tokens": 50}, 50),
        ({"max_completion_tokens": 50}, 50),
        ({"max_tokens": 50, "n": 3}, 150),
        ({"n": 3}, 21),
        ({"max_tokens": 0, "n": 0}, 7),
        ({"max_tokens": "many", "n": "some"}, 7),
    ],
)
def test_what_is_made_is_limited(parameters: Any, made: int) -> None:
    """By what the call says, for each of its answers; else by what is given."""
    assert most_tokens(Ask(model="m", messages=(Message("user", "hi"),), parameters=parameters), 7)[1] == made


def test_what_is_no_chat_makes_nothing() -> None:
    """Its texts are counted, wherever they stand."""
    ask = Ask(kind="embedding", model="m", arguments={"texts": [LONG, {"more": (LONG,)}], "dimensions": 5})
    assert most_tokens(ask, 7) == (int(2 * TOKENS * MARGIN), 0)


EVENTS = (TextDelta("a"), TextDelta("b"), Finish("stop"))
RESPONSE = Response(message=Message.assistant("ab"), finish_reason="stop")


def steps_of(flow: Flow[Any]) -> tuple[list[Any], Any]:
    steps: list[Any] = []

    def whole() -> Flow[Any]:
        steps.append((yield from flow))

    seen = [step.seconds if isinstance(step, Sleep) else tuple(step.events) for step in whole()]  # type: ignore[attr-defined]
    return seen, steps[0]


def test_an_answer_is_watched_and_given_again() -> None:
    """At once, or with the times between its events, of which none is longer than a bound."""
    now = [10.0]
    watch = Watch(lambda: now[0])
    for event, later in zip(EVENTS, (0.0, 0.5, 2 * LONGEST), strict=True):
        now[0] += later
        watch.see(event)
    kept = watch.kept(RESPONSE)
    assert kept is not None
    assert (kept.events, kept.delays, tuple(watch)) == (EVENTS, (0.0, 0.5, 2 * LONGEST), EVENTS)
    again = Kept.decoded(kept.encoded())
    assert steps_of(again.given_again()) == ([EVENTS], RESPONSE)
    paced = [(EVENTS[0],), 0.5, (EVENTS[1],), LONGEST, (EVENTS[2],)]
    assert steps_of(again.given_again(paced=True)) == (paced, RESPONSE)
    assert isinstance(next(again.given_again()), Emit)


def test_a_value_is_given_again_without_events() -> None:
    """Vectors, say; what JSON cannot say is not kept."""
    watch = Watch(lambda: 0.0)
    kept = watch.kept([[0.5], [1]])
    assert kept is not None
    assert steps_of(Kept.decoded(kept.encoded()).given_again(paced=True)) == ([], [[0.5], [1]])
    assert watch.kept(object()) is None


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, True), ("a", True), (1.5, True), ([1, [None]], True), ({"a": [True]}, True), ((1,), False),
        ([1, (1,)], False), ({1: "a"}, False), ({"a": b"x"}, False), (b"x", False),
    ],
)  # fmt: skip
def test_what_json_gives_back(value: Any, kept: bool) -> None:
    """Texts, numbers, lists and objects of them, and nothing that would come back as something else."""
    assert can_be_kept(value) is kept


def test_the_environment_says_how_to_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word that is none is told with those that there are; without one nothing is recorded."""
    monkeypatch.setenv("AIROUTER_CASSETTE", str(tmp_path / "answers.db"))
    monkeypatch.setenv("AIROUTER_REPLAY", "again")
    with pytest.raises(ConfigurationError, match="AIROUTER_REPLAY is one of record, strict, auto, not 'again'"):
        making.cassette({})
    monkeypatch.delenv("AIROUTER_REPLAY")
    with pytest.raises(ConfigurationError, match="there is no cassette"):
        making.cassette({})
    monkeypatch.setenv("AIROUTER_REPLAY", "auto")
    made: Any = making.cassette({})
    assert made.mode == "auto"
    made.close()
