"""Bodies that real clients sent: read, and written again for a server of the same dialect, they are the same bodies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.errors import ParameterError
from airouter_gateway.dialects import table
from airouter_gateway.dialects.dialect import Dialect
from airouter_gateway.dialects.question import bound

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
    ask, lost = bound(question, "stub", name, {})
    config = {"api_key": "sk-planted", **({"api": "responses"} if name == "openai" else {})}
    with create_provider(name, {} if name == "ollama" else config) as provider:
        request = provider.prepare(ask).request
        assert request is not None
        sent = provider.wire_for(request).build_request(request, provider.config, stream=ask.stream)
    made = json.loads(sent.body)
    if dialect is table.RESPONSES:
        body, made = of_responses(body), of_responses(made)
    assert not lost
    assert plain(made) == {**plain(body), "model": "stub"}


def test_the_client_s_own_version_and_features_go_on() -> None:
    """An Anthropic server is asked with the headers that the client sent, not with ours."""
    pytest.importorskip("airouter_claude")
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "effort-2025-11-24, other-2026-01-01"}
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    ask, _ = bound(table.MESSAGES.read(json.dumps(body).encode(), headers), "m", "claude", {})
    with create_provider("claude", {"api_key": "sk-planted"}) as provider:
        request = provider.prepare(ask).request
        assert request is not None
        sent = provider.wire_for(request).build_request(request, provider.config, stream=False)
    assert sent.headers["anthropic-version"] == "2023-06-01"
    assert sent.headers["anthropic-beta"] == "effort-2025-11-24,other-2026-01-01"
