"""Every body that can be built is one that the vendor's schema accepts."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airouter_core.config.loading import load_config
from airouter_core.profile.resolving import DEFAULT_TABLE, resolve
from airouter_core.values.messages import (
    FilePart,
    Message,
    ProviderPart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from airouter_core.values.request import Request
from airouter_core.values.tools import ResponseFormat, Tool, ToolChoice
from airouter_openai.config import OpenAIConfig
from airouter_openai.images import IMAGES, ImageOrder, settled
from airouter_openai.moderation import MODERATIONS, moderation_input
from airouter_openai.plugin import SERVICE_TIERS, VERBOSITIES
from airouter_openai.wire import CHAT, EMBEDDINGS, INPUT_TOKENS, RESPONSES

SPECS = Path(__file__).resolve().parents[3].parent / "shared" / "specs"
MODELS = (
    "gpt-4o",
    "gpt-4.1-mini",
    "gpt-3.5-turbo",
    "gpt-5-chat-latest",
    "gpt-5",
    "gpt-5.2",
    "gpt-5.6-luna",
    "gpt-6-sol",
    "gpt-6-astra",
    "o1",
    "o4-mini",
    "ft:gpt-4o-mini-2024-07-18:acme::abc",
    "some-local-model",
)


def config(**values: Any) -> OpenAIConfig:
    return load_config(OpenAIConfig, {"api_key": "sk-test-0123456789", **values}, provider="openai", environ={})


@functools.cache
def validator(entry: str) -> Any:
    """The vendor's schema of one kind of request, unknown fields refused; a skip where it is not at hand."""
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is a test dependency of this plugin")
    path = SPECS / "openai.request.strict.schema.json"
    if not path.exists():
        pytest.skip(f"no schemas in {SPECS}")
    schema = json.loads(path.read_text(encoding="utf-8"))
    schema.pop("$id", None)
    return jsonschema.Draft202012Validator({**schema, "$ref": schema["x-entrypoints"][entry]})


def faults(entry: str, body: bytes) -> list[str]:
    return [f"{error.json_path}: {error.message[:300]}" for error in validator(entry).iter_errors(json.loads(body))]


texts = st.text(min_size=1, max_size=20)
names = st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)
call_ids = st.sampled_from(["call_1", "call_2", "call_3"])
schemas = st.sampled_from(
    [
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    ]
)
metadata_of_text = st.one_of(
    st.just({}),
    st.builds(
        lambda identity, phase: {"openai": {"type": "message", "id": identity, "phase": phase}},
        st.sampled_from(["msg_1", "msg_2"]),
        st.sampled_from([None, "commentary", "final_answer"]),
    ),
)
text_parts = st.builds(TextPart, texts)
answer_parts = st.builds(TextPart, texts, metadata_of_text)
images = st.one_of(
    st.just(FilePart("image/png", data=b"\x89PNG")),
    st.builds(
        lambda detail: FilePart.from_url("https://example.com/cat.jpg", detail=detail),
        st.sampled_from([None, "low", "high", "auto"]),
    ),
)
documents = st.just(FilePart("application/pdf", data=b"%PDF-1.7", name="report.pdf"))
thoughts = st.one_of(
    st.builds(ReasoningPart, texts),
    st.builds(
        lambda text, secret: ReasoningPart(
            text,
            {
                "openai": {
                    "type": "reasoning",
                    "id": "rs_1",
                    "summary": [{"type": "summary_text", "text": text}],
                    "encrypted_content": secret,
                    "content": None,
                }
            },
        ),
        texts,
        st.one_of(st.none(), texts),
    ),
)
calls = st.builds(
    ToolCallPart,
    call_ids,
    names,
    st.sampled_from(["", "{}", '{"city": "Paris"}', '{"cut']),
    st.sampled_from([{}, {"openai": {"type": "function_call", "id": "fc_1", "status": "completed"}}]),
)
own_items = st.just(
    ProviderPart("openai", {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}),
)
others_items = st.just(ProviderPart("claude", {"type": "server_tool_use"}))


def results(*kinds: Any) -> Any:
    contents = st.one_of(texts, st.lists(st.one_of(*kinds), min_size=1, max_size=3).map(tuple))
    return st.builds(ToolResultPart, call_ids, contents)


def messages(api: str) -> Any:
    result_kinds = (text_parts,) if api == "chat" else (text_parts, images, documents)
    return st.lists(
        st.one_of(
            st.builds(Message.system, texts),
            st.builds(
                lambda parts: Message("user", parts), st.lists(st.one_of(text_parts, images, documents), min_size=1)
            ),
            st.builds(
                lambda parts: Message("assistant", parts),
                st.lists(
                    st.one_of(answer_parts, thoughts, calls, st.builds(RefusalPart, texts), own_items, others_items),
                    min_size=1,
                    max_size=4,
                ),
            ),
            st.builds(lambda part: Message("tool", (part,)), results(*result_kinds)),
        ),
        min_size=1,
        max_size=4,
    ).map(tuple)


tools = st.lists(
    st.builds(Tool, names, st.one_of(st.none(), texts), schemas, st.sampled_from([None, True, False])),
    max_size=2,
    unique_by=lambda tool: tool.name,
).map(tuple)
formats = st.one_of(
    st.none(),
    st.just(ResponseFormat()),
    st.builds(
        lambda schema, name, strict, description: ResponseFormat("json_schema", schema, name, strict, description),
        schemas,
        names,
        st.sampled_from([None, True, False]),
        st.one_of(st.none(), texts),
    ),
)
parameters = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(0, 100),
        "max_tokens": st.integers(16, 100_000),
        "context": st.integers(1, 100_000),
        "stop": st.one_of(texts, st.lists(texts, min_size=1, max_size=4)),
        "seed": st.integers(-(2**63), 2**63 - 1),
        "presence_penalty": st.floats(-2, 2),
        "frequency_penalty": st.floats(-2, 2),
        "repeat_penalty": st.floats(0.5, 2),
        "logit_bias": st.dictionaries(st.integers(0, 100_000).map(str), st.integers(-100, 100), max_size=2),
        "n": st.integers(1, 5),
        "logprobs": st.booleans(),
        "top_logprobs": st.integers(0, 20),
        "reasoning_effort": st.sampled_from(["low", "medium", "high"]),
        "verbosity": st.sampled_from(VERBOSITIES),
        "parallel_tool_calls": st.booleans(),
        "user": names,
        "service_tier": st.sampled_from(SERVICE_TIERS),
        "keep_alive": st.just("5m"),
    },
)


@st.composite
def requests(draw: Any, api: str) -> Request:
    """A request whose parameters have gone through the core, as those of a call have."""
    offered = draw(tools)
    choices = [None, ToolChoice("auto"), ToolChoice("none"), ToolChoice("required")]
    choices += [ToolChoice("tool", tool.name) for tool in offered]
    draft = Request(
        model=draw(st.sampled_from(MODELS)),
        messages=draw(messages(api)),
        tools=offered,
        tool_choice=draw(st.sampled_from(choices)),
        response_format=draw(formats),
    )
    values = draw(parameters)
    wire = CHAT if api == "chat" else RESPONSES
    support = wire.support(msgspec.structs.replace(draft, parameters=values), config())
    resolved = resolve(values, support or (), provider="openai", table=DEFAULT_TABLE)
    return msgspec.structs.replace(draft, parameters=resolved.values, rows=resolved.rows)


many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(request=requests("chat"), stream=st.booleans(), store=st.booleans())
def test_every_chat_completion_is_accepted_by_the_schema(request: Request, stream: bool, store: bool) -> None:
    """Whatever is asked of whichever model, the body holds nothing that the vendor does not know."""
    built = CHAT.build_request(request, config(store=store), stream=stream)
    assert faults("ChatCompletionRequest", built.body or b"") == []


@many
@given(
    request=requests("responses"),
    stream=st.booleans(),
    store=st.booleans(),
    summary=st.sampled_from([None, "auto", "detailed"]),
)
def test_every_response_request_is_accepted_by_the_schema(
    request: Request, stream: bool, store: bool, summary: str | None
) -> None:
    """The same of the Responses API, with all that a conversation carries back."""
    built = RESPONSES.build_request(request, config(store=store, reasoning_summary=summary), stream=stream)
    assert faults("ResponseCreateRequest", built.body or b"") == []


@given(texts=st.lists(texts, min_size=1, max_size=3), dimensions=st.one_of(st.none(), st.integers(1, 3072)))
@settings(deadline=None)
def test_every_request_for_embeddings_is_accepted_by_the_schema(texts: list[str], dimensions: int | None) -> None:
    """Texts, dimensions and base64 are as the vendor has them."""
    more = {"encoding_format": "base64"} | ({"dimensions": dimensions} if dimensions else {})
    built = EMBEDDINGS.build(config(), texts, "text-embedding-3-small", more)
    assert faults("EmbeddingRequest", built.body or b"") == []


@given(
    model=st.sampled_from(["dall-e-2", "dall-e-3", "gpt-image-1", "gpt-image-1.5", "gpt-image-2.5-flare"]),
    size=st.sampled_from([None, "1024x1024", "1792x1024", "1024x1792", "auto"]),
    count=st.sampled_from([None, 1, 10]),
    quality=st.sampled_from([None, "hd", "standard", "low", "high"]),
    options=st.sampled_from([{}, {"style": "vivid"}, {"response_format": "url"}, {"moderation": "low"}]),
)
@settings(deadline=None)
def test_every_request_for_images_is_accepted_by_the_schema(
    model: str, size: str | None, count: int | None, quality: str | None, options: dict[str, Any]
) -> None:
    """An order for a retired model is one its successor takes; what that would refuse is not in it."""
    order, _ = settled(
        ImageOrder(prompt="a cat", model=model, size=size, count=count, quality=quality, options=options)
    )
    body = IMAGES.build(config(), order).body or b""
    assert faults("ImageGenerateRequest", body) == []
    if model in ("dall-e-2", "dall-e-3", "gpt-image-1"):
        assert not {"style", "response_format"} & set(json.loads(body))
        assert json.loads(body).get("quality") not in ("hd", "standard")


def test_requests_for_moderation_and_counting_are_accepted_by_the_schema() -> None:
    """A text, several texts, and a text with an image; and a text to be counted."""
    image = FilePart("image/png", data=b"\x89PNG")
    for judged in (moderation_input("words"), ["one", "two"], moderation_input(["words", image])):
        body = MODERATIONS.build(config(), judged, "omni-moderation-latest").body or b""
        assert faults("ModerationRequest", body) == []
    assert faults("InputTokenCountRequest", INPUT_TOKENS.build(config(), "words", "gpt-5").body or b"") == []


def test_the_schema_notices_what_the_vendor_does_not_know() -> None:
    """A field that the API lacks is a fault to the schema, so that the checks above say something."""
    body = json.dumps({"model": "gpt-5", "input": "Hi", "seed": 1}).encode()
    assert faults("ResponseCreateRequest", body) != []
    assert faults("ResponseCreateRequest", body.replace(b',"seed":1', b"").replace(b', "seed": 1', b"")) == []
