"""`airouter install`, `uninstall` and `plugins --available`: what is run, and where nothing may be."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airouter_core.cli import installing
from airouter_core.cli.app import run_app
from airouter_core.cli.available import available
from airouter_core.plugins.registry import installed

PLUGINS = Path(__file__).parents[2] / "plugins"


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """An environment of one's own with pip; gives the commands that would have been run."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 1 if "airouter-otel" in command else 0)

    monkeypatch.setattr(installing.subprocess, "run", run)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(sys, "prefix", "/somewhere/of/ones/own")
    monkeypatch.setattr(installing, "checkout", lambda: None)
    return commands


def test_plugins_come_from_where_the_core_came_from(
    pip: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """From its checkout, as installers record it, while that has them; else from the index."""
    monkeypatch.setattr(installing, "checkout", lambda: str(PLUGINS.parent))
    assert run_app(["install", "--dry-run", "claude", "llama-cpp[embedded]"]) == 0
    assert capsys.readouterr().out.split()[-2:] == [
        str(PLUGINS / "airouter-claude"),
        f"'{PLUGINS / 'airouter-llamacpp'}[embedded]'",
    ]
    monkeypatch.setattr(installing, "checkout", lambda: str(tmp_path))
    assert run_app(["install", "--dry-run", "claude"]) == 0
    assert capsys.readouterr().out.split()[-1] == "airouter-claude"


def test_where_the_core_came_from_is_what_the_installer_has_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, or nothing for what came from an index or an archive."""
    recorded = ['{"url": "file:///home/eva/my%20clone", "dir_info": {}}', '{"url": "https://host/a.whl"}', None]
    found = []
    for text in recorded:
        of = SimpleNamespace(read_text=lambda _, text=text: text)
        monkeypatch.setattr(installing.metadata, "distribution", lambda _, of=of: of)
        found.append(installing.checkout())
    assert found == ["/home/eva/my clone", None, None]


def test_the_list_is_what_there_is() -> None:
    """Each plugin of this repository, as its project says; of those installed, what they bring too."""
    if not PLUGINS.is_dir():
        pytest.skip("compares with the projects beside the core, which an installed one has not")
    projects = [tomllib.loads(path.read_text())["project"] for path in sorted(PLUGINS.glob("*/pyproject.toml"))]
    assert [(one.name, one.description) for one in available()] == [
        (project["name"], project["description"]) for project in projects
    ], "run: python tools/write_docs.py"
    for info in installed().providers():
        one = next((one for one in available() if one.name == info.distribution), None)
        assert one is None or {info.name, *info.aliases} <= set(one.brings), "run: python tools/write_docs.py"


def test_the_list_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """With what is installed of it; services by the dozen take one line."""
    assert run_app(["plugins", "--available"]) == 0
    printed = capsys.readouterr()
    assert "more" in next(line for line in printed.out.splitlines() if line.startswith("airouter-compatible"))
    assert "airouter install NAME" in printed.err
    assert run_app(["plugins", "--available", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(available())


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("claude", "airouter-claude"),
        ("anthropic", "airouter-claude"),
        ("airouter-claude", "airouter-claude"),
        ("Llama.cpp[embedded]", "airouter-llamacpp[embedded]"),
        ("groq", "airouter-compatible"),
        ("logs", "airouter-ledger"),
        ("otel", "airouter-otel"),
    ],
)
def test_a_package_is_found_by_what_it_brings(
    pip: list[list[str]], name: str, package: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A provider's name, a command's, the package's; extras stay."""
    assert run_app(["install", "--dry-run", name]) == 0
    assert capsys.readouterr().out.split()[-1].strip("'") == package
    assert pip == []


def test_pip_is_run_with_the_python_that_runs(pip: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    """The command is printed before; what it cannot do is an error with its exit code."""
    assert run_app(["install", "-U", "claude", "groq"]) == 0
    assert pip == [[sys.executable, "-m", "pip", "install", "--upgrade", "airouter-claude", "airouter-compatible"]]
    assert "-m pip install --upgrade airouter-claude" in capsys.readouterr().err
    assert run_app(["install", "otel"]) == 1
    assert "exit code 1" in capsys.readouterr().err


def test_uv_is_run_where_there_is_no_pip(
    pip: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For this very environment; without either the error says how to have pip."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(installing.shutil, "which", lambda name: f"/bin/{name}")
    assert run_app(["install", "claude"]) == 0
    assert pip == [["/bin/uv", "pip", "install", "--python", sys.executable, "airouter-claude"]]
    monkeypatch.setattr(installing.shutil, "which", lambda name: None)
    assert run_app(["install", "claude"]) == 2
    assert "ensurepip" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["requests", "airouter-no-such-thing", "claud"])
def test_what_is_not_ours_is_not_installed_by_mistake(
    pip: list[list[str]], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anybody can publish a package of a name that looks right; --yes is for those who know it."""
    assert run_app(["install", name]) == 2
    assert "none of ours" in capsys.readouterr().err
    assert pip == []
    assert run_app(["install", "--yes", name]) == 0
    assert pip[0][-1] == name


@pytest.mark.parametrize("name", ["--index-url=x", "a b", "git+https://x", "-r", "a;b", ""])
def test_what_is_no_name_is_refused(pip: list[list[str]], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It could be an option of pip."""
    assert run_app(["install", "--yes", "--", name]) == 2
    assert "no name of a package" in capsys.readouterr().err
    assert pip == []


def test_what_is_here_is_removed(pip: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    """What is not installed, and the core itself, are errors."""
    mine = next((source.distribution for source in installed().sources), None)
    if mine is not None:
        assert run_app(["uninstall", mine]) == 0
        assert pip == [[sys.executable, "-m", "pip", "uninstall", "--yes", mine]]
        pip.clear()
    for name, message in (("airouter-core", "the program that runs"), ("airouter-nothing", "not installed")):
        assert run_app(["uninstall", name]) == 2
        assert message in capsys.readouterr().err
    assert pip == []


@pytest.mark.parametrize(
    ("kept_by", "advice"),
    [
        ("uv-receipt.toml", "uv tool install 'airouter-core[cli]'"),
        ("pipx_metadata.json", "pipx inject airouter-core airouter-claude"),
    ],
)
def test_environments_that_a_tool_keeps_are_left_to_it(
    pip: list[list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kept_by: str,
    advice: str,
) -> None:
    """Its next upgrade would take away what it does not know of; the error is the command that does not."""
    (tmp_path / kept_by).write_text("")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert run_app(["install", "claude"]) == 2
    printed = capsys.readouterr().err
    assert advice in printed
    assert "airouter-claude" in printed
    assert pip == []


RECEIPT = """
[tool]
requirements = [
    { name = "airouter-core", extras = ["cli"] },
    { name = "airouter-llamacpp", extras = ["embedded"], specifier = ">=0.1" },
    { name = "airouter-echo", directory = "/checkout/airouter-echo" },
    { name = "airouter-router" },
]
"""


@pytest.mark.parametrize(
    ("asked", "then"),
    [
        (["install", "claude"], " --with airouter-router --with airouter-claude"),
        (["install", "airouter-router[x]"], " --with 'airouter-router[x]'"),
    ],
)
def test_what_uv_keeps_is_kept_with_its_extras(
    asked: list[str], then: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command that uv takes names all there is: what it leaves out would be taken away, such as an engine."""
    (tmp_path / "uv-receipt.toml").write_text(RECEIPT)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr("airouter_core.cli.installing.checkout", lambda: None)
    assert run_app(asked) == 2
    engine = " --with 'airouter-llamacpp[embedded]>=0.1' --with /checkout/airouter-echo"
    assert f"uv tool install 'airouter-core[cli]'{engine}{then}\n" in capsys.readouterr().err


def test_a_python_of_the_system_and_a_frozen_program_are_left_alone(
    pip: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As PEP 668 has it; the error says how to make an environment of one's own."""
    (tmp_path / "EXTERNALLY-MANAGED").write_text("")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert run_app(["install", "claude"]) == 2
    assert "python3 -m venv" in capsys.readouterr().err
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert run_app(["install", "claude"]) == 2
    assert "one file" in capsys.readouterr().err
    assert pip == []
