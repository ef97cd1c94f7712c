"""Several processes that serve one address: one server to those who ask, limit and look after it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airouter_core.testing.server import Connection, ReceivedRequest
from airouter_gateway.keys import KeyFile

if TYPE_CHECKING:
    from conftest import Running, Serve

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no sockets are handed on there")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
WORD = b'data: {"choices":[{"index":0,"delta":{"content":"hel"}}]}\n\n'
REST = b'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
ASKED = {"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}


def children_of(pid: int) -> set[int]:
    """The processes that one has begun."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if not listed.exists():
        pytest.skip("the system does not tell whose child a process is")
    return set(map(int, listed.read_text(encoding="ascii").split()))


def settings_for(running: Running, folder: Path, more: str = "") -> Path:
    """A settings file of a server in front of the same upstream."""
    path = folder / "airouter.toml"
    path.write_text(
        f'[up]\nprovider = "openai"\napi_key = "${{UP_KEY:-none}}"\nbase_url = "{running.upstream.url}/v1"\n'
        f'[ledger]\npath = "{folder / "ledger.db"}"\n[gateway]\nkeys = "{folder / "made.json"}"\n{more}'
    )
    return path


def test_two_workers_are_one_server(serve: Serve, program: Any, tmp_path: Path) -> None:
    """Limits and numbers are of both; both read the settings again; one that dies is replaced."""
    gate = threading.Event()

    def slow(request: ReceivedRequest, connection: Connection) -> None:
        connection.send(HEAD + WORD)
        gate.wait(120)
        connection.send(REST)
        connection.close()

    key, _ = KeyFile(str(tmp_path / "made.json")).create("ci", rpm=6)
    path = settings_for(serve(slow), tmp_path, "drain = 100\n")
    running = program("--config", str(path), "--port", "0", "--workers", "2")
    url = running.url()
    headers = {"authorization": f"Bearer {key}"}
    wait_for(lambda: len(children_of(running.process.pid)) == 2)
    workers = children_of(running.process.pid)

    def ask(number: int) -> requests.Response:
        body = {**ASKED, "stream": True}
        return requests.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=120)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, range(12))) if gate.set() is None else []
    assert sorted(answer.status_code for answer in answers) == [200] * 6 + [429] * 6
    # A stream is counted when it has ended on both sides, which its reader does not wait for.
    counted = 'airouter_requests_total{class="2xx",dialect="chat",target="up"} 6.0'
    wait_for(lambda: counted in requests.get(f"{url}/metrics", headers=headers, timeout=120).text)

    running.process.send_signal(signal.SIGHUP)
    wait_for(lambda: running.text.count("were read again") == 2)

    victim = min(workers)
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: "is replaced" in running.text and len(children_of(running.process.pid) - {victim}) == 2)
    assert requests.get(f"{url}/health/ready", timeout=120).status_code == 200


def test_an_end_lets_streams_finish_in_every_worker(serve: Serve, program: Any, tmp_path: Path) -> None:
    """SIGTERM to the first process is enough; who listens hears the end of the answer, and then the exit code is 0."""
    gate = threading.Event()

    def slow(request: ReceivedRequest, connection: Connection) -> None:
        connection.send(HEAD + WORD)
        gate.wait(120)
        connection.send(REST)
        connection.close()

    path = settings_for(serve(slow), tmp_path, "drain = 100\n")
    running = program("--config", str(path), "--port", "0", "--workers", "2")
    url = running.url()
    with ThreadPoolExecutor(4) as pool:
        body = {**ASKED, "stream": True}
        asked = [pool.submit(requests.post, f"{url}/v1/chat/completions", json=body, timeout=120) for _ in range(4)]
        wait_for(lambda: requests.get(f"{url}/metrics", timeout=120).text.count("airouter_inflight 5.0") == 1)
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        gate.set()
        assert all(one.result().text.endswith("data: [DONE]\n\n") for one in asked)
    assert running.process.wait(120) == 0, running.text


def test_workers_that_cannot_serve_end_all(program: Any, tmp_path: Path) -> None:
    """What is wrong is said once, at the start, and nothing is begun again and again."""
    settings = tmp_path / "airouter.toml"
    settings.write_text("[gateway]\nlargest = 1\n")
    running = program("--config", str(settings), "--port", "0", "--workers", "3")
    assert running.process.wait(120) == 2
    assert running.text.count("unknown setting 'largest'") == 1


def wait_for(true: Any, seconds: float = 120) -> None:
    """Until something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
