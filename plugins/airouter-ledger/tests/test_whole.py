"""The ledger as its users have it: switched on, around real providers, from the command line and in Python."""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airouter_core import create_provider, labelled
from airouter_core.errors import AuthenticationError, BudgetExceededError
from airouter_ledger.bookkeeping import Bookkeeper, Rules
from airouter_ledger.budgets import budgets_of
from airouter_ledger.cassettes import Cassette
from airouter_ledger.ledger import Ledger

MODELS = Path(__file__).parents[3] / "models"
KEY = "sk-canary-0123456789abcdefghij"


@pytest.fixture(scope="module")
def toy() -> None:
    """A real model in the process."""
    pytest.importorskip("xllamacpp", reason="the embedded engine is not installed")
    pytest.importorskip("airouter_llamacpp", reason="the provider of the real model is not installed")
    if not (MODELS / "airouter-toy").is_dir():
        pytest.skip("the toy model is not beside the plugin")


def airouter(home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "HOME": str(home), "PATH": os.environ["PATH"], "AIROUTER_MODELS_DIR": str(MODELS), "LANG": "C.UTF-8", **more,
    }  # fmt: skip
    program = [str(Path(sys.executable).with_name("airouter")), *arguments]
    return subprocess.run(
        program,
        env=environment,
        capture_output=True,
        text=True,
        timeout=6000,
        check=False,
        cwd=home,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.usefixtures("toy")
def test_on_the_command_line(tmp_path: Path) -> None:
    """Off by default; switched on it remembers, finds, counts, exports and forgets."""
    question = ("run", "-m", "llama-cpp/airouter-toy", "What is the capital of France?")
    assert "begins" in airouter(tmp_path, "logs").stderr
    assert airouter(tmp_path, *question).returncode == 0
    assert not (tmp_path / ".config" / "airouter" / "ledger.db").exists()
    assert airouter(tmp_path, "logs", "on", "--content", "text").returncode == 0
    for _ in range(2):
        assert "Paris" in airouter(tmp_path, *question).stdout
    (call, _other) = json.loads(airouter(tmp_path, "logs", "--json").stdout)
    assert (call["provider"], call["model"], call["cost"]["source"]) == ("llama-cpp", "airouter-toy", "local")
    assert call["usage"]["output_tokens"] > 0
    assert call["first_event"] is not None
    assert "Paris" in airouter(tmp_path, "logs", "show", call["id"]).stdout
    assert len(json.loads(airouter(tmp_path, "logs", "-q", "capital paris", "--json").stdout)) == 2
    assert json.loads(airouter(tmp_path, "costs", "--by", "model", "--json").stdout)[0]["calls"] == 2
    exported = airouter(tmp_path, "logs", "export").stdout.splitlines()
    assert [json.loads(line)["response"]["finish_reason"] for line in exported] == ["stop", "stop"]
    assert json.loads(airouter(tmp_path, "logs", "status", "--json").stdout)["calls"] == 2
    assert "forgot 2 calls" in airouter(tmp_path, "logs", "prune", "--keep", "0 days", "--yes").stderr
    assert airouter(tmp_path, "logs", "off").returncode == 0
    airouter(tmp_path, *question)
    assert json.loads(airouter(tmp_path, "logs", "--json").stdout) == []


@pytest.mark.usefixtures("toy")
def test_a_program_is_recorded_and_replayed(tmp_path: Path) -> None:
    """The second run needs no model at all."""
    (tmp_path / "program.py").write_text(
        "import os\nfrom airouter_core import create_provider\n"
        "with create_provider('llama-cpp', {'models_dir': os.environ['AIROUTER_MODELS_DIR']}) as provider:\n"
        "    print(''.join(provider.stream_execute('airouter-toy', 'What is airouter?')))\n"
    )
    command = ("record", "answers.db", "--", sys.executable, "program.py")
    first = airouter(tmp_path, *command)
    assert "Python library" in first.stdout, first.stderr
    environment = {**os.environ, "HOME": str(tmp_path), "AIROUTER_CASSETTE": "answers.db"}
    environment["AIROUTER_MODELS_DIR"] = str(MODELS)
    again = [sys.executable, "program.py"]
    done = subprocess.run(again, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=True)
    assert done.stdout == first.stdout


@pytest.mark.usefixtures("toy")
def test_both_halves_and_embeddings(tmp_path: Path) -> None:
    """A chat, a stream, awaited ones and an embedding are one call each, with the labels of their block."""
    with Ledger.open(str(tmp_path / "ledger.db")) as ledger:
        layers = [("ledger", Bookkeeper(ledger, Rules()))]
        config = {"models_dir": str(MODELS)}
        with create_provider("llama-cpp", config, layers=layers) as provider, labelled(user="eva", tags={"a": "b"}):  # type: ignore[arg-type]  # a list of pairs
            provider.execute("airouter-toy", "hi", parameters={"max_tokens": 4})
            assert "".join(provider.stream_execute("airouter-toy", "hi", parameters={"max_tokens": 4}))
            provider.create_embedding("hello", "airouter-toy")

            async def awaited() -> None:
                await provider.aexecute("airouter-toy", "hi", parameters={"max_tokens": 4})
                stream = provider.astream_execute("airouter-toy", "hi", parameters={"max_tokens": 40})
                async for _ in stream:
                    break
                await stream.aclose()  # type: ignore[attr-defined]  # an asynchronous generator

            asyncio.run(awaited())
        calls = list(ledger.calls(newest_first=False))
        assert [(call.kind, call.stream, call.error) for call in calls] == [
            ("chat", False, None),
            ("chat", True, None),
            ("embedding", False, None),
            ("chat", False, None),
            ("chat", True, "cancelled"),
        ]
        assert {(call.user, call.tags["a"]) for call in calls} == {("eva", "b")}


class Refusing(http.server.BaseHTTPRequestHandler):
    """Says no, and repeats the key that it was sent."""

    def do_POST(self) -> None:
        said = self.headers.get("authorization", "")
        body = json.dumps({"error": {"message": f"bad key {said}", "type": said, "code": said}}).encode()
        self.send_response(401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-request-id", said)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


def test_no_key_is_written(ledger: Ledger, refusing: str) -> None:
    """Not in any column of any table, whatever the provider repeats and wherever the program puts it."""
    pytest.importorskip("airouter_openai", reason="the provider to ask with is not installed")
    layers = [("ledger", Bookkeeper(ledger, Rules(content="full")))]
    config = {"api_key": KEY, "base_url": refusing, "custom_headers": {"x-token": KEY}}
    with create_provider("openai", config, layers=layers) as provider, pytest.raises(AuthenticationError):  # type: ignore[arg-type]  # as above
        provider.chat("gpt-4o", "hi", provider_options={"openai": {"metadata": {"k": KEY}}})
    assert ledger.count() == 1
    if ledger.database.dialect == "sqlite":
        tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
    else:
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    for (name,) in ledger.database.read(tables):
        for row in ledger.database.read(f'SELECT * FROM "{name}"'):
            assert KEY not in repr(row), name


def test_a_budget_of_the_settings(ledger: Ledger, refusing: str) -> None:
    """A call that does not fit is refused, and nothing is sent: the server would have refused the key."""
    pytest.importorskip("airouter_openai", reason="the provider to ask with is not installed")
    budgets = budgets_of({"b": {"amount": 1, "unpriced": "refuse"}})
    layers = [("ledger", Bookkeeper(ledger, Rules(budgets=budgets)))]
    config = {"api_key": KEY, "base_url": refusing}
    with create_provider("openai", config, layers=layers) as provider, pytest.raises(BudgetExceededError):  # type: ignore[arg-type]  # as above
        provider.chat("a-model-without-a-price", "hi")


def test_a_cassette_is_a_layer(tmp_path: Path, refusing: str) -> None:
    """Given to a provider, it answers in its place: no key, no network."""
    pytest.importorskip("airouter_openai", reason="the provider to ask with is not installed")
    with Cassette(tmp_path / "new.db", "auto") as cassette:
        config = {"api_key": KEY, "base_url": refusing, "max_retries": 0}
        with create_provider("openai", config, layers=[cassette]) as provider, pytest.raises(AuthenticationError):
            provider.chat("gpt-4o", "hi")


def test_it_declares_itself() -> None:
    """Installed, it has no problem, and imports nothing of the database until it is on."""
    program = (
        "import sys\nfrom airouter_core.plugins.registry import installed\n"
        "assert not installed().problems, installed().problems\ninstalled().layers()\n"
        "assert 'airouter_ledger.ledger' not in sys.modules and 'sqlite3' not in sys.modules"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    subprocess.run([sys.executable, "-c", program], check=True, timeout=600, env=environment)
