"""Bodies that real clients sent: read, and written again for a server of the same dialect, they are the same bodies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from airouter_core import create_provider
from airouter_core.errors import ParameterError, UnsupportedFeatureError
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_gateway.dialects import table
from airouter_gateway.dialects.binding import bound
from airouter_gateway.dialects.dialect import Dialect
from airouter_gateway.server.answering import taker_of

REQUESTS = Path(__file__).parents[4] / "shared" / "clients" / "requests"
DIALECTS: dict[str, tuple[Dialect, str]] = {
    "/v1/messages": (table.MESSAGES, "claude"),
    "/v1/responses": (table.RESPONSES, "openai"),
    "/v1/chat/completions": (table.CHAT, "openrouter"),
    "/api/chat": (table.OLLAMA_CHAT, "ollama"),
}
"""Each with a provider whose servers speak it."""

MEANS_THE_SAME = {"max_completion_tokens": "max_tokens"}
LEFT_OUT: dict[str, tuple[Any, ...]] = {
    "stream": (False,),
    "stream_options": ({"include_usage": True},),
    "is_error": (False,),
    "strict": (False,),
    "options": ({},),
    "tools": ([],),
    "text": ({},),
    "type": ("message",),
    "store": (False,),
    "include": ([], ["reasoning.encrypted_content"]),
    "parallel_tool_calls": (True,),
    "id": (),
}
"""What a field may hold and say nothing by it: its default."""


def recorded() -> Iterator[Any]:
    """The recorded bodies of the dialects."""
    for path in sorted(REQUESTS.glob("*/*.json")):
        request = json.loads(path.read_text(encoding="utf-8"))
        if DIALECTS.get(request["path"].partition("?")[0]):
            yield pytest.param(request, id=f"{path.parent.name}-{path.stem}")
    if not REQUESTS.exists():
        yield pytest.param(None, marks=pytest.mark.skip(reason="no recorded requests of clients beside the checkout"))


def plain(value: Any) -> Any:
    """A body in which what means the same is the same."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for name, item in value.items():
        if item is None or item in LEFT_OUT.get(name, ()):
            continue
        if name in ("content", "system", "output") and isinstance(item, str):
            item = [{"type": "text", "text": item}]  # noqa: PLW2901  # the longer form of the same
        made[MEANS_THE_SAME.get(name, name)] = plain(item)
    if made.get("type") in ("input_text", "output_text"):
        made["type"] = "text"
    return {name: item for name, item in made.items() if item not in LEFT_OUT.get(name, ())}


def of_responses(body: dict[str, Any]) -> dict[str, Any]:
    """A body of Responses in one of its forms: instructions are a message, ids of what was heard say nothing."""
    said = body.get("input")
    items = [{"role": "user", "content": said}] if isinstance(said, str) else list(said or ())
    if body.get("instructions"):
        items.insert(0, {"role": "system", "content": body["instructions"]})
    items = [{**item, "role": "system"} if item.get("role") == "developer" else item for item in items]
    items = [{name: part for name, part in item.items() if says_something(name, item)} for item in items]
    tools = sorted(body.get("tools") or (), key=lambda tool: str(tool["type"]))
    return {**{name: value for name, value in body.items() if name != "instructions"}, "input": items, "tools": tools}


def says_something(name: str, item: dict[str, Any]) -> bool:
    """Only a call's own id and state go back to the vendor; a result is known by its call."""
    return name not in ("id", "status") or "arguments" in item


@pytest.mark.filterwarnings("ignore::airouter_core.errors.UnsupportedParameterWarning")
@pytest.mark.parametrize("request_of_client", list(recorded()))
def test_a_recorded_body_goes_to_a_server_of_its_dialect_as_it_came(request_of_client: dict[str, Any]) -> None:
    """Identity, up to the several ways in which a dialect says the same; nothing is lost, nothing added."""
    dialect, name = DIALECTS[request_of_client["path"].partition("?")[0]]
    pytest.importorskip(f"airouter_{name}")
    body = request_of_client["body"]
    if body.get("previous_response_id"):
        with pytest.raises(ParameterError, match="previous_response_id"):
            dialect.read(json.dumps(body).encode(), {})
        return
    question = dialect.read(json.dumps(body).encode(), request_of_client["headers"])
    config = {"api_key": "sk-planted", **({"api": "responses"} if name == "openai" else {})}
    with create_provider(name, {} if name == "ollama" else config) as provider:
        ask, lost = bound(question, "stub", taker_of(provider, "stub"))
        request = provider.prepare(ask).request
        assert request is not None
        sent = provider.wire_for(request).build_request(request, provider.config, stream=ask.stream)
    made = json.loads(sent.body)
    if dialect is table.RESPONSES:
        body, made = of_responses(body), of_responses(made)
    assert not lost
    assert plain(made) == {**plain(body), "model": "stub"}


OTHERS = {
    "/v1/embeddings": "openai",
    "/v1/images/generations": "openai",
    "/v1/moderations": "openai",
    "/v1/messages/count_tokens": "claude",
    "/api/generate": "ollama",
    "/api/show": "ollama",
    "/api/embed": "ollama",
    "/api/pull": "ollama",
    "/api/copy": "ollama",
    "/api/create": "ollama",
    "/api/delete": "ollama",
}
"""Paths of the other questions, with a provider that can answer them."""
OF_THE_ANSWER = ("model", "name", "stream", "encoding_format", "keep_alive", "verbose", "username", "password")
"""Fields that say whom to ask, or how this server is to answer; and those that here change nothing."""
ANSWERS: dict[str, Any] = {
    "/v1/embeddings": {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0]}]},
    "/v1/images/generations": {"data": [{"url": "https://x.example/i.png"}]},
    "/v1/moderations": {"results": [{"flagged": False, "categories": {}, "category_scores": {}}]},
    "/v1/messages/count_tokens": {"input_tokens": 3},
    "/api/chat": {
        "model": "stub",
        "message": {"role": "assistant", "content": "hi"},
        "done": True,
        "done_reason": "stop",
    },
    "/api/show": {"details": {}, "model_info": {}, "capabilities": ["completion"]},
    "/api/embed": {"embeddings": [[1.0], [1.0]]},
    "/api/ps": {"models": []},
    "/api/version": {"version": "0.33.0"},
}


def as_recorded(request: ReceivedRequest, connection: Connection) -> None:
    """A server that knows all of those questions."""
    body = ANSWERS.get(request.path, {"models": [{"name": "stub", "model": "stub"}]})
    if "data" in body and isinstance(texts := request.json.get("input"), list):
        body = {**body, "data": body["data"][: len(texts)]}
    if "embeddings" in body:
        body = {"embeddings": body["embeddings"][: len(request.json["input"])]}
    connection.answer(Answer.of_json(body))


def leaves(value: Any) -> Iterator[Any]:
    """Whatever a value holds that holds nothing more."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item)
    else:
        yield value


def other_questions() -> list[dict[str, Any]]:
    """The recorded bodies that are of no chat."""
    found = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(REQUESTS.glob("*/*.json")))
    return [request for request in found if request["path"] in OTHERS and request["method"] != "GET"]


@pytest.mark.skipif(not REQUESTS.exists(), reason="no recorded requests of clients beside the checkout")
@pytest.mark.parametrize("name", ["openai", "claude", "ollama"])
def test_every_other_recorded_question_is_sent_told_or_refused(serve_file: Callable[[str], str], name: str) -> None:
    """Whatever a field says reaches the provider, or stands in the receipt, or the question is refused in whole."""
    pytest.importorskip(f"airouter_{name}")
    asked = [request for request in other_questions() if OTHERS[request["path"]] == name]
    assert asked
    with LoopbackServer(as_recorded) as server:
        base = f"{server.url}/v1" if name == "openai" else server.url
        key = "" if name == "ollama" else 'api_key = "none"\n'
        settings = f'[up]\nprovider = "{name}"\n{key}base_url = "{base}"\nmax_retries = 0\n'
        url = serve_file(f'{settings}[gateway.models]\nstub = "up/stub"\nstub2 = "up/stub"\nx = "up/stub"\n')
        for request in asked:
            before = len(server.requests)
            answer = requests.request(request["method"], url + request["path"], json=request["body"], timeout=20)
            if request["path"] in ("/api/pull", "/api/copy", "/api/create", "/api/delete"):
                assert answer.status_code == 403, answer.text
                assert len(server.requests) == before
                continue
            assert answer.status_code == 200, (request, answer.text)
            sent = json.dumps([each.json for each in server.requests[before:] if each.body])
            for field, value in request["body"].items():
                if field in OF_THE_ANSWER or value in (None, "", False, {}, []):
                    continue
                reached = all(json.dumps(leaf) in sent for leaf in leaves(value))
                assert reached or field in answer.headers.get("x-airouter-warnings", ""), (request["path"], field, sent)


def test_the_client_s_own_version_and_features_go_on() -> None:
    """An Anthropic server is asked with the headers that the client sent, not with ours."""
    pytest.importorskip("airouter_claude")
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "effort-2025-11-24, other-2026-01-01"}
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    question = table.MESSAGES.read(json.dumps(body).encode(), headers)
    with create_provider("claude", {"api_key": "sk-planted"}) as provider:
        ask, _ = bound(question, "m", taker_of(provider, "m"))
        request = provider.prepare(ask).request
        assert request is not None
        sent = provider.wire_for(request).build_request(request, provider.config, stream=False)
    assert sent.headers["anthropic-version"] == "2023-06-01"
    assert sent.headers["anthropic-beta"] == "effort-2025-11-24,other-2026-01-01"


UNREAD: dict[str, Any] = {
    "model": "m",
    "service_tier": "flex",
    "metadata": {"a": "b"},
    "user": "u",
    "field_of_next_month": [1, {"x": None}],
    "stream": True,
    "stream_options": {"include_usage": True, "include_obfuscation": False},
    "tools": [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "later": 1}, "beside": 2},
        {"type": "custom", "custom": {"name": "g"}},
    ],
    "tool_choice": {"type": "custom", "custom": {"name": "g"}},
    "messages": [
        {"role": "developer", "content": "s"},
        {"role": "system", "content": [{"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}}]},
        {
            "role": "user",
            "content": [
                {"type": "video_url", "video_url": {"url": "https://x.example/v.mp4"}},
                {"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": "https://x.example/i.png", "format": "png"}},
            ],
            "weight": 0.5,
        },
        {
            "role": "assistant",
            "content": "calling",
            "annotations": [{"a": 1}],
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}, "signature": "z"}
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": "x", "cached": True},
    ],
}
"""A chat of a client that knows more than we do."""


def sent_of(body: dict[str, Any], name: str, **config: Any) -> tuple[dict[str, Any], str]:
    """What a provider is sent of a chat, and all that is said of it."""
    question = table.CHAT.read(json.dumps(body).encode(), {})
    with create_provider(name, {"api_key": "sk-planted", **config}) as provider:
        ask, lost = bound(question, body["model"], taker_of(provider, body["model"]))
        prepared = provider.prepare(ask)
        request = prepared.request
        assert request is not None
        wire = provider.wire_for(request)
        sent = wire.build_request(request, provider.config, stream=ask.stream)
        told = (*lost, *prepared.known["warnings"], *wire.notes(request, provider.config))
    return json.loads(sent.body), "; ".join(map(str, told))


@pytest.mark.parametrize("name", ["openai", "openrouter", "groq"])
def test_a_server_of_chat_completions_is_sent_what_nobody_here_knows(name: str) -> None:
    """Fields of the body, of tools, messages, parts and calls; kinds of parts and tools: as they came, and in place."""
    pytest.importorskip("airouter_compatible" if name == "groq" else f"airouter_{name}")
    made, told = sent_of(UNREAD, name, **({"base_url": "http://127.0.0.1:9/v1"} if name == "openai" else {}))
    for field in ("service_tier", "metadata", "user", "field_of_next_month", "tools", "tool_choice"):
        assert made[field] == UNREAD[field], field
    assert made["stream_options"]["include_obfuscation"] is False
    assert [message["role"] for message in made["messages"]][1:] == ["system", "user", "assistant", "tool"]
    for sent, came in zip(made["messages"][1:], UNREAD["messages"][1:], strict=True):
        assert plain(sent) == plain(came)
    assert not told


def test_a_server_of_another_dialect_is_not_and_the_client_hears_of_each() -> None:
    """Every field, tool and part that is not sent stands in the receipt, by its name."""
    pytest.importorskip("airouter_claude")
    made, told = sent_of(UNREAD, "claude")
    for name in ("service_tier", "metadata", "field_of_next_month", "include_obfuscation", "later", "beside"):
        assert name not in json.dumps(made), name
    for name in ("service_tier", "metadata", "user", "field_of_next_month", "stream_options", "later", "beside"):
        assert name in told, name
    for name in ("custom", "weight", "format", "annotations", "signature", "cached", "a part that only"):
        assert name in told, name


def sent_by(dialect: Dialect, name: str, body: dict[str, Any], **config: Any) -> tuple[dict[str, Any], str]:
    """What a provider is sent of a question in its own dialect, and what the client is told."""
    question = dialect.read(json.dumps(body).encode(), {})
    with create_provider(name, {"api_key": "sk-planted", **config}) as provider:
        ask, lost = bound(question, "m", taker_of(provider, "m"))
        request = provider.prepare(ask).request
        assert request is not None
        sent = provider.wire_for(request).build_request(request, provider.config, stream=ask.stream)
    return json.loads(sent.body), "; ".join(lost)


def test_a_server_of_responses_is_sent_what_nobody_here_knows() -> None:
    """Fields of the body and of functions, and a choice of what is no function; all else stands in the receipt."""
    pytest.importorskip("airouter_openai")
    function = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}
    body = {
        "model": "m",
        "user": "u",
        "safety_identifier": "s",
        "field_of_next_month": [1],
        "stream": True,
        "stream_options": {"include_obfuscation": False},
        "tools": [{**function, "defer_loading": True}, {"type": "web_search", "filters": {"a": 1}}],
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]},
        "input": [
            {"role": "user", "content": "look", "later": 1},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "caller": "x"},
            {"type": "function_call_output", "call_id": "c", "output": "o", "beside": 2},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "a", "annotations": [{"type": "url_citation"}]}],
            },
        ],
    }
    made, told = sent_by(table.RESPONSES, "openai", body, api="responses")
    for field in ("user", "safety_identifier", "field_of_next_month", "stream_options", "tools", "tool_choice"):
        assert made[field] == body[field], field
    assert made["input"][1]["caller"] == "x"
    assert told == "fields were not sent: input[0].later, input[2].beside, input[3].content.annotations"
    alone = {"model": "m", "input": "x", "tools": [{"type": "web_search"}], "tool_choice": "required"}
    assert sent_by(table.RESPONSES, "openai", alone, api="responses")[0]["tool_choice"] == "required"


def test_a_field_of_a_turn_that_nobody_here_knows_is_told() -> None:
    """Blocks and tools of Messages keep theirs; turns and choices have no place for any."""
    pytest.importorskip("airouter_claude")
    tool = {"name": "f", "input_schema": {"type": "object"}, "defer_loading": True, "later": 1}
    block = {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}, "later": 2}
    body = {
        "model": "m",
        "max_tokens": 5,
        "field_of_next_month": {"a": 1},
        "tools": [tool],
        "tool_choice": {"type": "auto", "newer": 3},
        "messages": [{"role": "user", "id": "u1", "content": [block]}],
    }
    made, told = sent_by(table.MESSAGES, "claude", body)
    assert made["tools"] == [tool]
    assert made["messages"][0]["content"] == [block]
    assert made["field_of_next_month"] == {"a": 1}
    assert told == "fields were not sent: messages[0].id, tool_choice.newer"


def test_a_file_that_is_kept_nowhere_is_refused_by_its_place() -> None:
    """Once."""
    item = {"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}
    with pytest.raises(ParameterError, match=r"^input\[0\]: this server keeps no files"):
        table.RESPONSES.read(json.dumps({"model": "m", "input": [item]}).encode(), {})


@pytest.mark.parametrize("dialect", [table.CHAT, table.RESPONSES], ids=["chat", "responses"])
def test_tools_that_are_allowed_are_the_only_ones_on_offer_elsewhere(dialect: Dialect) -> None:
    """A server of the client's dialect gets all, and the choice as it came."""
    pytest.importorskip("airouter_openai")
    pytest.importorskip("airouter_claude")
    named = [{"name": name, "parameters": {"type": "object", "properties": {}}} for name in ("f", "g")]
    if dialect is table.CHAT:
        tools: list[dict[str, Any]] = [{"type": "function", "function": function} for function in named]
        only: dict[str, Any] = {"type": "function", "function": {"name": "g"}}
        allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [only]}}
        body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    else:
        tools = [{"type": "function", **function} for function in named]
        allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}
        body = {"model": "m", "input": "x"}
    body |= {"tools": tools, "tool_choice": allowed}
    made, told = sent_by(dialect, "openai", body, api="chat" if dialect is table.CHAT else "responses")
    assert (made["tool_choice"], len(made["tools"]), told) == (allowed, 2, "")
    made, told = sent_by(dialect, "claude", body)
    assert ([tool["name"] for tool in made["tools"]], made["tool_choice"], told) == (["g"], {"type": "any"}, "")


def test_what_the_model_is_given_goes_to_nobody_who_cannot_read_it() -> None:
    """A picture that lies with one vendor, a source to cite: without them it would be another question."""
    pytest.importorskip("airouter_claude")
    pytest.importorskip("airouter_openai")
    given = [
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "found"}]},
    ]
    for block in given:
        body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": [block]}]}
        assert sent_by(table.MESSAGES, "claude", body)[0]["messages"][0]["content"] == [block]
        with pytest.raises(UnsupportedFeatureError, match=f"openai is not known to take {block['type']} blocks"):
            sent_by(table.MESSAGES, "openai", body)


@pytest.mark.parametrize(("kind", "told"), [("search_result", None), ("tool_reference", "left out: tool_reference")])
def test_what_stands_in_the_result_of_a_tool_is_refused_or_told_too(kind: str, told: str | None) -> None:
    """A source is, for somebody who cannot read it; what points at a tool that was held back is only told."""
    pytest.importorskip("airouter_claude")
    pytest.importorskip("airouter_openai")
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": kind, "tool_name": "f"}]}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": [call]}]
    body = {
        "model": "m",
        "max_tokens": 5,
        "messages": [*turns, {"role": "user", "content": [result]}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    }
    assert sent_by(table.MESSAGES, "claude", body)[0]["messages"][2]["content"] == [result]
    if told is None:
        with pytest.raises(UnsupportedFeatureError, match=kind):
            sent_by(table.MESSAGES, "openai", body)
    else:
        assert told in sent_by(table.MESSAGES, "openai", body)[1]


def test_a_picture_that_a_tool_has_shown_goes_on_with_the_conversation() -> None:
    """To a server that takes text only as a result it is said in the user's next message, behind all results."""
    pytest.importorskip("airouter_openai")
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    calls = [{"type": "tool_use", "id": name, "name": "f", "input": {}} for name in ("a", "b")]
    results = [
        {"type": "tool_result", "tool_use_id": "a", "content": [picture]},
        {"type": "tool_result", "tool_use_id": "b", "content": "text"},
    ]
    turns = [{"role": "user", "content": "look"}, {"role": "assistant", "content": calls}]
    for more in ([], [{"type": "text", "text": "well?"}]):
        body = {
            "model": "m",
            "max_tokens": 5,
            "messages": [*turns, {"role": "user", "content": [*results, *more]}],
            "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        }
        made, told = sent_by(table.MESSAGES, "openai", body, api="chat")
        assert [message["role"] for message in made["messages"]] == ["user", "assistant", "tool", "tool", "user"]
        assert made["messages"][3]["content"] == "text"
        assert [part["type"] for part in made["messages"][4]["content"]] == ["image_url", *(["text"] if more else [])]
        assert "files in results of tools" in told


def test_fields_of_ollama_s_messages_and_tools_that_nobody_here_knows_are_told() -> None:
    """By their places."""
    pytest.importorskip("airouter_ollama")
    tool = {"type": "function", "later": 1, "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}
    body = {"model": "m", "messages": [{"role": "user", "content": "x", "newer": 1}], "tools": [tool]}
    question = table.OLLAMA_CHAT.read(json.dumps(body).encode(), {})
    assert question.losses == ("fields were not sent: messages[0].newer, tools[0].later, tools[0].function.strict",)
