"""What a llama-server says, and where it is said to be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airouter_core import create_provider
from airouter_core.errors import (
    BadRequestError,
    ConfigurationError,
    ContextLengthError,
    ModelNotFoundError,
    ProviderError,
    ServerError,
)
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_llamacpp.address import address_of
from airouter_llamacpp.config import LlamaCppConfig
from airouter_llamacpp.provider import LlamaCppProvider
from airouter_llamacpp.wire import TOKENIZE, WIRE

from .conftest import GREEDY, TOY, MakeProvider, needs_programs


def said(message: str, status: int = 500, kind: str = "server_error") -> ProviderError:
    body = {"error": {"code": status, "message": message, "type": kind}}
    return WIRE.parse_error(status, {}, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("message", "error", "advice"),
    [
        ("Context size has been exceeded.", ContextLengthError, "shorten the prompt"),
        ("the request exceeds the available context size, try increasing it", ContextLengthError, "shorten"),
        ("input (900 tokens) is too large to process. increase the physical batch size", ContextLengthError, "ubatch"),
        ("Jinja Exception: Conversation roles must alternate user/assistant", BadRequestError, "chat template"),
        ("Failed to parse tool call arguments as JSON: [json.exception.parse_error.101]", BadRequestError, "cut"),
        ("image input is not supported - hint: you may need to provide the mmproj", BadRequestError, "mmproj file"),
        ("tools param requires --jinja flag", BadRequestError, "--jinja"),
        ("Failed to initialize samplers: std::exception", BadRequestError, "simpler"),
        ("Cannot use custom grammar constraints with tools.", BadRequestError, "simpler"),
        ("Failed to load image or audio file", BadRequestError, "PNG"),
        ("[json.exception.type_error.302] type must be number, but is string", BadRequestError, "type must be"),
        ("This server does not support embeddings. Start it with `--embeddings`", BadRequestError, "Start it with"),
    ],
)
def test_what_is_the_callers_is_not_tried_again(message: str, error: type[ProviderError], advice: str) -> None:
    """Whatever the status: the class tells whose move it is, the server's words stay, and the next step is told."""
    found = said(message)
    assert type(found) is error
    assert not found.retryable
    assert found.status == 500
    assert message in str(found)
    assert advice in str(found)
    assert "try again in a while" not in str(found)


def test_what_is_the_servers_is_tried_again() -> None:
    """Nothing is taken for the caller's fault that the server does not name so."""
    assert type(said("Compute error.")) is ServerError
    assert said("Compute error.").retryable
    assert said("Loading model", 503, "unavailable_error").retryable


def test_a_wrong_path_blames_the_address() -> None:
    """404 for a path is no missing model; 400 for a model is."""
    found = said("File Not Found", 404, "not_found_error")
    assert type(found) is BadRequestError
    assert "base_url" in str(found)
    assert "model's name" not in str(found)
    assert type(said("model 'no-such' not found", 400, "invalid_request_error")) is ModelNotFoundError


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("http://box:8080/v1", "http://box:8080"),
        ("http://box:8080/v1/", "http://box:8080"),
        ("https://box/llama/v1/chat/completions", "https://box/llama"),
        ("box:8080", "http://box:8080"),
        (" 'localhost:8080/v1' ", "http://localhost:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("http://[::]:8080", "http://[::1]:8080"),
        ("[fe80::1]:8080", "http://[fe80::1]:8080"),
        ("", ""),
    ],
)
def test_addresses_are_taken_as_people_have_them(written: str, address: str) -> None:
    """As other clients are given them: with ``/v1``, without a scheme, as one to listen on."""
    assert address_of(written) == address
    assert LlamaCppConfig(base_url=written).base_url == address


def test_a_password_in_an_address_is_refused_unseen() -> None:
    """It belongs into api_key."""
    with pytest.raises(ConfigurationError) as caught:
        create_provider("llama-cpp", {"base_url": "ada:hunter2secret@box:8080"})
    assert "hunter2secret" not in str(caught.value)


def test_counting_says_for_which_model() -> None:
    """A server that holds several routes by the name, and takes none by itself."""
    config = LlamaCppConfig(base_url="http://box:8080")
    body = TOKENIZE.build(config, "Hello", "qwen").body
    assert isinstance(body, bytes)
    assert json.loads(body)["model"] == "qwen"
    bare = TOKENIZE.build(config, "Hello", None).body
    assert isinstance(bare, bytes)
    assert "model" not in json.loads(bare)


def test_a_count_that_is_no_count_is_an_error() -> None:
    """Some servers say under status 200 that they have no such endpoint; that is no text of no tokens."""

    def behave(request: ReceivedRequest, connection: Connection) -> None:
        connection.answer(Answer.of_json({"error": "Unexpected endpoint or method. (POST /tokenize)"}))

    with LoopbackServer(behave) as server:
        provider = create_provider("llama-cpp", {"base_url": server.url, "max_retries": 0})
        with provider, pytest.raises(ProviderError, match="Unexpected endpoint"):
            provider.count_tokens("Hello", "any")


STRICT = (
    "{%- for message in messages -%}{%- if message.role == 'system' and not loop.first -%}"
    "{{ raise_exception('The system message comes first.') }}{%- endif -%}{{ message.content }}{%- endfor -%}"
)


@pytest.mark.engine
@needs_programs
def test_what_a_real_server_refuses_is_asked_once(
    make: MakeProvider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A conversation that the model's template cannot show would fail for ever."""
    path = tmp_path / "strict.jinja"
    path.write_text(STRICT)
    provider = make("server", special_flags=["--chat-template-file", str(path)])
    messages = [{"role": "user", "content": "Hi"}, {"role": "system", "content": "Be brief."}]
    with caplog.at_level("DEBUG", "airouter.transport"), pytest.raises(BadRequestError) as caught:
        provider.chat(TOY, messages, parameters=GREEDY)
    assert not caught.value.retryable
    assert sum("v1/chat/completions" in record.getMessage() for record in caplog.records) == 1


def test_the_embedding_of_a_whole_context_fits_into_a_batch(pooled: LlamaCppProvider) -> None:
    """A text that is longer than the engine's usual batch of 512 tokens has its vector, up to the whole context."""
    text = "The capital of France is Paris. " * 100
    assert 512 < pooled.count_tokens(text, TOY) < 4096
    assert pooled.create_embedding(text, TOY)
