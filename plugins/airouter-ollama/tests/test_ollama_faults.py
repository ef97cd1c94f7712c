"""What a server may say or do that a real one cannot be made to, and what the caller is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from airouter_core.errors import (
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    ExecutionError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProtocolError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
    TransportTimeoutError,
    TruncatedStreamError,
    UnsupportedFeatureError,
)
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_core.values.messages import FilePart, Message, TextPart, ToolResultPart
from airouter_ollama import images
from airouter_ollama import provider as provider_module
from airouter_ollama.context import cache_bytes, fitting_context, refuses_to_truncate
from airouter_ollama.errors import RefusedError, error_in_answer, parse_error, prompt_and_context
from airouter_ollama.memory import available_memory
from airouter_ollama.progress import Progress
from airouter_ollama.provider import OllamaProvider

Stub = Callable[..., Any]
Providers = Callable[..., OllamaProvider]

PICTURE = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
TOO_LONG = json.dumps(
    {
        "error": {
            "code": 400,
            "message": "request (2421 tokens) exceeds the available context size (512 tokens), try increasing it",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 2421,
            "n_ctx": 512,
        }
    }
)


def said(text: str, status: int = 200) -> Answer:
    """An error as Ollama says it."""
    return Answer.of_json({"error": text}, status=status)


def answered(prompt_tokens: int | None = 10, answer_tokens: int = 2) -> Answer:
    """A whole answer."""
    body: dict[str, Any] = {
        "model": "m",
        "message": {"role": "assistant", "content": "Hi."},
        "done": True,
        "done_reason": "stop",
        "eval_count": answer_tokens,
    }
    return Answer.of_json(body if prompt_tokens is None else {**body, "prompt_eval_count": prompt_tokens})


def lines(*values: Any) -> Answer:
    """A stream of lines."""
    pieces = tuple(json.dumps(value).encode() + b"\n" for value in values)
    return Answer(200, {"content-type": "application/x-ndjson"}, pieces)


def loaded(context: int, name: str = "m:latest") -> Answer:
    """What ``/api/ps`` says when one model is loaded."""
    return Answer.of_json({"models": [{"name": name, "model": name, "context_length": context}]})


@pytest.mark.parametrize(
    ("status", "text", "error", "says"),
    [
        (404, "model 'x' not found", ModelNotFoundError, "airouter ollama pull x"),
        (404, 'model "x:7b" not found, try pulling it first', ModelNotFoundError, "airouter ollama pull x:7b"),
        (400, '"m" does not support thinking', BadRequestError, "capabilities"),
        (400, TOO_LONG, ContextLengthError, "larger context"),
        (400, "the input length exceeds the context length", ContextLengthError, "larger context"),
        (500, 'option "stop" must be of type array', RefusedError, "stop"),
        (500, "model requires more system memory (9 GiB) than is available (4 GiB)", RefusedError, "smaller model"),
        (500, "something", ServerError, "try again"),
        (429, "too many", RateLimitedError, "wait"),
        (429, "you (ada) have reached your weekly usage limit, upgrade for higher ones", QuotaExceededError, "weekly"),
        (429, "you've reached your hourly usage limit, please wait or upgrade", QuotaExceededError, "hourly"),
        (503, "server busy, please try again.  maximum pending requests exceeded", OverloadedError, "try again"),
        (403, "ollama cloud is disabled: remote model is unavailable", PermissionDeniedError, "OLLAMA_NO_CLOUD"),
    ],
)  # fmt: skip
def test_what_the_server_says(status: int, text: str, error: type[ProviderError], says: str) -> None:
    """Ollama has no codes: its sentences give the class of the error and the next step."""
    found = parse_error(status, {"content-type": "application/json"}, json.dumps({"error": text}).encode())
    assert type(found) is error
    assert says in str(found)
    assert found.status == status
    assert found.retryable == (error in (RateLimitedError, OverloadedError) or text == "something")


def test_what_other_servers_say() -> None:
    """No Ollama at the address, a refused host, and a server that is not signed in, each with its cure."""
    plain = {"content-type": "text/plain; charset=utf-8"}
    assert "check that base_url" in str(parse_error(404, plain, b"404 page not found"))
    assert not isinstance(parse_error(404, plain, b"404 page not found"), ModelNotFoundError)
    assert "OLLAMA_ORIGINS" in str(parse_error(403, {}, b""))
    unsigned = parse_error(401, {}, b'{"error":"unauthorized","signin_url":"https://ollama.com/connect?key=abc"}')
    assert isinstance(unsigned, AuthenticationError)
    assert "ollama signin" in str(unsigned)
    assert "key=abc" not in str(unsigned)
    assert isinstance(parse_error(502, {}, b"<html>bad gateway"), ServerError)


def test_a_server_that_is_not_signed_in_says_so_inside_an_answer_too() -> None:
    """Its status was 200 by then, and nothing is tried again."""
    found = error_in_answer("unauthorized", "{}")
    assert isinstance(found, AuthenticationError)
    assert "ollama signin" in str(found)


def test_the_numbers_of_an_overflow() -> None:
    """A context error tells how long the prompt is and what fits."""
    error = parse_error(400, {}, json.dumps({"error": TOO_LONG}).encode())
    assert prompt_and_context(error) == (2421, 512)
    assert prompt_and_context(parse_error(400, {}, b'{"error":"context"}')) == (None, None)


def test_an_error_in_the_middle_of_a_stream(stub: Stub, provider_at: Providers) -> None:
    """The error of a runner that died comes with what had arrived; status 200 does not hide it."""
    half = {"model": "m", "message": {"role": "assistant", "content": "Half"}, "done": False}
    died = {"error": "an error was encountered while running the model: unexpected EOF"}
    with stub(chat=lines(half, died)) as server:
        stream = provider_at(server.url).stream_chat("m", "Hello")
        with pytest.raises(ServerError) as caught:
            stream.read()
    assert caught.value.status == 200
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Half"


def test_calls_that_share_an_index_are_two(stub: Stub, provider_at: Providers) -> None:
    """Each line counts its calls from 0, and some give no id: they are told apart all the same."""
    call = {"function": {"index": 0, "name": "now", "arguments": {}}}
    part = {"model": "m", "message": {"role": "assistant", "content": "", "tool_calls": [call]}, "done": False}
    last = {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    with stub(chat=lines(part, part, last)) as server:
        answer = provider_at(server.url).stream_chat("m", "Hello", tools=[{"name": "now"}]).read()
    assert [call.name for call in answer.tool_calls] == ["now", "now"]
    assert len({call.id for call in answer.tool_calls if call.id}) == 2
    assert answer.finish_reason == "tool_calls"


def test_another_program_at_the_address(stub: Stub, provider_at: Providers) -> None:
    """JSON that is no answer, and a list that is none, are the server's fault and say where to look."""
    strange = Answer.of_json({"choices": []})
    with stub(chat=strange, tags=strange, embed=strange) as server:
        provider = provider_at(server.url)
        for attempt in (
            lambda: provider.chat("m", "Hello"),
            lambda: provider.stream_chat("m", "Hello").read(),
            provider.list_models,
            lambda: provider.create_embedding("Hello", "m"),
        ):
            with pytest.raises(ProtocolError, match=r"base_url|no embeddings"):
                attempt()
    first, second = {"choices": []}, {"object": "other"}
    with (
        stub(chat=lines(first, second)) as server,
        pytest.raises(ProtocolError, match=r"choices.*check that base_url") as caught,
    ):
        provider_at(server.url).stream_chat("m", "Hello").read()
    assert "other" not in str(caught.value)


def test_embeddings_that_are_too_few(stub: Stub, provider_at: Providers) -> None:
    """One vector for two texts is no answer."""
    with stub(embed=Answer.of_json({"embeddings": [[0.5]]})) as server:
        with pytest.raises(ProviderError, match="2 texts were sent and 1"):
            provider_at(server.url).create_embedding(["a", "b"], "m")
        assert provider_at(server.url, embedding_model="m").create_embedding("a") == [0.5]


# Pulling.


def test_a_pull_that_falls_silent_is_a_timeout(provider_at: Providers) -> None:
    """An interruption keeps its class, and says how far it was and how to go on."""
    began = lines({"status": "pulling abc", "digest": "sha256:abc", "total": 100, "completed": 40})

    def behave(request: ReceivedRequest, connection: Connection) -> None:
        connection.send(began.head + b"".join(began.frames()))
        connection.wait(120)

    with LoopbackServer(behave) as server, pytest.raises(TransportTimeoutError, match=r"interrupted at .*40%.*pull m"):
        provider_at(server.url, timeout=0.3).pull_model("m")


def test_a_pull_that_fails_halfway(stub: Stub, provider_at: Providers) -> None:
    """An error line under status 200 is an error, and so is an end without success."""
    began = {"status": "pulling abc", "digest": "sha256:abc", "total": 100, "completed": 40}
    seen: list[Progress] = []
    failing = lines({"status": "pulling manifest"}, began, {"error": "max retries exceeded: EOF"})
    with stub(pull=failing) as server, pytest.raises(ProviderError, match="max retries exceeded"):
        provider_at(server.url).pull_model("m", seen.append)
    assert [progress.share for progress in seen] == [None, 0.4]
    with stub(pull=lines(began)) as server, pytest.raises(TruncatedStreamError, match=r"40%.*ollama pull m"):
        provider_at(server.url).pull_model("m")
    full = lines(began, {"error": "write blob: no space left on device"})
    with stub(pull=full) as server, pytest.raises(RefusedError, match="free some of the disk") as caught:
        provider_at(server.url).pull_model("m")
    assert not caught.value.retryable
    with stub(pull=lines()) as server, pytest.raises(TruncatedStreamError, match="its beginning"):
        provider_at(server.url).pull_model("m")


def test_a_missing_model_is_pulled_and_called(stub: Stub, provider_at: Providers) -> None:
    """With auto_pull: the call, the pull, the call again; without it the error alone."""
    there: list[bool] = []

    def chat(request: ReceivedRequest) -> Answer:
        return answered() if there else said("model 'm' not found", 404)

    def pull(request: ReceivedRequest) -> Answer:
        there.append(True)
        return lines({"status": "pulling manifest"}, {"status": "success"})

    with stub(chat=chat, pull=pull) as server:
        with pytest.raises(ModelNotFoundError):
            provider_at(server.url).chat("m", "Hello")
        assert provider_at(server.url, auto_pull=True).chat("m", "Hello").text == "Hi."
        assert [request.path for request in server.requests] == ["/api/chat", "/api/chat", "/api/pull", "/api/chat"]


# Images by address.


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the stand-in on the loopback count as a host of the open net."""
    monkeypatch.setattr(images, "is_public", lambda address: True)


@pytest.mark.usefixtures("everywhere")
@pytest.mark.parametrize("awaited", [False, True])
def test_an_image_is_fetched_without_the_key(stub: Stub, provider_at: Providers, awaited: bool) -> None:
    """The bytes of an image are fetched and sent; whoever has the image sees neither key nor headers."""

    def picture(request: ReceivedRequest) -> Answer:
        if request.path.endswith("/moved"):
            return Answer(302, {"location": "/api/picture/here"}, (), "length")
        return Answer(200, {"content-type": "image/png"}, (PICTURE,), "length")

    with stub(picture=picture) as elsewhere, stub(chat=answered()) as server:
        own = {"X-Own": "secret-header"}
        provider = provider_at(server.url, api_key="secret-key", custom_headers=own, fetch_images=True)
        address = f"http://localhost:{elsewhere.port}/api/picture/moved"
        image = FilePart.from_url(address)
        messages = [
            Message.user("Look.", image),
            Message("tool", (ToolResultPart("c", (TextPart("seen"), image)),)),
        ]
        asyncio.run(provider.achat("m", messages)) if awaited else provider.chat("m", messages)
        sent = server.requests[0]
        assert sent.headers["authorization"] == "Bearer secret-key"
        assert {request.headers["host"] for request in elsewhere.requests} == {f"localhost:{elsewhere.port}"}
        expected = FilePart("image/png", data=PICTURE).base64
        assert [message["images"] for message in sent.json["messages"]] == [[expected], [expected]]
        assert provider.execute_with_vision("m", "What is it?", image_url=address) == "Hi."
        for request in elsewhere.requests:
            assert "secret" not in json.dumps(dict(request.headers))
        asked = len(elsewhere.requests)
        with pytest.raises(UnsupportedFeatureError, match="set fetch_images"):
            provider_at(server.url).execute_with_vision("m", "What?", image_url=address)
        assert len(elsewhere.requests) == asked


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(404, {}, (b"no",), "length"), "HTTP 404"),
        (Answer(200, {"content-type": "text/html"}, (b"<html>log in",), "length"), "what is there is"),
        (Answer(302, {"location": "file:///etc/passwd"}, (), "length"), "no web address"),
        (Answer(302, {"location": "/api/picture/x"}, (), "length"), "redirects more than"),
        (Answer(302, {"location": "http://[::1/"}, (), "length"), "no address"),
    ],
)
@pytest.mark.usefixtures("everywhere")
def test_an_address_without_an_image(answer: Answer, says: str, stub: Stub, provider_at: Providers) -> None:
    """What is no image is not sent; the error names the address and another way."""
    with stub(picture=answer) as elsewhere, stub(chat=answered()) as server:
        address = f"{elsewhere.url}/api/picture/x?k=1"
        provider = provider_at(server.url, fetch_images=True)
        with pytest.raises(BadRequestError, match=says) as caught:
            provider.execute_with_vision("m", "What?", image_url=address)
        assert "image_path" in str(caught.value)
        assert "k=1" not in str(caught.value)
        assert server.requests == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::", True),
        ("127.0.0.1", False),
        ("10.0.0.8", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_only_the_open_net_is_public(address: str, public: bool) -> None:
    """Whatever form an address of this machine or its neighbours has."""
    assert images.is_public(address) is public


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "no.such.host.invalid", "moved"])
def test_no_image_is_fetched_from_here(
    host: str, stub: Stub, provider_at: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither directly nor by a redirect is anybody asked who is not on the open net."""
    moved = Answer(302, {"location": "http://127.0.0.1:9/latest/meta-data"}, (), "length")
    with stub(picture=moved) as elsewhere, stub(chat=answered()) as server:
        address = f"http://{host}:{elsewhere.port}/api/picture/x"
        if host == "moved":
            known = {"moved": ["127.0.0.1"]}
            monkeypatch.setattr(images, "addresses_of", lambda name, port: known.get(name, ["10.0.0.1"]))
            monkeypatch.setattr(images, "is_public", lambda found: found == "127.0.0.1")
        with pytest.raises(BadRequestError, match=r"host of the open net|can be looked up"):
            provider_at(server.url, fetch_images=True).execute_with_vision("m", "What?", image_url=address)
        assert len(elsewhere.requests) == (host == "moved")
        assert server.requests == []


# Truncation, with servers that cannot be had any more.


def version(number: str) -> Answer:
    """What ``/api/version`` says."""
    return Answer.of_json({"version": number})


def test_a_cut_prompt_is_logged_too(stub: Stub, provider_at: Providers, caplog: pytest.LogCaptureFixture) -> None:
    """Who asks for a text alone sees no response; the log tells of the loss, without a word of the prompt."""
    with stub(chat=answered(4000), ps=loaded(4096), version=version("0.12.5")) as server:
        provider_at(server.url).execute("m", "word and sentence " * 4000)
    assert "probably cut" in caplog.text
    assert "sentence" not in caplog.text


def test_an_old_server_that_cuts_is_found_out(stub: Stub, provider_at: Providers) -> None:
    """Before 0.12.6 truncate=false is not known: far fewer tokens read than sent, and no more would fit."""
    old = {"chat": answered(4000), "ps": loaded(4096), "version": version("0.12.5")}
    text = "word and sentence " * 4000
    with stub(**old) as server:
        answer = provider_at(server.url).chat("m", text)
        assert any("probably cut" in warning and "4000" in warning for warning in answer.warnings)
        with pytest.raises(ContextLengthError, match="probably cut") as caught:
            provider_at(server.url, on_truncation="error").stream_chat("m", text).read()
        assert caught.value.partial is not None
        assert caught.value.partial.text == "Hi."
        assert provider_at(server.url, on_truncation="ignore").chat("m", text).warnings == ()
    with stub(**{**old, "chat": answered(None)}) as server:
        assert any("does not say" in warning for warning in provider_at(server.url).chat("m", text).warnings)


def test_a_text_of_few_tokens_is_no_cut_prompt(stub: Stub, provider_at: Providers) -> None:
    """A newer server would have refused; where it did not, the text has fewer tokens than prose has."""
    text = "word and sentence " * 4000
    for replies in (
        {"chat": answered(900), "ps": loaded(4096), "version": version("0.33.0")},
        {"chat": answered(900), "ps": loaded(131072), "version": version("0.12.5")},
        {"chat": answered(900), "ps": Answer.of_json({"models": []})},
        {"chat": answered(900)},
    ):
        with stub(**replies) as server:
            assert provider_at(server.url).chat("m", text).warnings == ()


def test_a_short_call_is_one_request(stub: Stub, provider_at: Providers) -> None:
    """Nothing is asked beside a call that cannot have been cut."""
    with stub(chat=answered()) as server:
        provider_at(server.url).chat("m", "Hello")
        assert [request.path for request in server.requests] == ["/api/chat"]


def test_a_context_that_memory_cannot_hold(stub: Stub, provider_at: Providers, monkeypatch: pytest.MonkeyPatch) -> None:
    """context="auto" does not choose what does not fit into memory; the error has both numbers."""
    info = {
        "general.architecture": "llama",
        "llama.context_length": 131072,
        "llama.block_count": 32,
        "llama.attention.head_count": 32,
        "llama.attention.head_count_kv": 8,
        "llama.embedding_length": 4096,
    }
    shown = Answer.of_json({"model_info": info, "details": {}, "capabilities": ["completion"]})
    replies = {"chat": answered(), "ps": Answer.of_json({"models": []}), "show": shown}
    monkeypatch.setattr(provider_module, "available_memory", lambda: 2**30)
    with stub(**replies) as server:
        provider = provider_at(server.url, context="auto")
        assert provider.chat("m", "Hello").provider_metadata["ollama"]["context"] == 2048
        with pytest.raises(ContextLengthError, match=r"takes 4\.0 GiB, and 1\.0 GiB"):
            provider.chat("m", "word and sentence " * 4000)


def test_a_context_grows_when_the_estimate_was_too_low(stub: Stub, provider_at: Providers) -> None:
    """A prompt that the server counts beyond the chosen context is asked again with one that fits."""
    contexts: list[int] = []

    def chat(request: ReceivedRequest) -> Answer:
        contexts.append(request.json["options"]["num_ctx"])
        return answered() if contexts[-1] > 2421 else said(TOO_LONG, 400)

    def replies(limit: int) -> dict[str, Any]:
        info = {"general.architecture": "llama", "llama.context_length": limit}
        return {"chat": chat, "ps": Answer.of_json({"models": []}), "show": Answer.of_json({"model_info": info})}

    with stub(**replies(8192)) as server:
        answer = provider_at(server.url).chat("m", "Hello", parameters={"context": "auto"})
    assert contexts == [2048, 4096]
    assert answer.provider_metadata["ollama"]["context"] == 4096
    assert answer.warnings == ()
    with stub(**replies(2048)) as server, pytest.raises(ContextLengthError, match="2421 tokens"):
        provider_at(server.url, on_truncation="error").chat("m", "Hello", parameters={"context": "auto"})


def test_the_arithmetic_of_contexts() -> None:
    """The smallest power of two that is enough; keys and values of 16 bits; versions compared as numbers."""
    assert fitting_context(10, None) == 2048
    assert fitting_context(2049, None) == 4096
    assert fitting_context(10**6, 8192) == 8192
    info = {"general.architecture": "x", "x.block_count": 2, "x.attention.head_count": 4, "x.embedding_length": 64}
    assert cache_bytes(info, 100) == 2 * 100 * 2 * 4 * (16 + 16)
    assert cache_bytes({}, 100) is None
    assert [refuses_to_truncate(text) for text in ("0.12.5", "0.12.6", "0.33.0-rc2", "1.0.0", "", "main")] == [
        False,
        True,
        True,
        True,
        False,
        False,
    ]


def test_free_memory_is_told() -> None:
    """As the system says it."""
    free = available_memory()
    assert free is not None
    assert free > 0


def test_a_line_that_is_no_part_of_an_answer_is_told(stub: Stub, provider_at: Providers) -> None:
    """What stands between the lines of an answer and is none of them is not passed over in silence."""
    half = {"model": "m", "message": {"role": "assistant", "content": "Half"}, "done": False}
    last = {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    with stub(chat=lines(half, {"status": "gone"}, last)) as server:
        answer = provider_at(server.url).stream_chat("m", "Hello").read()
    assert any("gone" in warning for warning in answer.warnings)


@pytest.mark.parametrize("said", [{"detail": "gone"}, {"message": "gone"}, {}])
def test_what_says_nothing_of_a_model(stub: Stub, provider_at: Providers, said: dict[str, Any]) -> None:
    """A gateway's answer is not taken for a description without contents."""
    with stub(show=Answer.of_json(said)) as server, pytest.raises(ExecutionError):
        provider_at(server.url).show_model("m")


def test_an_error_of_any_depth_is_an_error() -> None:
    """Objects inside the words of an error are read as far as they can be."""
    deep = '{"error":' * 100_000 + "1" + "}" * 100_000
    assert isinstance(error_in_answer(deep, ""), ServerError)
    assert isinstance(parse_error(500, {}, json.dumps({"error": deep}).encode()), ServerError)
