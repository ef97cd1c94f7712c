"""The pages about vendors and plugins: every snippet runs as it stands, at the vendors' own addresses.

Nothing leaves the machine: a proxy answers for them. That the answers are as the vendors give them is what the plugins'
recordings are for; here it is shown that the words of a page do what the page says, from its first line to its last.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airouter_core.plugins.registry import installed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    import trustme

    from conftest import StandIn

ROOT = Path(__file__).parents[2]
TOY = ROOT / "models" / "airouter-toy" / "airouter-toy.gguf"
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
KEYS = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "OPENROUTER_API_KEY",
    "AWS_BEARER_TOKEN_BEDROCK",
    "GEMINI_API_KEY",
    "CO_API_KEY",
)
FOLDERS = ("/data/models",)
"""Where the pages have models; no other word of a snippet is replaced."""

PAGES = {
    "docs/hooks.md": (),
    "docs/quickstart/bedrock.md": ("bedrock",),
    "docs/quickstart/claude.md": ("claude",),
    "docs/quickstart/cohere.md": ("cohere",),
    "docs/quickstart/gemini.md": ("gemini",),
    "docs/quickstart/ollama.md": ("ollama",),
    "docs/quickstart/openai.md": ("openai",),
    "docs/quickstart/openrouter.md": ("openrouter",),
    "docs/write-a-provider.md": (),
    "plugins/airouter-bedrock/README.md": ("bedrock",),
    "plugins/airouter-claude/README.md": ("claude",),
    "plugins/airouter-compat/README.md": (),
    "plugins/airouter-cohere/README.md": ("cohere",),
    "plugins/airouter-compatible/README.md": (),
    "plugins/airouter-gemini/README.md": ("gemini",),
    "plugins/airouter-llamacpp/README.md": ("llama-cpp",),
    "plugins/airouter-ollama/README.md": ("ollama",),
    "plugins/airouter-openai/README.md": ("openai",),
    "plugins/airouter-openrouter/README.md": ("openrouter",),
    "plugins/airouter-router/README.md": ("claude", "router"),
}
"""Each page, and the providers that it asks. The other pages ask a real model, in test_pages.py."""

BEFORE = {
    "plugins/airouter-bedrock/README.md": "pdf = b'%PDF-1.4'",
    "plugins/airouter-claude/README.md": "pdf = b'%PDF-1.4'",
    # A reader of this page is in a plugin that airouter new-plugin has written, and has an upload to record.
    "docs/write-a-provider.md": """
import sys
sys.path.insert(0, "airouter-acme")
from airouter_acme.provider import *
from airouter_core.errors import *
from pathlib import Path
import pytest, requests
from airouter_core.testing.conformance import ProviderConformance
from airouter_acme.plugin import ACME
key = "sk-of-nobody"
Path("tests/cassettes").mkdir(parents=True)
class provider:
    upload = staticmethod(lambda name: requests.get("http://127.0.0.1:" + os.environ["PORT"] + "/api/version"))
import os
""",
}
"""What a reader has by then, which the page does not repeat."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A home, and in it what the snippets read."""
    (tmp_path / "models").mkdir()
    (tmp_path / "letters").mkdir()
    shutil.copy(TOY, tmp_path / "models" / "qwen3-coder-30b.gguf")
    shutil.copy(TOY, tmp_path / "model.gguf")
    (tmp_path / "letters" / "one.txt").write_text("Pay me.", encoding="utf-8")
    for name in ("picture.png", "photo.jpg"):
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" if name.endswith("png") else b"\xff\xd8\xff\xe0")
    return tmp_path


def _with_history(folder: Path) -> None:
    """Two commits that differ, for a page that reviews the last."""
    if shutil.which("git") is None:
        pytest.skip("the page is about a change that git knows: install git")
    alone = {"PATH": os.environ["PATH"], "HOME": str(folder)}  # a hook of git names its own repository
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    for command in (["init"], ["add", "change.txt"], ["commit", "-m", "one"], ["commit", "-a", "-m", "two"]):
        (folder / "change.txt").write_text(" ".join(command), encoding="utf-8")
        subprocess.run([*git, *command], cwd=folder, check=True, capture_output=True, timeout=600, env=alone)


def _run(page: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "\n".join([BEFORE.get(page, ""), *PYTHON.findall((ROOT / page).read_text(encoding="utf-8"))])
    for place in FOLDERS:
        code = code.replace(place, str(folder / "models"))
    (folder / "page.py").write_text(code, encoding="utf-8")
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "COVERAGE_PROCESS_START") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-W", "error", "page.py"],
        cwd=folder,
        env={**kept, "HOME": str(folder), **environment},
        input="A report that goes on for a while.",
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def _needs(page: str) -> None:
    missing = set(PAGES[page]) - {info.name for info in installed().providers()}
    if missing:
        pytest.skip(f"the page is about a provider that is not installed: {', '.join(missing)}")
    if page.endswith("airouter-compat/README.md") and importlib.util.find_spec("providers") is None:
        pytest.skip("the page is about a module that is not installed: pip install airouter-compat")


def _environment(vendors: StandIn, authority: trustme.CA, folder: Path) -> dict[str, str]:
    certificate = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(certificate))
    address = f"127.0.0.1:{vendors.server_port}"
    return {
        **dict.fromkeys(KEYS, "sk-of-nobody"),
        "AWS_REGION": "us-east-1",
        "HTTPS_PROXY": f"http://{address}",
        "REQUESTS_CA_BUNDLE": str(certificate),
        "OLLAMA_HOST": f"http://{address}",
        "PORT": str(vendors.server_port),
    }


@pytest.mark.engine
@pytest.mark.parametrize("page", PAGES)
def test_the_snippets_of_a_page_about_a_vendor_run_as_they_stand(
    page: str, folder: Path, vendors: StandIn, authority: trustme.CA
) -> None:
    """In one program, from top to bottom, without a warning; everything it asks for has an answer."""
    _needs(page)
    environment = _environment(vendors, authority, folder)
    if "claude" in page:
        _with_history(folder)
    if "llamacpp" in page:
        pytest.importorskip("xllamacpp", reason="runs a real model: pip install 'airouter-llamacpp[embedded]'")
    if page.endswith("write-a-provider.md"):
        command = [sys.executable, "-c", "from airouter_core.cli import main; main()", "new-plugin", "acme"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=600)
    result = _run(page, folder, **environment)
    assert result.returncode == 0, result.stderr
    assert not vendors.refused
    prefixes = {"openai": "/openai/", "claude": "/anthropic/", "openrouter": "/openrouter/", "ollama": "/api/"}
    prefixes.update((name, f"/{name}/") for name in ("bedrock", "cohere", "gemini"))
    for name in set(PAGES[page]) & set(prefixes):
        assert any(path.startswith(prefixes[name]) for path, _ in vendors.asked), vendors.asked


@pytest.mark.engine
def test_the_quick_start_of_ollama_runs_with_a_real_server(folder: Path, load: Callable[[Path], ModuleType]) -> None:
    """The same snippets, asked of a real Ollama, which knows a toy by the name of the model."""
    page = "docs/quickstart/ollama.md"
    _needs(page)
    real = load(ROOT / "plugins" / "airouter-ollama" / "tests" / "conftest.py")
    server = real.start_ollama(folder)
    try:
        with real.make_provider(server.address) as provider:
            provider.create_model("mistral", TOY, parameters={"num_thread": 1, "temperature": 0})
        result = _run(page, folder, OLLAMA_HOST=server.address)
    finally:
        server.stop()
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("mistral:latest ")


def test_every_page_with_snippets_is_run() -> None:
    """By this file or by test_pages.py."""
    guides = {
        "README.md",
        "docs/quickstart/llama-cpp.md",
        "docs/write-a-layer.md",  # by test_layers_page.py
        "plugins/airouter-ledger/README.md",
    }
    guides |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/guides/*.md")}
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]
    found += [*ROOT.glob("examples/**/*.md"), *ROOT.glob("models/**/*.md")]
    with_snippets = {
        path.relative_to(ROOT).as_posix() for path in found if PYTHON.search(path.read_text(encoding="utf-8"))
    }
    assert with_snippets - guides == set(PAGES)
