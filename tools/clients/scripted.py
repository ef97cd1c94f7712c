"""A provider that is scripted: what a model of it does is in the model's name."""

from __future__ import annotations

import json
import time
from typing import Any

from airouter_core.testing.server import Answer, Connection, ReceivedRequest

TEXT = ("airouter ", "is ", "a Python ", "library.")
PLACE = {"city": "Oslo", "degrees": 7}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
USAGE = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
WEATHER = "weather"
SHELLS = ("Bash", "bash", "exec_command", "shell", "run_shell_command", "execute_command", "run_commands", "terminal")
"""What agents call the tool that runs a command."""
COMMANDS = ("command", "cmd", "commands")
COMMAND = "echo hi-from-tool"
BETWEEN = 0.05
"""Seconds between pieces, so that whoever shows them one by one can be seen to."""


class Scripted:
    """Behaves by the model that is asked for.

    Args:
        silence: seconds for which ``silent`` says nothing in the middle of its answer.
    """

    def __init__(self, silence: float) -> None:
        self._silence = silence

    def __call__(self, request: ReceivedRequest, connection: Connection) -> None:
        if request.method == "GET":
            names = [{"id": name, "object": "model"} for name in ("say", "shell", "refuse", "cut", "silent", "endless")]
            connection.answer(Answer.of_json({"object": "list", "data": names}))
            return
        body = request.json
        match body["model"]:
            case "refuse":
                error = {"error": {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}
                connection.answer(Answer.of_json(error, status=429, headers={"retry-after": "1"}))
            case "cut":
                if body.get("stream"):
                    connection.send(HEAD + _chunk({"content": TEXT[0]}))
                connection.close()
            case "endless":
                connection.send(HEAD)
                while connection.send(_chunk({"content": "on and "})):
                    time.sleep(0.02)
            case "silent":
                self._say(body, connection, self._silence)
            case _:
                self._say(body, connection, 0.0)

    def _say(self, body: dict[str, Any], connection: Connection, silence: float) -> None:
        delta, reason = _answer(body)
        if not body.get("stream"):
            time.sleep(silence)
            choice = {"index": 0, "message": {"role": "assistant", "content": None, **delta}, "finish_reason": reason}
            connection.answer(Answer.of_json({"id": "x", "model": "m", "choices": [choice], "usage": USAGE}))
            return
        connection.send(HEAD)
        text = delta.get("content")
        pieces = TEXT if text == "".join(TEXT) else [text] if text else []
        for place, piece in enumerate(pieces):
            connection.send(_chunk({"content": piece}))
            time.sleep(silence if place == 1 and silence else BETWEEN)
        if calls := delta.get("tool_calls"):
            connection.send(_chunk({"tool_calls": [{"index": 0, **calls[0]}]}))
        usage = {"id": "x", "choices": [], "usage": USAGE}
        connection.send(_chunk({}, reason) + b"data: " + json.dumps(usage).encode() + b"\n\ndata: [DONE]\n\n")
        connection.close()


def _answer(body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    results = [message for message in body["messages"] if message["role"] == "tool"]
    if results:
        return {"content": f"The tool said: {results[-1]['content']}"}, "stop"
    if (called := _called(body)) is not None:
        name, arguments = called
        function = {"name": name, "arguments": json.dumps(arguments)}
        return {"tool_calls": [{"id": "call_1", "type": "function", "function": function}]}, "tool_calls"
    if (body.get("response_format") or {}).get("type", "text") != "text":
        return {"content": json.dumps(PLACE)}, "stop"
    return {"content": "".join(TEXT)}, "stop"


def _called(body: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """What is called of the tools on offer: the weather, an agent's shell if that is meant, else the only one."""
    offered = {tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in body.get("tools") or ()}
    if (name := next((name for name in offered if WEATHER in name), None)) is not None:
        return name, {"city": "Oslo"}
    if body["model"] == "shell":
        return next(((name, _filled(offered[name])) for name in SHELLS if name in offered), None)
    return (next(iter(offered)), PLACE) if len(offered) == 1 else None


def _filled(schema: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a shell: the command, and whatever else it insists upon."""
    properties = schema.get("properties", {})
    wanted = [name for name in properties if name in COMMANDS or name in schema.get("required", ())]
    usual = {"string": "echo", "boolean": False, "integer": 9, "number": 9, "array": [COMMAND]}
    return {name: COMMAND if name in COMMANDS else usual[properties[name]["type"]] for name in wanted}


def _chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    said = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(said).encode() + b"\n\n"
