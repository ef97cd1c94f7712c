"""Every request that can be built is one that OpenRouter's published schemas accept."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airouter_core.values.canonical import CANONICAL
from airouter_core.values.messages import FilePart, Message, ReasoningPart, RefusalPart, TextPart, ToolCallPart
from airouter_core.values.request import Request
from airouter_core.values.tools import ResponseFormat, Tool, ToolChoice
from airouter_openrouter.config import OpenRouterConfig
from airouter_openrouter.media import EMBEDDINGS, IMAGES, Picture
from airouter_openrouter.plugin import PARAMETERS
from airouter_openrouter.wire import WIRE, support

SPECS = Path(__file__).resolve().parents[3].parent / "shared" / "specs"
CONFIG = OpenRouterConfig(api_key="sk-or-0123456789")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@functools.cache
def validators() -> dict[str, Any]:
    """Schemas by name, of the OpenAPI document and of the vendor's client; or a skip that says what is missing."""
    jsonschema = pytest.importorskip("jsonschema", reason="schemas are checked with jsonschema")
    yaml = pytest.importorskip("yaml", reason="the OpenAPI document is YAML")
    referencing = pytest.importorskip("referencing")
    document, types = SPECS / "openrouter.openapi.yaml", SPECS / "openrouter.sdk.schema.json"
    if not (document.exists() and types.exists()):
        pytest.skip(f"no schemas of OpenRouter's in {SPECS}")
    draft = referencing.jsonschema.DRAFT202012
    published = yaml.load(document.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    derived = json.loads(types.read_text("utf-8"))
    registry = referencing.Registry().with_resources(
        (name, referencing.Resource(contents=contents, specification=draft))
        for name, contents in (("urn:published", published), (derived["$id"], derived))
    )
    embeddings = "#/paths/~1embeddings/post/requestBody/content/application~1json/schema"
    places = {
        "chat, published": "urn:published#/components/schemas/ChatRequest",
        "chat, of the client": derived["$id"] + derived["x-entrypoints"]["ChatRequest"],
        "images": "urn:published#/components/schemas/ImageGenerationRequest",
        "embeddings": f"urn:published{embeddings}",
    }
    made = jsonschema.Draft202012Validator
    return {name: made({"$ref": place}, registry=registry) for name, place in places.items()}


def faults(name: str, body: bytes) -> list[str]:
    return [f"{list(error.path)}: {error.message[:200]}" for error in validators()[name].iter_errors(json.loads(body))]


words = st.text(min_size=1, max_size=12)
names = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
pictures = st.one_of(
    st.builds(FilePart.from_url, st.just("https://example.com/a.png"), detail=st.sampled_from([None, "low", "high"])),
    st.builds(lambda data: FilePart("image/png", data=data), st.binary(max_size=9)),
)
documents = st.builds(
    lambda data, name: FilePart("application/pdf", data=data, name=name), st.binary(max_size=9), words
)
videos = st.just(FilePart.from_url("https://example.com/a.mp4"))
sounds = st.builds(lambda data: FilePart("audio/wav", data=data), st.binary(max_size=9))
marked = st.builds(
    lambda text: TextPart(text, {"openrouter": {"cache_control": {"type": "ephemeral", "ttl": "1h"}}}), words
)
details = st.lists(
    st.sampled_from(
        [
            {"type": "reasoning.text", "text": "hm", "signature": "s", "format": "anthropic-claude-v1", "index": 0},
            {"type": "reasoning.summary", "summary": "short", "format": "openai-responses-v1", "index": 0},
            {"type": "reasoning.encrypted", "data": "x", "id": "rs_1", "format": "openai-responses-v1", "index": 1},
        ]
    ),
    min_size=1,
    max_size=3,
)
calls = st.builds(ToolCallPart, names, names, st.sampled_from(["{}", '{"city":"Bonn"}', "{broken", ""]))
turns = st.one_of(
    st.builds(Message.system, words),
    st.lists(st.one_of(words.map(TextPart), pictures, documents, sounds, videos, marked), min_size=1, max_size=3).map(
        lambda parts: Message("user", tuple(parts))
    ),
    st.lists(
        st.one_of(
            words.map(TextPart),
            words.map(ReasoningPart),
            words.map(RefusalPart),
            calls,
            pictures,
            details.map(lambda kept: TextPart("", {"openrouter": {"reasoning_details": kept}})),
        ),
        max_size=4,
    ).map(lambda parts: Message("assistant", tuple(parts))),
    st.builds(Message.tool, names, words),
)
tools = st.lists(
    st.builds(Tool, names, st.none() | words, st.just(SCHEMA), strict=st.sampled_from([None, True, False])),
    max_size=2,
    unique_by=lambda tool: tool.name,
)
formats = st.one_of(
    st.none(),
    st.just(ResponseFormat()),
    st.builds(
        ResponseFormat, st.just("json_schema"), st.just(SCHEMA), name=names, strict=st.sampled_from([None, True])
    ),
)
prices = st.fixed_dictionaries({}, optional={"prompt": st.floats(0, 1e4), "completion": st.integers(0, 99)})
routings = st.fixed_dictionaries(
    {},
    optional={
        "order": st.lists(words, max_size=2) | words,
        "only": st.lists(words, max_size=2),
        "ignore": st.lists(words, max_size=2).map(tuple),
        "sort": st.sampled_from(["price", "throughput", "latency", {"by": "price"}]),
        "max_price": prices,
        "require_parameters": st.booleans(),
        "allow_fallbacks": st.booleans(),
        "data_collection": st.sampled_from(["allow", "deny"]),
        "zdr": st.booleans(),
        "quantizations": st.lists(st.sampled_from(["fp8", "int4"]), max_size=2),
    },
)
options = st.builds(
    lambda direct, nested, more: {**direct, **({"provider": nested} if nested else {}), **more},
    routings,
    st.fixed_dictionaries({}, optional={"enforce_distillable_text": st.booleans()}),
    st.fixed_dictionaries(
        {},
        optional={
            "models": st.lists(words, min_size=1, max_size=3),
            "reasoning": st.sampled_from([{"exclude": True}, {"summary": "auto"}, {"enabled": True}]),
            "plugins": st.just([{"id": "web", "max_results": 3}]),
            "session_id": words,
            "modalities": st.just(["image", "text"]),
        },
    ),
)


def values_of(row: Any) -> st.SearchStrategy[Any]:
    """Values that both the canonical parameter and OpenRouter's row allow."""
    parameter = next(parameter for parameter in CANONICAL if parameter.name == row.name)
    if choices := row.choices or parameter.choices:
        return st.sampled_from(choices)
    low = max((limit for limit in (parameter.minimum, row.minimum) if limit is not None), default=-(2**40))
    high = min((limit for limit in (parameter.maximum, row.maximum) if limit is not None), default=2**40)
    above = next((limit for limit in (row.above, parameter.above) if limit is not None), None)
    match parameter.kind:
        case "number":
            return st.floats(low if above is None else above, high, exclude_min=above is not None)
        case "integer":
            return st.integers(int(low), int(high))
        case "boolean":
            return st.booleans()
        case "strings":
            return st.lists(words, min_size=1, max_size=4).map(tuple)
        case "mapping":
            return st.dictionaries(st.integers(0, 99).map(str), st.floats(-100, 100), max_size=2)
    return words


taken = [row for row in PARAMETERS if row.field is not None]
parameters = st.fixed_dictionaries({}, optional={row.name: values_of(row) for row in taken})


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Any request that the core would hand to the wire."""
    given = draw(parameters)
    if "reasoning_effort" in given:
        given.pop("reasoning_budget", None)
    response_format = draw(formats)
    if response_format is not None:
        given.pop("grammar", None)
    offered = draw(tools)
    choices = [None, ToolChoice("auto"), ToolChoice("none"), ToolChoice("required")]
    choices += [ToolChoice("tool", tool.name) for tool in offered]
    return Request(
        model=draw(words),
        messages=tuple(draw(st.lists(turns, min_size=1, max_size=5))),
        tools=tuple(offered),
        tool_choice=draw(st.sampled_from(choices)) if offered else None,
        response_format=response_format,
        parameters=given,
        rows=PARAMETERS,
        provider_options=draw(options),
    )


def test_the_schemas_notice_a_wrong_body() -> None:
    """A check that accepts everything would prove nothing."""
    good = {"model": "a/b", "messages": [{"role": "user", "content": "x"}]}
    assert faults("chat, published", json.dumps(good).encode()) == []
    for wrong in ({"provider": {"oder": []}}, {"provider": {"max_price": {"prompt": 1}}}, {"temperature": "hot"}):
        assert faults("chat, published", json.dumps({**good, **wrong}).encode()), wrong
    assert faults("images", b'{"prompt": ""}')
    assert faults("embeddings", b'{"model": "a/b", "input": [""]}')


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(request=requests(), stream=st.booleans())
def test_every_chat_request_is_accepted_by_the_schemas(request: Request, stream: bool) -> None:
    """Both the OpenAPI document and the types of the vendor's client take every body."""
    assert support(request, CONFIG) is None
    body = WIRE.build_request(request, CONFIG, stream=stream).body or b""
    assert faults("chat, published", body) == []
    assert faults("chat, of the client", body) == []


@settings(max_examples=50, deadline=None)
@given(
    prompt=words,
    named=st.fixed_dictionaries(
        {},
        optional={
            "size": st.sampled_from(["1024x1024", "2K"]),
            "n": st.integers(1, 10),
            "aspect_ratio": st.sampled_from(["1:1", "16:9"]),
            "quality": st.sampled_from(["low", "high"]),
            "background": st.sampled_from(["transparent", "auto"]),
            "output_format": st.sampled_from(["png", "svg"]),
            "seed": st.integers(),
            "references": st.lists(pictures, max_size=3).map(tuple),
        },
    ),
)
def test_every_order_for_a_picture_is_accepted_by_the_schema(prompt: str, named: dict[str, Any]) -> None:
    """POST /images takes every body."""
    body = IMAGES.build(CONFIG, Picture(prompt=prompt, model="a/b", **named)).body or b""
    assert faults("images", body) == []


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(words, min_size=1, max_size=3), routing=routings, size=st.none() | st.integers(1, 4096))
def test_every_request_for_embeddings_is_accepted_by_the_schema(
    texts: list[str], routing: dict[str, Any], size: int | None
) -> None:
    """POST /embeddings takes every body."""
    more = {**routing, **({"dimensions": size} if size else {})}
    body = EMBEDDINGS.build(CONFIG, texts, "a/b", more).body or b""
    assert faults("embeddings", body) == []
