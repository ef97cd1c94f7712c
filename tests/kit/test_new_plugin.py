"""A plugin written by ``airouter new-plugin`` is found, and passes the kit at once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from airouter_core.testing.new_plugin import KINDS, command, new_plugin

METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n"
WHAT = {"chat_completions": "not fault", "wire": "test", "local": "test"}
"""The dialect is played all faults by the made-up provider already."""
COUNT = """
import json
from airouter_core import list_providers, create_provider
print(json.dumps([info.name for info in list_providers()]))
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_passes_the_kit(kind, tmp_path) -> None:
    """All kinds: installed (here by the metadata that an installer would write), listed, and conforming."""
    new_plugin("new-thing", kind, str(tmp_path))
    root = tmp_path / "airouter-new-thing"
    installed = tmp_path / "airouter_new_thing-0.1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(METADATA.format(name="airouter-new-thing"))
    (installed / "entry_points.txt").write_text("[airouter]\nnew_thing = airouter_new_thing.plugin\n")
    path = os.pathsep.join((str(root), str(tmp_path), *filter(None, sys.path)))
    environ = {**os.environ, "PYTHONPATH": path}
    listed = subprocess.run(
        [sys.executable, "-c", COUNT], env=environ, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "new-thing" in listed.stdout
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", WHAT[kind], "tests"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
    )
    assert tested.returncode == 0, tested.stdout[-3000:]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_clean(kind, tmp_path) -> None:
    """No mark of a template is left, and the modules compile."""
    for path in new_plugin("acme", kind, str(tmp_path)):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        assert not [word for word in ("@name@", "@Class@", "@UPPER@", "@package@", "@Title@") if word in text]
        if path.endswith(".py"):
            compile(text, path, "exec")


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_as_ruff_wants_it(kind, tmp_path) -> None:
    """Whoever writes one begins with a clean slate: sorted imports, whole signatures, the usual layout."""
    new_plugin("acme", kind, str(tmp_path))
    ruff = (sys.executable, "-m", "ruff")
    for asked in (("check", "--no-cache", "--extend-select", "I,ANN,F"), ("format", "--no-cache", "--diff")):
        looked = subprocess.run([*ruff, *asked, "."], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert looked.returncode == 0, looked.stdout + looked.stderr


def test_the_command_writes_and_says_what_is_next(tmp_path) -> None:
    """The command line names each file, and the two steps that follow."""
    done = CliRunner().invoke(command, ["acme", "--local", "--folder", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "airouter_acme/provider.py" in done.output
    assert "pip install -e" in done.output


def test_a_bad_name_is_refused(tmp_path) -> None:
    """A name that no provider may have, and a folder that is there, are errors that say so."""
    runner = CliRunner()
    assert "small letters" in runner.invoke(command, ["My Provider", "--folder", str(tmp_path)]).output
    runner.invoke(command, ["acme", "--folder", str(tmp_path)])
    assert "is there already" in runner.invoke(command, ["acme", "--folder", str(tmp_path)]).output
