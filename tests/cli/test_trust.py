"""A settings file of the working folder may be a stranger's: what of it counts, and when."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airouter_core.cli.app import run_app
from airouter_core.cli.targets import chosen_provider, current_settings
from airouter_core.config.folders import settings_in_force
from airouter_core.config.trust import distrust, trust
from airouter_core.errors import ConfigurationError
from airouter_core.plugins.registry import installed

needs_providers = pytest.mark.skipif(
    not {"llama-cpp", "openai"} <= {info.name for info in installed().providers()},
    reason="uses two providers: pip install airouter-llamacpp airouter-openai",
)


def write(text: str, name: str = "airouter.toml") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    current_settings.cache_clear()
    return path


@needs_providers
def test_nothing_is_sent_where_a_stranger_says(
    serve_answers: Any, program: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, chat_answer: Any
) -> None:
    """Neither the key of the environment nor a variable goes to the address in the file; once trusted, they do."""
    seen: list[str] = []

    def answer(path: str, _: object) -> tuple[int, str, bytes]:
        seen.append(path)
        return 200, "text/event-stream", chat_answer("hello")

    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    write(f'[openai]\nbase_url = "{serve_answers(answer)}/v1"\napi = "chat"\ncustom_headers = {{X-A = "${{HOME}}"}}\n')
    command = program("run", "-p", "openai", "-m", "m", "hi")
    refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert refused.returncode == 2
    assert "[openai] sets base_url, custom_headers, which counts once you trust this file" in refused.stderr
    assert "`airouter config trust ./airouter.toml`" in refused.stderr
    assert seen == []
    assert run_app(["config", "trust"]) == 0
    assert subprocess.run(command, capture_output=True, text=True, check=False, timeout=600).stdout == "hello \n"


@needs_providers
def test_no_program_of_a_stranger_is_run(program: Callable[..., list[str]]) -> None:
    """Not by asking, not by listing, not by looking whether all is well."""
    engine = Path("llama-cli")
    engine.write_text("#!/bin/sh\ntouch was-run\n")
    engine.chmod(0o755)
    write(f'[airouter]\nmodel = "airouter-toy"\n[llama-cpp]\nllama_cpp_path = "{Path.cwd()}"\nmode = "cli"\n')
    for arguments in (["run", "hi"], ["models"], ["doctor"], ["config", "check"], ["config", "show"]):
        subprocess.run(program(*arguments), capture_output=True, check=False, timeout=600)
    assert not Path("was-run").exists()


@needs_providers
@pytest.mark.parametrize(
    "setting",
    [
        'base_url = "http://elsewhere"',
        'models_dir = "/"',
        'special_flags = ["--log-file", "/etc/passwd"]',
        'custom_headers = {A = "b"}',
        'proxies = {https = "http://elsewhere"}',
        "verify_ssl = false",
        "log_content = true",
        'api_key = "sk-0123456789"',
        'timeout = "${HOME}"',
        'mode = "keyring:openai"',
    ],
)
def test_what_needs_trust(setting: str) -> None:
    """What leads a prompt, a key or a program somewhere, and every reference."""
    write(f"[llama-cpp]\n{setting}\n")
    with pytest.raises(ConfigurationError, match=rf"sets {setting.partition(' ')[0]}, which counts once you trust"):
        chosen_provider("llama-cpp", None)


@needs_providers
def test_what_anybody_may_choose() -> None:
    """Models, providers, numbers, words from a list."""
    write('[airouter]\nprovider = "mine"\nmodel = "m"\n[mine]\nprovider = "llama-cpp"\ntimeout = 7\nmode = "server"\n')
    provider = chosen_provider(None, None)
    assert (provider.config.timeout, provider.config.mode) == (7, "server")
    assert chosen_provider("llama-cpp", None).config.timeout == 300


@needs_providers
def test_one_provider_under_the_name_of_another() -> None:
    """A table may not turn a name that the user types into somebody else."""
    write('[gguf]\nprovider = "openai"\n')
    with pytest.raises(ConfigurationError, match=r"\[gguf\] sets provider, which counts"):
        chosen_provider("gguf", None)


@needs_providers
def test_trust_ends_with_a_change_and_by_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Content and place together are trusted."""
    path = write('[llama-cpp]\nmodels_dir = "a"\n')
    assert run_app(["config", "check"]) == 2
    assert run_app(["config", "trust"]) == 0
    current_settings.cache_clear()
    assert run_app(["config", "check"]) == 0
    write('[llama-cpp]\nmodels_dir = "a"\n', "elsewhere/airouter.toml")
    assert not settings_in_force(folder="elsewhere").trusted  # type: ignore[union-attr]  # it is there
    write('[llama-cpp]\nmodels_dir = "b"\n')
    assert run_app(["config", "check"]) == 2
    write('[llama-cpp]\nmodels_dir = "a"\n')
    assert run_app(["config", "show", "--json"]) == 0
    assert json.loads("{" + capsys.readouterr().out.partition("{")[2])["trusted"] is True
    assert run_app(["config", "untrust", str(path)]) == 0
    current_settings.cache_clear()
    assert run_app(["config", "check"]) == 2
    assert not distrust(str(path))


@needs_providers
def test_the_users_own_files_count_whole(
    own_surroundings: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., None]
) -> None:
    """The one in the user's folder, and those named by AIROUTER_CONFIG or --config."""
    text = '[llama-cpp]\nmodels_dir = "mine"\n'
    monkeypatch.delenv("AIROUTER_MODELS_DIR")
    write(text, str(own_surroundings / "settings" / "airouter" / "airouter.toml"))
    assert chosen_provider("llama-cpp", None).config.models_dir == "mine"
    monkeypatch.setenv("AIROUTER_CONFIG", str(write(text.replace("mine", "named"), "named.toml")))
    current_settings.cache_clear()
    assert chosen_provider("llama-cpp", None).config.models_dir == "named"
    current_settings.cache_clear()
    assert run_app(["--config", str(write(text, "other.toml")), "config", "check"]) == 0
    current_settings.cache_clear()
    refused(["--config", "nowhere.toml", "config", "check"], "nowhere.toml")


def test_trust_that_cannot_be_given(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """No file, no TOML, no folder to note it in: one line that says which."""
    assert run_app(["config", "trust"]) == 2
    assert "there is no airouter.toml" in capsys.readouterr().err
    write("[nonsense")
    assert run_app(["config", "trust"]) == 2
    assert "not valid TOML" in capsys.readouterr().err
    write("[ok]\n")
    Path("taken").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(Path("taken").absolute()))
    with pytest.raises(ConfigurationError, match=r"cannot change the trust in 'airouter\.toml': Not a directory"):
        trust("airouter.toml")
