"""Tool calls in the chat-completions format, as servers really write them: which fragment belongs to which."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airouter_core.errors import ProtocolError
from airouter_core.values.arguments import arguments_text
from airouter_core.values.events import ToolCallEnd, ToolCallStart
from airouter_core.values.messages import ToolCallPart

from .chat_answers import WIRE, body, calls, chunk, read_body, read_stream, sse


def test_a_call_that_was_announced_and_not_sent_is_told() -> None:
    """Whoever waits for a call learns that there is none."""
    response = read_body(body({"content": "I'll look."}, "tool_calls"))
    assert (response.text, response.tool_calls) == ("I'll look.", ())
    assert "sent no call" in response.warnings[0]


def test_stop_with_tool_calls_means_tool_calls() -> None:
    """A server that says ``stop`` after calling tools has called tools."""
    call = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
    response = read_body(body({"tool_calls": [call]}, "stop"))
    assert (response.finish_reason, response.raw_finish_reason) == ("tool_calls", "stop")


def test_an_index_may_be_missing() -> None:
    """Without indexes, fragments belong to the call at their position, and a new id begins a new call."""
    assert calls(
        [{"id": "c0", "function": {"name": "f", "arguments": '{"a":'}}],
        [{"function": {"arguments": "1}"}}],
    ) == (ToolCallPart("c0", "f", '{"a":1}'),)
    assert calls(
        [{"id": "c0", "function": {"name": "f", "arguments": "{}"}}],
        [{"id": "c1", "function": {"name": "f", "arguments": "{}"}}],
    ) == (ToolCallPart("c0", "f", "{}"), ToolCallPart("c1", "f", "{}"))


def test_indexes_may_have_gaps() -> None:
    """Indexes tell calls apart, and need not count from 0."""
    assert calls(
        [{"index": 3, "id": "a", "function": {"name": "f", "arguments": "{"}}],
        [{"index": 7, "id": "b", "function": {"name": "g", "arguments": "{}"}}],
        [{"index": 3, "function": {"arguments": "}"}}],
    ) == (ToolCallPart("a", "f", "{}"), ToolCallPart("b", "g", "{}"))


def test_an_index_may_be_used_twice() -> None:
    """A new id and name at a known index are a new call; its id alone, repeated, is not."""
    assert calls(
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}],
        [{"index": 0, "id": "b", "function": {"name": "f", "arguments": '{"x":'}}],
        [{"index": 0, "id": "b", "function": {"arguments": "2}"}}],
    ) == (ToolCallPart("a", "f", "{}"), ToolCallPart("b", "f", '{"x":2}'))


def test_a_name_may_come_late() -> None:
    """Arguments that come before the name are held back, not lost."""
    assert calls(
        [{"index": 0, "id": "a", "function": {"arguments": '{"x"'}}],
        [{"index": 0, "function": {"arguments": ":"}}],
        [{"index": 0, "function": {"name": "f", "arguments": "1}"}}],
    ) == (ToolCallPart("a", "f", '{"x":1}'),)


def test_an_id_may_be_missing() -> None:
    """A call without an id gets one that no other call of the conversation has, so that its result can refer to it."""
    answers = [
        calls(
            [{"index": 0, "function": {"name": "f", "arguments": "{}"}}],
            [{"index": 1, "function": {"name": "g", "arguments": "{}"}}],
        )
        for _ in range(2)
    ]
    assert [[call.name for call in answer] for answer in answers] == [["f", "g"]] * 2
    assert len({call.id for answer in answers for call in answer if call.id}) == 4


PARIS, ROME = '{"city":"Paris"}', '{"city":"Rome"}'


def named(arguments: str, **more: Any) -> dict[str, Any]:
    return {"function": {"name": "f", "arguments": arguments}, **more}


def bare(arguments: str, **more: Any) -> dict[str, Any]:
    return {"function": {"arguments": arguments}, **more}


TWO_CALLS = {
    "later fragments carry the id": [
        [named("", id="a")],
        [named("", id="b")],
        [bare(PARIS, id="a")],
        [bare(ROME, id="b")],
    ],
    "the id contradicts the index": [
        [named("", id="a", index=0)],
        [named("", id="b", index=1)],
        [bare(PARIS, id="a", index=1)],
        [bare(ROME, id="b", index=0)],
    ],
    "no id and no index, in two chunks": [[named(PARIS, id="")], [named(ROME, id="")]],
    "no id and no index, in one chunk": [[named(PARIS), named(ROME)]],
    "no id and no index, in fragments": [
        [named("", id=None)],
        [bare(PARIS)],
        [named("")],
        [bare(ROME[:5])],
        [bare(ROME[5:])],
    ],
    "no id and no index, side by side": [
        [named(""), named("")],
        [bare(PARIS[:5]), bare(ROME[:5])],
        [bare(PARIS[5:]), bare(ROME[5:])],
    ],
    "one index for both, without ids": [[named(PARIS, index=0)], [named(ROME, index=0)]],
    "one index for both, with ids": [
        [named(PARIS, index=0, id="a")],
        [named("", index=0, id="b")],
        [bare(ROME, index=0)],
    ],
    "one id for both": [[named(PARIS, index=0, id="a")], [named("", index=1, id="a")], [bare(ROME, index=1, id="a")]],
    "an id for each fragment": [
        [named(PARIS[:5], index=0, id="1"), named("", index=1, id="2")],
        [bare(PARIS[5:], index=0, id="3")],
        [bare(ROME, index=1, id="4")],
    ],
    "the name on each fragment": [
        [named(PARIS[:5], index=0)],
        [named(PARIS[5:], index=0)],
        [named(ROME[:5], index=1)],
        [named(ROME[5:], index=1)],
    ],
    "indexes that are texts": [
        [named(PARIS[:5], index="0", id="a"), named(ROME[:5], index="1", id="b")],
        [bare(PARIS[5:], index="0"), bare(ROME[5:], index="1")],
    ],
    "an id that comes late": [
        [named("", index=0)],
        [bare(PARIS, index=0, id="a")],
        [named("", index=1)],
        [bare(ROME, index=1, id="b")],
    ],
    "said once more at the end": [
        [named(PARIS, id="a", index=0), named(ROME, id="b", index=1)],
        [named(PARIS, id="a", index=0), named(ROME, id="b", index=1)],
    ],
}


@pytest.mark.parametrize("chunks", TWO_CALLS.values(), ids=TWO_CALLS)
def test_arguments_of_two_calls_are_never_joined(chunks: list[list[Any]]) -> None:
    """Whatever a server leaves out of its fragments, each call has its own arguments and an id of its own."""
    made = calls(*chunks)
    assert [call.arguments_json for call in made] == [PARIS, ROME]
    assert len({call.id for call in made}) == 2


def test_arguments_that_are_nobodys_are_an_error() -> None:
    """A second object without name, id and index is neither the first call's nor a call."""
    with pytest.raises(ProtocolError, match="without a name"):
        calls([named(PARIS)], [bare(ROME)])


@settings(deadline=None)
@given(st.data())
def test_fragments_find_their_call(data: st.DataObject) -> None:
    """However calls are cut and mixed, with ids on every fragment or indexes on every fragment, each gets its own."""
    wanted = data.draw(
        st.lists(st.dictionaries(st.sampled_from("abc"), st.text(max_size=5), min_size=1), min_size=1, max_size=4)
    )
    label = data.draw(st.sampled_from(["id", "index"]))
    queues = []
    for number, arguments in enumerate(wanted):
        written = json.dumps(arguments)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=4)))
        cut = [written[start:end] for start, end in zip([0, *cuts], [*cuts, len(written)], strict=True)]
        mark = {"id": f"c{number}"} if label == "id" else {"index": number}
        queues.append([named(cut[0], **mark), *(bare(piece, **mark) for piece in cut[1:])])
    chunks = [[queue.pop(0)] for queue in queues]
    while any(queues):
        chunks.append([data.draw(st.sampled_from([queue for queue in queues if queue])).pop(0)])
    assert [call.arguments for call in calls(*chunks)] == wanted


def test_unknown_fields_of_a_call_are_kept() -> None:
    """What a server adds to a call, beside it or in its function, in whichever fragment, is kept to be sent back."""
    sign = {"maker": {"signature": "c2ln"}}
    made = calls(
        [named("", id="a", index=0, extra_content=sign)],
        [{"index": 0, "function": {"arguments": "{}", "thought": "x"}, "note": None}],
    )
    assert made[0].provider_metadata == {"p": {"call_fields": {"extra_content": sign, "function": {"thought": "x"}}}}


def test_arguments_may_be_an_object() -> None:
    """Some servers send arguments as an object, some as nothing."""
    assert calls([{"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}}]) == (
        ToolCallPart("a", "f", '{"x": 1}'),
    )
    assert calls([{"index": 0, "id": "a", "function": {"name": "f", "arguments": None}}])[0].arguments == {}


def test_log_probabilities_in_columns() -> None:
    """Some hosts list tokens beside their probabilities, whole and in a stream."""
    columns = {"tokens": ["a", "b"], "token_logprobs": [-0.5, None], "token_ids": [1, 2]}
    said = {"index": 0, "message": {"content": "ab"}, "finish_reason": "stop", "logprobs": columns}
    response = read_body(json.dumps({"id": "i", "model": "m", "choices": [said]}).encode())
    assert response.provider_metadata["p"]["logprobs"] == [
        {"token": "a", "logprob": -0.5},
        {"token": "b", "logprob": None},
    ]


def test_a_call_may_stand_alone() -> None:
    """One call that stands where the list of calls should is one call."""
    response = read_body(body({"content": None, "tool_calls": named(PARIS, id="a")}, "tool_calls"))
    assert [call.arguments_json for call in response.tool_calls] == [PARIS]


def test_arguments_that_begin_with_none_are_those_that_follow() -> None:
    """Gateways to formats with objects say ``{}`` first, and the arguments then, in pieces or whole."""
    assert [call.arguments_json for call in calls([named("{}", id="a", index=0)], [bare(PARIS, index=0)])] == [PARIS]
    cut = [named("{}", id="a", index=0)], [bare(PARIS[:4], index=0)], [bare(PARIS[4:], index=0)]
    assert [call.arguments_json for call in calls(*cut)] == [PARIS]
    assert [call.arguments_json for call in calls([named("{", id="a", index=0)], [bare("}", index=0)])] == ["{}"]
    custom = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": "{}{"}}
    assert [call.arguments_json for call in calls([custom])] == ["{}{"]


def test_a_line_break_inside_an_argument_is_understood_and_sent_back_as_json() -> None:
    """Models write it as it is; others are sent what they take."""
    made = ToolCallPart("a", "f", '{"text":"one\ntwo\té"}')
    assert made.arguments == {"text": "one\ntwo\té"}
    assert json.loads(arguments_text(made)) == made.arguments
    assert arguments_text(ToolCallPart("a", "f", '{\n "x": 1\n}')) == '{\n "x": 1\n}'


def test_custom_tools_have_input() -> None:
    """A custom tool's input is text of its own form."""
    assert calls([{"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": "SELECT 1"}}]) == (
        ToolCallPart("a", "f", "SELECT 1", {"p": {"call_fields": {"type": "custom"}}}),
    )


def test_a_call_that_never_gets_a_name_is_an_error() -> None:
    """A call with arguments and no name cannot be made, and must not be lost."""
    with pytest.raises(ProtocolError, match="without a name"):
        calls([{"index": 0, "id": "a", "function": {"arguments": "{}"}}])
    assert calls([{"index": 0, "function": {}}], [{}]) == ()


@pytest.mark.parametrize("last", [chunk(None, "tool_calls"), {"choices": []}])
def test_every_call_that_begins_ends(last: Any) -> None:
    """Each start of a call is followed by its end, with and without a finish reason."""
    parser = WIRE.open_stream()
    call = [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]
    events = [*parser.feed(sse(chunk({"tool_calls": call}), last)), *parser.close()]
    assert [event.index for event in events if isinstance(event, ToolCallStart)] == [0]
    assert [event.index for event in events if isinstance(event, ToolCallEnd)] == [0]


def test_a_legacy_function_call_is_kept() -> None:
    """The format's old way of calling is kept as metadata."""
    response = read_body(body({"content": None, "function_call": {"name": "f", "arguments": "{}"}}, "function_call"))
    assert response.provider_metadata["p"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert response.finish_reason == "tool_calls"
    assert response.warnings == ()


def test_a_legacy_function_call_comes_in_pieces() -> None:
    """Its name and its arguments are joined, as those of a call of today are."""
    said = [{"name": "f", "arguments": ""}, {"arguments": '{"x"'}, {"arguments": ":1}"}]
    response = read_stream(sse(*(chunk({"function_call": piece}) for piece in said), chunk(None, "function_call")))
    assert response.provider_metadata["p"]["function_call"] == {"name": "f", "arguments": '{"x":1}'}


@pytest.mark.parametrize(
    "pieces_of_it",
    [
        [{"name": "get_"}, {"name": "weather", "arguments": '{"city":'}, {"arguments": '"x"}'}],
        [{"name": "get_", "arguments": ""}, {"name": "wea"}, {"name": "ther"}, {"arguments": '{"city":"x"}'}],
        [{"name": "get_"}, {"name": "get_weather"}, {"name": "get_weather", "arguments": '{"city":"x"}'}],
        [{"name": "get_weather"}, {"name": ""}, {"name": None, "arguments": '{"city":"x"}'}],
    ],
)
def test_a_name_may_come_in_pieces(pieces_of_it: list[dict[str, Any]]) -> None:
    """One call, whose name is what the vendor's own client makes of it, or what was said last from its beginning."""
    deltas = [[{"index": 0, "function": function}] for function in pieces_of_it]
    (call,) = calls(*deltas)
    assert (call.name, call.arguments) == ("get_weather", {"city": "x"})


def test_two_calls_without_arguments_stay_two() -> None:
    """Names are joined only where nothing says that another call begins."""
    first, second = ([{"index": 0, "id": f"c{n}", "function": {"name": f"n{n}"}}] for n in (1, 2))
    assert [(call.id, call.name) for call in calls(first, second)] == [("c1", "n1"), ("c2", "n2")]


def test_an_index_may_be_a_number_of_another_kind() -> None:
    """Where every number has a point, calls are told apart all the same."""
    begun = [{"index": float(n), "function": {"name": f"n{n}", "arguments": "{"}} for n in (0, 1)]
    rest = [[{"index": float(n), "function": {"arguments": f'"n":{n}}}'}}] for n in (1, 0)]
    assert [(call.name, call.arguments) for call in calls(begun, *rest)] == [("n0", {"n": 0}), ("n1", {"n": 1})]


def test_calls_may_follow_the_reason() -> None:
    """A call that stands behind the reason why the answer ended is read, and nothing says that it was missing."""
    call = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "n", "arguments": "{}"}}]}
    response = read_stream(sse(chunk({}, "tool_calls"), chunk(call)))
    assert ([call.name for call in response.tool_calls], response.finish_reason) == (["n"], "tool_calls")
    assert response.warnings == ()


@pytest.mark.parametrize("numbers", [(0, 0), (None, None), (3, 3)])
def test_answers_side_by_side_are_never_joined(numbers: tuple[Any, Any]) -> None:
    """Several choices are several answers, though a server numbers all alike, or none."""
    indexes = [{} if number is None else {"index": number} for number in numbers]
    said = [
        {**index, "message": {"content": text}, "finish_reason": "stop"}
        for index, text in zip(indexes, "AB", strict=True)
    ]
    pieces_of_it = [{**index, "delta": {"content": text}} for index, text in zip(indexes, "AB", strict=True)]
    ends = [{**index, "delta": {}, "finish_reason": "stop"} for index in indexes]
    for response in (
        read_body(json.dumps({"choices": said}).encode()),
        read_stream(sse({"choices": pieces_of_it}, {"choices": ends})),
    ):
        assert [response.text, *(other.text for other in response.alternatives)] == ["A", "B"]
