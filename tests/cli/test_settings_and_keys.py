"""Settings files and stored keys, through the commands about them."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from airouter_core.cli.app import run_app
from airouter_core.cli.targets import chosen_provider, current_settings
from airouter_core.config.files import read_settings
from airouter_core.config.folders import find_settings
from airouter_core.config.trust import trust
from airouter_core.errors import ConfigurationError, ExposedSecretWarning
from airouter_core.plugins.registry import installed

CANARY = "sk-canary-0123456789"

needs_provider = pytest.mark.skipif(
    not any(info.name == "llama-cpp" for info in installed().providers()),
    reason="uses the llama-cpp provider: pip install airouter-llamacpp",
)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    trust(str(path))
    current_settings.cache_clear()
    return path


@needs_provider
def test_init_writes_a_file_that_can_be_read_back(
    own_surroundings: Path, capsys: pytest.CaptureFixture[str], refused: Callable[..., None]
) -> None:
    """Everything in it is a comment; it is its owner's alone; it is not overwritten by accident."""
    assert run_app(["config", "init"]) == 0
    path = capsys.readouterr().out.strip()
    content = Path(path).read_text()
    assert "[llama-cpp]" in content
    assert tomllib.loads(content)["llama-cpp"] == {}
    uncommented = "\n".join(line.removeprefix("# ") if " = " in line else line for line in content.splitlines())
    assert "models_dir" in tomllib.loads(uncommented)["llama-cpp"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    refused(["config", "init"], "is there already; --force overwrites it")
    assert run_app(["config", "path"]) == 0
    assert capsys.readouterr().out.strip() == path


@needs_provider
def test_the_environment_counts_before_the_file_and_the_command_line_before_both(
    own_surroundings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One order: what is given, the environment, the settings file, the default."""
    write(own_surroundings / "airouter.toml", '[llama-cpp]\nmodels_dir = "from-file"\ntimeout = 7\n')
    assert chosen_provider("llama-cpp", None).config.models_dir != "from-file"
    assert chosen_provider("llama-cpp", None).config.timeout == 7
    assert chosen_provider("llama-cpp", None, ("timeout=8",)).config.timeout == 8
    monkeypatch.delenv("AIROUTER_MODELS_DIR")
    assert chosen_provider("gguf", None).config.models_dir == "from-file"


@needs_provider
def test_a_table_may_have_a_name_of_its_own(own_surroundings: Path) -> None:
    """[fast] with provider = "llama-cpp" is another llama-cpp."""
    write(
        own_surroundings / "airouter.toml",
        '[fast]\nprovider = "llama-cpp"\ntimeout = 3\n[airouter]\nprovider = "fast"\n',
    )
    provider = chosen_provider(None, None)
    assert provider.info.name == "llama-cpp"
    assert provider.config.timeout == 3


@needs_provider
def test_references_are_looked_up_when_they_are_needed(own_surroundings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """${VARIABLE} and keyring:NAME; one that leads nowhere is named, with its place."""
    write(
        own_surroundings / "airouter.toml",
        '[llama-cpp]\nbase_url = "http://${HOST_OF_MINE}:1"\napi_key = "keyring:mine"\n',
    )
    with pytest.raises(ConfigurationError, match="HOST_OF_MINE"):
        chosen_provider("llama-cpp", None)
    monkeypatch.setenv("HOST_OF_MINE", "localhost")
    with pytest.raises(ConfigurationError, match="airouter keys set mine"):
        chosen_provider("llama-cpp", None)
    monkeypatch.setattr(sys, "stdin", io.StringIO(CANARY + "\n"))
    assert run_app(["keys", "set", "mine"]) == 0
    config = chosen_provider("llama-cpp", None).config
    assert config.base_url == "http://localhost:1"
    assert config.api_key == CANARY
    assert CANARY not in repr(config)


def test_keys_are_stored_for_their_owner_alone_and_never_shown(
    own_surroundings: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    refused: Callable[..., None],
) -> None:
    """Set from a pipe, listed by name, removed; the key is in no output."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(CANARY + "\n"))
    assert run_app(["keys", "set", "openai"]) == 0
    assert stat.S_IMODE(os.stat(own_surroundings / "keys.json").st_mode) == 0o600
    assert run_app(["keys", "list", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["names"] == ["openai"]
    assert CANARY not in printed.out + printed.err
    assert run_app(["keys", "remove", "openai"]) == 0
    refused(["keys", "remove", "openai"], "there is no stored key 'openai'; `airouter keys list` shows")
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    refused(["keys", "set", "openai"], "no key was given; nothing was stored")


@needs_provider
def test_a_key_is_found_under_any_name_of_its_provider(
    own_surroundings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stores it under an alias has stored it; a name that is nobody's is told, and may be referred to."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(CANARY + "\n"))
    assert run_app(["keys", "set", "gguf"]) == 0
    assert "warning" not in capsys.readouterr().err
    assert chosen_provider("llama-cpp", None).config.api_key == CANARY
    monkeypatch.setattr(sys, "stdin", io.StringIO(CANARY + "\n"))
    assert run_app(["keys", "set", "lama-cpp"]) == 0
    assert (
        "did you mean 'llama-cpp'? The key counts where a settings file says \"keyring:lama-cpp\""
        in capsys.readouterr().err
    )


@pytest.mark.skipif(
    not any(info.name == "openai" for info in installed().providers()),
    reason="is about a provider that needs a key: pip install airouter-openai",
)
def test_check_looks_for_keys_where_calls_do(
    own_surroundings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is missing is told and is no fault of the file; a stored one is found."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    write(own_surroundings / "airouter.toml", "[openai]\ntimeout = 5\n")
    assert run_app(["config", "check"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "[openai] ok, without a key\n"
    assert "`airouter keys set openai`" in printed.err
    monkeypatch.setattr(sys, "stdin", io.StringIO(CANARY + "\n"))
    assert run_app(["keys", "set", "openai"]) == 0
    assert run_app(["config", "check"]) == 0
    assert capsys.readouterr().out == "[openai] ok\n"


def test_a_file_of_keys_that_others_may_read_is_refused(
    own_surroundings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the command that mends it."""
    write(own_surroundings / "keys.json", json.dumps({"openai": CANARY}), mode=0o644)
    assert run_app(["keys", "list"]) == 2
    assert "chmod 600" in capsys.readouterr().err


@needs_provider
def test_literal_keys_in_an_open_file_are_warned_about(own_surroundings: Path) -> None:
    """The warning names the setting and the way out, not the key."""
    path = write(own_surroundings / "providers.json", json.dumps({"llama-cpp": {"api_key": CANARY}}), mode=0o644)
    with pytest.warns(ExposedSecretWarning, match=r"llama-cpp\.api_key") as caught:
        read_settings(path)
    assert CANARY not in str(caught[0].message)
    path.chmod(0o600)
    read_settings(path)


@needs_provider
@needs_provider
def test_a_warning_is_a_line_without_our_source(own_surroundings: Path, program: Callable[..., list[str]]) -> None:
    """And is said once, however often the file is read."""
    write(own_surroundings / "airouter.toml", f'[llama-cpp]\napi_key = "{CANARY}"\n', mode=0o644)
    result = subprocess.run(program("doctor", "gguf"), capture_output=True, text=True, check=False, timeout=600)
    assert result.stderr.startswith("warning: ./airouter.toml holds keys (llama-cpp.api_key)")
    assert result.stderr.count("\n") == 1


def test_show_hides_keys(own_surroundings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For people and for programs; references are shown, since they say nothing."""
    write(
        own_surroundings / "airouter.toml",
        f'[llama-cpp]\napi_key = "{CANARY}"\ntimeout = 5\n[gguf]\napi_key = "${{KEY}}"\n',
    )
    for arguments in (["config", "show"], ["config", "show", "--json"]):
        assert run_app(arguments) == 0
        printed = capsys.readouterr()
        assert CANARY not in printed.out + printed.err
        assert "${KEY}" in printed.out


@needs_provider
def test_check_names_each_table_and_what_is_wrong_with_it(
    own_surroundings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Good tables are ok, others have their error; the exit code says whether all are."""
    write(own_surroundings / "airouter.toml", "[llama-cpp]\ntimeout = 5\n[gguf]\ntimeuot = 5\n[nobody]\n")
    assert run_app(["config", "check"]) == 2
    printed = capsys.readouterr()
    assert "[llama-cpp] ok" in printed.out
    assert "did you mean 'timeout'" in printed.err
    assert "pip install airouter-nobody" in printed.err


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("airouter.toml", "[llama-cpp\n", "not valid TOML"),
        ("providers.json", "{", "not valid JSON"),
        ("providers.json", "[]", "table of settings"),
        ("providers.json", '{"openai": "sk-1"}', "table of settings"),
        ("airouter.toml", "[airouter]\ncolour = 1\n", "takes provider and model"),
    ],
)
def test_a_file_that_cannot_be_understood_is_one_line(own_surroundings: Path, name: str, text: str, said: str) -> None:
    """With its name, and what is wrong."""
    with pytest.raises(ConfigurationError, match=said):
        read_settings(write(own_surroundings / name, text))


def test_the_file_in_force_is_found_in_one_order(own_surroundings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AIROUTER_CONFIG, the working folder, the user's own; TOML before JSON."""
    assert find_settings() is None
    own = own_surroundings / "settings" / "airouter"
    own.mkdir(parents=True)
    for path in (own / "providers.json", own / "airouter.toml"):
        write(path, "")
        assert find_settings() == str(path)
    for path in (Path("providers.json"), Path("airouter.toml")):
        write(path, "")
        assert os.path.samefile(str(find_settings()), path)
    monkeypatch.setenv("AIROUTER_CONFIG", str(own / "providers.json"))
    assert find_settings() == str(own / "providers.json")
    monkeypatch.setenv("AIROUTER_CONFIG", "nowhere.toml")
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml"):
        find_settings()


@needs_provider
def test_the_schema_is_for_the_providers_installed(capsys: pytest.CaptureFixture[str]) -> None:
    """Every setting has a type; unknown ones are refused; a table of one's own names its provider."""
    assert run_app(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    table = schema["properties"]["llama-cpp"]
    assert table["properties"]["timeout"]["type"] == "number"
    assert table["additionalProperties"] is False
    assert schema["additionalProperties"]["required"] == ["provider"]
