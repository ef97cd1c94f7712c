"""The provider as its users hold it: tools and plans, thoughts, citations, failures, embeddings, reranking."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from airouter_cohere.provider import CohereProvider
from airouter_core import Ranked, create_provider
from airouter_core.errors import (
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    MissingApiKeyError,
    ModelNotFoundError,
    ParameterError,
    ProtocolError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
    UnsupportedFeatureError,
    UnsupportedParameterWarning,
)
from airouter_core.testing.halves import awaited
from airouter_core.testing.recordings import Recording, ReplayServer, difference, load_recordings
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_core.values.messages import FilePart, Message, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from airouter_core.values.tools import Tool

KEY = "test-key-0123456789"
SHARED = Path(__file__).parents[4] / "shared" / "recordings-more"
OTHER = load_recordings(SHARED, "cohere-other")
PNG = b"\x89PNG\r\n\x1a\n"
THINKER = "command-a-reasoning-08-2025"
WEATHER = Tool("weather", "Tell the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})


def answered(*content: Mapping[str, Any], reason: str = "COMPLETE", **more: Any) -> dict[str, Any]:
    """An answer of the chat API."""
    message = {"role": "assistant", **({"content": list(content)} if content else {}), **more}
    tokens = {"input_tokens": 9, "output_tokens": 4, "reasoning_tokens": 1}
    return {"id": "a1", "finish_reason": reason, "message": message, "usage": {"tokens": tokens, "cached_tokens": 2}}


HELLO = answered({"type": "text", "text": "Hello."})


class Cohere:
    """Gives ``answers`` one after the other, the last one again and again."""

    def __init__(self) -> None:
        self.answers: list[Any] = [HELLO]

    def __call__(self, request: ReceivedRequest, connection: Connection) -> None:
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        connection.answer(given if isinstance(given, Answer) else Answer.of_json(given))


@pytest.fixture
def cohere() -> Cohere:
    return Cohere()


@pytest.fixture
def server(cohere: Cohere) -> Iterator[LoopbackServer]:
    with LoopbackServer(cohere) as running:
        yield running


@pytest.fixture
def provider(server: LoopbackServer) -> Iterator[CohereProvider]:
    with create_provider("cohere", {"base_url": server.url, "api_key": KEY, "max_retries": 0}) as made:
        assert isinstance(made, CohereProvider)
        yield made


def sent(server: LoopbackServer, position: int = -1) -> Any:
    return server.requests[position].json


def weather(city: str) -> dict[str, str]:
    """Tell the weather."""
    return {"sky": "clear", "city": city}


def call(identity: str, city: str) -> dict[str, Any]:
    function = {"name": "weather", "arguments": json.dumps({"city": city})}
    return {"id": identity, "type": "function", "function": function}


@pytest.mark.parametrize("awaiting", [False, True])
def test_thoughts_and_plans_go_back_over_three_rounds(
    cohere: Cohere, server: LoopbackServer, provider: CohereProvider, awaiting: bool
) -> None:
    """Each turn is sent back as it came: what was thought, the plan, the calls with their ids, each with its result."""
    thought = {"type": "thinking", "thinking": "Hm."}
    turns: list[dict[str, Any]] = [
        {"tool_plan": "I will look.", "tool_calls": [call("c1", "Oslo")]},
        {"content": [thought], "tool_calls": [call("c2", "Rome"), call("c3", "Bern")]},
        {"content": [thought, {"type": "text", "text": "Once more."}], "tool_calls": [call("c4", "Riga")]},
    ]
    cohere.answers = [
        *({**answered(reason="TOOL_CALL"), "message": {"role": "assistant", **turn}} for turn in turns),
        HELLO,
    ]
    if awaiting:
        run = awaited(provider, lambda one: one.arun_tools(THINKER, "Where is it clear?", [weather]))
    else:
        run = provider.run_tools(THINKER, "Where is it clear?", [weather])
    assert (run.response.text, run.response.finish_reason) == ("Hello.", "stop")
    expected: list[Any] = [{"role": "user", "content": "Where is it clear?"}]
    for turn in turns:
        expected.append({"role": "assistant", **turn})
        for made in turn["tool_calls"]:
            said = json.dumps({"sky": "clear", **json.loads(made["function"]["arguments"])})
            expected.append({"role": "tool", "tool_call_id": made["id"], "content": said})
    assert sent(server)["messages"] == expected


def test_a_plan_is_no_part_of_the_text(cohere: Cohere, provider: CohereProvider) -> None:
    """It is in the metadata, and in the message for the way back."""
    cohere.answers = [answered(reason="TOOL_CALL", tool_plan="I will look.", tool_calls=[call("c1", "Oslo")])]
    response = provider.chat(THINKER, "?", tools=[WEATHER])
    assert (response.text, response.reasoning, response.finish_reason) == ("", None, "tool_calls")
    assert response.provider_metadata["cohere"]["tool_plan"] == "I will look."


def test_citations_are_at_their_text_and_go_back(
    cohere: Cohere, server: LoopbackServer, provider: CohereProvider
) -> None:
    """Documents to be cited are an option of Cohere's; what is cited is in the metadata of the response too."""
    cited = [{"start": 0, "end": 5, "text": "Quack", "sources": [{"type": "document", "id": "d1"}]}]
    cohere.answers = [answered({"type": "text", "text": "Quack."}, citations=cited), HELLO]
    documents = [{"id": "d1", "data": {"text": "The capital is Quack."}}]
    response = provider.chat("command-r7b-12-2024", "?", provider_options={"cohere": {"documents": documents}})
    assert sent(server)["documents"] == documents
    assert response.message.parts == (TextPart("Quack.", {"cohere": {"citations": cited}}),)
    assert response.provider_metadata["cohere"]["citations"] == cited
    provider.chat("command-r7b-12-2024", [Message.user("?"), response.message, Message.user("!")])
    assert sent(server)["messages"][1] == {"role": "assistant", "content": "Quack.", "citations": cited}


def test_usage_counts_what_the_model_saw(provider: CohereProvider) -> None:
    """Reasoning and what was cached are parts of it; what is billed is Cohere's own."""
    usage = provider.chat(THINKER, "?").usage
    assert (usage.input_tokens, usage.output_tokens) == (9, 4)
    assert (usage.cache_read_tokens, usage.reasoning_tokens) == (2, 1)


@pytest.mark.parametrize(
    ("parameters", "thinking"),
    [
        ({"reasoning_effort": "none"}, {"type": "disabled"}),
        ({"reasoning_effort": "high"}, {"type": "enabled"}),
        ({"reasoning_budget": 500}, {"type": "enabled", "token_budget": 500}),
        ({"reasoning_effort": "low", "reasoning_budget": 5}, {"type": "enabled", "token_budget": 5}),
    ],
)
def test_how_much_a_model_thinks(
    server: LoopbackServer, provider: CohereProvider, parameters: dict[str, Any], thinking: dict[str, Any]
) -> None:
    """There are no levels: on, off, or so many tokens."""
    provider.chat(THINKER, "?", parameters=parameters)
    assert sent(server)["thinking"] == thinking


@pytest.mark.parametrize(
    "model", ["command-r7b-12-2024", "command-r-plus", "command-a-03-2025", "command-a-vision-07-2025", "c4ai-aya-8b"]
)
def test_models_that_do_not_think_are_not_asked_to(
    server: LoopbackServer, provider: CohereProvider, model: str
) -> None:
    """The parameter is left out, and the caller told."""
    with pytest.warns(UnsupportedParameterWarning):
        response = provider.chat(model, "?", parameters={"reasoning_effort": "high"})
    assert "thinking" not in sent(server)
    assert any("does not think" in warning for warning in response.warnings)


def test_contradictions_and_files_in_results_are_refused(server: LoopbackServer, provider: CohereProvider) -> None:
    """Before anything is sent."""
    with pytest.raises(ParameterError, match="contradict"):
        provider.chat(THINKER, "?", parameters={"reasoning_effort": "none", "reasoning_budget": 5})
    result = ToolResultPart("c1", (FilePart("image/png", data=PNG),))
    with pytest.raises(UnsupportedFeatureError, match="message of the user"):
        provider.chat(THINKER, [Message.user("?"), Message.assistant(ToolCallPart("c1", "w")), Message("tool", result)])
    with pytest.raises(ParameterError, match="message of the user"):
        provider.chat(THINKER, [Message.system("Be brief.")])
    assert not server.requests


def test_a_named_tool_is_the_only_one_offered(server: LoopbackServer, provider: CohereProvider) -> None:
    """As Cohere can force a call, and not which; the caller is told."""
    choice = {"type": "function", "function": {"name": "weather"}}
    response = provider.chat("m", "?", tools=[WEATHER, Tool("other", strict=True)], tool_choice=choice)
    assert [tool["function"]["name"] for tool in sent(server)["tools"]] == ["weather"]
    assert sent(server)["tool_choice"] == "REQUIRED"
    assert any("only the tool 'weather' was offered" in warning for warning in response.warnings)
    provider.chat("m", "?", tools=[WEATHER, Tool("other", strict=True)], tool_choice="none")
    assert (sent(server)["tool_choice"], sent(server)["strict_tools"]) == ("NONE", True)


def test_thoughts_of_another_model_are_left_out_and_told(server: LoopbackServer, provider: CohereProvider) -> None:
    """A thought without Cohere's own mark is not sent."""
    history = [Message.user("?"), Message.assistant(ReasoningPart("Hm."), "No."), Message.user("!")]
    response = provider.chat(THINKER, history)
    assert sent(server)["messages"][1] == {"role": "assistant", "content": "No."}
    assert any("thoughts of another model" in warning for warning in response.warnings)


TRIAL = "You are using a Trial key, which is limited to {}. You can continue to use the Trial key for free."


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"message": TRIAL.format("40 API calls / minute")}, RateLimitedError),
        (429, {"message": TRIAL.format("1000 API calls / month")}, QuotaExceededError),
        (402, {"message": "Please add or update your payment method to continue."}, QuotaExceededError),
        (401, {"message": "invalid api token"}, AuthenticationError),
        (400, {"message": "invalid request: no model"}, BadRequestError),
        (400, {"message": "too many tokens: 5", "error_type": "TOO_MANY_TOKENS"}, ContextLengthError),
        (400, {"message": "too many tokens: total number of tokens cannot exceed 4081"}, ContextLengthError),
        (404, {"message": "model 'x' not found, make sure the correct model ID was used"}, ModelNotFoundError),
        (422, {"message": "No valid response generated. Try updating messages"}, BadRequestError),
        (500, {"message": "internal server error"}, ServerError),
    ],
)
def test_failures_are_told_apart(
    cohere: Cohere, provider: CohereProvider, status: int, body: dict[str, Any], kind: type[ProviderError]
) -> None:
    """By the type where there is one, else by the words, else by the status; with an id for support."""
    cohere.answers = [Answer.of_json({"id": "e1", **body}, status=status)]
    with pytest.raises(kind) as caught:
        provider.chat("m", "?")
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.request_id) == (status, "e1")


def test_an_answer_that_is_broken_off_is_an_error(cohere: Cohere, provider: CohereProvider) -> None:
    """What had arrived is in its partial response."""
    events = [
        {"type": "message-start", "id": "a1", "delta": {"message": {"role": "assistant"}}},
        {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": "Hel"}}}},
        {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "the model failed"}},
    ]
    body = "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in events)
    cohere.answers = [Answer(200, {"content-type": "text/event-stream"}, (body.encode(),))]
    with pytest.raises(ServerError, match="the model failed") as caught:
        provider.stream_chat("m", "?").read()
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Hel"


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable it is kept in; both names of it are looked at."""
    for name in ("CO_API_KEY", "COHERE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with create_provider("cohere", {}) as one, pytest.raises(MissingApiKeyError, match="CO_API_KEY"):
        one.chat("m", "?")
    monkeypatch.setenv("COHERE_API_KEY", KEY)
    with create_provider("cohere", {"base_url": "https://api.cohere.com/v2"}) as one:
        assert one.config.api_key == KEY
        assert one.config.url("v2/chat") == "https://api.cohere.com/v2/chat"


# What stands beside chat.


def test_models_are_listed_page_by_page(cohere: Cohere, server: LoopbackServer, provider: CohereProvider) -> None:
    """With what the list says that each can do."""
    chats = {
        "name": "command-a-03-2025",
        "endpoints": ["chat"],
        "features": ["tools", "json_schema", "safety_modes"],
        "context_length": 288000.0,
    }
    ranks = {"name": "rerank-v4.0-pro", "endpoints": ["rerank"], "features": None, "is_deprecated": True}
    cohere.answers = [{"models": [chats], "next_page_token": "a+b"}, {"models": [ranks]}]
    first, second = provider.list_models()
    assert (first.id, first.context_length) == ("command-a-03-2025", 288_000)
    assert first.capabilities == ("chat", "stream", "system_prompt", "tools", "json_schema")
    assert (second.capabilities, bool(second.problem)) == (("rerank",), True)
    assert [request.path for request in server.requests] == [
        "/v1/models?page_size=1000",
        "/v1/models?page_size=1000&page_token=a%2Bb",
    ]


def test_tokens_are_counted_by_the_tokenizer(cohere: Cohere, server: LoopbackServer, provider: CohereProvider) -> None:
    """Exactly, for the model that is named."""
    cohere.answers = [{"tokens": [9707, 11, 1879, 0], "token_strings": ["Hello", ",", " world", "!"]}]
    assert provider.count_tokens("Hello, world!", "embed-v4.0") == 4
    assert (server.requests[-1].path, sent(server)) == (
        "/v1/tokenize",
        {"text": "Hello, world!", "model": "embed-v4.0"},
    )
    cohere.answers = [{}]
    with pytest.raises(ProtocolError, match="tokens"):
        provider.count_tokens("Hello")


def test_embeddings_are_made_in_batches(cohere: Cohere, server: LoopbackServer, provider: CohereProvider) -> None:
    """Ninety-six at once, in their order."""
    sizes = (96, 96, 8)
    cohere.answers = [{"embeddings": {"float": [[float(size)]] * size}} for size in sizes]
    vectors = provider.create_embedding(["text"] * 200, input_type="search_query", dimensions=256)
    assert [vector[0] for vector in vectors] == [96.0] * 192 + [8.0] * 8
    assert [len(sent(server, position)["texts"]) for position in range(3)] == list(sizes)
    more = {name: value for name, value in sent(server).items() if name != "texts"}
    assert more == {
        "model": "embed-v4.0",
        "input_type": "search_query",
        "embedding_types": ["float"],
        "output_dimension": 256,
    }
    cohere.answers = [{"embeddings": [[1.0]]}]
    assert awaited(provider, lambda one: one.acreate_embedding("a")) == [1.0]


def test_documents_are_ranked(cohere: Cohere, server: LoopbackServer, provider: CohereProvider) -> None:
    """The best first, as many as are wanted; a ranking of what was not given is an error."""
    results = [
        {"index": 1, "relevance_score": 0.1},
        {"index": 2, "relevance_score": 0.9},
        {"index": 0, "relevance_score": 0},
    ]
    cohere.answers = [{"id": "r1", "results": results}]
    assert provider.rerank("capital?", ["a", "b", "c"]) == [Ranked(2, 0.9), Ranked(1, 0.1), Ranked(0, 0.0)]
    assert (server.requests[-1].path, sent(server)) == (
        "/v2/rerank",
        {"model": "rerank-v4.0-pro", "query": "capital?", "documents": ["a", "b", "c"]},
    )
    assert provider.rerank("capital?", ["a", "b", "c"], "rerank-v3.5", limit=1) == [Ranked(2, 0.9)]
    assert sent(server)["top_n"] == 1
    with pytest.raises(ProtocolError, match="more documents than the 2"):
        provider.rerank("capital?", ["a", "b"])
    for query, documents in (("", ["a"]), ("q", []), ("q", [1])):
        with pytest.raises(ParameterError, match="rerank needs"):
            provider.rerank(query, documents)  # type: ignore[arg-type]  # on purpose
    assert awaited(provider, lambda one: one.arerank("capital?", ["a", "b", "c"]))[0] == Ranked(2, 0.9)


def outcome_of(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except ProviderError as error:
        return error


@pytest.mark.skipif(not OTHER, reason=f"there are no recordings in {SHARED}")
@pytest.mark.parametrize("recording", OTHER, ids=lambda one: one.id)
def test_recorded_answers_of_other_endpoints(recording: Recording) -> None:
    """Embeddings of the first version, rankings, tokens and failures, as they were answered."""
    body = recording.request["json"] or {}
    with ReplayServer([recording]) as server:
        config = {"base_url": server.address(recording), "api_key": KEY, "max_retries": 0}
        with create_provider("cohere", config) as provider:
            asked: dict[str, Callable[[], Any]] = {
                "/v1/embed": lambda: provider.create_embedding(body["texts"]),
                "/v2/rerank": lambda: provider.rerank(body["query"], body["documents"]),
                "/v1/tokenize": lambda: provider.count_tokens(body["text"]),
                "/v1/models": provider.list_models,
            }
            if recording.path not in asked:
                pytest.skip(f"{recording.path} is of an older version, which is not asked for")
            outcome = outcome_of(asked[recording.path])
    if recording.expected_error:
        assert difference(recording, outcome) == []
        return
    said = json.loads(recording.body)
    if recording.path == "/v2/rerank":
        assert [(one.index, one.score) for one in outcome] == [
            (result["index"], result["relevance_score"]) for result in said["results"]
        ]
    elif recording.path == "/v1/tokenize":
        assert outcome == len(said["tokens"])
    else:
        expected = (recording.expected or {})["embeddings"]
        assert ([len(vector) for vector in outcome], outcome[0][:4]) == (expected["dims"], expected["first"][0])


def streamed(*events: Mapping[str, Any]) -> Answer:
    """A stream of events."""
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    return Answer(200, {"content-type": "text/event-stream"}, (body.encode(),))


def calling(kind: str, **call: Any) -> dict[str, Any]:
    """An event about a tool call, which does not say which one it is."""
    return {"type": kind, "delta": {"message": {"tool_calls": call}}}


ENDED = {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}}


def test_calls_that_share_an_index_are_two(cohere: Cohere, provider: CohereProvider) -> None:
    """A call begins with its start event, whatever its index; one without an id gets one."""
    cohere.answers = [
        streamed(
            calling("tool-call-start", function={"name": "weather", "arguments": '{"city":'}),
            calling("tool-call-delta", function={"arguments": '"Oslo"}'}),
            calling("tool-call-start", function={"name": "weather", "arguments": '{"city":"Rome"}'}),
            ENDED,
        )
    ]
    calls = provider.stream_chat("m", "?", tools=[WEATHER]).read().tool_calls
    assert [call.arguments for call in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert len({call.id for call in calls if call.id}) == 2


def test_arguments_of_no_call_are_an_error(cohere: Cohere, provider: CohereProvider) -> None:
    """They are given to no other call."""
    cohere.answers = [streamed(calling("tool-call-delta", function={"arguments": "{}"}), ENDED)]
    with pytest.raises(ProtocolError, match="has not begun"):
        provider.stream_chat("m", "?", tools=[WEATHER]).read()


@pytest.mark.parametrize("foreign", [{"error": {"message": "no more"}}, {"detail": "no more"}, {"message": "no more"}])
def test_an_error_object_in_a_stream_is_one(
    cohere: Cohere, provider: CohereProvider, foreign: Mapping[str, Any]
) -> None:
    """Whoever wrote it, and although the stream then ends in good order."""
    cohere.answers = [streamed(foreign, ENDED)]
    with pytest.raises(ProviderError, match="no more"):
        provider.stream_chat("m", "?").read()


def test_what_is_no_event_is_told(cohere: Cohere, provider: CohereProvider) -> None:
    """JSON in a stream that is no event of the format is not passed over in silence."""
    cohere.answers = [streamed({"queue": 3}, ENDED)]
    assert any("queue" in warning for warning in provider.stream_chat("m", "?").read().warnings)


@pytest.mark.parametrize("number", ["NaN", "1e400", "1" + "0" * 400, "true"])
def test_numbers_that_are_none(cohere: Cohere, provider: CohereProvider, number: str) -> None:
    """Neither in vectors nor as scores."""
    bodies = (
        f'{{"embeddings": {{"float": [[{number}]]}}}}',
        f'{{"results": [{{"index": 0, "relevance_score": {number}}}]}}',
    )
    cohere.answers = [Answer(200, {"content-type": "application/json"}, (body.encode(),)) for body in bodies]
    with pytest.raises(ProtocolError):
        provider.create_embedding("x", "m")
    with pytest.raises(ProtocolError):
        provider.rerank("?", ["x"])


@pytest.mark.parametrize(
    ("written", "wanted"),
    [('{"a":', {"INVALID_JSON": '{"a":'}), ("[1]", {"INVALID_JSON": "[1]"}), ("null", {}), (" ", {})],
)
def test_arguments_of_the_history_are_objects(
    server: LoopbackServer, provider: CohereProvider, written: str, wanted: dict[str, Any]
) -> None:
    """Whatever a model wrote; blank ones mean none."""
    called = Message.assistant(ToolCallPart("c", "weather", written))
    answer = provider.chat(
        "m", [Message.user("?"), called, Message("tool", [ToolResultPart("c", "r")])], tools=[WEATHER]
    )
    call = sent(server)["messages"][1]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"]) == wanted
    assert any("no JSON" in warning for warning in answer.warnings) == bool(wanted)


def test_answers_as_servers_of_others_write_them(cohere: Cohere, provider: CohereProvider) -> None:
    """A content that is a text, arguments that are an object, one id for two calls, a reason in small letters."""
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}
    cohere.answers = [answered(content="Hi.", reason="complete"), answered(tool_calls=[call, call], reason="TOOL_CALL")]
    said = provider.chat("command-a", "hi")
    assert (said.text, said.finish_reason) == ("Hi.", "stop")
    first, second = provider.chat("command-a", "hi", tools=[WEATHER]).tool_calls
    assert first.arguments == second.arguments == {"city": "Oslo"}
    assert first.id != second.id
