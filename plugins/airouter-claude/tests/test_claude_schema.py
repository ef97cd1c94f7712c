"""Whatever can be asked for: the body is accepted by the strict schema of the API version it is sent with."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from airouter_claude.batches import CREATE_BATCH
from airouter_claude.config import ClaudeConfig
from airouter_claude.models import TABLE, known_facts
from airouter_claude.parts import KEY
from airouter_claude.plugin import CLAUDE, PARAMETERS
from airouter_claude.provider import ClaudeProvider
from airouter_claude.wire import COUNT_TOKENS
from airouter_core.errors import ConfigurationError
from airouter_core.provider.asking import ask_of
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
from airouter_core.values.tools import ResponseFormat, Tool, ToolChoice

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")

SPECS = Path(__file__).parents[4] / "shared" / "specs"
SCHEMAS = {
    "2026-10-21": SPECS / "anthropic.request.strict.schema.json",
    "2023-06-01": SPECS / "anthropic.request.2023-06-01.strict.schema.json",
}
pytestmark = pytest.mark.skipif(not SPECS.is_dir(), reason=f"there are no schemas in {SPECS}")

MARK = {KEY: {"cache_control": {"type": "ephemeral"}}}
CITED = {
    KEY: {
        "citations": [
            {
                "type": "char_location",
                "cited_text": "a",
                "document_index": 0,
                "document_title": None,
                "start_char_index": 0,
                "end_char_index": 1,
            }
        ]
    }
}
PNG = b"\x89PNG\r\n\x1a\n"
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}

words = st.text(max_size=12)
texts = st.builds(TextPart, words, st.sampled_from([{}, MARK]))
files = st.sampled_from(
    [
        FilePart.from_data(PNG),
        FilePart("image/*", url="https://example.com/a"),
        FilePart("image/webp", url="https://example.com/a.webp", provider_metadata=MARK),
        FilePart("application/pdf", data=b"%PDF-", name="a.pdf"),
        FilePart("application/pdf", url="https://example.com/a.pdf"),
        FilePart("text/markdown", data="ä".encode(), provider_metadata={KEY: {"citations": {"enabled": True}}}),
        FilePart("image/png", provider_metadata={KEY: {"source": {"type": "file", "file_id": "file_1"}}}),
        FilePart("image/bmp", data=b"BM"),
    ]
)
ids = st.sampled_from(["toolu_1", "call|2", ""])
thoughts = st.sampled_from(
    [
        ReasoningPart("hm", {KEY: {"signature": "s"}}),
        ReasoningPart("", {KEY: {"signature": "s", "model": "claude-opus-5-5"}}),
        ReasoningPart("", {KEY: {"type": "redacted_thinking", "data": "x"}}),
        ReasoningPart("another provider's", {"openai": {"id": "rs_1"}}),
    ]
)
calls = st.builds(ToolCallPart, ids, st.just("look"), st.sampled_from(["{}", "", '{"a":1}', '{"a":', "[1]"]))
results = st.builds(
    ToolResultPart, ids, st.lists(st.one_of(texts, files.filter(lambda file: file.is_image)), max_size=3).map(tuple)
)
messages = st.one_of(
    st.builds(Message, st.just("system"), st.lists(texts, max_size=2).map(tuple)),
    st.builds(Message, st.just("user"), st.lists(st.one_of(texts, files), min_size=1, max_size=3).map(tuple)),
    st.builds(
        Message, st.just("user"), st.builds(TextPart, st.just("quoted"), st.just(CITED)).map(lambda part: (part,))
    ),
    st.builds(Message, st.just("tool"), st.lists(results, min_size=1, max_size=2).map(tuple)),
    st.builds(
        Message,
        st.just("assistant"),
        st.lists(
            st.one_of(
                texts,
                thoughts,
                calls,
                st.just(RefusalPart("no")),
                st.sampled_from([ProviderPart(KEY, SEARCH), ProviderPart("openai", {"type": "x"})]),
                st.builds(TextPart, st.just("cited"), st.just(CITED)),
            ),
            max_size=4,
        ).map(tuple),
    ),
)
conversations = st.lists(messages, max_size=5).map(lambda said: [Message.user("?"), *said, Message.user("!")])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "max_tokens": st.integers(0, 128_000),
    "stop": st.lists(st.text(min_size=1, max_size=5), max_size=3),
    "temperature": st.floats(0, 1),
    "top_p": st.floats(0, 1),
    "top_k": st.integers(0, 100),
    "reasoning_effort": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
    "reasoning_budget": st.integers(1024, 20_000),
    "parallel_tool_calls": st.booleans(),
    "user": words,
    "service_tier": st.sampled_from(["auto", "standard_only"]),
    "context": st.integers(1, 10_000),
    "verbosity": st.sampled_from(["low", "high"]),
    "seed": st.integers(),
    "n": st.just(1),
    "min_p": st.floats(0, 1),
    "presence_penalty": st.floats(-2, 2),
    "logit_bias": st.just({}),
    "logprobs": st.booleans(),
    "keep_alive": st.just("5m"),
}
parameters = st.fixed_dictionaries({}, optional=VALUES)
schemas = st.sampled_from(
    [
        {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object", "properties": {}}}}},
        {"properties": {"properties": {"type": "string"}}},
        {"type": "object"},
        {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"b": {"$ref": "#/$defs/A"}}}}},
    ]
)
tools = st.builds(
    Tool, st.sampled_from(["look", "find"]), st.none() | words, schemas, strict=st.sampled_from([None, True, False])
)
options = st.fixed_dictionaries(
    {},
    optional={
        "thinking": st.sampled_from([{"type": "adaptive", "display": "summarized"}, {"display": "omitted"}]),
        "output_config": st.just({"effort": "low"}),
        "metadata": st.just({"user_id": "u"}),
        "tools": st.just(
            [{"type": "web_search_20260209", "name": "web_search"}, {"name": "look", "defer_loading": True}]
        ),
        "betas": st.sampled_from([["a-2026-01-01"], "b-2026-01-01"]),
        "cache_prompt": st.booleans(),
        "cache_ttl": st.sampled_from(["5m", "1h"]),
        "workspace_id": st.just("wrkspc_1"),
        "service_tier": st.just("auto"),
        "speed": st.just("fast"),
    },
)
arguments = st.builds(
    dict,
    model=st.sampled_from([*TABLE, "claude-3-opus-20240229", "claude-opus-4-5-20251101", "claude-opus-7", "toy"]),
    messages=conversations,
    parameters=parameters,
    tools=st.lists(tools, max_size=2, unique_by=lambda tool: tool.name),
    tool_choice=st.sampled_from([None, None, ToolChoice("auto"), ToolChoice("none"), ToolChoice("required")]),
    response_format=st.one_of(
        st.none(), st.just(ResponseFormat()), st.builds(ResponseFormat, st.just("json_schema"), schemas)
    ),
    provider_options=options.map(lambda own: {KEY: own}),
)
configs = st.sampled_from(
    [
        ClaudeConfig(api_key="sk-ant-test"),
        ClaudeConfig(auth_token="token-test", cache_prompt=True),
        ClaudeConfig(api_key="sk-ant-test", api_version="2023-06-01"),
        ClaudeConfig(api_key="sk-ant-test", api_version="2026-10-21", cache_prompt=True, cache_ttl="1h"),
    ]
)


@cache
def validator(version: str, entry: str) -> Any:
    schema = json.loads(SCHEMAS[version].read_text())
    schema["$ref"] = schema["x-entrypoints"][entry]
    return jsonschema.Draft202012Validator(schema)


def check(version: str, entry: str, body: Any) -> None:
    faults = list(validator(version, entry).iter_errors(body))
    assert not faults, jsonschema.exceptions.best_match(faults)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(given=arguments, config=configs, stream=st.booleans())
def test_every_body_is_accepted(given: dict[str, Any], config: ClaudeConfig, stream: bool) -> None:
    """Each request is refused with an error of ours, or its body fits the schema of the version in its header."""
    provider = ClaudeProvider(config, CLAUDE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            prepared = provider.prepare(ask_of(**given))
            request, known = prepared.request, prepared.known
            sent = provider.wire.build_request(request, config, stream=stream)
        except ConfigurationError as refusal:
            event(f"refused: {str(refusal)[:60]}")
            return
    version = sent.headers["anthropic-version"]
    body = json.loads(sent.body or b"")
    check(version, "MessageCreateRequest", body)
    left_out = {receipt.name for receipt in known["parameters"] if receipt.outcome == "omitted"}
    fields = {row.name: row.name for row in PARAMETERS if row.name in ("temperature", "top_p", "top_k")}
    assert not left_out & {name for name, field in fields.items() if field in body}
    assert len({name.lower() for name in sent.headers} & {"authorization", "x-api-key"}) == 1
    if thinking := body.get("thinking"):
        assert thinking.get("budget_tokens", -1) < body["max_tokens"]
    counted = COUNT_TOKENS.build(config, known_facts, request)
    check(counted.headers["anthropic-version"], "CountTokensRequest", json.loads(counted.body or b""))
    batch = CREATE_BATCH.build(config, known_facts, [("a", request)])
    check(
        batch.headers["anthropic-version"],
        "MessageCreateRequest",
        json.loads(batch.body or b"")["requests"][0]["params"],
    )
