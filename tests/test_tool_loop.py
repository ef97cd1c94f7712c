"""run_tools: asking, running, giving back; blocking and awaited."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from airouter_core.errors import ExecutionError, ParameterError, ProtocolError, TransportTimeoutError
from airouter_core.testing import fake_provider
from airouter_core.tools.loop import ToolRun
from airouter_core.values.messages import Message, TextPart, ToolCallPart
from airouter_core.values.response import Response

Script = list[Any]


def calling(*calls: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """A message that calls tools."""
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": f"c{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for number, (name, arguments) in enumerate(calls)
        ],
    }


def saying(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


@pytest.fixture(params=["blocking", "awaited"])
def run_tools(
    request: pytest.FixtureRequest, serve: Any, make_provider: Any
) -> Callable[..., tuple[ToolRun, list[Any]]]:
    """Run a loop against a model that says what the script says; gives the run and the bodies that were sent."""

    def run(script: list[dict[str, Any]], *arguments: Any, **options: Any) -> tuple[ToolRun, list[Any]]:
        answers = iter(script)

        def answer(peer: Any, received: Any) -> None:
            message = next(answers)
            reason = "tool_calls" if message.get("tool_calls") else "stop"
            choice = {"index": 0, "message": message, "finish_reason": reason}
            peer.answer(200, json.dumps({"choices": [choice]}).encode())

        server = serve(answer)
        provider = make_provider(server.url)
        if request.param == "blocking":
            done = provider.run_tools("example-1", *arguments, **options)
        else:
            pytest.importorskip("aiohttp", reason="awaiting is an extra: pip install 'airouter-core[async]'")

            async def awaited() -> ToolRun:
                async with provider:
                    run: ToolRun = await provider.arun_tools("example-1", *arguments, **options)
                    return run

            done = asyncio.run(awaited())
        return done, [json.loads(received.body) for received in server.requests]

    return run


def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


def test_what_a_tool_returns_goes_back_to_the_model(run_tools: Any) -> None:
    """The second request holds the call and its result; the last answer is the run's."""
    run, sent = run_tools([calling(("add", {"left": 2, "right": 3})), saying("It is 5.")], "2 + 3?", [add])
    assert run.text == "It is 5."
    assert run.rounds == 2
    assert sent[0]["tools"][0]["function"]["name"] == "add"
    assert sent[1]["messages"][-1] == {"role": "tool", "tool_call_id": "c0", "content": "5"}
    assert [message.role for message in run.messages] == ["user", "assistant", "tool", "assistant"]


def test_calls_of_one_turn_run_at_the_same_time(run_tools: Any) -> None:
    """Each of two waits for the other; one after the other they would wait for ever."""
    both = threading.Barrier(2)

    def meet(name: str) -> str:
        """Wait for the other one."""
        both.wait(120)
        return name

    _, sent = run_tools([calling(("meet", {"name": "a"}), ("meet", {"name": "b"})), saying("met")], "go", [meet])
    assert [message["content"] for message in sent[1]["messages"][-2:]] == ["a", "b"]


def test_a_tools_failure_is_told_to_the_model(run_tools: Any) -> None:
    """An exception, wrong arguments, invalid JSON, a tool that is not there: the model reads why."""

    def fail(reason: str) -> str:
        """Fail."""
        raise LookupError(reason)

    message = calling(("fail", {"reason": "lost"}), ("fail", {"reason": 3}), ("nobody", {}))
    broken = calling(("fail", {}))["tool_calls"][0]
    broken["id"], broken["function"]["arguments"] = "c9", '{"reason": '
    message["tool_calls"].append(broken)
    _, sent = run_tools([message, saying("sorry")], "go", [fail])
    told = [item["content"] for item in sent[1]["messages"][-4:]]
    assert told[0] == "LookupError: lost"
    assert "do not fit" in told[1]
    assert "there is no tool 'nobody'" in told[2]
    assert "no valid JSON" in told[3]


def test_the_loop_has_a_limit(run_tools: Any) -> None:
    """After it an error says so, and holds the last answer."""
    script = [calling(("add", {"left": 1, "right": 1}))] * 3
    with pytest.raises(ExecutionError, match="after 3 rounds") as caught:
        run_tools(script, "go", [add], max_rounds=3)
    assert caught.value.partial is not None
    assert caught.value.partial.tool_calls


@attrs.frozen
class Sum:
    """What the last answer is to be."""

    total: int


def test_the_last_answer_has_the_form_that_was_asked_for() -> None:
    """A class is given, its instance is found, as with chat(); what is said beside a call is no such answer."""
    call = ToolCallPart(id="c1", name="add", arguments_json='{"left": 2, "right": 3}')
    message = Message("assistant", (TextPart("I shall add them."), call))
    beside = Response(message=message, finish_reason="tool_calls")
    run = fake_provider(beside, '{"total": 5}').run_tools("m", "2 + 3?", [add], response_format=Sum)
    assert run.response.parsed == run.responses[-1].parsed == Sum(5)
    awaited = asyncio.run(fake_provider(beside, '{"total": 5}').arun_tools("m", "go", [add], response_format=Sum))
    assert awaited.response.parsed == Sum(5)
    with pytest.raises(ProtocolError):
        fake_provider("five").run_tools("m", "2 + 3?", [add], response_format=Sum)


@pytest.mark.parametrize(
    ("choice", "then"), [("add", None), ("required", None), ("auto", "auto"), ("none", "none"), (None, None)]
)
def test_a_tool_that_must_be_called_must_be_called_once(run_tools: Any, choice: str | None, then: str | None) -> None:
    """Held to it in each round, the model could never answer."""
    script = [calling(("add", {"left": 2, "right": 3})), saying("It is 5.")]
    _, (first, second) = run_tools(script, "2 + 3?", [add], tool_choice=choice)
    named = {"type": "function", "function": {"name": "add"}}
    assert first.get("tool_choice") == (named if choice == "add" else choice)
    assert second.get("tool_choice") == then


def test_all_rounds_have_one_deadline(run_tools: Any) -> None:
    """A tool that takes its time leaves less for the model."""

    def dawdle() -> str:
        time.sleep(0.6)
        return "done"

    with pytest.raises(TransportTimeoutError, match=r"deadline of 0\.5 s"):
        run_tools([calling(("dawdle", {})), saying("never asked for")], "go", [dawdle], deadline=0.5)


@pytest.mark.parametrize("limit", [0, -1, "3", 2.0, None])
def test_a_limit_is_a_whole_number(run_tools: Any, limit: Any) -> None:
    """What is no whole number of at least 1 is refused before anything is asked."""
    with pytest.raises(ParameterError, match=r"max_rounds must be a whole number of at least 1"):
        run_tools([saying("never asked")], "go", [add], max_rounds=limit)


def test_coroutines_are_tools_of_the_awaited_half(run_tools: Any, request: pytest.FixtureRequest) -> None:
    """arun_tools awaits them; run_tools tells the model that it cannot."""

    async def slow(number: int) -> int:
        """Think."""
        await asyncio.sleep(0)
        return number + 1

    _, sent = run_tools([calling(("slow", {"number": 1})), saying("done")], "go", [slow])
    awaited = "awaited" in request.node.callspec.id
    assert sent[1]["messages"][-1]["content"] == ("2" if awaited else "slow() is asynchronous; use arun_tools()")


def test_two_functions_of_one_name_are_refused(run_tools: Any) -> None:
    """Before anything is sent."""
    with pytest.raises(ParameterError, match="two tools are called 'add'"):
        run_tools([], "go", [add, add])


def test_a_tool_may_return_what_cannot_be_said(run_tools: Any) -> None:
    """The model is told, and the loop goes on."""

    def circle() -> list[Any]:
        """Return something that holds itself."""
        found: list[Any] = []
        found.append(found)
        return found

    _, sent = run_tools([calling(("circle", {})), saying("sorry")], "go", [circle])
    assert "RecursionError" in sent[1]["messages"][-1]["content"]
