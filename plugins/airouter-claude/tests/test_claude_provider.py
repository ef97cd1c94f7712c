"""The provider as its users hold it: models and what they take, counting, notes, retries, and the awaited half."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airouter_claude.provider import ClaudeProvider
from airouter_core import create_provider
from airouter_core.errors import (
    BadRequestError,
    ExecutionError,
    OverloadedError,
    QuotaExceededError,
    UnsupportedParameterWarning,
)
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_core.values.messages import FilePart, Message, ReasoningPart, ToolCallPart

KEY = "sk-ant-test-0123456789"
PNG = b"\x89PNG\r\n\x1a\n"
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-5",
    "content": [{"type": "text", "text": '{"a": 1}'}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 4},
}


def model(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name.title(), "created_at": "2026-10-01T00:00:00Z", **more}


def says(supported: bool) -> dict[str, bool]:
    return {"supported": supported}


class Vendor:
    """The endpoints that are asked here; ``answers`` are given to messages, one after the other."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.pages: dict[str, dict[str, Any]] = {"": {"data": [model("claude-opus-5-5")], "has_more": False}}

    def __call__(self, request: ReceivedRequest, connection: Connection) -> None:
        path, _, query = request.path.partition("?")
        if path == "/v1/models":
            after = query.partition("after_id=")[2]
            connection.answer(Answer.of_json(self.pages[after]))
        elif path == "/v1/messages/count_tokens":
            connection.answer(Answer.of_json({"input_tokens": 42}))
        elif path.startswith("/pictures/"):
            status = {"a.png": 200, "c.png": 302}.get(path.rpartition("/")[2], 404)
            headers = {"content-type": "image/png", "location": "http://localhost:9/a.png"}
            connection.answer(Answer(status, headers, (PNG,), "length"))
        else:
            connection.answer(self.answers.pop(0) if self.answers else Answer.of_json(MESSAGE))


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def server(vendor: Vendor) -> Iterator[LoopbackServer]:
    with LoopbackServer(vendor) as running:
        yield running


Make = Callable[..., ClaudeProvider]


@pytest.fixture
def make(server: LoopbackServer) -> Iterator[Make]:
    made: list[ClaudeProvider] = []

    def create(**more: Any) -> ClaudeProvider:
        provider = create_provider("anthropic", {"base_url": server.url, "api_key": KEY, "max_retries": 0, **more})
        assert isinstance(provider, ClaudeProvider)
        made.append(provider)
        return provider

    yield create
    for provider in made:
        provider.close()


def test_models_are_listed_page_by_page(make: Make, vendor: Vendor, server: LoopbackServer) -> None:
    """All pages are read, in the vendor's order, and a list that never ends is left."""
    vendor.pages = {
        "": {"data": [model("a"), model("b")], "has_more": True, "last_id": "b"},
        "b": {"data": [model("c", lifecycle="retired")], "has_more": True, "last_id": "c"},
        "c": {"data": [model("c")], "has_more": True, "last_id": "c"},
    }
    listed = make().list_models()
    assert [found.id for found in listed] == ["a", "b", "c"]
    assert (listed[0].name, listed[0].problem, listed[0].context_length) == ("A", None, None)
    assert "retired" in (listed[2].problem or "")
    assert [request.path for request in server.requests][:2] == [
        "/v1/models?limit=1000",
        "/v1/models?limit=1000&after_id=b",
    ]


def test_what_models_take_is_remembered(make: Make, vendor: Vendor, server: LoopbackServer) -> None:
    """Once models were listed, calls go by what the vendor said; they never ask for it themselves."""
    types = {"adaptive": says(True), "disabled": says(True), "enabled": says(False)}
    effort = {"supported": True, "xhigh": says(False), "max": says(False)}
    capabilities = {"thinking": {"supported": True, "types": types}, "effort": effort, "image_input": says(True)}
    new = model("claude-opus-7", max_input_tokens=2_000_000, max_tokens=200_000, capabilities=capabilities)
    vendor.pages[""]["data"].append(new)
    provider = make()
    provider.chat("claude-opus-7", "Hi")
    assert [request.path for request in server.requests] == ["/v1/messages"]
    assert server.requests[-1].json["max_tokens"] == 32_000
    found = provider.list_models()[1]
    assert (found.context_length, found.max_output_tokens, found.family) == (2_000_000, 200_000, "claude-opus-7")
    assert "vision" in (found.capabilities or ())
    assert found["input_modalities"] == ("text", "image")
    provider.chat("claude-opus-7", "Hi", parameters={"reasoning_effort": "max"})
    assert server.requests[-1].json["max_tokens"] == 200_000
    assert server.requests[-1].json["output_config"] == {"effort": "high"}
    assert sum(request.path.startswith("/v1/models") for request in server.requests) == 1


def test_tokens_are_counted_without_credentials_for_pictures(make: Make, server: LoopbackServer) -> None:
    """Files by address are fetched without key and headers, and counted by their bytes."""
    provider = make(custom_headers={"X-Secret": "s3cret-header"})
    picture = FilePart.from_url(f"{server.url}/pictures/a.png")
    asked = provider.count_request_tokens("claude-opus-5-5", [Message.system("Be brief."), Message.user(picture, "?")])
    assert asked == 42
    fetched, counted = server.requests
    assert KEY not in str(fetched.headers)
    assert "x-secret" not in fetched.headers
    assert counted.path == "/v1/messages/count_tokens"
    assert counted.json.keys() == {"model", "messages", "system"}
    source = counted.json["messages"][0]["content"][0]["source"]
    assert source == {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    with pytest.raises(BadRequestError, match="HTTP 404"):
        provider.count_tokens([Message.user(FilePart.from_url(f"{server.url}/pictures/b.png"))])
    with pytest.raises(BadRequestError, match="redirects to"):
        provider.count_tokens([Message.user(FilePart.from_url(f"{server.url}/pictures/c.png"))])


def test_tokens_of_a_text(make: Make, server: LoopbackServer) -> None:
    """A text is counted as the user's message, for a model or the newest."""
    provider = make()
    assert (provider.count_tokens("Hi"), provider.count_tokens("Hi", "claude-haiku-5-5")) == (42, 42)
    assert [request.json["model"] for request in server.requests] == ["claude-opus-5-5", "claude-haiku-5-5"]


def test_vision(make: Make, server: LoopbackServer, tmp_path: Any) -> None:
    """Pictures go by address, path and content, several at once, before the question."""
    file = tmp_path / "a.png"
    file.write_bytes(PNG)
    make().execute_with_vision(
        "claude-opus-5-5",
        "What is this?",
        image_url=["https://example.com/a.jpg", "https://example.com/b"],
        image_path=file,
        image_data=PNG,
    )
    content = server.requests[0].json["messages"][0]["content"]
    assert [block.get("source", {}).get("type") for block in content] == ["url", "url", "base64", "base64", None]


def test_notes(make: Make) -> None:
    """What was emulated, left out of the history or wrapped is said in the response's warnings."""
    thought = ReasoningPart("hm", {"claude": {"signature": "s", "model": "claude-opus-5"}})
    history = [Message.user("?"), Message.assistant(thought, ToolCallPart("t1", "look", "{")), Message.tool("t1", "x")]
    response = make().chat("claude-opus-5-5", history, response_format="json")
    assert response.parsed == {"a": 1}
    assert [word for word in ("emulated", "another model", "wrapped") if word in " ".join(response.warnings)] == [
        "emulated",
        "another model",
        "wrapped",
    ]
    streamed = make().stream_chat("claude-opus-5-5", "Hi", response_format="json").read()
    assert "emulated" in streamed.warnings[0]
    late = Message.system("Be brief.")
    assert "beginning" in make().chat("claude-opus-5-5", [Message.user("Hi"), late]).warnings[0]
    stays = Message("system", "Be brief.", provider_metadata={"claude": {"in_place": True}})
    assert make().chat("claude-opus-5-5", [late, late, Message.user("Hi"), stays]).warnings == ()


def test_left_out_parameters(make: Make) -> None:
    """A parameter that the model does not take is left out with one warning and a receipt."""
    with pytest.warns(UnsupportedParameterWarning, match="'temperature' was left out"):
        response = make().chat("claude-opus-5-5", "Hi", parameters={"temp": 0.5, "max_tokens": 5})
    assert [(receipt.name, receipt.outcome) for receipt in response.parameters] == [
        ("temperature", "omitted"),
        ("max_tokens", "sent"),
    ]


def failure(status: int, kind: str, code: str | None = None) -> Answer:
    error = {"type": kind, "message": "words", **({"details": {"error_code": code}} if code else {})}
    return Answer.of_json({"type": "error", "error": error, "request_id": "req_1"}, status=status)


def test_retries(make: Make, vendor: Vendor, server: LoopbackServer) -> None:
    """An overloaded vendor is asked again, a spent limit is not."""
    vendor.answers = [failure(529, "overloaded_error")]
    assert make(max_retries=1).execute("claude-opus-5-5", "Hi")
    vendor.answers = [failure(529, "overloaded_error")] * 2
    with pytest.raises(OverloadedError) as caught:
        make(max_retries=1).execute("claude-opus-5-5", "Hi")
    assert (caught.value.status, caught.value.request_id) == (529, "req_1")
    before = len(server.requests)
    vendor.answers = [failure(429, "rate_limit_error", "enforced_spend_limit_reached")]
    with pytest.raises(QuotaExceededError):
        make(max_retries=2).execute("claude-opus-5-5", "Hi")
    assert len(server.requests) == before + 1


def test_token_in_no_error(server: LoopbackServer, vendor: Vendor) -> None:
    """A bearer token reaches the vendor, and no error."""
    token = "token-0123456789"
    vendor.answers = [Answer.of_json({"error": {"type": "x", "message": f"bad {token}"}}, status=400)]
    provider = create_provider("claude", {"base_url": server.url, "auth_token": token, "max_retries": 0})
    with provider, pytest.raises(ExecutionError) as caught:
        provider.execute("claude-opus-5-5", "Hi")
    assert server.requests[0].headers["authorization"] == f"Bearer {token}"
    assert "x-api-key" not in server.requests[0].headers
    assert token not in str(caught.value) + str(caught.value.__dict__)


def test_stream_on_the_wire(make: Make, vendor: Vendor, server: LoopbackServer) -> None:
    """A stream is asked for, and an answer that is none is read all the same."""
    assert "".join(make().stream_execute("claude-opus-5-5", "Hi")) == '{"a": 1}'
    assert server.requests[0].json["stream"] is True
    vendor.answers = [Answer(200, {"content-type": "text/event-stream"}, (json.dumps(MESSAGE).encode(),))]
    assert make().stream_chat("claude-opus-5-5", "Hi").read().finish_reason == "stop"


def test_awaited(server: LoopbackServer) -> None:
    """Calls, notes, models and counting can be awaited."""
    pytest.importorskip("aiohttp", reason="airouter-core[async] is not installed")

    async def told() -> tuple[Any, ...]:
        async with create_provider("claude", {"base_url": server.url, "api_key": KEY}) as provider:
            assert isinstance(provider, ClaudeProvider)
            response = await provider.achat("claude-opus-5-5", "Hi", response_format="json")
            listed = await provider.alist_models()
            picture = Message.user(FilePart.from_url(f"{server.url}/pictures/a.png"))
            counted = await provider.acount_request_tokens("claude-opus-5-5", [picture])
            return response.parsed, len(response.warnings), len(listed), counted, await provider.acount_tokens("Hi")

    assert asyncio.run(told()) == ({"a": 1}, 1, 1, 42, 42)


@pytest.mark.parametrize(
    ("model", "successor"),
    [
        ("claude-3-opus-20240229", "claude-opus-5-5"),
        ("claude-3-sonnet-20240229", "claude-sonnet-5-5"),
        ("claude-3-5-haiku-latest", "claude-haiku-5-5"),
        ("claude-haiku-4-5", None),
        ("llama-3-opus", None),
    ],
)
def test_a_retired_model_has_a_successor_at_the_vendor_alone(model: str, successor: str | None) -> None:
    """Another server may have a model of that name."""
    vendor = create_provider("claude", {"api_key": "sk-ant-000000", "base_url": "https://api.anthropic.com"})
    assert vendor.successor_of(model) == successor
    assert create_provider("claude", {"base_url": "http://127.0.0.1:1"}).successor_of(model) is None
