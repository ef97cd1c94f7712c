"""Two processes with one ledger: what one has seen of a target of a route, the other acts upon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("airouter_router", reason="routes are airouter-router's")
pytest.importorskip("airouter_openai", reason="its format is spoken here")


class Vendor(BaseHTTPRequestHandler):
    """Has no room for the model ``full``, and answers for others."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_POST(self) -> None:
        model = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["model"]
        self.asked.append(model)
        if model == "full":
            self._send(429, {"error": {"message": "too many", "type": "rate_limit_error"}}, {"Retry-After": "300"})
            return
        message = {"role": "assistant", "content": "hello"}
        answer = {"id": "1", "object": "chat.completion", "model": model, "choices": [{"index": 0, "message": message}]}
        answer["choices"][0]["finish_reason"] = "stop"  # type: ignore[index]
        self._send(200, answer, {"x-ratelimit-limit-requests": "70", "x-ratelimit-remaining-requests": "69"})

    def _send(self, status: int, body: Any, headers: dict[str, str]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "x-ratelimit-reset-requests": "1s", "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def vendor() -> Iterator[Any]:
    handler = type("Handler", (Vendor,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield handler, server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_second_process_avoids_what_the_first_was_refused(address: str, vendor: Any, tmp_path: Path) -> None:
    """After a 429 in one process the next one asks elsewhere, and ``airouter routes status`` says why and how long."""
    handler, port = vendor
    file = tmp_path / "airouter.toml"
    file.write_text(
        f'[ledger]\npath = "{address}"\n[there]\nprovider = "openai"\napi_key = "sk-planted"\n'
        f'api = "chat"\nbase_url = "http://127.0.0.1:{port}/v1"\n'
        '[routes.r]\ntargets = ["there/full", "there/free"]\n'
    )
    file.chmod(0o600)

    def airouter(*arguments: str) -> str:
        command = [sys.executable, "-m", "airouter_core", *arguments]
        environ = {**os.environ, "AIROUTER_CONFIG": str(file), "HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "hello" in airouter("run", "-m", "route:r", "hi")
    assert handler.asked == ["full", "free"]
    assert "hello" in airouter("run", "-m", "route:r", "hi")
    assert handler.asked == ["full", "free", "free"]
    state = json.loads(airouter("routes", "status", "--json"))
    full, free = state["targets"]
    assert (full["target"], full["resting"]) == ("there/full", "rate_limit")
    assert 0 < full["seconds"] <= 300
    assert (free["target"], free["resting"]) == ("there/free", None)
    assert "sk-planted" not in json.dumps(state)
    shown = airouter("routes", "status")
    assert "after rate_limit" in shown
