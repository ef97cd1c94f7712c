"""The documentation says what the code does: its snippets run, its tables and lists agree, its links lead somewhere."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from airouter_core.plugins import hookspecs
from airouter_core.plugins.registry import installed

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]
)
GUIDES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("docs/guides/*.md")),
    ROOT / "docs/quickstart/llama-cpp.md",
    ROOT / "plugins/airouter-ledger/README.md",
]
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


def _tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.engine
@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_the_snippets_of_a_guide_run_as_they_stand(page: Path, tmp_path: Path) -> None:
    """From top to bottom, in the repository's folder, against the real toy model; a ledger is a new one."""
    for module, extra in (("xllamacpp", "airouter-llamacpp[embedded]"), ("aiohttp", "airouter-core[async]")):
        pytest.importorskip(module, reason=f"runs a real model: pip install '{extra}'")
    if not any(info.name == "llama-cpp" for info in installed().providers()):
        pytest.skip("runs a real model: pip install 'airouter-llamacpp[embedded]'")
    code = "\n".join(PYTHON.findall(page.read_text(encoding="utf-8")))
    if not code:
        pytest.skip("has no snippets")
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that is there."""
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_hook_has_its_line_and_every_line_its_hook() -> None:
    """docs/hooks.md and hookspecs.py name the same hooks, with the same arguments."""
    specified = {
        f"{name}({', '.join(inspect.signature(value).parameters)})"
        for name, value in vars(hookspecs).items()
        if name.startswith("airouter_") and callable(value)
    }
    documented = set(re.findall(r"^\| `(airouter_\w+\([^)]*\))`", (ROOT / "docs/hooks.md").read_text(), re.MULTILINE))
    assert documented == specified


def test_the_table_of_parameters_is_the_codes_own() -> None:
    """tools/write_docs.py would change nothing."""
    tool = _tool("write_docs")
    text = tool.GUIDE.read_text(encoding="utf-8")
    assert tool.with_table(text) == text, "run: python tools/write_docs.py"


def test_the_page_of_the_command_line_is_the_commands_own() -> None:
    """tools/write_docs.py would change nothing."""
    tool = _tool("write_docs")
    text = tool.COMMANDS.read_text(encoding="utf-8")
    assert tool.with_commands(text) == text, "run: python tools/write_docs.py"


def test_every_decision_is_in_the_list() -> None:
    """docs/decisions/README.md links each page."""
    folder = ROOT / "docs" / "decisions"
    listed = set(LINK.findall((folder / "README.md").read_text(encoding="utf-8")))
    assert {page.name for page in folder.glob("0*.md")} == listed
