"""The documentation as a site: no link leads nowhere, and each page is in its navigation."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_tool", ROOT / "tools" / "site.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def test_no_link_leads_nowhere(site: ModuleType, tmp_path: Path) -> None:
    """What a page links to is there in the checkout, and on the site: source files too."""
    assert site.assemble(tmp_path) == []
    errors = tmp_path / "airouter_core" / "errors.py.md"
    assert (ROOT / "airouter_core" / "errors.py").read_text(encoding="utf-8") in errors.read_text(encoding="utf-8")
    assert "](airouter_core/errors.py.md)" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_each_page_is_found_from_the_navigation(site: ModuleType, tmp_path: Path) -> None:
    """Once, under its own heading."""
    site.assemble(tmp_path)
    named = list(itertools.chain.from_iterable(entry.values() for entry in site.navigation()))
    listed = [page for pages in named for entry in pages for page in entry.values()]
    assert len(listed) == len(set(listed))
    pages = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.md")}
    assert set(listed) == {page for page in pages if not page.endswith(".py.md")}
