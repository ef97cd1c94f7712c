"""A route over two real engines, the first of which is killed in the middle of its work."""

from __future__ import annotations

import concurrent.futures
import importlib.util
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.errors import ExecutionError
from airouter_core.testing.server import free_port

ROOT = Path(__file__).resolve().parents[3]
SERVER = ROOT / ".cache/engines/llamacpp/bin/llama-server"
TOY = ROOT / "models/airouter-toy/airouter-toy.gguf"
CALLS = 60
KILLED_AFTER = 15


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("of_ollama", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def llama(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A llama-server, ready to answer."""
    if not SERVER.is_file():
        pytest.skip("no llama-server: tools/engines/llamacpp.sh .cache/engines/llamacpp")
    port = free_port()
    command = [
        SERVER,
        "-m",
        TOY,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "-c",
        "2048",
        "-np",
        "4",
        "--threads",
        "1",
    ]
    with (tmp_path / "llama.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(1200):
                try:
                    urllib.request.urlopen(f"{address}/health", timeout=60).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield process, address
        finally:
            process.kill()


def streamed(router: Any, parameters: Any) -> str:
    """Who answered a stream; ``"begun"`` where it broke off after its first word, as it may."""
    with router.stream_chat("chat", "Say a word.", parameters=parameters) as stream:
        try:
            for _ in stream:
                pass
        except ExecutionError as error:
            partial = error.partial
        else:
            return str(stream.response.served_by)
    assert partial is not None
    assert partial.message.parts, "a stream that had not begun was lost"
    return "begun"


@pytest.mark.engine
def test_no_call_is_lost_when_an_engine_is_killed(llama: tuple[subprocess.Popen[bytes], str], tmp_path: Path) -> None:
    """Every whole answer comes, from whichever engine is left; a stream fails only where it had begun."""
    conftest = ROOT / "plugins/airouter-ollama/tests/conftest.py"
    if importlib.util.find_spec("airouter_ollama") is None or not conftest.is_file():
        pytest.skip("needs the plugin airouter-ollama")
    real = _load(conftest)
    process, address = llama
    ollama = real.start_ollama(tmp_path)
    try:
        with real.make_provider(ollama.address) as provider:
            provider.create_model("toy", TOY, parameters={"num_thread": 1, "temperature": 0})
        config = {
            "providers": {
                "first": {"provider": "llama-cpp", "mode": "remote", "base_url": address},
                "second": {"provider": "ollama", "base_url": ollama.address},
            },
            "routes": {"chat": {"targets": ["first/airouter-toy", "second/toy"], "deadline": 60}},
        }
        done: list[str] = []

        def ask(number: int) -> str:
            parameters = {"max_tokens": 12}
            if number % 2:
                served = str(router.chat("chat", "Say a word.", parameters=parameters).served_by)
            else:
                served = streamed(router, parameters)
            done.append(served)
            if len(done) == KILLED_AFTER:
                process.send_signal(signal.SIGKILL)
            return served

        with create_provider("router", config) as router, concurrent.futures.ThreadPoolExecutor(4) as pool:
            served = list(pool.map(ask, range(CALLS)))
    finally:
        ollama.stop()
    assert len(served) == CALLS
    assert served.count("first/airouter-toy") >= KILLED_AFTER - 4
    assert served.count("second/toy") >= CALLS - KILLED_AFTER - 8
