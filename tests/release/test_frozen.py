"""A program in one file: PyInstaller finds the plugins of the environment it is built in."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from airouter_core.testing.server import Connection, LoopbackServer, ReceivedRequest

pytestmark = pytest.mark.release

PROGRAM = """
import sys
from airouter_core import create_provider
with create_provider(sys.argv[1], {"base_url": sys.argv[2], "api_key": "k"}) as provider:
    print(provider.execute("any", "hi"))
"""
ANSWER = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}]}'


def test_a_program_in_one_file_has_its_plugins(dist: Path, environment: Callable[..., object], tmp_path: Path) -> None:
    """Without any option; and the error for a provider that is not in it sends nobody to pip."""
    made = environment(["--find-links", dist, "airouter-openai", "pyinstaller"])
    (tmp_path / "app.py").write_text(PROGRAM)
    built = made.run("-m", "PyInstaller", "--onefile", "--log-level", "ERROR", "app.py", cwd=tmp_path)  # type: ignore[attr-defined]  # of conftest.py
    assert built.returncode == 0, built.stderr
    program = tmp_path / "dist" / "app"

    def answer(request: ReceivedRequest, connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(ANSWER) + ANSWER)

    with LoopbackServer(answer) as server:
        address = f"http://127.0.0.1:{server.port}"
        asked = subprocess.run([program, "openai", address], capture_output=True, text=True, check=False, timeout=120)
        other = subprocess.run([program, "ollama", address], capture_output=True, text=True, check=False, timeout=120)
    assert asked.stdout == "hello\n", asked.stderr
    assert "pip install" not in other.stderr
    assert "was built without it" in other.stderr
