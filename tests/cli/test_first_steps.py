"""The first ten minutes: `airouter` alone, `airouter setup`, and a default that is written where people read it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from airouter_core.cli.app import run_app
from airouter_core.cli.own_files.defaults import set_default_model
from airouter_core.cli.targets import current_settings
from airouter_core.errors import ConfigurationError
from airouter_core.keys import KeyStore
from airouter_core.plugins.registry import installed

INSTALLED = {info.name for info in installed().providers()}
TOY = Path(__file__).parents[2] / "models" / "airouter-toy" / "airouter-toy.gguf"
needs_llama = pytest.mark.skipif("llama-cpp" not in INSTALLED, reason="asks through llama-cpp")
needs_groq = pytest.mark.skipif("groq" not in INSTALLED, reason="asks through groq: pip install airouter-compatible")


@pytest.fixture
def own_file(own_surroundings: Path) -> Path:
    """Where the user's own settings file is, or will be."""
    return own_surroundings / "settings" / "airouter" / "airouter.toml"


@pytest.fixture
def served(serve_answers: Any, chat_answer: Any) -> dict[str, Any]:
    """A server of two models, whose answers a test may change by path; `url` is its address."""
    answers: dict[str, Any] = {
        "/models": (200, "application/json", b'{"data": [{"id": "large"}, {"id": "small"}]}'),
        "/chat/completions": (200, "text/event-stream", chat_answer("Hello there.")),
    }

    def answer(path: str, body: dict[str, object]) -> tuple[int, str, bytes]:
        found: tuple[int, str, bytes] = next(
            (value for end, value in answers.items() if path.endswith(end)), (404, "application/json", b"{}")
        )
        return found

    answers["url"] = serve_answers(answer)
    return answers


def piped(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_the_program_alone_says_what_to_do_first(own_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is set up it names `setup`; afterwards what can be asked now. It fits forty by ten."""
    assert run_app([]) == 0
    before = capsys.readouterr().out
    assert "airouter setup" in before
    assert len(before.splitlines()) < 10
    set_default_model("llama-cpp", "airouter-toy")
    current_settings.cache_clear()
    assert run_app([]) == 0
    after = capsys.readouterr().out
    assert "asks llama-cpp/airouter-toy" in after
    assert "setup" not in after


def test_the_package_is_a_program() -> None:
    """`python -m airouter_core` is `airouter`."""
    made = subprocess.run(
        [sys.executable, "-m", "airouter_core", "--version"], capture_output=True, text=True, check=True
    )
    assert made.stdout.startswith("airouter, version")


@needs_llama
def test_setup_ends_with_an_answer_and_a_default(
    served: dict[str, Any], own_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers are numbers or names; what was chosen is asked at once, and afterwards without naming it."""
    monkeypatch.setenv("LLAMA_CPP_BASE_URL", served["url"])
    piped(monkeypatch, "llama-cpp", "2")
    assert run_app(["setup"]) == 0
    assert "Hello there." in capsys.readouterr().out
    assert tomllib.loads(own_file.read_text())["airouter"] == {"provider": "llama-cpp", "model": "small"}
    monkeypatch.setattr(sys, "stdin", None)
    assert run_app(["run", "hi"]) == 0


@needs_llama
def test_setup_asks_for_what_nothing_works_without(
    own_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A folder of models, which is stored as it is from every working folder; one that is not there is not stored."""
    monkeypatch.delenv("AIROUTER_MODELS_DIR", raising=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "small.gguf").write_bytes(TOY.read_bytes())
    monkeypatch.chdir(tmp_path)
    for answers, code in ((("nowhere",), 2), ((), 2), (("mine",), 0)):
        piped(monkeypatch, *answers)
        assert run_app(["setup", "-p", "llama-cpp", "--no-ask"]) == code
        assert "Which folder holds your GGUF files?" in capsys.readouterr().err
        assert own_file.exists() == (code == 0)
    monkeypatch.setattr(sys, "stdin", None)
    assert tomllib.loads(own_file.read_text()) == {
        "llama-cpp": {"models_dir": str(tmp_path / "mine")},
        "airouter": {"provider": "llama-cpp", "model": "small"},
    }
    own_file.unlink()
    current_settings.cache_clear()
    assert run_app(["setup", "-p", "llama-cpp", "--no-ask", "--set", "models_dir=mine", "--set", "timeout=60"]) == 0
    assert tomllib.loads(own_file.read_text())["llama-cpp"] == {"models_dir": str(tmp_path / "mine"), "timeout": 60}
    assert run_app(["setup", "-p", "llama-cpp", "--no-ask", "--set", "model_dir=mine"]) == 2
    assert "models_dir" in capsys.readouterr().err


@needs_groq
def test_a_key_is_stored_once_it_has_worked(
    served: dict[str, Any], own_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is refused is not kept, and no default is written; one that works is, and is never shown."""
    own_file.parent.mkdir(parents=True)
    own_file.write_text(f'[groq]\nbase_url = "{served["url"]}"\n')
    good = served["/models"]
    served["/models"] = (401, "application/json", b'{"error": {"message": "no", "code": "invalid_api_key"}}')
    piped(monkeypatch, "wrong-key")
    assert run_app(["setup", "-p", "groq", "-m", "small", "--no-ask"]) == 1
    assert not KeyStore.default().names()
    assert "airouter" not in tomllib.loads(own_file.read_text())
    served["/models"] = good
    piped(monkeypatch, "right-key")
    assert run_app(["setup", "-p", "groq", "-m", "small", "--no-ask"]) == 0
    assert KeyStore.default().get("groq") == "right-key"
    printed = capsys.readouterr()
    assert "-key" not in printed.out + printed.err


MANY = [*(f"alpha-{number}" for number in range(14)), "beta"]


@needs_llama
@pytest.mark.parametrize(
    ("models", "answer", "chosen"),
    [
        (MANY, "12", "alpha-11"),
        (MANY, "1", "alpha-0"),
        (MANY, "beta", "beta"),
        (MANY, "be", "beta"),
        (MANY, "alpha-1", "alpha-1"),
        (MANY, "13", "13"),
        (MANY, "0", "0"),
        (["only"], None, "only"),
    ],
)
def test_a_model_is_chosen(
    models: list[str],
    answer: str | None,
    chosen: str,
    served: dict[str, Any],
    own_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By its number among those shown, by its name, or by a beginning that it alone has; one is no question."""
    listed = json.dumps({"data": [{"id": name} for name in models]}).encode()
    served["/models"] = (200, "application/json", listed)
    monkeypatch.setenv("LLAMA_CPP_BASE_URL", served["url"])
    piped(monkeypatch, *([] if answer is None else [answer]))
    assert run_app(["setup", "-p", "llama-cpp", "--no-ask"]) == 0
    said = capsys.readouterr().err
    assert tomllib.loads(own_file.read_text())["airouter"]["model"] == chosen
    assert f"default model: llama-cpp/{chosen} (" in said
    assert ("3. Which model shall be the default?" in said) == (answer is not None)
    assert ("and 3 more, by name" in said) == (len(models) > 12)
    assert ("model: only (the only one)" in said) == (answer is None)


@needs_llama
@pytest.mark.parametrize(
    ("models", "answer", "message"),
    [
        (MANY, "al", "'al' could be any of alpha-0, alpha-1"),
        (MANY, "", "nothing was chosen; nothing was changed"),
        ([], "x", "has no model yet: pull one, or put one where it looks; or name one with -m"),
    ],
)
def test_a_model_that_cannot_be_told_is_not_stored(
    models: list[str],
    answer: str,
    message: str,
    served: dict[str, Any],
    own_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Several that begin so, no answer, no model: it is said, and there is no default."""
    served["/models"] = (200, "application/json", json.dumps({"data": [{"id": name} for name in models]}).encode())
    monkeypatch.setenv("LLAMA_CPP_BASE_URL", served["url"])
    piped(monkeypatch, answer)
    assert run_app(["setup", "-p", "llama-cpp", "--no-ask"]) == 2
    assert message in capsys.readouterr().err
    assert not own_file.exists()


@needs_groq
def test_a_key_that_is_not_given_is_not_stored(
    own_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told which variable would do too."""
    piped(monkeypatch, "")
    assert run_app(["setup", "-p", "groq", "-m", "small", "--no-ask"]) == 2
    said = capsys.readouterr().err
    assert "2. Which key? (Or end this, and set GROQ_API_KEY.) It is not shown." in said
    assert "no key was given; nothing was stored" in said
    assert not KeyStore.default().names()


@needs_llama
@pytest.mark.parametrize(
    ("lines", "said"), [((), "pipe the answers in"), (("nobody",), "no provider is called"), (("",), "nothing was")]
)
def test_setup_without_answers_says_how(
    lines: tuple[str, ...],
    said: str,
    own_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is missing or unknown is one line, and nothing is written."""
    piped(monkeypatch, *lines)
    assert run_app(["setup"]) == 2
    assert said in capsys.readouterr().err
    assert not own_file.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# mine\n",
        "[ollama]\ntimeout = 5  # slow\n",
        '# mine\n[airouter]\n# provider = "x"\nmodel = "old"  # the old one\n\n[ollama]\nbase_url = "http://a"\n',
        '[ollama]\ntimeout = 5\n\n[ airouter ] # ours\nprovider="a"\n',
    ],
)
def test_a_default_leaves_the_rest_of_the_file(text: str, own_file: Path) -> None:
    """Comments and other tables stay, and the file says what is wanted however it was written."""
    own_file.parent.mkdir(parents=True)
    own_file.write_text(text)
    set_default_model("openrouter", 'vendor/mo"del')
    made = own_file.read_text()
    expected = {**tomllib.loads(text), "airouter": {"provider": "openrouter", "model": 'vendor/mo"del'}}
    assert tomllib.loads(made) == expected
    assert ("# mine" in made) == ("# mine" in text)
    assert ("# slow" in made) == ("# slow" in text)


@pytest.mark.parametrize(
    "text", ['airouter = {model = "x"}\n', '[airouter]\nmodel = """\nx"""\n', "airouter.model = 'x'\n", "[airouter\n"]
)
def test_a_file_that_cannot_be_changed_safely_is_left(text: str, own_file: Path) -> None:
    """The error says what to write by hand, and the file is as it was."""
    own_file.parent.mkdir(parents=True)
    own_file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"not valid TOML|yourself"):
        set_default_model("a", "b")
    assert own_file.read_text() == text


def test_a_default_in_json(own_surroundings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that the user names is the one that is changed."""
    path = own_surroundings / "mine.json"
    path.write_text('{"ollama": {"timeout": 5}}')
    monkeypatch.setenv("AIROUTER_CONFIG", str(path))
    assert set_default_model("a", "b") == str(path)
    assert json.loads(path.read_text()) == {"ollama": {"timeout": 5}, "airouter": {"provider": "a", "model": "b"}}
