"""The database is killed under a server that runs, or the server itself: what was answered is booked."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_gateway.access.accounts import Accounts
from airouter_ledger.ledger import Ledger

CHAT, STREAMED = "/v1/chat/completions", {"stream": True}
ASKED = {"model": "up/m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
WORD = b'data: {"choices":[{"index":0,"delta":{"content":"hel"}}]}\n\n'
REST = (
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\ndata: [DONE]\n\n'
)
USAGE = {"prompt_tokens": 3, "completion_tokens": 1}
BY = "a test"


class Upstream:
    """Answers at once; a stream ends when the test lets it."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.streaming = threading.Event()

    def __call__(self, request: ReceivedRequest, connection: Connection) -> None:
        if request.json.get("stream"):
            connection.send(HEAD + WORD)
            self.streaming.set()
            self.gate.wait(60)
            connection.send(REST)
            connection.close()
            return
        message = {"role": "assistant", "content": "hello"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        connection.answer(Answer.of_json({"choices": [choice], "usage": USAGE}))


def settings_for(upstream: LoopbackServer, ledger: str, folder: Path) -> Path:
    """A settings file whose calls have a price, so that a budget can cover them."""
    path = folder / "airouter.toml"
    path.write_text(
        f'[up]\nprovider = "openai"\napi = "chat"\napi_key = "none"\nbase_url = "{upstream.url}/v1"\nmax_retries = 0\n'
        f'[ledger]\non = true\npath = "{ledger}"\n[gateway]\nkeys = "{folder / "made.json"}"\n'
        '[prices]\n"openai/m" = { input = 1, output = 1 }\n"up/m" = { input = 1, output = 1 }\n'
    )
    return path


def booked(ledger: str) -> int:
    """Calls that the ledger knows."""
    with Ledger.open(ledger) as opened:
        return int(opened.database.read("SELECT COUNT(*) FROM calls")[0][0])


def key_with_budget(ledger: str) -> dict[str, str]:
    """Headers of a key that may spend."""
    with Ledger.open(ledger) as opened:
        secret, _ = Accounts(opened).create("ci", by=BY, budget=Decimal(5), period="day")
    return {"authorization": f"Bearer {secret}"}


def wait_for(true: Callable[[], Any]) -> Any:
    """What something is, once it is true."""
    deadline = time.monotonic() + 60
    while not (found := true()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_postgresql_is_killed_under_a_server_that_runs(server: Any, program: Any, tmp_path: Path) -> None:
    """Nothing booked is lost, what cannot be paid for is refused as long as it is away, and then all goes on again."""
    pytest.importorskip("airouter_openai", reason="the upstream is asked by airouter-openai")
    ledger = server.address(server.new_schema())
    headers = key_with_budget(ledger)
    behaviour = Upstream()
    with LoopbackServer(behaviour) as upstream, ThreadPoolExecutor(4) as pool:
        running = program("--config", str(settings_for(upstream, ledger, tmp_path)), "--port", "0", "--quiet")
        url = running.url()

        def ask(more: Any = ()) -> requests.Response:
            return requests.post(f"{url}{CHAT}", json={**ASKED, **dict(more)}, headers=headers, timeout=90)

        assert [ask().status_code for _ in range(5)] == [200] * 5
        stream = pool.submit(ask, STREAMED)
        assert behaviour.streaming.wait(30)
        server.stop("immediate")
        try:
            asked = len(upstream.requests)
            refused = [pool.submit(ask) for _ in range(2)]
            assert requests.get(f"{url}/health/live", timeout=20).status_code == 200
            for answer in (one.result() for one in refused):
                assert answer.status_code == 503, answer.text
                assert answer.json()["error"]["type"] == "server_error"
                assert 0 < int(answer.headers["retry-after"]) <= 60
                assert "x-should-retry" not in answer.headers
            # It is known to be away now, so whoever comes hears so at once.
            assert ask().status_code == 503
            assert len(upstream.requests) == asked
        finally:
            server.start()
        behaviour.gate.set()
        assert stream.result().text.endswith("data: [DONE]\n\n")
        assert wait_for(lambda: ask().status_code == 200)
        answered = 5 + 1 + 1
        wait_for(lambda: booked(ledger) >= answered)
        assert running.end() == 0
    assert "Traceback" not in running.text


def test_what_a_client_writes_is_booked_whatever_it_is(address: str, program: Any, tmp_path: Path) -> None:
    """Characters that one database has no place for, in all that a client may say of itself."""
    pytest.importorskip("airouter_openai", reason="the upstream is asked by airouter-openai")
    headers = key_with_budget(address)
    with LoopbackServer(Upstream()) as upstream:
        url = program("--config", str(settings_for(upstream, address, tmp_path)), "--port", "0", "--quiet").url()
        odd = {"user": "a\u0000b\U0001f600", "messages": [{"role": "user", "content": "\u0000"}]}
        answer = requests.post(
            f"{url}{CHAT}", json={**ASKED, **odd}, headers={**headers, "x-session-id": "\xff\x80"}, timeout=60
        )
        assert answer.status_code == 200, answer.text
        responses = {"model": "up/m", "input": "a\u0000b", "max_output_tokens": 5, "store": True}
        kept = requests.post(f"{url}/v1/responses", json=responses, headers=headers, timeout=60)
        assert kept.status_code == 200, kept.text
        again = requests.get(f"{url}/v1/responses/{kept.json()['id']}", headers=headers, timeout=60)
        assert again.status_code == 200, again.text
    assert booked(address) == 2


def test_a_server_that_is_killed_has_booked_what_it_answered(program: Any, tmp_path: Path) -> None:
    """``kill -9`` in the midst of many calls; started anew it answers the same key, and its ledger is whole."""
    pytest.importorskip("airouter_openai", reason="the upstream is asked by airouter-openai")
    ledger = str(tmp_path / "ledger.db")
    headers = key_with_budget(ledger)
    with LoopbackServer(Upstream()) as upstream:
        options = ("--config", str(settings_for(upstream, ledger, tmp_path)), "--port", "0", "--quiet")
        running = program(*options)
        url, answered = running.url(), 0
        lock = threading.Lock()

        def ask_on() -> None:
            nonlocal answered
            with requests.Session() as session:
                while True:
                    try:
                        answer = session.post(f"{url}{CHAT}", json=ASKED, headers=headers, timeout=60)
                    except requests.RequestException:
                        return
                    assert answer.status_code == 200, answer.text
                    with lock:
                        answered += 1

        with ThreadPoolExecutor(8) as pool:
            asking = [pool.submit(ask_on) for _ in range(8)]
            wait_for(lambda: answered >= 40)
            running.end(signal.SIGKILL)
            for one in asking:
                one.result()
        assert booked(ledger) >= answered
        with Ledger.open(ledger) as opened:
            assert opened.database.read("PRAGMA integrity_check") == [("ok",)]
        again = program(*options)
        answer = requests.post(f"{again.url()}{CHAT}", json=ASKED, headers=headers, timeout=60)
        assert answer.status_code == 200
