"""What users hold: every call is checked before it is made, and told the same whichever way it is made."""

from __future__ import annotations

import base64
import json
import logging
import pathlib
import warnings
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from airouter_core.config.provider import ProviderConfig
from airouter_core.errors import (
    ConnectionFailedError,
    ExecutionError,
    ParameterError,
    ProtocolError,
    UnsupportedFeatureError,
    UnsupportedParameterWarning,
)
from airouter_core.flow.steps import Flow, done
from airouter_core.profile.declarations import FULL_CHAT, ParameterSupport, ProviderInfo
from airouter_core.provider.facade import Provider
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.events import Finish, ReasoningDelta, StreamEvent, TextDelta
from airouter_core.values.messages import FilePart, Message, ToolCallPart
from airouter_core.values.request import Request
from airouter_core.values.tokens import estimate_tokens
from airouter_core.values.tools import Tool

INFO = ProviderInfo(
    name="local",
    aliases=("lo",),
    description="a provider without HTTP",
    target="nowhere:Nothing",
    kind="local",
    capabilities=(*FULL_CHAT, "vision", "embeddings"),
    parameters=(
        ParameterSupport("temperature", "temperature"),
        ParameterSupport("max_tokens", "max_tokens"),
        ParameterSupport("top_k", reason="it has none"),
    ),
)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


class Local(Provider[ProviderConfig]):
    """Answers with the last text said to it, and keeps what it was asked."""

    def __init__(self, config: ProviderConfig | None = None, info: ProviderInfo = INFO) -> None:
        super().__init__(config or ProviderConfig(), info)
        self.requests: list[tuple[Request, bool]] = []
        self.answer: tuple[str, ...] | None = None
        self.down: str | None = None
        self.vectors: list[list[float]] | None = None
        self.closed = 0

    def events(self, request: Request, *, stream: bool) -> Iterator[StreamEvent]:
        self.requests.append((request, stream))
        for text in self.answer or (request.messages[-1].text,):
            yield TextDelta(text)
        yield Finish("stop", "stop")

    def models_flow(self) -> Flow[list[ModelInfo]]:
        return done(self.listed)

    def listed(self) -> list[ModelInfo]:
        if self.down:
            raise ConnectionFailedError(self.down)
        return [ModelInfo(id="m", name="M", provider="local")]

    def embeddings_flow(self, texts: Any, model: str | None) -> Flow[list[list[float]]]:
        return done(self.vectors_of, texts)

    def vectors_of(self, texts: Any) -> list[list[float]]:
        return [[float(len(text))] for text in texts] if self.vectors is None else self.vectors

    def details(self) -> dict[str, Any]:
        return {"mode": "test"}

    def close(self) -> None:
        self.closed += 1

    @property
    def asked(self) -> Request:
        return self.requests[-1][0]


@pytest.fixture
def provider() -> Local:
    return Local()


# The ways to ask.


def test_every_way_to_ask_gives_the_same(provider: Local) -> None:
    """Whole or streamed, as text or as response, with a prompt or with messages."""
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}]
    provider.answer = ("he", "", "llo")
    assert provider.execute("m", "hi", "s") == "hello"
    assert list(provider.stream_execute("m", "hi", "s")) == ["he", "llo"]
    assert provider.chat("m", messages).text == "hello"
    assert provider.stream_chat("m", messages).read().text == "hello"
    assert provider.chat_execute("m", messages) == "hello"
    assert "".join(provider.chat_execute("m", messages, stream=True)) == "hello"
    expected = (Message.system("s"), Message.user("hi"))
    assert all((request.model, request.messages) == ("m", expected) for request, _ in provider.requests)
    assert [stream for _, stream in provider.requests] == [False, True, False, True, False, True]


def test_parameters_go_with_every_way(provider: Local) -> None:
    """Each way to ask takes parameters, by any spelling."""
    given: dict[str, Any] = {"temp": 0.5}
    provider.execute("m", "hi", parameters=given)
    list(provider.stream_execute("m", "hi", parameters=given))
    provider.chat("m", "hi", parameters=given)
    provider.stream_chat("m", "hi", parameters=given).read()
    provider.chat_execute("m", "hi", given)
    list(provider.chat_execute("m", "hi", given, stream=True))
    provider.execute_with_vision("m", "hi", image_data=PNG, parameters=given)
    assert [request.parameters for request, _ in provider.requests] == [{"temperature": 0.5}] * 7


def test_an_empty_system_prompt_is_none(provider: Local) -> None:
    """Nothing is said to the system when there is nothing to say."""
    provider.execute("m", "hi", "")
    assert provider.asked.messages == (Message.user("hi"),)


@pytest.mark.parametrize("model", ["", "  ", None, 7])
def test_a_model_must_be_named(provider: Local, model: Any) -> None:
    """Without a model nothing is asked."""
    with pytest.raises(ParameterError, match="model must be the name of a model"):
        provider.execute(model, "hi")
    assert provider.requests == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"messages": []}, "messages is empty"),
        ({"messages": None}, "messages must be"),
        ({"parameters": [("a", 1)]}, "parameters must be a mapping, not list"),
        ({"parameters": {"temperature": "warm"}}, "must be a number"),
        ({"parameters": {"temprature": 1}}, "did you mean 'temperature'"),
        ({"tools": [{}]}, "has no name"),
        ({"tool_choice": "f"}, "not among the tools"),
        ({"response_format": "yaml"}, "response_format"),
        ({"provider_options": {"top": 1}}, r"keyed by provider: \{'local': \{'top': 1\}\}"),
        ({"provider_options": ["x"]}, "provider_options must be a mapping"),
    ],
    ids=str,
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_wrong_is_said_at_once(provider: Local, arguments: Any, message: str, stream: bool) -> None:
    """A wrong argument is an error before anything is asked, also where a stream would only be read later."""
    with pytest.raises(ParameterError, match=message):
        (provider.stream_chat if stream else provider.chat)("m", **{"messages": "hi", **arguments})
    assert provider.requests == []


def test_a_prompt_is_a_string(provider: Local) -> None:
    """A conversation given as a prompt is told where it belongs."""
    with pytest.raises(ParameterError, match=r"prompt must be a string, not list; chat\(\) takes messages"):
        provider.execute("m", [{"role": "user", "content": "hi"}])  # type: ignore[arg-type]  # the mistake is the point


# What the provider can do.


@pytest.mark.parametrize(
    ("capability", "arguments"),
    [
        ("tools", {"tools": [Tool("f")]}),
        ("json", {"response_format": "json"}),
        ("json_schema", {"response_format": {"type": "object", "properties": {}}}),
        ("system_prompt", {"messages": [Message.system("s"), Message.user("hi")]}),
        ("tools", {"messages": [Message.assistant(ToolCallPart("c", "look")), Message.user("hi")]}),
        ("tools", {"messages": [Message.tool("c", "x"), Message.user("hi")]}),
        ("vision", {"messages": Message.user(FilePart("image/png", data=PNG))}),
        ("vision", {"messages": Message.user(FilePart("image/*", url="https://h/a"))}),
        ("audio_input", {"messages": Message.user(FilePart("audio/wav", data=b"x"))}),
        ("documents", {"messages": Message.user(FilePart("application/pdf", data=b"x"))}),
    ],
    ids=str,
)
def test_what_is_not_declared_is_refused(capability: str, arguments: Any) -> None:
    """A capability that the provider does not declare is an error before anything is sent."""
    capabilities: Any = tuple(
        name
        for name in (
            "chat",
            "stream",
            "system_prompt",
            "tools",
            "json",
            "json_schema",
            "vision",
            "audio_input",
            "documents",
        )
        if name != capability
    )
    able = Local(info=msgspec.structs.replace(INFO, capabilities=(*capabilities, capability)))
    able.chat("m", **{"messages": "hi", **arguments})
    provider = Local(info=msgspec.structs.replace(INFO, capabilities=capabilities))
    with pytest.raises(UnsupportedFeatureError, match=f"local cannot do '{capability}'; it can do chat"):
        provider.chat("m", **{"messages": "hi", **arguments})
    assert provider.requests == []


def test_streams_and_embeddings_must_be_declared() -> None:
    """A provider that does not stream says so at once; so does one without embeddings."""
    provider = Local(info=msgspec.structs.replace(INFO, capabilities=("chat",)))
    with pytest.raises(UnsupportedFeatureError, match="'stream'"):
        provider.stream_chat("m", "hi")
    with pytest.raises(UnsupportedFeatureError, match="'embeddings'"):
        provider.create_embedding("a")
    with pytest.raises(UnsupportedFeatureError, match="'embeddings'"):
        Provider.embeddings_flow(provider, ["a"], None)


# Receipts and warnings.


def test_receipts_and_warnings(provider: Local) -> None:
    """Each parameter given has a receipt; what was left out is warned of, in the response and once in the program."""
    given = {"temp": 0.5, "top_k": 4, "seed": 1, "max_tokens": None}
    with pytest.warns(UnsupportedParameterWarning) as caught:
        response = provider.chat("m", "hi", parameters=given)
    assert [(receipt.name, receipt.outcome) for receipt in response.parameters] == [
        ("temperature", "sent"),
        ("top_k", "omitted"),
        ("seed", "omitted"),
        ("max_tokens", "omitted"),
    ]
    assert response.warnings == (
        "parameter 'top_k' was left out: it has none",
        "parameter 'seed' was left out: local does not take it",
    )
    assert sorted(str(warning.message) for warning in caught) == [
        "local: parameter 'seed' was left out: local does not take it",
        "local: parameter 'top_k' was left out: it has none",
    ]
    assert {warning.filename for warning in caught} == {__file__}
    assert provider.asked.parameters == {"temperature": 0.5}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert provider.chat("m", "hi", parameters=given).warnings == response.warnings
    with pytest.warns(UnsupportedParameterWarning):
        provider.chat("another model", "hi", parameters={"top_k": 4})


def test_left_out_is_an_error_for_those_who_want_it() -> None:
    """With ``unsupported_parameters="error"`` nothing is left out."""
    provider = Local(ProviderConfig(unsupported_parameters="error"))
    with pytest.raises(ParameterError, match="'top_k': it has none"):
        provider.chat("m", "hi", parameters={"top_k": 4})
    assert provider.requests == []


def test_support_may_depend_on_the_call() -> None:
    """What is taken may depend on the model and the other parameters, which are checked by then."""
    seen: list[Any] = []

    class Depending(Local):
        def support(self, request: Request) -> Any:
            seen.append(dict(request.parameters))
            thinks = request.parameter("reasoning_effort", "none") != "none"
            reason = "a model that thinks has none"
            heat = ParameterSupport("temperature", None if thinks else "temperature", reason=reason)
            return (heat, ParameterSupport("reasoning_effort", "effort"))

    provider = Depending()
    with pytest.warns(UnsupportedParameterWarning, match="a model that thinks has none"):
        provider.chat("m", "hi", parameters={"temp": 1, "effort": "low"})
    assert provider.asked.parameters == {"reasoning_effort": "low"}
    provider.chat("m", "hi", parameters={"temp": 1})
    assert provider.asked.parameters == {"temperature": 1}
    assert seen == [{"temperature": 1, "reasoning_effort": "low"}, {"temperature": 1}]
    with pytest.raises(ParameterError, match="must be one of"):
        provider.chat("m", "hi", parameters={"effort": 5, "temp": 1} | {"effort": "very"})
    assert len(seen) == 2


def test_options_are_for_one_provider(provider: Local) -> None:
    """Options are keyed by provider; another's are not sent, and that is said."""
    response = provider.chat("m", "hi", provider_options={"lo": {"a": 1}, "local": {"b": 2}, "other": {"c": 3}})
    assert provider.asked.provider_options == {"a": 1, "b": 2}
    assert response.warnings == ("provider_options for 'other' were not sent (c): this is 'local'",)


# JSON.


def test_json_is_parsed(provider: Local) -> None:
    """An answer asked for as JSON is parsed; one that is no JSON is warned of, and kept as text."""
    provider.answer = ('{"a": 1}',)
    assert provider.chat("m", "hi", response_format="json").parsed == {"a": 1}
    assert provider.chat("m", "hi").parsed is None
    for text in ('{"a": ', "[" * 200_000):
        provider.answer = (text,)
        response = provider.chat("m", "hi", response_format="json")
        assert (response.parsed, response.text) == (None, text)
        assert "no valid JSON" in response.warnings[0]
    provider.answer = ("",)
    assert provider.chat("m", "hi", response_format="json").warnings == ()


# Streams.


def test_a_stream_and_its_response(provider: Local) -> None:
    """The response is there after the last event, and not before; what has arrived always is."""
    provider.answer = ("a", "b")
    stream = provider.stream_chat("m", "hi")
    assert iter(stream) is iter(stream)
    assert next(stream) == TextDelta("a")
    assert stream.partial.text == "a"
    with pytest.raises(ExecutionError, match="read the stream to its end first"):
        _ = stream.response
    assert [type(event).__name__ for event in stream] == ["TextDelta", "Finish"]
    assert stream.response.text == stream.partial.text == stream.read().text == "ab"
    assert len(stream.response.message.parts) == 1


def test_a_stream_that_was_left_has_no_response(provider: Local) -> None:
    """After leaving early there is a partial answer only."""
    provider.answer = ("a", "b")
    with provider.stream_chat("m", "hi") as stream:
        texts = stream.texts()
        assert next(texts) == "a"
    assert list(texts) == []
    with pytest.raises(ExecutionError):
        _ = stream.response
    assert stream.partial.text == "a"


# Pictures.


def test_pictures_by_address_path_and_content(provider: Local, tmp_path: pathlib.Path) -> None:
    """Each way takes one or several; they come before the prompt, in the order of the arguments."""
    (tmp_path / "a.png").write_bytes(PNG)
    text = base64.b64encode(PNG).decode()
    provider.execute_with_vision(
        "m",
        "what?",
        image_url=["https://h/a.png", f"data:image/png;base64,{text}"],
        image_path=tmp_path / "a.png",
        image_data=[PNG, text],
        system_prompt="s",
    )
    system, user = provider.asked.messages
    assert system == Message.system("s")
    files = [part for part in user.parts if isinstance(part, FilePart)]
    assert [part.url or part.data for part in files] == ["https://h/a.png", PNG, PNG, PNG, PNG]
    assert user.parts[-1] == Message.user("what?").parts[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give an image"),
        ({"image_data": b"no picture"}, r"image_data is no image that is known \(application/octet-stream\)"),
        ({"image_data": "!!!"}, "no valid base64"),
        ({"image_path": "/no/such/file.png"}, "cannot read '/no/such/file.png'"),
        ({"image_url": "file:///etc/passwd"}, r"no http\(s\) address"),
    ],
)
def test_what_is_no_picture(provider: Local, arguments: Any, message: str) -> None:
    """A picture that is none is an error before anything is asked."""
    with pytest.raises(ParameterError, match=message):
        provider.execute_with_vision("m", "what?", **arguments)
    assert provider.requests == []


# Embeddings and tokens.


def test_embeddings(provider: Local) -> None:
    """One text gives a vector, a list of texts a list of vectors."""
    assert provider.create_embedding("abc") == [3.0]
    assert provider.create_embedding(["a", "bc"], "m") == [[1.0], [2.0]]


@pytest.mark.parametrize("texts", [[], "", ["a", ""], ["a", 7]])
def test_texts_that_are_none(provider: Local, texts: Any) -> None:
    """No text, or an empty one, has no vector."""
    with pytest.raises(ParameterError, match="none of them empty"):
        provider.create_embedding(texts)


def test_each_text_has_its_vector(provider: Local) -> None:
    """A provider that sends fewer vectors than texts has broken its format."""
    provider.vectors = [[1.0]]
    with pytest.raises(ProtocolError, match="1 embeddings for 2 texts"):
        provider.create_embedding(["a", "b"])
    provider.vectors = []
    with pytest.raises(ProtocolError, match="0 embeddings for 1 texts"):
        provider.create_embedding("a")


@pytest.mark.parametrize(("text", "expected"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("日本", 2), ("aé", 2)])
def test_tokens_are_estimated(provider: Local, text: str, expected: int) -> None:
    """Without a tokenizer: four ASCII characters a token, and one for each other character."""
    assert provider.count_tokens(text) == estimate_tokens(text) == expected


# State.


def test_how_a_provider_is_doing(provider: Local, caplog: pytest.LogCaptureFixture) -> None:
    """A provider that is up lists its models; one that is down is reported, not raised."""
    info = provider.get_info()
    assert info["status"] == "available"
    assert info["available_models"] == ("m",)
    assert (info["name"], info["kind"], info["capabilities"]) == ("local", "local", INFO.capabilities)
    assert info["details"] == {"mode": "test"}
    assert provider.validate_config() is True
    provider.down = "is the server running?"
    info = provider.get_info()
    assert (info["status"], info["available_models"], info["problem"]) == ("unavailable", (), "is the server running?")
    with caplog.at_level(logging.WARNING, logger="airouter.local"):
        assert provider.validate_config() is False
    assert "local cannot be used: is the server running?" in caplog.text


def test_a_provider_closes_with_its_block(provider: Local) -> None:
    """A provider is a context manager; its repr says which it is and no more."""
    with provider as same:
        assert same is provider
    assert provider.closed == 1
    assert repr(provider) == "<Local 'local'>"
    assert Provider.details(provider) == {}
    Provider.close(provider)


def test_the_log_has_no_prompt(provider: Local, caplog: pytest.LogCaptureFixture) -> None:
    """DEBUG says what is asked of whom, without its words."""
    caplog.set_level(logging.DEBUG)
    provider.chat("m", "a secret prompt", parameters={"temperature": 0.5})
    assert "1 messages" in caplog.text
    assert "secret prompt" not in caplog.text


# Over HTTP.


def test_models_and_embeddings_over_http(serve: Any, make_provider: Any) -> None:
    """Further endpoints go through the same transport, with the same errors."""

    def script(peer: Any, received: Any) -> None:
        if received.target == "/models":
            peer.answer(200, b'{"data": [{"id": "m"}]}')
        else:
            count = len(json.loads(received.body)["input"])
            peer.answer(200, json.dumps({"data": [{"index": i, "embedding": [i]} for i in range(count)]}).encode())

    provider = make_provider(serve(script).url)
    assert [model.id for model in provider.list_models()] == ["m"]
    assert provider.create_embedding(["a", "b"]) == [[0.0], [1.0]]
    assert provider.count_tokens("abcd") == 1
    assert provider.validate_config() is True


def test_secrets_are_in_no_repr(make_provider: Any) -> None:
    """A provider and its configuration can be printed."""
    provider = make_provider("http://h", api_key="sk-planted-key")
    assert "sk-planted-key" not in f"{provider!r} {provider.config!r} {provider.config}"


class Thinker(Local):
    """Thinks until its limit is used up, or says a word after all."""

    said = ""

    def events(self, request: Request, *, stream: bool) -> Iterator[StreamEvent]:
        yield ReasoningDelta("hm")
        yield TextDelta(self.said)
        yield Finish("length", "length")


def test_an_empty_answer_of_nothing_but_thought_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever takes the text alone is told why there is none; whoever gets words is not."""
    provider = Thinker()
    asked = (
        lambda: provider.execute("m", "hi"),
        lambda: "".join(provider.stream_execute("m", "hi")),
        lambda: provider.chat_execute("m", [Message.user("hi")]),
        lambda: provider.execute_with_vision("m", "hi", image_data=PNG),
    )
    for ask in asked:
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="airouter.local"):
            assert ask() == ""
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "thinking used up its limit" in caplog.text
    provider.said = "so"
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="airouter.local"):
        assert [ask() for ask in asked] == ["so"] * 4
    assert not caplog.records
