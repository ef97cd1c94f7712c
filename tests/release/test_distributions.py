"""The distributions as they are published: what is in them, and what installing them brings."""

from __future__ import annotations

import email
import itertools
import json
import os
import re
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Environment

pytestmark = pytest.mark.release

ROOT = Path(__file__).parents[2]
PLUGINS = tuple(sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")))
PROVIDERS = {
    "airouter-bedrock": ("bedrock",),
    "airouter-claude": ("claude",),
    "airouter-cohere": ("cohere",),
    "airouter-compatible": (
        *("alibaba", "azure", "azure-classic", "baseten", "cerebras", "cloudflare", "compatible"),
        *(
            "databricks",
            "deepinfra",
            "deepseek",
            "fireworks",
            "groq",
            "huggingface",
            "hyperbolic",
            "llamafile",
            "lmstudio",
        ),
        *("minimax", "mistral", "moonshot", "nebius", "novita", "nvidia", "perplexity", "sambanova"),
        *("sglang", "tgi", "together", "vercel", "vllm", "xai", "zai"),
    ),
    "airouter-gemini": ("gemini",),
    "airouter-llamacpp": ("llama-cpp",),
    "airouter-ollama": ("ollama",),
    "airouter-openai": ("openai",),
    "airouter-openrouter": ("openrouter",),
    "airouter-router": ("router",),
}
"""What each plugin brings; airouter-compat brings no provider."""
DISTRIBUTIONS = ("airouter-core", *PLUGINS)
CORE_NEEDS = {"attrs", "filelock", "importlib-metadata", "msgspec", "platformdirs", "pluggy", "requests"}
INSTALLERS = ("pip", "setuptools", "pkg_resources", "_distutils", "distutils")
"""What a fresh environment holds before anything is installed."""
STANDS_ON = {"airouter-gateway": {"airouter-ledger"}}
MEGABYTE = 1_000_000
MOST_OF_CORE = 12 * MEGABYTE
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
MADE = ROOT / ".cache" / "engines" / "python" / "bin"
"""Where ``make engines`` puts the Python that a machine is least likely to have."""
EMBEDDED = "airouter-llamacpp[embedded]"
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
RELATIVE = re.compile(r"\]\((?!https?://|mailto:|#)([^)]+)\)")

LISTED = "import json, airouter_core; print(json.dumps([info.name for info in airouter_core.list_providers()]))"
SOUND = """
import json
from airouter_core import list_providers
from airouter_core.plugins.registry import installed
assert not installed().problems, installed().problems
print(json.dumps(sorted(info.name for info in list_providers())))
"""


def _brought(plugins: Iterable[str]) -> list[str]:
    return sorted(provider for plugin in plugins for provider in PROVIDERS[plugin])


def _file(dist: Path, name: str, ending: str) -> Path:
    (found,) = dist.glob(f"{name.replace('-', '_')}-*{ending}")
    return found


def _wheel(dist: Path, name: str) -> Path:
    return _file(dist, name, ".whl")


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


def _requirements(metadata: Message) -> list[str]:
    return [text for text in metadata.get_all("Requires-Dist", []) if "extra ==" not in text]


def _installed(environment: Environment) -> set[str]:
    listed = json.loads(environment.run("-m", "pip", "list", "--format=json").stdout)
    return {entry["name"].lower().replace("_", "-") for entry in listed}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_wheel_says_who_it_is(dist: Path, name: str) -> None:
    """Name, licence and its text, Python, a README in Markdown; types for whoever checks them."""
    wheel = _wheel(dist, name)
    metadata = _metadata(wheel)
    files = zipfile.ZipFile(wheel).namelist()
    assert metadata["Name"] == name
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata["Summary"].endswith(".")
    assert any(file.endswith(".dist-info/licenses/LICENSE") for file in files)
    package = name.replace("-", "_")
    if name == "airouter-compat":
        assert "providers.py" in files
    else:
        assert f"{package}/py.typed" in files
        assert all(file.startswith((f"{package}/", f"{package}-")) for file in files)
    assert not [file for file in files if "/tests/" in file or file.endswith(".pyc") or "__pycache__" in file]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_description_renders(dist: Path, name: str) -> None:
    """As the package index shows it: the index's own renderer accepts it."""
    markdown = pytest.importorskip("readme_renderer.markdown", reason="pip install 'readme-renderer[md]'")
    text = _metadata(_wheel(dist, name)).get_payload()
    assert isinstance(text, str)
    rendered = markdown.render(text)
    assert rendered
    assert "<h1" in rendered


@pytest.mark.parametrize("name", PLUGINS)
def test_the_readme_of_a_plugin_stands_alone(dist: Path, name: str) -> None:
    """It links to nothing that only a checkout has, and says how to install it."""
    text = _metadata(_wheel(dist, name)).get_payload()
    assert not RELATIVE.findall(text)
    assert re.search(rf"pip install .*{name}", text)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_an_sdist_has_the_tests_and_the_licence(dist: Path, name: str) -> None:
    """Whoever packages it for a system finds both."""
    with tarfile.open(_file(dist, name, ".tar.gz")) as archive:
        files = {member.name.partition("/")[2] for member in archive.getmembers()}
    assert {"LICENSE", "README.md", "pyproject.toml", "PKG-INFO"} <= files
    assert any(file.startswith("tests/test_") for file in files)
    assert not [file for file in files if file.endswith((".pyc", ".gguf"))]


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_needs_the_core_and_no_other_plugin(dist: Path, name: str) -> None:
    """Any subset can be installed: none asks for another, but for the gateway, whose keys lie beside the ledger."""
    needed = [re.split(r"[^\w.-]", text)[0] for text in _requirements(_metadata(_wheel(dist, name)))]
    assert "airouter-core" in needed
    assert set(needed) & set(PLUGINS) == STANDS_ON.get(name, set())


def test_the_core_alone_is_small(dist: Path, environment: Callable[..., Environment]) -> None:
    """Installing it brings seven dependencies and what they bring, in less than 12 MB, and works without any plugin."""
    wheel = _wheel(dist, "airouter-core")
    assert {re.split(r"[^\w.-]", text)[0] for text in _requirements(_metadata(wheel))} == CORE_NEEDS
    made = environment(CORE_NEEDS)
    before = _installed(made)
    made.install(wheel)
    assert _installed(made) - before == {"airouter-core"}
    (site,) = [path for path in made.folder.rglob("site-packages") if path.is_dir()]
    size = sum(
        path.stat().st_size
        for path in site.rglob("*")
        if path.is_file() and not path.relative_to(site).parts[0].startswith(INSTALLERS)
    )
    print(f"core alone: {size / MEGABYTE:.1f} MB with byte code")  # noqa: T201  # a figure for the release notes
    assert size < MOST_OF_CORE
    assert made.run("-c", LISTED).stdout.strip() == "[]"


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_installs_alone(dist: Path, name: str, environment: Callable[..., Environment]) -> None:
    """With the core from the same folder, and nothing else of ours; its provider is there and nothing is broken."""
    made = environment(["--find-links", dist, _wheel(dist, name)])
    result = made.run("-c", SOUND)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == sorted(PROVIDERS.get(name, ()))
    assert made.run("-m", "pip", "check").returncode == 0


def test_any_subset_works(dist: Path, environment: Callable[..., Environment], tmp_path: Path) -> None:
    """Each provider alone, each two of them, all but one, and all: each subset lists its own and no other."""
    made = environment(["--find-links", dist, _wheel(dist, "airouter-core")])
    # Their dependencies, once; the plugins themselves each in a folder of its own.
    for name in PROVIDERS:
        if needs := [text for text in _requirements(_metadata(_wheel(dist, name))) if "airouter" not in text]:
            made.install(*needs)
        made.install("--no-deps", "--target", tmp_path / name, _wheel(dist, name))
    for count in (0, 1, 2, len(PROVIDERS) - 1, len(PROVIDERS)):
        for subset in itertools.combinations(PROVIDERS, count):
            path = os.pathsep.join(str(tmp_path / name) for name in subset)
            result = made.run("-c", SOUND, PYTHONPATH=path)
            assert result.returncode == 0, (subset, result.stderr)
            assert json.loads(result.stdout) == _brought(subset)


def _interpreters() -> Iterator[tuple[str, str | None]]:
    folder = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in VERSIONS:
        if sys.version_info[:2] == tuple(map(int, version.split("."))):
            yield version, getattr(sys, "_base_executable", sys.executable)
            continue
        kept = [*sorted(folder.glob(f"{version}.*/bin/python")), *MADE.glob(f"python{version}")]
        yield version, str(kept[-1]) if kept else shutil.which(f"python{version}")


@pytest.mark.parametrize(("version", "python"), [pytest.param(*pair, id=pair[0]) for pair in _interpreters()])
def test_the_readme_works_as_written(
    version: str, python: str | None, dist: Path, environment: Callable[..., Environment]
) -> None:
    """From wheels, in a fresh environment, on each Python: its snippets and its commands, with a real model."""
    if python is None:
        pytest.skip(f"there is no Python {version} here (3.14: tools/engines/python.sh .cache/engines/python)")
    wheels = [_wheel(dist, name) for name in DISTRIBUTIONS if name != "airouter-llamacpp"]
    made = environment(["--find-links", dist, *wheels, "airouter-core[cli,async]"], python)
    embedded = made.run(
        "-m", "pip", "install", "-q", "--only-binary=xllamacpp", "--find-links", dist, EMBEDDED, cwd=dist
    )
    if embedded.returncode:
        made.install(_wheel(dist, "airouter-llamacpp"))
        assert json.loads(made.run("-c", SOUND).stdout) == _brought(PROVIDERS)
        pytest.skip(f"all is installed and listed; no model was asked: xllamacpp has no wheel for Python {version}")
    code = "\n".join(PYTHON.findall((ROOT / "README.md").read_text(encoding="utf-8")))
    result = made.run("-c", code, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    for arguments in (
        ("run", "-p", "llama-cpp", "-m", "airouter-toy", "What is the capital of France?"),
        ("models", "llama-cpp"),
        ("providers",),
        ("plugins",),
    ):
        command = made.run(made.command("airouter"), *arguments, cwd=ROOT, AIROUTER_MODELS_DIR="models")
        assert command.returncode == 0, command.stderr
        assert command.stdout.strip()
        if arguments[0] == "run":
            assert "Paris" in command.stdout
    assert made.run("-m", "pip", "check").returncode == 0
