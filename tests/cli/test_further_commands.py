"""What there is beside chat on the command line: lists with prices, completion, tokens, and how choices are made."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import pytest

from airouter_core.cli import lists
from airouter_core.cli.app import run_app
from airouter_core.cli.tables import write_table
from airouter_core.cli.targets import current_settings
from airouter_core.plugins.registry import installed
from airouter_core.values.catalog import ModelInfo, Pricing

needs_provider = pytest.mark.skipif(
    not any(info.name == "llama-cpp" for info in installed().providers()),
    reason="uses the llama-cpp provider: pip install airouter-llamacpp",
)

MODELS = [
    ModelInfo(id="b/dear", name="Dear", provider="shop", context_length=9, pricing=Pricing(Decimal(2), Decimal(3))),
    ModelInfo(id="a/free", name="Free", provider="shop", context_length=100, pricing=Pricing(Decimal(0), Decimal(0))),
    ModelInfo(id="c/unknown", name="Unknown", provider="shop", description="a poet", size=3 << 30, problem="damaged"),
    ModelInfo(id="d/small", name="Small", provider="shop", size=700),
]


class _Shop:
    """A provider that lists models."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def list_models(self) -> list[ModelInfo]:
        return MODELS


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> None:
    """`airouter models` asks the shop."""
    monkeypatch.setattr(lists, "chosen_provider", lambda *_: _Shop())


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ([], ["a/free", "b/dear", "c/unknown", "d/small"]),
        (["--sort", "price"], ["a/free", "b/dear", "c/unknown", "d/small"]),
        (["--sort", "context"], ["a/free", "b/dear", "c/unknown", "d/small"]),
        (["--free"], ["a/free"]),
        (["--min-context", "50"], ["a/free"]),
        (["-q", "POET unknown"], ["c/unknown"]),
    ],
)
@pytest.mark.usefixtures("shop")
def test_models_are_searched_and_sorted(options: list[str], ids: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """By words, context and price; what has no price comes last."""
    assert run_app(["models", "shop", "--json", *options]) == 0
    assert [model["id"] for model in json.loads(capsys.readouterr().out)] == ids


@pytest.mark.usefixtures("shop")
def test_a_search_that_finds_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty table could be anything."""
    assert run_app(["models", "shop", "-q", "no such words"]) == 0
    assert capsys.readouterr().err == "no model fits\n"


def test_a_narrow_terminal_breaks_no_words(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Short cells stay in one piece, and so do the words of the headings."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "76")
    monkeypatch.setenv("TERM", "xterm")
    row = ("airouter-toy/airouter-toy", "llama-cpp", "4096", "974.5K F16", "1.9 MiB", "-")
    write_table(("model", "provider", "context", "weights", "size", "$ per million in / out"), [row])
    printed = capsys.readouterr().out
    for word in ("provider", "context", "weights", "million", *row):
        assert word in printed


@pytest.mark.usefixtures("shop")
def test_the_table_has_prices_by_the_million_and_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    """And what is wrong with a model is a warning."""
    assert run_app(["models", "shop"]) == 0
    printed = capsys.readouterr()
    for shown in ("2000000.00 / 3000000.00", "3.0 GiB", "700 B"):
        assert shown in printed.out
    assert "c/unknown: damaged" in printed.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_told_how_to_complete(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The script names the variable that click answers to."""
    assert run_app(["completion", shell]) == 0
    assert "_AIROUTER_COMPLETE" in capsys.readouterr().out


@needs_provider
def test_tokens_and_vectors(
    serve_answers: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    refused: Callable[..., None],
) -> None:
    """Counted by the server that can, and one vector for each line."""

    def answer(path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
        if path.endswith("/tokenize"):
            return 200, "application/json", b'{"tokens": [1, 2, 3]}'
        if path.endswith("/embeddings"):
            vectors = [{"index": at, "embedding": [at]} for at, _ in enumerate(body["input"])]
            return 200, "application/json", json.dumps({"data": vectors}).encode()
        return 200, "application/json", b'{"data": [{"id": "only"}]}'

    monkeypatch.setenv("LLAMA_CPP_BASE_URL", serve_answers(answer))
    assert run_app(["tokens", "-p", "llama-cpp", "one two three"]) == 0
    assert capsys.readouterr().out.strip() == "3"
    assert run_app(["tokens", "-p", "llama-cpp", "--json", "one two three"]) == 0
    assert json.loads(capsys.readouterr().out)["exact"] is True
    assert run_app(["embed", "-p", "llama-cpp", "-m", "only", "--lines", "a\nb"]) == 0
    assert json.loads(capsys.readouterr().out) == [[0.0], [1.0]]
    refused(["embed", "-p", "llama-cpp"], "Missing argument 'TEXT': give it, or pipe it in")
    for command in (["moderate", "-p", "llama-cpp", "hi"], ["image", "-p", "llama-cpp", "-f", "x.png", "a cat"]):
        refused(command, "cannot do")


def test_the_model_that_is_named_moderates(
    serve_answers: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without -m the provider's usual one does; the default model is one that chats, and does not."""
    if installed().find("openai") is None:
        pytest.skip("asks through the openai provider: pip install airouter-openai")
    asked: list[str] = []

    def answer(path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
        asked.append(body["model"])
        result = {"flagged": False, "categories": {}, "category_scores": {}}
        return 200, "application/json", json.dumps({"id": "m", "model": "m", "results": [result]}).encode()

    monkeypatch.setenv("OPENAI_BASE_URL", serve_answers(answer))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    monkeypatch.setenv("AIROUTER_PROVIDER", "openai")
    monkeypatch.setenv("AIROUTER_MODEL", "gpt-5.2")
    assert run_app(["moderate", "-m", "openai/text-moderation-stable", "hi"]) == 0
    assert run_app(["moderate", "hi"]) == 0
    assert asked == ["text-moderation-stable", "omni-moderation-latest"]
    assert capsys.readouterr().out == "nothing found\n" * 2


@needs_provider
def test_a_choice_that_cannot_be_made_lists_what_there_is(
    serve_answers: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    refused: Callable[..., None],
) -> None:
    """Several models, or none; a setting without a value."""
    many = json.dumps({"data": [{"id": f"model-{number}"} for number in range(20)]}).encode()
    monkeypatch.setenv("LLAMA_CPP_BASE_URL", serve_answers(lambda *_: (200, "application/json", many)))
    assert run_app(["run", "-p", "llama-cpp", "hi"]) == 2
    assert "and 8 more" in capsys.readouterr().err
    monkeypatch.setenv("LLAMA_CPP_BASE_URL", serve_answers(lambda *_: (200, "application/json", b'{"data": []}')))
    assert run_app(["run", "-p", "llama-cpp", "hi"]) == 2
    assert "has no model" in capsys.readouterr().err
    refused(
        ["run", "-p", "llama-cpp", "--set", "timeout", "hi"], "'--set': it takes NAME=VALUE in one word, not 'timeout'"
    )
    refused(["run", "-p", "llama-cpp", "--set", "timeout=soon", "hi"], "setting timeout must be a number")
    refused(["run", "-p", "llama-cpp", "--set", "=5", "hi"], "unknown setting ''")
    own = ["run", "-p", "llama-cpp", "-m", "m", "--provider-option", " =5", "hi"]
    refused(own, "--provider-option takes NAME=VALUE, not ' =5'")
    monkeypatch.setenv("AIROUTER_PROVIDER", "nobody")
    assert run_app(["run", "hi"]) == 2
    assert "airouter-nobody" in capsys.readouterr().err


def test_services_are_listed_when_they_are_set_up(
    own_surroundings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of providers that come by the dozen those with a key or a table are listed; ``--all`` lists the rest."""
    if installed().find("groq") is None:
        pytest.skip("needs services to list: pip install airouter-compatible")

    def listed(*options: str) -> set[str]:
        assert run_app(["providers", "--json", *options]) == 0
        return {info["name"] for info in json.loads(capsys.readouterr().out)}

    services = {"groq", "mistral", "vllm"}
    assert not services & listed()
    assert services <= listed("--all")
    assert "openai" in listed()
    monkeypatch.setenv("MISTRAL_API_KEY", "a-key-0123456789")
    assert services & listed() == {"mistral"}
    (own_surroundings / "airouter.toml").write_text('[vllm]\ntimeout = 7\n[mine]\nprovider = "groq"\n')
    current_settings.cache_clear()
    assert services <= listed()
