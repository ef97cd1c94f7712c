"""``airouter routes``: what there is, whom one would ask, how each is doing."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from airouter_core.cli import app
from airouter_core.cli.targets import current_settings
from airouter_core.errors import ConfigurationError, OverloadedError, RateLimitedError
from airouter_core.values.events import Finish, TextDelta
from airouter_router import commands


@pytest.fixture
def said(routes_file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs ``airouter routes`` with a settings file: that one, or another text."""

    def run(*words: str, file: str | None = None) -> Result:
        if file is not None:
            routes_file.write_text(file)
        monkeypatch.setenv("AIROUTER_CONFIG", str(routes_file))
        current_settings.cache_clear()  # which are read once in a process
        try:
            return CliRunner().invoke(app.app, ["routes", *words])
        finally:
            current_settings.cache_clear()

    return run


@pytest.fixture
def state_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Says how the targets of a router are doing that has been at work."""

    def run(router: Any, *words: str) -> Result:
        monkeypatch.setattr(commands, "_router", lambda: contextlib.nullcontext(router))  # left open
        return CliRunner().invoke(app.app, ["routes", "status", *words])

    return run


def test_which_routes_there_are(said: Callable[..., Result]) -> None:
    """A row of each with its strategy, its attempts and its targets, each of them once."""
    row = {"route": "chat", "strategy": "when", "attempts": 4, "targets": ["ollama/llama", "main/gpt-5"]}
    assert json.loads(said("list", "--json").stdout) == [row]
    table = said("list").stdout
    for word in ("route", "strategy", "attempts", "targets", "chat", "when", "4", "ollama/llama, main/gpt-5"):
        assert word in table


def test_there_is_no_route_yet(said: Callable[..., Result]) -> None:
    """What to write is said; for scripts it is an empty list."""
    for command in ("list", "status"):
        result = said(command, file="")
        assert (result.exit_code, result.stdout) == (0, "")
        assert "write [routes.NAME] with targets into airouter.toml" in result.stderr
    assert json.loads(said("list", "--json", file="").stdout) == []


def test_whom_a_route_would_ask(said: Callable[..., Result]) -> None:
    """In which order, and whom not; by tags as a call would bear them. Nobody is asked."""
    result = said("explain", "chat", "hello", "--tag", "team=blue")
    assert result.exit_code == 0, result.output
    assert "1. ollama/llama" in result.output
    assert "sk-planted" not in result.output
    plan = json.loads(said("explain", "route:chat", "word " * 30, "--json").stdout)
    assert [candidate["target"] for candidate in plan["candidates"]] == ["main/gpt-5", "ollama/llama"]
    assert "tokens do not fit" in plan["candidates"][0]["refused"]
    assert plan["candidates"][1]["refused"] is None


def test_what_is_no_tag(said: Callable[..., Result]) -> None:
    """It is told how one is written."""
    result = said("explain", "chat", "hello", "--tag", "blue")
    assert isinstance(result.exception, click.BadParameter | SystemExit)
    assert "a tag is NAME=VALUE, not 'blue'" in result.output + str(result.exception)


def test_how_targets_are_doing(world: Any, state_of: Callable[..., Result]) -> None:
    """Who rests, after what and how long; what counts against limits that were set; what the vendor says is left."""
    limits = {"a/x": {"rpm": 5, "tpm": 2000}, "b/y": {"in_flight": 4}}
    router = world.router({"r": {"targets": ["a/x", "b/y"]}}, limits)
    world.headers = {"b/y": {"x-ratelimit-limit-requests": "1000", "x-ratelimit-remaining-requests": "7",
                             "x-ratelimit-reset-requests": "60s"}}  # fmt: skip
    world.scripts = {"a/x": [RateLimitedError("slow", retry_after=90)]}
    assert world.chat(router).served_by == "b/y"
    world.now += 20
    result = state_of(router)
    assert result.exit_code == 0, result.output
    first, second = (line for line in result.stdout.splitlines() if "/x" in line or "/y" in line)
    assert "rests 70 s more, after rate_limit" in first
    assert "1 of 5 requests" in first
    assert "of 2,000 tokens" in first
    assert "well" in second
    assert "0 of 4" in second
    assert "of 1,000 requests" in second
    assert "each process knows its own health alone" in result.stderr
    told = json.loads(state_of(router, "--json").stdout)
    assert [item["target"] for item in told["targets"]] == ["a/x", "b/y"]
    assert told["targets"][0]["resting"] == "rate_limit"


def test_who_is_at_work_is_counted(world: Any, state_of: Callable[..., Result]) -> None:
    """A call under way is in flight, and how soon its target began to answer is told."""
    router = world.router({"r": {"targets": ["a/x"]}})
    seen: list[str] = []

    def script() -> Any:
        seen.append(state_of(router).stdout)
        return (0.25, TextDelta("hi"), Finish("stop"))

    world.scripts = {"a/x": script}
    for _ in range(5):
        world.chat(router)
    assert seen[0].splitlines()[1].split() == ["a/x", "well", "1"]
    assert "begins after 0.25 s" in state_of(router).stdout


def test_with_others(world: Any, state_of: Callable[..., Result], place: Any) -> None:
    """Where processes share what they know, how many there are and by which place is told."""
    one, other = world.router({"r": {"targets": ["a/x"]}}), world.router({"r": {"targets": ["a/x"]}})
    world.scripts = {"a/x": [OverloadedError("busy")]}
    world.chat(one)
    assert f"1 process in the last minute, by {place.where}" in state_of(one).stderr
    world.chat(other)
    assert f"2 processes in the last minute, by {place.where}" in state_of(one).stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe{}", "no text in UTF-8"),
        (b"a: [1, ", "neither JSON nor YAML"),
        (b"- 1\n- 2\n", "it must be a table"),
        (b"{}", "it has no list model_list"),
    ],
)
def test_a_file_that_cannot_be_taken_over(tmp_path: Path, content: bytes, message: str) -> None:
    """What is wrong with it is one line that names the file or what it lacks."""
    pytest.importorskip("yaml", reason="reads YAML: pip install 'airouter-router[import]'")
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    result = CliRunner().invoke(app.app, ["routes", "import", str(path), "--from", "litellm"])
    assert isinstance(result.exception, ConfigurationError), result.exception
    assert message in str(result.exception)
