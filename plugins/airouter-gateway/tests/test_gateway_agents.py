"""Agents that people run in a terminal, headless in front of the server; the provider behind it is scripted.

They are not installed by the tests: ``AIROUTER_CLIENTS`` names a folder with their programs (``node_modules/.bin``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airouter_core.testing.server import Answer, Connection, ReceivedRequest

from .conftest import HEAD, chunk

if TYPE_CHECKING:
    from .conftest import Running, Serve


def program(name: str) -> str:
    """An agent's program, or a reason to skip."""
    found = shutil.which(name, path=os.environ.get("AIROUTER_CLIENTS", os.defpath))
    if found is None:
        pytest.skip(f"{name} is not in the folder that AIROUTER_CLIENTS names")
    return found


def calls_then_says(tool: str, arguments: dict[str, Any]) -> Any:
    """A provider that calls a tool once, and then repeats what the tool has said."""

    def behave(request: ReceivedRequest, connection: Connection) -> None:
        body = request.json
        results = [message["content"] for message in body["messages"] if message["role"] == "tool"]
        if results or not any(entry["function"]["name"] == tool for entry in body.get("tools", ())):
            pieces = [chunk({"content": f"The tool said: {results[-1] if results else 'nothing'}"}), chunk({}, "stop")]
        else:
            call = {"index": 0, "id": "call_1", "type": "function"}
            function = {"name": tool, "arguments": json.dumps(arguments)}
            pieces = [chunk({"tool_calls": [{**call, "function": function}]}), chunk({}, "tool_calls")]
        usage = {"id": "x", "choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 5}}
        connection.send(HEAD + b"".join(pieces) + b"data: " + json.dumps(usage).encode() + b"\n\ndata: [DONE]\n\n")
        connection.close()

    return behave


def refuses(request: ReceivedRequest, connection: Connection) -> None:
    """A provider with a key that is bad."""
    connection.answer(Answer.of_json({"error": {"message": "no such key"}}, status=401))


def asked(running: Running) -> int:
    """How often the provider was asked."""
    return len(running.upstream.requests)


def run(command: list[str], home: Path, timeout: float = 900, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run an agent in an empty home, with nothing of ours in its environment."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **variables}
    return subprocess.run(
        command,
        cwd=home,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def claude(running: Running, home: Path, prompt: str) -> subprocess.CompletedProcess[str]:
    """Ask Claude Code."""
    command = [program("claude"), "-p", prompt, "--model", "up/m", "--allowedTools", "Bash", "--output-format", "json"]
    off = ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_TELEMETRY", "DISABLE_ERROR_REPORTING")
    quiet = dict.fromkeys((*off, "DISABLE_AUTOUPDATER"), "1")
    return run(command, home, ANTHROPIC_BASE_URL=running.url, ANTHROPIC_AUTH_TOKEN="none", **quiet)


def test_claude_code_uses_a_tool_and_answers(serve: Serve, tmp_path: Path) -> None:
    """A whole round: its prompt, a call of its shell, the result, an answer; and it knows how much was used."""
    running = serve(calls_then_says("Bash", {"command": "echo hi-from-tool", "description": "echo"}))
    done = claude(running, tmp_path, "Run echo")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert "hi-from-tool" in told["result"]
    assert told["num_turns"] == 2
    assert told["usage"]["output_tokens"] > 0
    assert "x-anthropic-billing-header" not in json.dumps(running.upstream.requests[0].json)


def test_claude_code_does_not_try_again_in_vain(serve: Serve, tmp_path: Path) -> None:
    """A bad key of ours is told once, and no tenth time."""
    running = serve(refuses)
    done = claude(running, tmp_path, "Say hello")
    assert done.returncode != 0
    assert asked(running) <= 2


def test_codex_uses_a_tool_and_answers(serve: Serve, tmp_path: Path) -> None:
    """The same over Responses, with its tools in namespaces."""
    running = serve(calls_then_says("exec_command", {"cmd": "echo hi-from-tool"}))
    folder = tmp_path / ".codex"
    folder.mkdir()
    lines = [
        'model = "up/m"',
        'model_provider = "airouter"',
        'web_search = "disabled"',
        "check_for_update_on_startup = false",
        "[model_providers.airouter]",
        'name = "airouter"',
        f'base_url = "{running.url}/v1"',
        'env_key = "AIROUTER_KEY"',
        'wire_api = "responses"',
        "request_max_retries = 0",
        "stream_max_retries = 0",
        "[analytics]",
        "enabled = false",
        "[otel]",
        'exporter = "none"',
    ]
    (folder / "config.toml").write_text("\n".join(lines))
    command = [program("codex"), "exec", "--skip-git-repo-check", "--json", "Run echo"]
    done = run(command, tmp_path, AIROUTER_KEY="none")
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    said = [event["item"] for event in events if event["type"] == "item.completed"]
    assert "hi-from-tool" in json.dumps(said)
    assert any(event["type"] == "turn.completed" and event["usage"]["output_tokens"] > 0 for event in events)


def test_the_ollama_command_runs_a_model(serve: Serve, tmp_path: Path) -> None:
    """It lists, shows and asks."""
    found = Path(__file__).parents[3] / ".cache" / "engines" / "ollama" / "bin" / "ollama"
    name = str(found) if found.exists() else program("ollama")
    running = serve()
    for command, told in (("list", "up/m"), ("show up/m", "completion"), ("run up/m hi", "hello"), ("ps", "NAME")):
        done = run([name, *command.split()], tmp_path, OLLAMA_HOST=running.url)
        assert done.returncode == 0, done.stdout + done.stderr
        assert told in done.stdout, done.stdout
