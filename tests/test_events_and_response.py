"""Events and the response they fold to: one path for bodies, streams and cached answers."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from airouter_core.errors import ConnectionFailedError, ProtocolError, ServerError, TruncatedStreamError
from airouter_core.values import events as e
from airouter_core.values.folding import ResponseBuilder, fold
from airouter_core.values.messages import (
    FilePart,
    Message,
    ProviderPart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
)
from airouter_core.values.replaying import events_of
from airouter_core.values.response import Response
from airouter_core.values.usage import Cost, Usage

STOP = e.Finish("stop", "stop")


def test_the_events_of_an_answer_add_up() -> None:
    """Each kind of event has its place in the response."""
    response = fold(
        [
            e.StreamStart(request_id="r"),
            e.StreamStart("m", "i"),
            e.ReasoningDelta("thi"),
            e.ReasoningDelta("nk"),
            e.PartEnd({"p": {"signature": "s"}}),
            e.TextDelta("Hel"),
            e.TextDelta("lo"),
            e.ToolCallStart(0, "c0", "f"),
            e.ToolCallStart(1, "c1", "g"),
            e.ToolCallDelta(1, '{"b":'),
            e.ToolCallDelta(0, "{}"),
            e.ToolCallDelta(1, "1}"),
            e.ToolCallEnd(1, {"p": {"x": 1}}),
            e.PartAdded(FilePart("image/png", data=b"x")),
            e.UsageReported(Usage(1, 1)),
            e.CostReported(Cost(Decimal("0.5"), "provider")),
            e.MetadataReported({"p": {"a": 1}}),
            e.Warned("careful"),
            e.Finish("tool_calls", "tool_use"),
            e.UsageReported(Usage(1, 2)),
            e.MetadataReported({"p": {"b": 2}, "q": {}}),
        ],
        provider="p",
    )
    assert response == Response(
        message=Message.assistant(
            ReasoningPart("think", {"p": {"signature": "s"}}),
            "Hello",
            ToolCallPart("c0", "f", "{}"),
            ToolCallPart("c1", "g", '{"b":1}', {"p": {"x": 1}}),
            FilePart("image/png", data=b"x"),
        ),
        finish_reason="tool_calls",
        raw_finish_reason="tool_use",
        usage=Usage(1, 2),
        cost=Cost(Decimal("0.5"), "provider"),
        model="m",
        id="i",
        request_id="r",
        provider="p",
        warnings=("careful",),
        provider_metadata={"p": {"a": 1, "b": 2}, "q": {}},
    )
    assert response.text == "Hello"
    assert response.reasoning == "think"
    assert response.refusal is None
    assert [call.name for call in response.tool_calls] == ["f", "g"]


def test_empty_deltas_make_no_part() -> None:
    """An answer of empty pieces says nothing, and has no parts."""
    response = fold([e.TextDelta(""), e.ReasoningDelta(""), e.TextDelta(""), STOP])
    assert response.message.parts == ()
    assert response.reasoning is None


def test_metadata_without_a_part_is_kept() -> None:
    """What a provider wants back is kept with the message, also when nothing was said."""
    assert fold([e.PartEnd({"p": {"a": 1}}), STOP]).message.parts == (TextPart("", {"p": {"a": 1}}),)
    assert fold([e.PartEnd(), STOP]).message.parts == ()


def test_parts_are_joined_until_they_end() -> None:
    """Deltas of one kind make one part; another kind, or its end, begins the next."""
    parts = fold(
        [
            e.TextDelta("a"),
            e.TextDelta("b"),
            e.PartEnd(),
            e.TextDelta("c"),
            e.RefusalDelta("d"),
            e.RefusalDelta("e"),
            STOP,
        ]
    ).message.parts
    assert parts == (TextPart("ab"), TextPart("c"), RefusalPart("de"))
    assert fold([e.RefusalDelta("no"), STOP]).refusal == "no"


def test_unfinished_is_truncated() -> None:
    """Without a Finish an answer is no answer; the error carries what came."""
    with pytest.raises(TruncatedStreamError, match=r"\.partial") as caught:
        fold([e.TextDelta("hal"), e.ToolCallStart(0, "c", "f"), e.ToolCallDelta(0, '{"a')])
    partial = caught.value.partial
    assert partial is not None
    assert partial.text == "hal"
    assert partial.finish_reason is None
    assert partial.tool_calls == (ToolCallPart("c", "f", '{"a'),)


def test_each_of_several_answers_must_finish() -> None:
    """With several answers, one that stopped in the middle makes the whole truncated."""
    events = [e.TextDelta("a"), e.Alternative(1, e.TextDelta("b")), STOP]
    with pytest.raises(TruncatedStreamError):
        fold(events)
    response = fold([*events, e.Alternative(1, e.Finish("length", "length"))])
    assert [(other.text, other.finish_reason) for other in response.alternatives] == [("b", "length")]


def test_several_answers_come_in_their_order() -> None:
    """Alternatives are ordered by index, whatever order their pieces come in."""
    response = fold(
        [
            e.Alternative(2, e.TextDelta("c")),
            e.Alternative(1, e.TextDelta("b")),
            e.TextDelta("a"),
            e.Alternative(2, STOP),
            e.Alternative(1, STOP),
            STOP,
        ]
    )
    assert response.text == "a"
    assert [other.text for other in response.alternatives] == ["b", "c"]


@pytest.mark.parametrize("event", [e.ToolCallDelta(3, "{}"), e.ToolCallEnd(3)])
def test_a_call_that_has_not_begun(event: e.StreamEvent) -> None:
    """Arguments for a call that has not begun are the provider's fault."""
    with pytest.raises(ProtocolError, match="tool call 3"):
        fold([event, STOP])


def test_an_error_on_the_way_carries_what_came() -> None:
    """An error from the source of the events gets the partial answer, unless it has one."""

    def broken(error: ConnectionFailedError) -> Iterator[e.StreamEvent]:
        yield e.TextDelta("hal")
        raise error

    with pytest.raises(ConnectionFailedError) as caught:
        fold(broken(ConnectionFailedError("broke")), provider="p")
    assert caught.value.partial is not None
    assert (caught.value.partial.text, caught.value.partial.provider) == ("hal", "p")
    error = ConnectionFailedError("broke")
    error.partial = Response(message=Message.assistant("own"))
    with pytest.raises(ConnectionFailedError) as caught:
        fold(broken(error))
    assert caught.value.partial is not None
    assert caught.value.partial.text == "own"


def test_an_end_in_error_of_which_nothing_came_is_an_error() -> None:
    """It is no answer of no words; one of which something came is an answer that says how it ended."""
    finish = e.Finish("error", "MALFORMED")
    with pytest.raises(ServerError, match=r"MALFORMED.*f\(") as caught:
        fold([e.StreamStart("m", "i"), e.Warned("the call was f("), finish])
    assert caught.value.partial is not None
    assert caught.value.partial.id == "i"
    assert fold([e.TextDelta("Hm"), finish]).finish_reason == "error"


def test_looking_in_the_middle_changes_nothing() -> None:
    """What has arrived may be asked for at any time; the answer is the same in the end."""
    events = [e.TextDelta("a"), e.TextDelta("b"), e.ReasoningDelta("c"), e.ToolCallStart(0, "i", "f"), STOP]
    builder = ResponseBuilder()
    for event in events:
        builder.add(event)
        assert builder.partial() == builder.partial()
    assert builder.complete() == fold(events)


def test_known_warnings_and_metadata_come_first_and_once() -> None:
    """What is known of the call stands beside what the provider reports; a replayed warning is not said twice."""
    response = fold(
        [e.Warned("left out"), e.Warned("new"), e.MetadataReported({"p": {"b": 1}}), STOP],
        warnings=("left out",),
        provider_metadata={"core": {"a": 1}},
    )
    assert response.warnings == ("left out", "new")
    assert response.provider_metadata == {"core": {"a": 1}, "p": {"b": 1}}


@pytest.mark.parametrize("text", ['{"a"', "", "[" * 200_000])
def test_json_that_is_none(text: str) -> None:
    """An answer that is no JSON is a ProtocolError that shows how it begins."""
    with pytest.raises(ProtocolError, match="no valid JSON"):
        Response(message=Message.assistant(text)).json()
    assert Response(message=Message.assistant('{"a": [1]}')).json() == {"a": [1]}


METADATA = st.dictionaries(
    st.sampled_from(["p", "q"]),
    st.dictionaries(st.sampled_from("abc"), st.integers() | st.text(max_size=3), max_size=2),
)
TEXT = st.text(max_size=6)
PART = st.one_of(
    st.builds(TextPart, TEXT, METADATA),
    st.builds(ReasoningPart, TEXT, METADATA),
    st.builds(RefusalPart, TEXT),
    st.builds(FilePart, st.just("image/png"), st.binary(max_size=3), provider_metadata=METADATA),
    st.builds(ToolCallPart, TEXT, TEXT, TEXT, METADATA),
    st.builds(ProviderPart, st.just("p"), st.dictionaries(TEXT, TEXT, max_size=2)),
)
NAME = st.none() | st.text(min_size=1, max_size=4)
COUNT = st.none() | st.integers(0, 9)


def responses(others: Any) -> Any:
    """Any answer that a provider can have given."""
    return st.builds(
        Response,
        message=st.lists(PART, max_size=5).map(lambda parts: Message("assistant", tuple(parts))),
        finish_reason=st.sampled_from(["stop", "length", "tool_calls", "content_filter", "error", "other"]),
        raw_finish_reason=NAME,
        usage=st.builds(Usage, COUNT, COUNT, COUNT, COUNT, COUNT, st.dictionaries(TEXT, st.integers(), max_size=2)),
        cost=st.none() | st.builds(Cost, st.decimals(0, 9), st.just("provider")),
        model=NAME,
        id=NAME,
        request_id=NAME,
        warnings=st.lists(TEXT, max_size=2).map(tuple),
        provider_metadata=METADATA,
        alternatives=others,
    )


RESPONSES = responses(st.lists(responses(st.just(())), max_size=2).map(tuple))


@given(RESPONSES)
def test_folding_the_events_of_a_response_gives_it_back(response: Response) -> None:
    """The events of a response fold to an equal one; so a cached answer is replayed whole."""
    assume(response.message.parts or response.finish_reason != "error")  # that is no response
    assert fold(events_of(response)) == response


@given(RESPONSES)
def test_what_was_half_there_stays_half_there(response: Response) -> None:
    """An answer without its end is not made complete by being replayed."""
    cut = msgspec.structs.replace(response, finish_reason=None, raw_finish_reason=None)
    with pytest.raises(TruncatedStreamError) as caught:
        fold(events_of(cut))
    assert caught.value.partial == cut


@given(RESPONSES)
def test_a_response_survives_pickling(response: Response) -> None:
    """Answers can be stored and sent to other processes."""
    assert pickle.loads(pickle.dumps(response)) == response


@pytest.mark.parametrize("given", ["a text", None, Message.user("hi")])
def test_what_is_no_event_is_not_passed_over(given: Any) -> None:
    """A provider that gives anything else is told, instead of half its answer being lost."""
    with pytest.raises(ProtocolError, match="is no event"):
        fold([e.TextDelta("a"), given, STOP])


def test_replayed_alternatives_count_from_one() -> None:
    """The first answer stands bare, and each further one under its own number."""
    further = tuple(Response(message=Message.assistant(text), finish_reason="stop") for text in "bc")
    response = Response(message=Message.assistant("a"), finish_reason="stop", alternatives=further)
    replayed = list(events_of(response))
    assert sorted({event.index for event in replayed if isinstance(event, e.Alternative)}) == [1, 2]
    assert [answer.text for answer in fold(replayed).alternatives] == ["b", "c"]
