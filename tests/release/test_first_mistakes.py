"""What a newcomer does wrong is answered in one line that says what to do; from wheels, in a fresh environment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest

if TYPE_CHECKING:
    from conftest import Environment

pytestmark = pytest.mark.release

ROOT = Path(__file__).parents[2]
KEYS = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENROUTER_API_KEY"), "")
GOOD, WRONG = dict.fromkeys(KEYS, "good-key"), dict.fromkeys(KEYS, "wrong-key")
TOY = {"AIROUTER_MODELS_DIR": "models"}
CLOSED = "base_url=http://127.0.0.1:9"
"""The port of a service that nobody runs any longer."""
NOWHERE = "base_url=http://airouter.invalid/v1"
"""A name that is reserved for not being there (RFC 2606)."""


def _refuse(request: ReceivedRequest, connection: Connection) -> None:
    """As the vendors do: a wrong key first, then a model that is not there."""
    sent = " ".join(request.headers.values())
    if "wrong-key" in sent:
        error = {"message": "Incorrect API key provided", "type": "authentication_error", "code": "invalid_api_key"}
        connection.answer(Answer.of_json({"type": "error", "error": error}, status=401))
        return
    error = {"message": "no such model", "type": "not_found_error", "code": "model_not_found"}
    connection.answer(Answer.of_json({"type": "error", "error": error}, status=404))


@pytest.fixture(scope="module")
def refusing() -> Iterator[dict[str, str]]:
    """Where the vendors are, for the environment."""
    with LoopbackServer(_refuse) as server:
        address = f"http://127.0.0.1:{server.port}"
        yield {
            "OPENAI_BASE_URL": f"{address}/v1",
            "ANTHROPIC_BASE_URL": address,
            "OPENROUTER_BASE_URL": f"{address}/api/v1",
        }


def _run(name: str, *more: str, model: str = "some-model") -> tuple[str, ...]:
    return ("run", "-p", name, "-m", model, *more, "Hi")


MISTAKES = {
    "no key": [
        (_run("openai"), KEYS, r"needs an API key: set the environment variable OPENAI_API_KEY.*airouter keys set"),
        (_run("claude"), KEYS, r"needs an API key: set the environment variable ANTHROPIC_API_KEY"),
        (_run("openrouter"), KEYS, r"needs an API key: set the environment variable OPENROUTER_API_KEY"),
    ],
    "wrong key": [
        (_run(name), WRONG, rf"check the API key\); `airouter keys set {name}`")
        for name in ("openai", "claude", "openrouter")
    ],
    "no network": [
        (_run(name, "--set", NOWHERE), GOOD, r"cannot connect to http://airouter\.invalid: is this machine online")
        for name in ("openai", "claude", "openrouter")
    ],
    "server down": [
        (
            _run(name, "--set", CLOSED),
            {},
            r"cannot connect to http://127\.0\.0\.1:9: is the server running, and base_url",
        )
        for name in ("ollama", "llama-cpp")
    ],
    "misspelt model": [
        *((_run(name), GOOD, rf"check the model's name.*`airouter models {name}`") for name in ("openai", "claude")),
        (_run("llama-cpp", model="airouter-tyo"), TOY, r"did you mean 'airouter-toy/airouter-toy'\?"),
    ],
    "misspelt parameter": [
        (_run("llama-cpp", "-o", "temprature=1", model="airouter-toy"), TOY, r"did you mean 'temperature'\?"),
        (_run("llama-cpp", "-o", "temperature=-3", model="airouter-toy"), TOY, r"temperature must be at least 0"),
    ],
    "misspelt provider": [(_run("opnai"), {}, r"did you mean 'openai'\?")],
    "misspelt setting": [(_run("ollama", "--set", "timout=3"), {}, r"did you mean 'timeout'\?")],
    "no folder": [(_run("llama-cpp"), {}, r"AIROUTER_MODELS_DIR|models_dir")],
}

IN_CODE = """
import sys
from airouter_core import create_provider, ConfigurationError, ExecutionError
name, model, parameters, config = eval(sys.argv[1])
try:
    create_provider(name, config).execute(model, "Hi", parameters=parameters)
except (ConfigurationError, ExecutionError) as error:
    print(type(error).__name__, isinstance(error, ValueError), isinstance(error, RuntimeError))
"""


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_answered_in_one_line(
    kind: str, newcomer: Environment, refusing: dict[str, str], tmp_path: Path
) -> None:
    """On stderr, without a traceback, with the next step; the exit code says that it failed."""
    for arguments, environment, expected in MISTAKES[kind]:
        settings = {"HOME": str(tmp_path), "NO_PROXY": "*", **refusing, **environment}
        if kind == "no key":
            settings = {name: value for name, value in settings.items() if not name.endswith("_BASE_URL")}
        result = newcomer.run(newcomer.command("airouter"), *arguments, cwd=ROOT, **settings)
        assert result.returncode in (1, 2), result.stdout
        assert re.search(expected, result.stderr), result.stderr
        assert result.stderr.count("\n") == 1
        assert not result.stdout


@pytest.mark.parametrize(
    ("call", "environment", "expected"),
    [
        (("openai", "m", None, {}), KEYS, "MissingApiKeyError True False"),
        (("openai", "m", None, {}), WRONG, "AuthenticationError False True"),
        (("claude", "m", None, {}), GOOD, "ModelNotFoundError False True"),
        (("claude", "m", None, {"base_url": "http://127.0.0.1:9"}), GOOD, "ConnectionFailedError False True"),
        (("ollama", "m", {"temprature": 1}, {}), {}, "ParameterError True False"),
        (("ollama", "m", None, {"timout": 1}), {}, "ConfigurationError True False"),
        (("opnai", "m", None, {}), {}, "UnknownProviderError True False"),
    ],
)
def test_the_same_in_code_is_an_exception_of_its_kind(
    call: tuple[object, ...],
    environment: dict[str, str],
    expected: str,
    newcomer: Environment,
    refusing: dict[str, str],
) -> None:
    """``ValueError`` for what is the caller's to mend, ``RuntimeError`` for a call that failed."""
    settings = {"NO_PROXY": "*", **({} if environment is KEYS else refusing), **environment}
    result = newcomer.run("-c", IN_CODE, repr(call), **settings)
    assert result.stdout.strip() == expected, result.stderr
