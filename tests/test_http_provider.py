"""HttpProvider: what it makes of a wire and a transport, beyond what each does alone."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from airouter_core.config.http import HttpConfig
from airouter_core.errors import (
    ConnectionFailedError,
    ExecutionError,
    ModelNotFoundError,
    OverloadedError,
    ProtocolError,
    QuotaExceededError,
    ServerError,
    TransportTimeoutError,
    TruncatedStreamError,
    UnsupportedFeatureError,
)
from airouter_core.flow.steps import Do, Flow
from airouter_core.profile.declarations import ParameterSupport, ProviderInfo
from airouter_core.provider import reading
from airouter_core.provider.asking import ask_of
from airouter_core.provider.http import HttpProvider
from airouter_core.values.events import TextDelta
from airouter_core.values.request import Request

INFO = ProviderInfo(name="bare", target="nowhere:Nothing", capabilities=("chat", "stream", "embeddings"))
SAID = b'data: {"choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":"stop"}]}\n\n'
STREAM = {"Content_Type": "text/event-stream"}


def test_a_connection_that_breaks_after_the_end_is_only_warned_of(serve: Any, make_provider: Any) -> None:
    """An answer whose finish reason has come is complete, although its connection broke before [DONE]."""

    def script(peer: Any, received: Any) -> bool:
        peer.head(200, **STREAM, Transfer_Encoding="chunked")
        peer.chunk(SAID)
        return False

    response = make_provider(serve(script).url).stream_chat("m", "hi").read()
    assert (response.text, response.finish_reason) == ("hello", "stop")
    assert any("the connection broke after the answer was complete" in warning for warning in response.warnings)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"404 page not found", r"it was asked POST http://127\.0\.0\.1:\d+\S*/chat/completions: check base_url"),
        (b'{"error": {"message": "File Not Found", "type": "not_found_error"}}', r"File Not Found \(it was asked POST"),
        (b'{"error": {"message": "no model m"}}', r"no model m \(check the model's name against list_models\(\)\)$"),
    ],
)
def test_a_404_that_speaks_of_no_model_tells_the_address(
    serve: Any, make_provider: Any, body: bytes, said: str
) -> None:
    """A base_url that lacks a part of its path is told as such, not as a model's name that is wrong."""
    provider = make_provider(serve(lambda peer, received: peer.answer(404, body)).url)
    with pytest.raises(ModelNotFoundError, match=said):
        provider.execute("m", "hi")


def test_a_stream_cut_in_the_middle_of_an_event_is_truncated(serve: Any, make_provider: Any) -> None:
    """Half of an event at the end of a stream is half an answer, not broken JSON."""

    def script(peer: Any, received: Any) -> None:
        peer.answer(200, b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\ndata: {"choi', **STREAM)

    with pytest.raises(TruncatedStreamError) as caught:
        make_provider(serve(script).url).stream_chat("m", "hi").read()
    assert caught.value.partial is not None
    assert caught.value.partial.text == "a"


def test_a_body_in_place_of_a_stream_has_a_limit(
    serve: Any, make_provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that answers a stream with a body without end is given up."""
    monkeypatch.setattr(reading, "MOST", 100)

    def script(peer: Any, received: Any) -> None:
        peer.head(200, Content_Type="application/json", Transfer_Encoding="chunked")
        for piece in (b'{"x": "', b"x" * 200, b'"}', b""):
            peer.chunk(piece)

    with pytest.raises(ProtocolError, match="longer than 100 bytes"):
        make_provider(serve(script).url).stream_chat("m", "hi").read()


@attrs.frozen(kw_only=True)
class PlaceConfig(HttpConfig):
    """A configuration with what was taken for one call."""

    taken: int = 0


class Taking(HttpProvider[Any]):
    """A provider that takes something for each call, and gives it back."""

    def __init__(self, base: Any) -> None:
        super().__init__(base.config, base.info)
        self.wire = base.wire  # type: ignore[misc]  # for this test, a wire of its own
        self.models = base.models  # type: ignore[misc]  # as above
        self.held: list[int] = []
        self.given_back = 0

    def connect(self, model: str | None, request: Request | None, **options: Any) -> Flow[Any]:
        taken: int = yield Do(lambda: len(self.held) + 1)
        self.held.append(taken)
        return self.config

    def disconnect(self, config: Any) -> None:
        self.given_back += 1

    def explained(self, error: Any, config: Any) -> Flow[Any]:
        yield Do(lambda: None)
        return ConnectionFailedError(f"explained: {type(error).__name__}")


@pytest.fixture
def taking(serve: Any, make_provider: Any) -> Iterator[Any]:
    behaviour: dict[str, Any] = {}

    def script(peer: Any, received: Any) -> Any:
        if behaviour.get("broken"):
            return False
        if b'"stream":true' in received.body:
            peer.head(200, **STREAM, Transfer_Encoding="chunked")
            peer.chunk(SAID)
            if behaviour.get("waits"):
                return not peer.wait_for_end()
            peer.chunk(b"data: [DONE]\n\n")
            peer.chunk(b"")
            return True
        return peer.answer(200, b'{"data": [], "choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}')

    with Taking(make_provider(serve(script).url, max_retries=0)) as provider:
        provider.behaviour = behaviour  # type: ignore[attr-defined]  # for the tests
        yield provider


def test_what_was_taken_is_given_back(taking: Any) -> None:
    """Each connect has one disconnect: after an answer, a stream, a stream left early, an operation, and a failure."""
    taking.chat("m", "hi")
    taking.stream_chat("m", "hi").read()
    taking.list_models()
    taking.behaviour["waits"] = True
    with taking.stream_chat("m", "hi") as stream:
        assert next(event for event in stream if isinstance(event, TextDelta)).text == "hello"
    taking.behaviour["broken"] = True
    for ask in (lambda: taking.chat("m", "hi"), taking.list_models, lambda: taking.stream_chat("m", "hi").read()):
        with pytest.raises(ConnectionFailedError, match="explained: ConnectionFailedError") as caught:
            ask()
        assert isinstance(caught.value.__cause__, ConnectionFailedError)
    assert len(taking.held) == taking.given_back == 7


def test_what_a_wire_does_not_bring() -> None:
    """Without an operation for it there are no embeddings; tokens are estimated."""
    with HttpProvider(HttpConfig(base_url="http://h"), INFO) as provider:
        with pytest.raises(UnsupportedFeatureError, match="embeddings"):
            provider.create_embedding("a")
        assert provider.count_tokens("abcd") == 1


def test_causes_are_hidden_too(serve: Any, make_provider: Any) -> None:
    """An error made of another of ours shows no secret in either."""
    provider = make_provider("http://h", api_key="sk-planted-key")

    def flow() -> Flow[None]:
        yield from ()
        try:
            raise TransportTimeoutError("with sk-planted-key")
        except TransportTimeoutError as error:
            raise ExecutionError("also sk-planted-key") from error

    with pytest.raises(ExecutionError, match=r"also \*\*\*") as caught:
        provider.run(flow())
    assert "with ***" in str(caught.value.__cause__)


OVERLOAD = b'data: {"error":{"message":"busy","code":503}}\n\n'
ROLE = b'data: {"id":"first","model":"m","choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n'
HELLO = (
    b'data: {"id":"second","model":"m","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":"stop"}]}\n\n'
)
DONE = b"data: [DONE]\n\n"
SAYS = b'{"message":{"content":"hello"},"finish_reason":"stop"}'
WHOLE = b'{"id":"second","model":"m","choices":[%s],"data":[{"id":"a"}]}' % SAYS
BUSY = b'{"error":{"message":"busy","code":"503","retry_after":0.01}}'


@pytest.fixture
def in_turn(serve: Any, make_provider: Any) -> Any:
    """A provider whose server gives these answers in turn; and the list of what it was asked."""

    def make(*answers: bytes | None, **config: Any) -> tuple[Any, list[Any]]:
        asked: list[Any] = []

        def script(peer: Any, received: Any) -> Any:
            answer = answers[len(asked)]
            asked.append(received)
            kind = STREAM if b'"stream":true' in received.body else {}
            if answer is None:
                peer.head(200, **kind, Transfer_Encoding="chunked")
                return False
            return peer.answer(200, answer, **kind)

        return make_provider(serve(script).url, **config), asked

    return make


@pytest.mark.parametrize("first", [OVERLOAD, ROLE + OVERLOAD, b": wait\n\n" + OVERLOAD, BUSY, None], ids=repr)
def test_a_stream_that_has_said_nothing_is_asked_for_again(in_turn: Any, first: bytes | None) -> None:
    """A failure inside an answer of status 200, before its first word, is tried again like any other; so is a break."""
    provider, asked = in_turn(first, HELLO + DONE, max_retries=1)
    response = provider.stream_chat("m", "hi").read()
    assert (response.text, response.id, len(asked)) == ("hello", "second", 2)


@pytest.mark.parametrize("first", [BUSY, b'{"choices":[{"message":{"content":"hel"},"finish_reason":"error"}]}', None])
def test_an_answer_that_failed_inside_is_asked_for_again(in_turn: Any, first: bytes | None) -> None:
    """Of a whole answer nothing is handed on before its end, so that a failure in it is tried again."""
    provider, asked = in_turn(first, WHOLE, max_retries=1)
    assert (provider.chat("m", "hi").text, len(asked)) == ("hello", 2)


def test_an_operation_that_failed_inside_is_asked_for_again(in_turn: Any) -> None:
    """Further endpoints go by the same rules."""
    provider, asked = in_turn(None, WHOLE, max_retries=1)
    assert ([model.id for model in provider.list_models()], len(asked)) == (["a"], 2)


def test_what_was_handed_on_is_not_asked_for_again(serve: Any, make_provider: Any) -> None:
    """A stream that has said something goes on from there or not at all; the error has what came."""
    heard = threading.Event()
    asked = []

    def script(peer: Any, received: Any) -> bool:
        asked.append(received)
        peer.head(200, **STREAM, Transfer_Encoding="chunked")
        peer.chunk(HELLO.replace(b'"stop"', b"null"))
        heard.wait(120)
        peer.chunk(OVERLOAD)
        peer.chunk(b"")
        return True

    with make_provider(serve(script).url, max_retries=3).stream_chat("m", "hi") as stream:
        assert next(event.text for event in stream if isinstance(event, TextDelta)) == "hello"
        heard.set()
        with pytest.raises(OverloadedError, match="busy") as caught:
            stream.read()
    assert caught.value.partial is not None
    assert (caught.value.partial.text, caught.value.status, len(asked)) == ("hello", 200, 1)


def test_the_last_failure_inside_an_answer_has_what_came(in_turn: Any) -> None:
    """Without retries left, an answer that its server broke off is an error with half an answer."""
    provider, asked = in_turn(b'{"choices":[{"message":{"content":"hel"},"finish_reason":"error"}]}', max_retries=0)
    with pytest.raises(ServerError, match="broke the answer off") as caught:
        provider.chat("m", "hi")
    assert caught.value.partial is not None
    assert (caught.value.partial.text, len(asked)) == ("hel", 1)


def test_money_and_faults_inside_an_answer_are_not_tried_again(in_turn: Any) -> None:
    """The rules are the same as under a status of its own."""
    spent = b'{"error":{"message":"no money","code":402}}'
    for answer in (spent, b"data: " + spent + b"\n\n"):
        provider, asked = in_turn(answer, WHOLE, max_retries=3)
        with pytest.raises(QuotaExceededError, match="no money"):
            provider.chat("m", "hi") if answer is spent else provider.stream_chat("m", "hi").read()
        assert len(asked) == 1


def test_keep_alives_before_an_answer_are_not_kept(in_turn: Any) -> None:
    """However many comments and blank lines come first, and however they are cut, the answer is read."""
    prelude = b": a long comment of some words\n\n\r\n" * 40_000
    provider, _ = in_turn(prelude + HELLO + DONE)
    assert provider.stream_chat("m", "hi").read().text == "hello"


def test_how_parameters_are_taken_is_found_out_once(
    serve: Any, make_provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows travel with the request: what a model takes is asked for once in a call, and sent by just these rows."""

    def script(peer: Any, received: Any) -> None:
        sent.append(json.loads(received.body))
        peer.answer(200, SAID, **STREAM)

    sent: list[Any] = []
    asked: list[Request] = []

    def support(request: Request) -> tuple[ParameterSupport, ...]:
        asked.append(request)
        return (ParameterSupport("temperature", "warmth.of_words"), ParameterSupport("seed", "seed"))

    provider = make_provider(serve(script).url)
    monkeypatch.setattr(provider, "support", support)
    provider.stream_chat("m", "hi", parameters={"temp": 0.5}).read()
    assert sent[0]["warmth"] == {"of_words": 0.5}
    assert len(asked) == 1
    assert provider.request_of(ask_of("m", "hi", parameters={"temp": 1})).rows == support(asked[0])[:1]


def test_a_stream_where_a_whole_answer_was_asked_for(serve: Any, make_provider: Any) -> None:
    """Some servers stream whatever they are asked: it is read as what it is."""

    def streams(peer: Any, received: Any) -> None:
        assert b'"stream":true' not in received.body
        piece = b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n'
        end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
        peer.answer(200, b": hi\n\n" + piece % b"hel" + piece % b"lo" + end, Content_Type="text/event-stream")

    provider = make_provider(serve(streams).url)
    assert provider.execute("m", "hi") == "hello"
    assert asyncio.run(provider.aexecute("m", "hi")) == "hello"
