"""Models that think finish a loop of tools: what goes back to the service is checked field by field.

The first turns are recorded answers with thoughts and calls; they are given twice, so that there are three rounds.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from airouter_compatible.plugin import SERVICES
from airouter_core import create_provider
from airouter_core.testing.recordings import Recording, load_recordings
from airouter_core.testing.server import Answer, LoopbackServer

FOLDER = Path(__file__).resolve().parents[3].parent / "shared" / "recordings-more"
BACK = {service.name: service.reasoning_sent for service in SERVICES}
THINKING = ("alibaba", "baseten", "cerebras", "deepseek", "groq", "together", "vercel", "xai", "zai")
LAST = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Done."}, "finish_reason": "stop"}]}
LAST_CHUNK = {"choices": [{"index": 0, "delta": {"content": "Done."}, "finish_reason": "stop"}]}


def first_turns(service: str) -> list[Recording]:
    """Recorded answers of a service that hold thoughts and calls."""
    found = load_recordings(FOLDER, f"{service}-chat")
    said = [(item, item.expected or {}) for item in found if item.is_answer]
    return [
        item
        for item, expected in said
        if expected.get("reasoning")
        and expected.get("tool_calls")
        and not any(call.get("arguments_invalid_json") for call in expected["tool_calls"])
    ]


class Script(LoopbackServer):
    """Gives a recorded answer twice, and then a last one."""

    def __init__(self, recording: Recording) -> None:
        last = json.dumps(LAST) if not recording.stream else f"data: {json.dumps(LAST_CHUNK)}\n\ndata: [DONE]\n\n"
        kind = {"content-type": "text/event-stream" if recording.stream else "application/json"}
        answers = [
            Answer(200, kind, (recording.body,)),
            Answer(200, kind, (recording.body,)),
            Answer(200, kind, (last.encode(),)),
        ]
        super().__init__(lambda request, connection: connection.answer(answers[min(len(self.requests), 3) - 1]))


def tools_of(recording: Recording) -> list[Any]:
    """Functions by the names that the model calls."""
    made: dict[str, Any] = {}
    for call in (recording.expected or {})["tool_calls"]:
        parameters = ", ".join(
            f"{name}: 'int | float | str | bool | list | dict | None' = None" for name in call["arguments"] or {}
        )
        exec(f"def {call['name']}({parameters}) -> str:\n    'A tool.'\n    return 'seen'", made)
    return [
        made[call["name"]]
        for call in {call["name"]: call for call in (recording.expected or {})["tool_calls"]}.values()
    ]


def played(service: str, recording: Recording) -> list[dict[str, Any]]:
    """The bodies of the three requests."""
    with Script(recording) as server:
        settings = {"base_url": server.url, "api_key": "a-key-0123456789", "max_retries": 0}
        with create_provider(service, settings) as provider:
            if recording.stream:
                _streamed(provider, recording)
            else:
                run = provider.run_tools("m", "Go.", tools_of(recording))
                assert (run.text, run.rounds) == ("Done.", 3)
        return [request.json for request in server.requests]


def _streamed(provider: Any, recording: Recording) -> None:
    from airouter_core.values.messages import Message
    from airouter_core.values.tools import Tool

    messages = [Message.user("Go.")]
    tools = [
        Tool(call["name"])
        for call in {call["name"]: call for call in (recording.expected or {})["tool_calls"]}.values()
    ]
    for _ in range(2):
        answer = provider.stream_chat("m", messages, tools=tools).read()
        messages += [answer.message, *(Message.tool(call.id, "seen") for call in answer.tool_calls)]
    assert provider.stream_chat("m", messages, tools=tools).read().text == "Done."


@pytest.mark.parametrize("service", THINKING)
def test_three_rounds_of_a_model_that_thinks(service: str) -> None:
    """Thoughts go back in the field that the row names, whole; calls and results as they were; and nothing else."""
    recordings = first_turns(service)
    if not recordings:
        pytest.skip(f"no recorded thoughts with calls of {service} in {FOLDER}")
    for recording in recordings:
        bodies = played(service, recording)
        assert len(bodies) == 3, recording.id
        for number, body in enumerate(bodies):
            turns = [message for message in body["messages"] if message["role"] == "assistant"]
            assert len(turns) == number
            for turn in turns:
                _check(service, recording, turn)
            results = [message for message in body["messages"] if message["role"] == "tool"]
            asked = [call["id"] for turn in turns for call in turn["tool_calls"]]
            assert [result["tool_call_id"] for result in results] == asked


def _check(service: str, recording: Recording, turn: dict[str, Any]) -> None:
    expected = recording.expected or {}
    known = {"role", "content", "tool_calls", BACK[service], "reasoning_details"}
    assert set(turn) <= known, recording.id
    if details := turn.get("reasoning_details"):
        assert service == "vercel"
        assert "".join(item.get("text", "") for item in details) in ("", expected["reasoning"])
        assert BACK[service] not in turn
    else:
        assert turn[BACK[service]] == expected["reasoning"], recording.id
    assert (turn["content"] or "") == (expected["text"] or "")
    for call, wanted in zip(turn["tool_calls"], expected["tool_calls"], strict=True):
        assert call["function"]["name"] == wanted["name"]
        assert json.loads(call["function"]["arguments"]) == (wanted["arguments"] or {})
        assert not wanted["id"] or call["id"] == wanted["id"]


def test_thoughts_of_mistral_are_parts_of_the_content() -> None:
    """In front of the text, as its own client says them; once, wherever they came from."""
    recordings = [item for item in load_recordings(FOLDER, "mistral-chat") if (item.expected or {}).get("reasoning")]
    if not recordings:
        pytest.skip(f"no recorded thoughts of mistral in {FOLDER}")
    for recording in recordings:
        with LoopbackServer(lambda request, connection, item=recording: connection.answer(item.answer())) as server:
            with create_provider("mistral", {"base_url": server.url, "api_key": "a-key-0123456789"}) as provider:
                said = provider.chat("m", "Go.").message
                provider.chat("m", [{"role": "user", "content": "Go."}, said, {"role": "user", "content": "On."}])
            turn = server.requests[-1].json["messages"][1]
        assert [part["type"] for part in turn["content"]] == ["thinking", "text"]
        assert turn["content"][0]["thinking"] == [{"type": "text", "text": (recording.expected or {})["reasoning"]}]
        assert turn["content"][1]["text"] == (recording.expected or {})["text"]


def test_three_rounds_awaited() -> None:
    """The awaited half sends the same."""
    recording = next((item for item in first_turns("deepseek") if not item.stream), None)
    if recording is None:
        pytest.skip(f"no recorded thoughts with calls of deepseek in {FOLDER}")

    async def awaited(server: LoopbackServer) -> None:
        settings = {"base_url": server.url, "api_key": "a-key-0123456789"}
        provider = create_provider("deepseek", settings)
        try:
            run = await provider.arun_tools("m", "Go.", tools_of(recording))
            assert (run.text, run.rounds) == ("Done.", 3)
        finally:
            await provider.aclose()

    with Script(recording) as server:
        asyncio.run(awaited(server))
        assert [request.json for request in server.requests] == played("deepseek", recording)
