"""Servers: started once, shared, restarted when they die, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from airouter_core.errors import (
    AirouterError,
    ConfigurationError,
    ExecutionError,
    ModelNotFoundError,
    OverloadedError,
    ProviderError,
    ServerError,
)
from airouter_core.testing.server import free_port
from airouter_core.values.events import TextDelta
from airouter_llamacpp.engines import memory
from airouter_llamacpp.programs.records import running_servers
from airouter_llamacpp.provider import LlamaCppProvider

from .conftest import ENDLESS, GREEDY, OVER_HTTP, TOY, MakeProvider, make_gguf, needs_engine, needs_programs, until

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc: run it on Linux")
pytestmark = [pytest.mark.engine, needs_programs, on_linux]
LONG = {"max_tokens": 3500, "context": 4096, "temperature": 1}


def gone(pid: int) -> bool:
    """Whether a process has ended (one that nobody has asked about yet counts as ended)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(") ")[2].startswith("Z")
    except OSError:
        return True


def pids(folder: Path) -> list[int]:
    """The servers that run now."""
    return [server.pid for server in running_servers(str(folder)) if server.pid is not None and server.state == "ready"]


def copies(models: Path, folder: Path, *names: str) -> Path:
    """A folder with the toy model under several names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(models / TOY / f"{TOY}.gguf", folder / f"{name}.gguf")
    return folder


def test_a_server_is_shared_and_kept(make: MakeProvider, tmp_path: Path) -> None:
    """Calls with the same settings share one server; other settings have their own; close() ends them all."""
    provider = make("server")
    for _ in range(3):
        provider.execute(TOY, "Hi", parameters=GREEDY)
    (first,) = pids(tmp_path / "state")
    provider.execute(TOY, "Hi", parameters={**GREEDY, "context": 512})
    assert len(pids(tmp_path / "state")) == 2
    status = provider.get_info()
    assert status.details["mode"] == "server"
    assert len(status.details["loaded"]) == 2
    provider.close()
    assert until(lambda: gone(first))
    assert running_servers(str(tmp_path / "state")) == []


def test_a_server_that_is_not_used_leaves(make: MakeProvider, tmp_path: Path) -> None:
    """After keep_alive it is stopped; a call may ask for another time, also for none at all."""
    provider = make("server", keep_alive=0.3)
    provider.execute(TOY, "Hi", parameters=GREEDY)
    (pid,) = pids(tmp_path / "state")
    assert until(lambda: gone(pid))
    provider.execute(TOY, "Hi", parameters={**GREEDY, "keep_alive": "10m"})
    time.sleep(0.6)
    assert len(pids(tmp_path / "state")) == 1
    provider.execute(TOY, "Hi", parameters={**GREEDY, "keep_alive": 0})
    assert until(lambda: not pids(tmp_path / "state"))
    with pytest.raises(ConfigurationError, match="keep_alive must be seconds"):
        provider.execute(TOY, "Hi", parameters={"keep_alive": "soon"})


def test_loading_is_reported(make: MakeProvider, tmp_path: Path) -> None:
    """load_model() tells how far the server is, and leaves it warm; unload_model() ends it."""
    provider = make("server")
    told: list[Any] = []
    provider.load_model(TOY, on_progress=told.append)
    assert [progress.state for progress in told] == ["starting", "ready"]
    assert Path(told[0].log).read_text()
    assert Path(told[0].log).stem.endswith(f"-{TOY}_{TOY}")  # so that people find the one of their model
    (pid,) = pids(tmp_path / "state")
    provider.execute(TOY, "Hi", parameters=GREEDY)
    assert pids(tmp_path / "state") == [pid]
    assert provider.unload_model(TOY) == 1
    assert until(lambda: gone(pid))


@pytest.mark.parametrize("awaited", [False, True])
def test_a_server_killed_in_mid_stream(make: MakeProvider, tmp_path: Path, awaited: bool) -> None:
    """The reader gets an error that names the log, with what had arrived; the next call starts another server."""
    provider = make("server")

    def read() -> None:
        with provider.stream_chat(TOY, "Hi", parameters=LONG, provider_options=ENDLESS) as stream:
            for event in stream:
                if isinstance(event, TextDelta):
                    kill()

    async def read_awaited() -> None:
        async with provider.astream_chat(TOY, "Hi", parameters=LONG, provider_options=ENDLESS) as stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    kill()

    killed: list[int] = []

    def kill() -> None:
        if not killed:
            killed.extend(pids(tmp_path / "state"))
            os.kill(killed[0], signal.SIGKILL)

    if awaited:
        pytest.importorskip("aiohttp")
    with pytest.raises(ServerError, match=r"ended by signal 9 .*its log is .*\.log, and the next call") as caught:
        asyncio.run(read_awaited()) if awaited else read()
    assert caught.value.partial is not None
    assert caught.value.partial.text
    assert caught.value.retryable
    assert provider.execute(TOY, "Hi", parameters={**GREEDY, "context": 4096})


def test_a_server_that_died_unseen_is_restarted(make: MakeProvider, tmp_path: Path) -> None:
    """One that died between two calls is replaced without anybody noticing."""
    provider = make("server")
    provider.execute(TOY, "Hi", parameters=GREEDY)
    (pid,) = pids(tmp_path / "state")
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: not running_servers(str(tmp_path / "state")))
    assert provider.execute(TOY, "Hi", parameters=GREEDY)


PROGRAM = """
    import sys, time
    from airouter_core import create_provider
    provider = create_provider("llama-cpp", {config})
    stream = provider.stream_chat({model!r}, "Hi", parameters={parameters}, provider_options={options})
    next(iter(stream))
    print("ready", flush=True)
    {then}
"""


@contextlib.contextmanager
def run_program(mode: str, models: Path, programs: Path, state: Path, then: str) -> Iterator[subprocess.Popen[str]]:
    """Another Python that reads from a stream in some mode."""
    config = {"mode": mode, "models_dir": str(models), "llama_cpp_path": str(programs), "log_dir": str(state)}
    options = ENDLESS if mode == "server" else None
    source = textwrap.dedent(PROGRAM).format(config=config, model=TOY, parameters=LONG, options=options, then=then)
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True) as python:
        try:
            yield python
        finally:
            python.kill()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
def test_no_server_outlives_its_python(models: Path, programs: Path, tmp_path: Path, how: int | None) -> None:
    """Killed, ended, or simply over without close(): five seconds later no server is left."""
    state = tmp_path / "state"
    with run_program("server", models, programs, state, "time.sleep(600)" if how else "") as python:
        assert python.stdout is not None
        assert python.stdout.readline() == "ready\n"
        (server,) = running_servers(str(state))
        if how is not None:
            os.kill(python.pid, how)
        python.wait(120)
    assert server.pid is not None
    assert until(lambda: gone(server.pid or 0))
    assert until(lambda: running_servers(str(state)) == [])


def test_no_server_outlives_its_python_that_has_forked(models: Path, programs: Path, tmp_path: Path) -> None:
    """A forked child that lives on, and holds copies of all open files, does not keep the server."""
    state = tmp_path / "state"
    then = "import os; os.write(1, b'%d\\n' % os.fork()); time.sleep(600)"
    with run_program("server", models, programs, state, then) as python:
        assert python.stdout is not None
        python.stdout.readline()
        child = max(int(python.stdout.readline()) for _ in range(2))
        try:
            (server,) = running_servers(str(state))
            os.kill(python.pid, signal.SIGKILL)
            python.wait(120)
            assert until(lambda: gone(server.pid or 0))
            assert not gone(child)
        finally:
            os.kill(child, signal.SIGKILL)


def test_no_llama_cli_outlives_its_python(models: Path, programs: Path, tmp_path: Path) -> None:
    """Killed while llama-cli runs, Python leaves none behind either."""
    with run_program("cli", models, programs, tmp_path, "time.sleep(600)") as python:
        assert python.stdout is not None
        python.stdout.readline()
        children = _descendants(python.pid)
        os.kill(python.pid, signal.SIGKILL)
        python.wait(120)
    assert children
    assert until(lambda: all(gone(pid) for pid in children))


def test_no_server_outlives_its_watchdog(make: MakeProvider, tmp_path: Path) -> None:
    """Even the watchdog may be killed: on Linux the server goes with it."""
    provider = make("server")
    provider.execute(TOY, "Hi", parameters=GREEDY)
    (server,) = running_servers(str(tmp_path / "state"))
    record = json.loads((tmp_path / "state" / f"{server.id}.json.pid").read_text())
    os.kill(record["supervisor"], signal.SIGKILL)
    assert until(lambda: gone(server.pid or 0))
    with contextlib.suppress(ServerError):  # a call on the connection of the server that has just died is told so
        provider.execute(TOY, "Hi", parameters=GREEDY)
    assert provider.execute(TOY, "Hi", parameters=GREEDY)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


def test_a_forked_child_has_servers_of_its_own(make: MakeProvider, tmp_path: Path) -> None:
    """A child made by fork() starts its own server, and its end leaves the parent's running."""
    provider = make("server")
    provider.execute(TOY, "Hi", parameters=GREEDY)
    (pid,) = pids(tmp_path / "state")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if provider.execute(TOY, "Hi", parameters=GREEDY) and len(pids(tmp_path / "state")) == 2 else 2
            provider.close()
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert not gone(pid)
    assert provider.execute(TOY, "Hi", parameters=GREEDY)
    assert until(lambda: pids(tmp_path / "state") == [pid])


def test_many_calls_over_more_models_than_may_run(make: MakeProvider, models: Path, tmp_path: Path) -> None:
    """200 calls from 16 threads over three models with two servers: all right, none mixed, memory flat, two at most."""
    provider = make("server", models_dir=copies(models, tmp_path / "models", "a", "b", "c"), max_servers=2)
    expected = provider.execute("a", "What is 2 + 3?", parameters=GREEDY)
    most = 0
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.02):
            most = max(most, len(list((tmp_path / "state").glob("*.json"))))

    def ask(number: int) -> tuple[str, str | None]:
        response = provider.chat("abc"[number * 7 // 5 % 3], "What is 2 + 3?", parameters=GREEDY)
        return response.text, response.model

    watcher = threading.Thread(target=watch)
    watcher.start()
    before = _memory()
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(ask, range(200)))
    over.set()
    watcher.join()
    assert answers == [(expected, "abc"[number * 7 // 5 % 3]) for number in range(200)]
    assert most <= 2
    assert _memory() - before < 30_000


def _memory() -> int:
    """Kilobytes that this process holds."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def test_a_call_waits_for_a_place(
    make: MakeProvider, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that a stream is read from is never stopped for another model: who needs the place waits, or is told."""
    folder = copies(models, tmp_path / "models", "a", "b")
    provider = make("server", models_dir=folder, max_servers=1)
    monkeypatch.setattr(provider._mode.pool, "_patience", 0.5)  # type: ignore[attr-defined]  # mode server has a pool
    with provider.stream_chat("a", "Hi", parameters=LONG, provider_options=ENDLESS) as stream:
        next(iter(stream))
        with pytest.raises(OverloadedError, match="raise max_servers, or close streams"):
            provider.execute("b", "Hi", parameters=GREEDY)
    assert provider.execute("b", "Hi", parameters=GREEDY)


def test_a_call_that_is_cancelled_while_its_model_loads(make: MakeProvider, tmp_path: Path) -> None:
    """It gives its claim back, so that the server can leave later."""
    pytest.importorskip("aiohttp")
    provider = make("server", max_servers=1)

    async def ask() -> None:
        task = asyncio.create_task(provider.achat(TOY, "Hi", parameters=GREEDY))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # another context needs another server, and there may be one only
        assert (await provider.achat(TOY, "Hi", parameters={**GREEDY, "context": 512})).text
        await provider.aclose()

    asyncio.run(ask())


def test_a_port_that_is_taken(make: MakeProvider) -> None:
    """It is named, with what to do."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ConfigurationError, match=r"port \d+ cannot be used .*set port to another one"):
            make("server", port=other.getsockname()[1]).execute(TOY, "Hi")


@needs_engine
def test_a_port_that_is_taken_from_the_embedded_engine(make: MakeProvider) -> None:
    """The same, inside the process."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ConfigurationError, match=r"port \d+ cannot be used .*set port to another one"):
            make("embedded", port=other.getsockname()[1]).execute(TOY, "Hi")


@pytest.mark.parametrize("mode", ["server", "embedded", "cli"])
def test_files_that_cannot_be_loaded(make: MakeProvider, models: Path, tmp_path: Path, mode: str) -> None:
    """A damaged, a truncated and an unknown model each get an error that says what is wrong, or where it is written."""
    folder = copies(models, tmp_path / "models", "whole")
    data = (folder / "whole.gguf").read_bytes()
    (folder / "cut.gguf").write_bytes(data[: len(data) // 2])
    (folder / "text.gguf").write_text("This is no model.")
    (folder / "strange.gguf").write_bytes(make_gguf({"general.architecture": "strange"}))
    provider = make(mode, models_dir=folder)
    problems = {model.id: model.problem for model in provider.list_models()}
    assert problems["whole"] is None
    with pytest.raises(ConfigurationError, match=r"'cut' cannot be used: it is truncated.*download it again"):
        provider.execute("cut", "Hi")
    with pytest.raises(ConfigurationError, match="it is no GGUF file"):
        provider.execute("text", "Hi")
    where = {"server": r"unknown model architecture: 'strange'.*its whole log is", "cli": "unknown model architecture"}
    with pytest.raises(ExecutionError, match=where.get(mode, "set log_level=1")) as caught:
        provider.execute("strange", "Hi")
    assert "architecture that" in str(caught.value)
    assert provider.execute("whole", "Hi", parameters=GREEDY)


@pytest.mark.parametrize("mode", ["server", "embedded", "cli"])
def test_a_model_too_big_for_memory(make: MakeProvider, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """It is refused before it is loaded, with the figures and what to do; the check can be left out."""
    monkeypatch.setattr(memory, "free_memory", lambda: 1 << 20)
    with pytest.raises(ConfigurationError, match=r"needs about .* GiB of memory .* check_memory"):
        make(mode).execute(TOY, "Hi")
    assert make(mode, check_memory=False).execute(TOY, "Hi", parameters=GREEDY)


def test_programs_that_do_not_run(make: MakeProvider, tmp_path: Path) -> None:
    """One that may not be run, one for another machine, and one that is none: each is told apart."""
    for content, bits, says in (
        (b"#!/bin/true\n", 0o644, "make it executable"),
        (b"\x7fELF\x02\x01\x01" + bytes(50), 0o755, "no program for this machine"),
        (b"#!/bin/sh\nexit 3\n", 0o755, r"does not run here \(exit code 3\)"),
        (b"#!/bin/sh\necho hello\n", 0o755, "names no flags"),
    ):
        path = tmp_path / "bin" / f"llama-server-{bits}-{len(content)}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        path.chmod(bits)
        with pytest.raises(ConfigurationError, match=says):
            make("server", llama_cpp_path=path).execute(TOY, "Hi")
    with pytest.raises(ConfigurationError, match="does not exist"):
        make("server", llama_cpp_path=tmp_path / "nothing").execute(TOY, "Hi")
    with pytest.raises(ConfigurationError, match="leads to no llama-cli"):
        make("cli", llama_cpp_path=tmp_path).execute(TOY, "Hi")


@pytest.mark.parametrize("mode", ["server", "embedded", "cli"])
def test_paths_with_spaces(make: MakeProvider, models: Path, tmp_path: Path, mode: str) -> None:
    """Spaces, quotes and a dollar sign in a path are only characters."""
    folder = copies(models, tmp_path / "my models $(id) 'x'", "a model; with spaces")
    provider = make(mode, models_dir=folder, log_dir=tmp_path / "state of things")
    assert provider.execute("a model; with spaces", "Hi", parameters=GREEDY)
    with pytest.raises(ModelNotFoundError):
        provider.execute("../my models", "Hi")


def test_the_key_is_nowhere_to_be_seen(make: MakeProvider, tmp_path: Path) -> None:
    """A server's key is in no argument, record, log or error; without it the server refuses."""
    provider = make("server")
    provider.execute(TOY, "Hi", parameters=GREEDY)
    (engine,) = provider._mode.pool.running()  # type: ignore[attr-defined]  # mode server has a pool
    (pid,) = pids(tmp_path / "state")
    shown = Path(f"/proc/{pid}/cmdline").read_bytes() + b"".join(
        path.read_bytes() for path in (tmp_path / "state").iterdir()
    )
    assert engine.api_key.encode() not in shown
    assert engine.api_key not in repr(provider) + repr(engine.settings) + str(provider.get_info())
    remote = make("remote", base_url=engine.address)
    with pytest.raises(ProviderError, match="API key"):
        remote.list_models()


def test_closing_ends_a_stream_that_nobody_reads(pooled: LlamaCppProvider) -> None:
    """The engine is not waited for to finish its answer; whoever reads on gets an error."""
    parameters = {"max_tokens": 3000, "context": 4096}
    stream = pooled.stream_chat(TOY, "Count.", parameters=parameters, provider_options=ENDLESS)
    next(stream)
    started = time.monotonic()
    pooled.close()
    assert time.monotonic() - started < 25  # what waits for the reader waits 30 s
    with pytest.raises(AirouterError):
        list(stream)


@pytest.mark.parametrize("mode", OVER_HTTP)
def test_a_port_has_room_for_one_engine(make: MakeProvider, models: Path, tmp_path: Path, mode: str) -> None:
    """With a fixed port the engine that is idle gives way to the next; two are never asked for at a time."""
    folder = copies(models, tmp_path / "models", "a", "b")
    provider = make(mode, models_dir=folder, port=free_port())
    for model in ("a", "b", "a"):
        assert provider.execute(model, "Hi", parameters=GREEDY)
    assert provider.create_embedding("Hi", "a")
    assert len(provider.details()["loaded"]) == 1
