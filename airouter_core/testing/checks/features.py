"""Capabilities: what is declared works, what is not declared is refused before anything is sent."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from ...errors import AirouterError, ProviderError, UnsupportedFeatureError
from ...provider.facade import Provider
from ...values.messages import FilePart, Message, TextPart, ToolCallPart
from ...values.tokens import estimate_tokens
from ..halves import in_each_half
from ..server import Connection, LoopbackServer, ReceivedRequest
from ..subject import Subject, hold, none_of

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
WAV = base64.b64decode("UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAABAA==")
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
TOOL = {
    "name": "kit_weather",
    "description": "Tell the weather.",
    "parameters": {
        "type": "object",
        "properties": {"kit_city": {"type": "string"}},
        "required": ["kit_city"],
        "additionalProperties": False,
    },
}
SCHEMA = {
    "type": "object",
    "properties": {"kit_answer": {"type": "string"}},
    "required": ["kit_answer"],
    "additionalProperties": False,
}

TOOL_MARKS = [f"KIT-{what}-{number}" for what in ("ARGUMENT", "RESULT") for number in (1, 2)]
TOOLS_SAID = [
    Message.assistant(
        *(ToolCallPart(f"kit_call_{n}", "kit_weather", f'{{"kit_city": "KIT-ARGUMENT-{n}"}}') for n in (1, 2))
    ),
    *(Message.tool(f"kit_call_{n}", f"KIT-RESULT-{n}") for n in (1, 2)),
]
"""Two calls in one answer, and the results of both."""
TEXTS = ("kit-a", "kit-bbb", "kit-cc")
Ask = Callable[[Provider[Any], str], Any]


def _with_file(media_type: str, data: bytes, name: str) -> Ask:
    message = Message.user(FilePart(media_type, data=data, name=name), TextPart("What is this?"))
    return lambda provider, model: provider.chat(model, [message])


FEATURES: Mapping[str, tuple[Ask, bytes]] = {
    "system_prompt": (lambda provider, model: provider.execute(model, "Hello", "KIT-SYSTEM"), b"KIT-SYSTEM"),
    "tools": (lambda provider, model: provider.chat(model, "Hello", tools=[TOOL]), b"kit_city"),
    "tool_choice": (
        lambda provider, model: provider.chat(model, "Hello", tools=[TOOL], tool_choice="required"),
        b"kit_weather",
    ),
    "json": (lambda provider, model: provider.chat(model, "Hello, in JSON", response_format="json"), b"json"),
    "json_schema": (lambda provider, model: provider.chat(model, "Hello", response_format=SCHEMA), b"kit_answer"),
    "vision": (_with_file("image/png", PNG, "kit.png"), base64.b64encode(PNG)),
    "documents": (_with_file("application/pdf", PDF, "kit.pdf"), base64.b64encode(PDF)),
    "audio_input": (_with_file("audio/wav", WAV, "kit.wav"), base64.b64encode(WAV)),
}
"""How to ask for each capability, and what must then stand in the request."""

OPERATIONS: Mapping[str, Ask] = {
    "stream": lambda provider, model: provider.stream_chat(model, "Hello").read(),
    "embeddings": lambda provider, model: provider.create_embedding("Hello", model),
    "rerank": lambda provider, model: provider.rerank("Hello", ["Hello"], model),
}
"""How to ask for what is no part of a request for a chat."""


class FeatureChecks(Subject):
    """Capabilities."""

    @in_each_half
    def test_what_is_declared_is_sent(self) -> None:
        """Each capability that is declared gets into the request."""
        none_of(self._not_sent())

    def _not_sent(self) -> Iterator[str]:
        with self.serving() as server, self.provider(server) as provider:
            for capability, (ask, sign) in FEATURES.items():
                if self.can(capability):
                    ask(provider, self.model)
                    if sign not in server.requests[-1].body:
                        yield f"{capability!r} is declared, and the request does not hold {sign[:40]!r}"

    @in_each_half
    def test_a_conversation_is_sent_whole(self) -> None:
        """Each earlier turn is in the request, in its place: calls of tools side by side, and the result of each."""
        self.http_class()
        said, tools = [Message.user("KIT-FIRST"), Message.assistant("KIT-REPLY")], None
        if self.can("tools"):
            said, tools = [*said, *TOOLS_SAID], [TOOL]
        with self.serving() as server, self.provider(server) as provider:
            provider.chat(self.model, [*said, Message.user("KIT-LAST")], tools=tools)
            sent = server.requests[-1].body.decode()
        marks = ["KIT-FIRST", "KIT-REPLY", *(TOOL_MARKS if tools else ()), "KIT-LAST"]
        none_of(f"{mark} is not in the request" for mark in marks if mark not in sent)
        places = [sent.index(mark) for mark in marks]
        hold(places == sorted(places), f"what was said is sent in another order than {', '.join(marks)}")

    @in_each_half
    def test_every_word_of_the_system_is_sent(self) -> None:
        """Several messages of the system all arrive, in their order, none in the place of another."""
        self.http_class()
        if not self.can("system_prompt"):
            pytest.skip("declares no system_prompt")
        marks = [f"KIT-SYSTEM-{number}" for number in (1, 2, 3)]
        with self.serving() as server, self.provider(server) as provider:
            provider.chat(self.model, [*map(Message.system, marks), Message.user("Hello")])
            sent = server.requests[-1].body.decode()
        none_of(f"{mark} is not in the request" for mark in marks if mark not in sent)
        places = [sent.index(mark) for mark in marks]
        hold(places == sorted(places), "the words of the system are sent in another order")

    @in_each_half
    def test_a_choice_of_tool_changes_the_request(self) -> None:
        """Each tool_choice is told to the service, and "required" otherwise than "none"."""
        self.http_class()
        if not self.can("tool_choice"):
            pytest.skip("declares no tool_choice")
        sent = {}
        with self.serving() as server, self.provider(server) as provider:
            for choice in ("none", "required"):
                provider.chat(self.model, "Hello", tools=[TOOL], tool_choice=choice)
                sent[choice] = server.requests[-1].body
        hold(sent["none"] != sent["required"], "tool_choice 'none' and 'required' are sent alike")
        # Either the service is told not to call, or it has nothing that it could call.
        kept = b"kit_city" not in sent["none"] or b"none" in sent["none"].lower()
        hold(kept, "tool_choice 'none' sends the tools, and does not say that none may be called")

    @in_each_half
    def test_a_stream_is_asked_for(self) -> None:
        """A request for a stream is another one, and asks_for_stream() tells it."""
        self.http_class()
        if not self.can("stream"):
            pytest.skip("does not stream")
        with self.serving() as server, self.provider(server) as provider:
            self.ask(provider)
            whole = server.requests[-1]
            self.ask(provider, stream=True)
            streamed = server.requests[-1]
        hold((whole.path, whole.body) != (streamed.path, streamed.body), "a stream is asked for as a whole answer is")
        hold(self.asks_for_stream(streamed), "asks_for_stream() does not tell a stream: override it in the class")
        hold(not self.asks_for_stream(whole), "asks_for_stream() takes a whole answer for a stream")

    @in_each_half
    def test_what_is_not_declared_is_refused(self) -> None:
        """Each capability that is not declared is refused before anything is sent."""
        none_of(self._not_refused())

    def _not_refused(self) -> Iterator[str]:
        lacking: dict[str, Ask] = {name: ask for name, (ask, _) in FEATURES.items() if not self.can(name)}
        lacking.update({name: ask for name, ask in OPERATIONS.items() if name not in self.info.capabilities})
        if "tools" not in self.info.capabilities:
            lacking.pop("tool_choice", None)
        with LoopbackServer(_unexpected) as server, self.provider(server) as provider:
            for capability, ask in lacking.items():
                try:
                    ask(provider, self.model)
                except UnsupportedFeatureError as error:
                    if self.info.name not in str(error):
                        yield f"the error for {capability!r} does not name the provider: {error}"
                except AirouterError as error:
                    yield f"{capability!r} is not declared; expected UnsupportedFeatureError, got {error!r}"
                else:
                    yield f"{capability!r} is not declared, and was accepted"
            if server.requests:
                yield f"{len(server.requests)} requests were sent for what is not declared"

    @in_each_half
    def test_declared_embeddings_are_asked_for(self) -> None:
        """A provider that declares embeddings asks its server for them."""
        self.http_class()
        if "embeddings" not in self.info.capabilities:
            pytest.skip("declares no embeddings")
        with LoopbackServer(_unexpected) as server, self.provider(server) as provider:
            with pytest.raises(ProviderError):
                provider.create_embedding("kit-text", self.model)
            hold(b"kit-text" in server.requests[-1].body, "the text to embed is not in the request")

    @in_each_half
    def test_declared_reranking_is_asked_for(self) -> None:
        """A provider that declares rerank asks its server for it, with the query and the documents."""
        self.http_class()
        if "rerank" not in self.info.capabilities:
            pytest.skip("declares no rerank")
        with LoopbackServer(_unexpected) as server, self.provider(server) as provider:
            with pytest.raises(ProviderError):
                provider.rerank("kit-query", ["kit-document"], self.model)
            for said in (b"kit-query", b"kit-document"):
                hold(said in server.requests[-1].body, f"{said.decode()!r} is not in the request")

    @in_each_half
    def test_embeddings_belong_to_their_texts(self) -> None:
        """Each text gets its own vector, in whatever order the service sends them."""
        self.http_class()
        if "embeddings" not in self.info.capabilities:
            pytest.skip("declares no embeddings")

        def behave(request: ReceivedRequest, connection: Connection) -> None:
            connection.answer(self.embeddings_answer(request))

        with LoopbackServer(behave) as server, self.provider(server) as provider:
            vectors = provider.create_embedding(list(TEXTS), self.model)
        expected = [[float(len(text)), 0.5] for text in TEXTS]
        hold(vectors == expected, f"the vectors of {TEXTS} are {vectors}, not {expected}")

    @in_each_half
    def test_tokens_are_counted(self) -> None:
        """Counting tokens gives a number; without the capability it is the estimate, and nothing is sent."""
        if "token_counting" in self.info.capabilities:
            pytest.skip("counts by asking: that is the vendor's own test")
        with LoopbackServer(_unexpected) as server, self.provider(server) as provider:
            hold(provider.count_tokens("kit text") == estimate_tokens("kit text"), "the count is not the estimate")
            hold(not server.requests, "a request was sent, although token_counting is not declared")

    @in_each_half
    def test_a_provider_that_is_down_is_reported(self) -> None:
        """validate_config() and get_info() tell of a failure; they do not raise."""
        self.http_class()
        with LoopbackServer(_unexpected) as server, self.provider(server) as provider:
            hold(provider.validate_config() is False, "validate_config() is true although the server refuses")
            status = provider.get_info()
            hold(status["status"] == "unavailable" and status.problem, f"get_info() says {status['status']!r}")
            hold(status.name == self.info.name, f"get_info() calls it {status.name!r}")

    @in_each_half
    def test_provider_options_are_sent(self) -> None:
        """What is in provider_options for this provider is sent; what is for another is not, and is reported."""
        self.http_class()
        options = {self.info.name: {"kit_option": "kit-own"}, "somebody-else": {"kit_other": "kit-foreign"}}
        with self.serving() as server, self.provider(server) as provider:
            response = self.ask(provider, provider_options=options)
            hold(b"kit-own" in server.requests[-1].body, "its own provider_options are not in the request")
            hold(b"kit-foreign" not in server.requests[-1].body, "another provider's options were sent")
            hold(any("somebody-else" in text for text in response.warnings), "options left out are not reported")


def _unexpected(request: Any, connection: Any) -> None:
    from ..server import Answer

    connection.answer(Answer.of_json({"error": {"message": "kit: not now", "type": "server_error"}}, status=500))
