"""Every Python snippet of every page is Python, and imports only names that are there.

They also run: those that a real model can answer in test_pages.py, the others in test_vendor_pages.py.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("*.md", "docs/**/*.md", "plugins/*/README.md", "examples/**/*.md", "models/**/*.md")
PAGES = sorted({page for pattern in FOLDERS for page in ROOT.glob(pattern) if ".venv" not in page.parts})
PYTHON = re.compile(r"^( *)```python\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def _snippets(page: Path) -> Iterator[tuple[int, str]]:
    text = page.read_text(encoding="utf-8")
    for match in PYTHON.finditer(text):
        line = text[: match.start()].count("\n") + 2
        yield line, re.sub(rf"^{match.group(1)}", "", match.group(2), flags=re.MULTILINE)


WITH_SNIPPETS = [page for page in PAGES if any(_snippets(page))]


def _tree(page: Path, line: int, code: str) -> ast.Module:
    # A page may await without the function around it.
    tree = compile("\n" * (line - 1) + code, page.name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert isinstance(tree, ast.Module)
    return tree


def _imports(tree: ast.Module) -> Iterator[tuple[str, str | None]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize("page", WITH_SNIPPETS, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_snippets_of_a_page_compile(page: Path) -> None:
    """An error names the page and the line."""
    for line, code in _snippets(page):
        _tree(page, line, code)


@pytest.mark.parametrize("page", WITH_SNIPPETS, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_imports_from_us_is_there(page: Path) -> None:
    """Names of the core and of the plugins that are installed."""
    for line, code in _snippets(page):
        for module, name in _imports(_tree(page, line, code)):
            package = module.partition(".")[0]
            ours = package.startswith("airouter_") and importlib.util.find_spec(package) is not None
            if not ours:
                continue
            loaded = importlib.import_module(module)
            there = name is None or hasattr(loaded, name) or importlib.util.find_spec(f"{module}.{name}") is not None
            assert there, f"{page.name}, line {line}: {module} has no {name}"


def test_the_pages_of_the_providers_are_found() -> None:
    """There is a quick start for each provider."""
    found = {page.stem for page in WITH_SNIPPETS if page.parent.name == "quickstart"}
    assert found >= {"llama-cpp", "ollama", "openai", "claude", "gemini", "cohere", "openrouter"}
