"""Broken plugins, really installed beside good ones: each is named, and changes nothing for the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airouter_core.plugins.registry import installed

needs_engine = pytest.mark.skipif(
    not any(info.name == "llama-cpp" for info in installed().providers()),
    reason="looks at the llama-cpp provider: pip install airouter-llamacpp",
)

GOOD = """
from airouter_core import hookimpl
from airouter_core.profile.declarations import ProviderInfo
@hookimpl
def airouter_providers():
    return [ProviderInfo(name={name!r}, aliases={aliases!r}, target="nowhere:Nobody")]
"""

BROKEN = {
    "airouter-unimportable": "import a_module_that_is_not_there",
    "airouter-exploding": "raise RuntimeError('boom')",
    "airouter-wrong-hook": """
from airouter_core import hookimpl
@hookimpl
def airouter_providers(colour):
    return []
""",
    "airouter-unknown-hook": """
from airouter_core import hookimpl
@hookimpl
def airouter_provider():
    return []
""",
    "airouter-late": """
from airouter_core import hookimpl
@hookimpl
def airouter_providers():
    raise LookupError('late')
""",
    "airouter-copycat": GOOD.format(name="llama-cpp", aliases=()),
    "airouter-alias-thief": GOOD.format(name="thief", aliases=("llama-cpp",)),
}


def install(folder: Path, distribution: str, source: str) -> None:
    """What an installer leaves behind: a module, and its metadata with the entry point."""
    module = distribution.replace("-", "_")
    (folder / f"{module}.py").write_text(source)
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n\nWords.\n")
    (metadata / "entry_points.txt").write_text(f"[airouter]\nit = {module}\n")


def run(folder: Path, code: str, **environment: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIROUTER_")}
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, "PYTHONPATH": str(folder), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    return result.stdout


LIST = """
import json, airouter_core
from airouter_core.plugins.registry import installed
print(json.dumps({
    "providers": [info.name for info in airouter_core.list_providers()],
    "problems": {problem.source.distribution: str(problem) for problem in installed().problems},
}))
"""


@needs_engine
@pytest.mark.parametrize("distribution", [name for name in BROKEN if name != "airouter-copycat"])
def test_a_broken_plugin_is_named_and_the_good_ones_go_on(tmp_path: Path, distribution: str) -> None:
    """llama-cpp is listed and can be made; the broken distribution is reported with a cure."""
    install(tmp_path, distribution, BROKEN[distribution])
    listed = json.loads(run(tmp_path, LIST))
    assert "llama-cpp" in listed["providers"]
    assert list(listed["problems"]) == [distribution]
    assert "AIROUTER_DISABLED_PLUGINS" in listed["problems"][distribution]
    made = "import airouter_core; print(airouter_core.create_provider('gguf', {'models_dir': '.'}))"
    assert "llama-cpp" in run(tmp_path, made)


@needs_engine
def test_two_plugins_of_one_name_are_both_named_and_can_be_told_apart(tmp_path: Path) -> None:
    """The contested name is an error that says how to go on; the qualified name works, and so do the aliases."""
    install(tmp_path, "airouter-copycat", BROKEN["airouter-copycat"])
    code = """
import airouter_core
try:
    airouter_core.create_provider("llama-cpp", {"models_dir": "."})
except airouter_core.PluginConflictError as error:
    print(error)
print(airouter_core.create_provider("airouter-llamacpp:llama-cpp", {"models_dir": "."}))
print(airouter_core.create_provider("gguf", {"models_dir": "."}))
"""
    said = run(tmp_path, code)
    assert "airouter-copycat" in said
    assert "airouter-llamacpp" in said
    assert said.count("<LlamaCppProvider 'llama-cpp'>") == 2


@needs_engine
def test_a_plugin_can_be_switched_off(tmp_path: Path) -> None:
    """AIROUTER_DISABLED_PLUGINS takes a distribution out before it is imported."""
    install(tmp_path, "airouter-exploding", BROKEN["airouter-exploding"])
    listed = json.loads(run(tmp_path, LIST, AIROUTER_DISABLED_PLUGINS="airouter-exploding, airouter_other"))
    assert listed["problems"] == {}
