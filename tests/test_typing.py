"""The public interface, as a type checker sees it."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent


def test_a_typed_program_is_accepted() -> None:
    """A program that uses every promised name passes ``mypy --strict``."""
    pytest.importorskip("mypy", reason="mypy is a tool of development")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(HERE / "typing" / "api.py")],
        cwd=HERE.parent,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_typed_program_uses_every_public_name() -> None:
    """What is promised and what is checked are the same; errors are enough by their bases."""
    import airouter_core
    from airouter_core import errors

    program = (HERE / "typing" / "api.py").read_text(encoding="utf-8")
    missing = {
        name
        for name in airouter_core.__all__
        if name not in program and not hasattr(errors, name) and not name.startswith("__")
    }
    assert missing == set()
