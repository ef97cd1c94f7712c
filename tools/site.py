"""Build the documentation as a site with search and a dark half: make site.

The pages are the project's Markdown files as they lie here, so that each link works in a checkout and on the site.
Source files that a page links to become pages too. Versions stand beside each other: ``site/0.1/``, with a list of them
in ``site/versions.json`` that the page's head offers; a build leaves the other versions as they are.
"""

from __future__ import annotations

import json
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SITE = ROOT / "site"
VERSION = re.compile(r'VERSION: str = "((\d+\.\d+)[^"]*)"')
LINK = re.compile(r"(\]\()([^)#\s]+)(#[^)\s]*)?(\))")
HEADING = re.compile(r"^# +(.+)$", re.MULTILINE)
PAGES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/**/*.md",
    "plugins/*/README.md",
    "models/*/README.md",
    "benchmarks/*.md",
)
BESIDE = ("LICENSE", "docs/**/*.svg", "docs/**/*.png", "plugins/*/docs/*.png")
SECTIONS = (
    ("Start", ("README.md", "docs/quickstart/*.md", "docs/command-line.md", "docs/migration.md", "docs/comparison.md")),
    ("Guides", ("docs/guides/*.md", "docs/reliability.md", "docs/compatibility.md", "docs/clients.md")),
    ("Distributions", ("plugins/*/README.md", "models/*/README.md")),
    ("Extend", ("docs/write-a-provider.md", "docs/write-a-layer.md", "docs/hooks.md", "docs/wire.md")),
    (
        "Project",
        ("docs/architecture.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/*.md", "docs/decisions/README.md"),
    ),
    ("Decisions", ("docs/decisions/0*.md",)),
)
CONFIG = """
[project]
site_name = "airouter"
site_description = "One interface to any language model, local or cloud."
docs_dir = "pages"
site_dir = "site"
nav = {nav}
[project.theme]
font = false
features = ["content.code.copy", "navigation.footer", "navigation.sections", "navigation.top", "search.highlight"]
[[project.theme.palette]]
media = "(prefers-color-scheme: light)"
scheme = "default"
toggle.icon = "lucide/moon"
toggle.name = "Dark"
[[project.theme.palette]]
media = "(prefers-color-scheme: dark)"
scheme = "slate"
toggle.icon = "lucide/sun"
toggle.name = "Light"
[project.extra.version]
provider = "mike"
[project.markdown_extensions]
tables = {{}}
toc.permalink = true
pymdownx.highlight = {{}}
pymdownx.superfences = {{}}
"""


def assemble(folder: Path) -> list[str]:
    """Write all pages into ``folder``; what is wrong with their links."""
    wrong = []
    for path in _found(*PAGES):
        page = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        for _, target, _, _ in LINK.findall(_prose(text)):
            if "://" in target or target.startswith("mailto:"):
                continue
            linked = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
            if not (ROOT / linked).exists():
                wrong.append(f"{page}: there is no {target}")
            elif linked.endswith(".py"):
                _write(folder / f"{linked}.md", _source(linked))
        _write(folder / page, LINK.sub(_to_page, text))
    for path in _found(*BESIDE):
        target_path = folder / path.relative_to(ROOT)
        target_path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target_path)
    return wrong


def navigation() -> list[dict[str, list[dict[str, str]]]]:
    """The sections and their pages, by the pages' own headings."""
    return [
        {name: [{_title(path): path.relative_to(ROOT).as_posix()} for path in _found(*of)]} for name, of in SECTIONS
    ]


def build() -> None:
    """Build this version beside those that are there.

    Raises:
        SystemExit: a link leads nowhere, or the generator found a fault.
    """
    found = VERSION.search((ROOT / "airouter_core" / "version.py").read_text(encoding="utf-8"))
    assert found is not None
    version, series = found.groups()
    with tempfile.TemporaryDirectory() as place:
        pages = Path(place) / "pages"
        if wrong := assemble(pages):
            sys.exit("\n".join(wrong))
        nav = json.dumps(navigation(), ensure_ascii=False).replace('": ', '" = ')  # the inline tables of TOML
        config = Path(place) / "zensical.toml"
        config.write_text(CONFIG.format(nav=nav), encoding="utf-8")
        command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(config)]
        if subprocess.run(command, check=False, cwd=place).returncode:
            sys.exit("the site could not be built")
        shutil.rmtree(SITE / series, ignore_errors=True)
        shutil.copytree(Path(place) / "site", SITE / series)
    listed = SITE / "versions.json"
    known = json.loads(listed.read_text(encoding="utf-8")) if listed.exists() else []
    others = [entry for entry in known if entry["version"] != series]
    newest_first = [{"version": series, "title": version, "aliases": ["latest"]}]
    newest_first += [{**entry, "aliases": []} for entry in others]
    listed.write_text(json.dumps(newest_first), encoding="utf-8")
    (SITE / "index.html").write_text(f'<meta http-equiv="refresh" content="0; url={series}/">\n', encoding="utf-8")


def _found(*patterns: str) -> Iterator[Path]:
    for pattern in patterns:
        yield from sorted(ROOT.glob(pattern))


def _title(path: Path) -> str:
    found = HEADING.search(path.read_text(encoding="utf-8"))
    return re.sub(r"[`*]", "", found[1]) if found else path.stem


def _prose(text: str) -> str:
    """The text without its code, in which brackets are no links."""
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)


def _to_page(link: re.Match[str]) -> str:
    begin, target, anchor, end = link.groups(default="")
    of_code = target.endswith(".py") and "://" not in target
    return f"{begin}{target}.md{end}" if of_code else f"{begin}{target}{anchor}{end}"


def _source(path: str) -> str:
    return f"# `{path}`\n\n````python\n{(ROOT / path).read_text(encoding='utf-8')}````\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    build()
