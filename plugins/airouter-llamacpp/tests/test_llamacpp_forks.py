"""Programs that fork after they have used a model in their own process: gunicorn --preload, RQ, multiprocessing."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from .conftest import TOY, needs_engine

pytestmark = [
    pytest.mark.engine,
    needs_engine,
    pytest.mark.skipif(sys.platform != "linux", reason="how a forked child ends is the system's affair: run on Linux"),
]
STATUS = 7
PROGRAM = """
import json, os, sys
from airouter_core import create_provider

def ask():
    return provider.execute({model!r}, "Hi", parameters={{"max_tokens": 2, "temperature": 0}})

provider = create_provider("llama-cpp", {{"models_dir": {models!r}, "mode": "embedded"}})
before = ask()
child = os.fork()
if not child:
{then}
    sys.exit({status})
ended = os.waitpid(child, 0)[1]
print(json.dumps([os.waitstatus_to_exitcode(ended), ask() == before]))
provider.close()
"""


@pytest.mark.parametrize(
    "then",
    [
        pytest.param("pass", id="ends"),
        pytest.param("assert ask() == before", id="asks"),
        pytest.param("assert ask() == before; provider.close()", id="asks and closes"),
        pytest.param("provider.close()", id="closes"),
        pytest.param("ask(); provider.unload_model({model!r})", id="asks and unloads"),
    ],
)
def test_a_forked_child_ends(models: Path, then: str) -> None:
    """Whatever it does with the parent's provider, it ends with its own status, and the parent's model goes on."""
    then = textwrap.indent(then.format(model=TOY), "    ")
    source = PROGRAM.format(model=TOY, models=str(models), then=then, status=STATUS)
    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False, timeout=600)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == [STATUS, True], run.stderr
