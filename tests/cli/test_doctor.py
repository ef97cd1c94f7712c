"""`airouter doctor` tells the truth: each set-up is broken in one way, and looked at."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airouter_core.cli.app import run_app
from airouter_core.cli.targets import current_settings
from airouter_core.config.trust import trust
from airouter_core.plugins.registry import installed

pytestmark = pytest.mark.skipif(
    not any(info.name == "llama-cpp" for info in installed().providers()),
    reason="looks at the llama-cpp provider: pip install airouter-llamacpp",
)

MODELS = b'{"data": [{"id": "one"}, {"id": "two"}]}'


def diagnose(capsys: pytest.CaptureFixture[str], *names: str) -> tuple[int, dict[str, Any]]:
    """Exit code and what is said."""
    current_settings.cache_clear()
    code = run_app(["doctor", "--json", *names])
    return code, json.loads(capsys.readouterr().out)


def the_engine(said: dict[str, Any]) -> dict[str, Any]:
    return next(item for item in said["providers"] if item["provider"] == "llama-cpp")


def test_what_is_right_is_ready(
    serve_answers: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that answers: ready, with its models and how long it took."""
    monkeypatch.setenv("LLAMA_CPP_BASE_URL", serve_answers(lambda *_: (200, "application/json", MODELS)))
    code, said = diagnose(capsys, "llama-cpp")
    assert code == 0
    assert the_engine(said)["state"] == "ready"
    assert the_engine(said)["models"] == 2
    assert said["problems"] == []


def test_a_server_without_a_model(
    serve_answers: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers, and there is nobody to ask yet: told by doctor, and by whoever names no model."""
    monkeypatch.setenv("LLAMA_CPP_BASE_URL", serve_answers(lambda *_: (200, "application/json", b'{"data": []}')))
    code, said = diagnose(capsys, "llama-cpp")
    assert (code, the_engine(said)["state"], the_engine(said)["models"]) == (0, "ready", 0)
    assert "has no model yet" in the_engine(said)["advice"]
    assert run_app(["run", "-p", "llama-cpp", "hi"]) == 2
    assert "llama-cpp has no model yet" in capsys.readouterr().err


def test_a_server_that_is_down(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Unreachable, with the address."""
    monkeypatch.setenv("LLAMA_CPP_BASE_URL", "http://127.0.0.1:9")
    code, said = diagnose(capsys, "llama-cpp")
    assert (code, the_engine(said)["state"]) == (1, "unreachable")
    assert "http://127.0.0.1:9" in the_engine(said)["advice"]


@pytest.mark.parametrize(
    ("status", "kind", "body", "state"),
    [
        (401, "application/json", b'{"error": {"message": "Invalid API Key"}}', "wrong key"),
        (500, "application/json", b'{"error": {"message": "broken"}}', "failing"),
        (200, "text/html", b"<html>a portal</html>", "failing"),
        (403, "application/json", b'{"error": {"message": "not for you"}}', "failing"),
    ],
)
def test_a_server_that_refuses(
    status: int,
    kind: str,
    body: bytes,
    state: str,
    serve_answers: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wrong key, a failing server, a captive portal, a key without the right."""
    monkeypatch.setenv("LLAMA_CPP_BASE_URL", serve_answers(lambda *_: (status, kind, body)))
    config = Path("airouter.toml")
    config.write_text("[llama-cpp]\nmax_retries = 0\n")
    code, said = diagnose(capsys, "llama-cpp")
    assert (code, the_engine(said)["state"]) == (1, state)
    assert the_engine(said)["advice"]


@pytest.mark.parametrize(("folder", "said"), [(None, "models_dir"), ("/no/such/folder", "/no/such/folder")])
def test_a_provider_that_is_not_set_up(
    folder: str | None, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No folder of models, or one that is not there."""
    if folder is None:
        monkeypatch.delenv("AIROUTER_MODELS_DIR")
    else:
        monkeypatch.setenv("AIROUTER_MODELS_DIR", folder)
    code, told = diagnose(capsys, "llama-cpp")
    assert (code, the_engine(told)["state"]) == (1, "not set up")
    assert said in the_engine(told)["advice"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[llama-cpp\n", "not valid TOML"),
        ("[nobody]\n", "pip install airouter-nobody"),
        ("[llama-cpp]\nmodles_dir = 1\n", "modles_dir"),
        ('[llama-cpp]\nmodels_dir = "${NOT_SET_ANYWHERE}"\n', "NOT_SET_ANYWHERE"),
    ],
)
def test_a_settings_file_that_is_wrong(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named as a problem of its own, also when no provider was named."""
    Path("airouter.toml").write_text(text)
    trust("airouter.toml")
    current_settings.cache_clear()
    assert run_app(["doctor", "--json"]) in (1, 2)
    printed = capsys.readouterr()
    assert said in printed.out + printed.err


def test_a_fault_of_all_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A settings file that cannot be read stops every provider; the table does not repeat why."""
    Path("airouter.toml").write_text("[llama-cpp\n")
    current_settings.cache_clear()
    assert run_app(["doctor"]) == 1
    printed = capsys.readouterr()
    assert (printed.out + printed.err).count("not valid TOML") == 1
    assert "see above" in printed.out


def test_a_settings_file_that_is_not_there(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """AIROUTER_CONFIG names nothing."""
    monkeypatch.setenv("AIROUTER_CONFIG", "nowhere.toml")
    current_settings.cache_clear()
    assert run_app(["doctor", "--json"]) in (1, 2)
    printed = capsys.readouterr()
    assert "nowhere.toml" in printed.out + printed.err


@pytest.mark.parametrize("name", ["openai", "claude", "openrouter"])
def test_a_key_that_is_missing(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The advice is the command that stores it, and the variable that may hold it."""
    info = next((info for info in installed().providers() if info.name == name), None)
    if info is None:
        pytest.skip(f"is about another provider: pip install airouter-{name}")
    code, said = diagnose(capsys, name)
    found = said["providers"][0]
    assert (code, found["state"]) == (1, "no key")
    assert f"airouter keys set {name}" in found["advice"]
    assert str(info.api_key_env) in found["advice"]


@pytest.mark.parametrize("source", ["import a_module_that_is_not_there", "def broken(:"])
def test_a_plugin_that_is_broken(source: str, tmp_path: Path, program: Callable[..., list[str]]) -> None:
    """It is named with its distribution and a cure; the others are looked at all the same."""
    (tmp_path / "airouter_broken.py").write_text(source)
    metadata = tmp_path / "airouter_broken-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: airouter-broken\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[airouter]\nit = airouter_broken\n")
    result = subprocess.run(
        program("doctor", "--json"),
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert result.returncode == 1
    said = json.loads(result.stdout)
    assert "airouter-broken" in said["problems"][0]
    assert "AIROUTER_DISABLED_PLUGINS" in said["problems"][0]
    assert the_engine(said)["state"] == "ready"


def test_params_say_who_takes_what(capsys: pytest.CaptureFixture[str]) -> None:
    """Each canonical parameter with its spellings and, by provider, field and range."""
    assert run_app(["params", "--json", "gguf"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert "max_length" in rows["max_tokens"]["aliases"]
    assert rows["top_p"]["providers"]["llama-cpp"]["maximum"] == 1
    assert rows["top_a"]["providers"]["llama-cpp"] is None
    assert run_app(["params"]) == 0
    assert "max_length" in capsys.readouterr().out.replace("\n", "")


def test_a_table_of_parameters_has_no_machine_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Limits that are those of a type are left out; a parameter without limits is just taken."""
    assert run_app(["params", "gguf"]) == 0
    lines = {line.split()[0]: " ".join(line.split()) for line in capsys.readouterr().out.splitlines()}
    assert lines["seed"].endswith(" seed -1..")
    assert lines["top_p"].endswith(" top_p 0..1")
    assert "e+" not in "".join(lines.values())
