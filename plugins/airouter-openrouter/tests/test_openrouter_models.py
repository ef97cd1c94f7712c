"""The list of models: paged, kept, searched; prices that can be compared; what a model takes."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from airouter_core import create_provider
from airouter_core.errors import ParameterError, ProviderError, UnsupportedParameterWarning
from airouter_core.plugins.registry import installed
from airouter_core.testing.recordings import ReplayServer, load_recordings
from airouter_core.testing.server import Answer, LoopbackServer
from airouter_core.values.record import plain
from airouter_openrouter.config import OpenRouterConfig
from airouter_openrouter.models import NOT_STATED
from airouter_openrouter.provider import OpenRouterProvider

RECORDINGS = Path(__file__).resolve().parents[3].parent / "shared" / "recordings"
KEY = "sk-or-0123456789"


def entry(
    name: str, prompt: str | None = "0.000001", completion: str | None = "0.000002", **more: Any
) -> dict[str, Any]:
    """A model as the list has it."""
    prices = {"prompt": prompt, "completion": completion}
    return {
        "id": name,
        "name": f"Maker: {name}",
        "created": 1_700_000_000,
        "description": "A model.",
        "context_length": 8192,
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"], "tokenizer": "GPT"},
        "pricing": {kind: price for kind, price in prices.items() if price is not None},
        "top_provider": {"context_length": 8192, "max_completion_tokens": 4096},
        "supported_parameters": ["temperature", "max_tokens", "tools"],
        **more,
    }


LISTED = [
    entry("openrouter/auto", "-1", "-1"),
    entry("a/cheap", "0.0000001", "0.0000002", context_length=4096),
    entry("a/free:free", "0", "0", supported_parameters=["temperature"]),
    entry("b/dear", "0.00001", "0.00003", context_length=1_000_000, description="For CODING, and for text."),
    entry("c/unpriced", None, None),
    entry(
        "d/sees",
        architecture={"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        supported_parameters=["response_format", "structured_outputs", "reasoning", "max_completion_tokens"],
        created=1_800_000_000,
    ),
]
PICTURES = [entry("e/paints", "0", "0", architecture={"input_modalities": ["text"], "output_modalities": ["image"]})]
CHAT = {"id": "g", "model": "m", "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}


class Clock:
    """A clock that stands still until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    """Lists models, three to a page where pages are asked for."""

    def answer(request: Any, connection: Any) -> None:
        asked = dict(parse_qsl(urlsplit(request.path).query))
        if request.path.endswith("/chat/completions"):
            connection.answer(Answer.of_json(CHAT))
            return
        models = PICTURES if asked.get("output_modalities") == "image" else LISTED
        start = int(asked.get("offset", 0))
        following = f"https://elsewhere.example/api/v1/models?offset={start + 3}" if start + 3 < len(models) else None
        connection.answer(Answer.of_json({"data": models[start : start + 3], "links": {"next": following}}))

    with LoopbackServer(answer) as running:
        yield running


def provider_at(server: LoopbackServer, clock: Any = None, **config: Any) -> OpenRouterProvider:
    settings = OpenRouterConfig(api_key=KEY, base_url=f"{server.url}/api/v1", **config)
    return OpenRouterProvider(settings, installed().provider("openrouter"), clock=clock or Clock())


@pytest.fixture
def provider(server: LoopbackServer) -> Iterator[OpenRouterProvider]:
    with provider_at(server) as made:
        yield made


def ids(models: Any) -> list[str]:
    return [model.id for model in models]


def test_all_pages_are_read_from_the_configured_address(provider: OpenRouterProvider, server: LoopbackServer) -> None:
    """Links are followed by their query alone: the key goes nowhere else."""
    assert ids(provider.list_models()) == [model["id"] for model in LISTED]
    assert [request.path for request in server.requests] == ["/api/v1/models", "/api/v1/models?offset=3"]


def test_a_list_that_goes_in_circles_ends() -> None:
    """A link that was followed before is not followed again."""

    def answer(request: Any, connection: Any) -> None:
        connection.answer(Answer.of_json({"data": [entry("a/b")], "links": {"next": "/api/v1/models?offset=1"}}))

    with LoopbackServer(answer) as server, provider_at(server) as provider:
        assert len(provider.list_models()) == 2


def test_models_are_listed_without_a_key(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the provider says all the same that it cannot be used so."""
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    with create_provider("openrouter", {"base_url": f"{server.url}/api/v1"}) as provider:
        assert len(provider.list_models()) == len(LISTED)
        assert "authorization" not in server.requests[0].headers
        info = provider.get_info()
        assert info["status"] == "unavailable"
        assert "OPENROUTER_API_KEY" in info["problem"]
        assert len(info["available_models"]) == len(LISTED)
        assert provider.validate_config() is False


def test_a_model_is_described_in_full(provider: OpenRouterProvider) -> None:
    """Prices are decimals in US dollars per token; the rest is what the list says."""
    model = next(model for model in provider.list_models() if model.id == "d/sees")
    assert model["pricing"]["prompt"] == Decimal("0.000001")
    assert (model.context_length, model.max_output_tokens, model.provider) == (8192, 4096, "openrouter")
    assert model.input_modalities == ("text", "image")
    assert model.supported_parameters is not None
    assert "structured_outputs" in model.supported_parameters
    assert set(model.capabilities or ()) == {
        "chat",
        "stream",
        "system_prompt",
        "vision",
        "json",
        "json_schema",
        "reasoning",
    }
    assert model.created is not None
    assert model.created.year == 2027


def test_the_cheapest_model_has_a_price(provider: OpenRouterProvider) -> None:
    """Whoever takes the lowest price gets a model that states one, not a router; and every price can be compared."""
    models = provider.list_models()
    assert min(models, key=lambda m: m["pricing"]["prompt"])["id"] == "a/free:free"
    paid = [model for model in models if model["pricing"]["prompt"] > 0]
    assert min(paid, key=lambda m: m["pricing"]["prompt"])["id"] == "a/cheap"
    priced = {model.id: model["pricing"]["completion"] for model in models}
    assert priced["openrouter/auto"] == priced["c/unpriced"] == NOT_STATED
    assert sorted(models, key=lambda m: m["pricing"]["completion"])[0].id == "a/free:free"
    assert plain(models[0])["pricing"]["prompt"] == "Infinity"


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ({"query": "coding text"}, ["b/dear"]),
        ({"query": "CHEAP"}, ["a/cheap"]),
        ({"provider": "A"}, ["a/cheap", "a/free:free"]),
        ({"provider": "maker", "query": "dear"}, ["b/dear"]),
        ({"max_price": 0.5}, ["a/cheap", "a/free:free"]),
        ({"max_price": {"prompt": "1", "completion": 2}}, ["a/cheap", "a/free:free", "d/sees"]),
        ({"max_price": 0.5, "free": False}, ["a/cheap"]),
        ({"free": True}, ["a/free:free"]),
        ({"min_context": 100_000}, ["b/dear"]),
        ({"supports": "image"}, ["d/sees"]),
        ({"supports": ["vision", "json_schema", "reasoning_effort", "max_tokens"]}, ["d/sees"]),
        ({"supports": "tools", "provider": "a"}, ["a/cheap"]),
        ({"sort": "price", "max_price": 100}, ["a/free:free", "a/cheap", "d/sees", "b/dear"]),
        ({"sort": "context", "supports": "tools"}, ["b/dear", "openrouter/auto", "c/unpriced", "a/cheap"]),
        ({"sort": "newest", "query": "e", "max_price": 2}, ["d/sees", "a/cheap", "a/free:free"]),
        ({"output": "image"}, ["e/paints"]),
        ({"query": "nothing of the kind"}, []),
    ],
)
def test_a_search_finds_what_matches(provider: OpenRouterProvider, search: dict[str, Any], expected: list[str]) -> None:
    """Everything that is given must match; prices are per million tokens, and what states none is above them all."""
    assert ids(provider.search_models(**search)) == expected


@pytest.mark.parametrize("search", [{"sort": "colour"}, {"max_price": "cheap"}, {"max_price": {"image": 1}}])
def test_a_search_that_makes_no_sense_is_an_error(provider: OpenRouterProvider, search: dict[str, Any]) -> None:
    """The message says what is known."""
    with pytest.raises(ParameterError):
        provider.search_models(**search)


def test_the_list_is_kept_for_a_while(server: LoopbackServer) -> None:
    """Asked again only after ``catalog_ttl`` seconds, on demand, or for another kind of model."""
    clock = Clock()
    with provider_at(server, clock, catalog_ttl=60) as provider:
        first = provider.list_models()
        first.clear()
        clock.now += 59
        assert len(provider.list_models()) == len(provider.search_models()) == len(LISTED)
        assert len(server.requests) == 2
        provider.list_models(refresh=True)
        assert len(server.requests) == 4
        assert ids(provider.list_models(output="image")) == ["e/paints"]
        assert len(server.requests) == 5
        clock.now += 60
        provider.list_models()
        assert len(server.requests) == 7


def test_nothing_is_kept_without_time(server: LoopbackServer) -> None:
    """``catalog_ttl=0`` asks each time."""
    with provider_at(server, catalog_ttl=0) as provider:
        provider.list_models()
        provider.list_models()
    assert len(server.requests) == 4


def test_a_failure_is_not_kept() -> None:
    """The next call asks again."""
    answers = [Answer.of_json({"error": {"code": 500, "message": "x"}}), Answer.of_json({"data": [entry("a/b")]})]

    def answer(request: Any, connection: Any) -> None:
        connection.answer(answers.pop(0))

    with LoopbackServer(answer) as server, provider_at(server) as provider:
        with pytest.raises(ProviderError):
            provider.list_models()
        assert ids(provider.list_models()) == ["a/b"]


def test_the_list_may_be_read_from_many_threads(server: LoopbackServer) -> None:
    """Each gets the whole list."""
    found: list[int] = []
    with provider_at(server) as provider:
        threads = [threading.Thread(target=lambda: found.append(len(provider.search_models()))) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [len(LISTED)] * 12


def test_what_a_model_does_not_take_is_told(provider: OpenRouterProvider, server: LoopbackServer) -> None:
    """OpenRouter drops it in silence; once the list has been read, the call says so, and sends it no more."""
    given: Mapping[str, Any] = {"temperature": 0.5, "top_k": 3, "max_tokens": 9}
    assert not provider.chat("a/cheap", "Hello", parameters=given).warnings
    assert server.requests[-1].json["top_k"] == 3
    provider.list_models()
    with pytest.warns(UnsupportedParameterWarning, match="top_k"):
        response = provider.chat("a/cheap:nitro", "Hello", parameters=given)
    body = server.requests[-1].json
    assert (body["temperature"], body["max_completion_tokens"]) == (0.5, 9)
    assert "top_k" not in body
    assert "a/cheap does not take it" in response.warnings[0]
    assert [receipt.outcome for receipt in response.parameters] == ["sent", "omitted", "sent"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        provider.chat("x/unlisted", "Hello", parameters=given)
        provider.chat("a/cheap", "Hello", parameters=given, provider_options={"openrouter": {"models": ["x/y"]}})


def test_the_list_can_be_awaited(server: LoopbackServer) -> None:
    """The same list, from the same store."""
    pytest.importorskip("aiohttp", reason="awaiting needs the extra [async]")

    async def ask() -> None:
        async with provider_at(server) as provider:
            assert len(await provider.alist_models()) == len(LISTED)
            assert ids(await provider.asearch_models("coding")) == ["b/dear"]
        assert len(server.requests) == 2

    asyncio.run(ask())


def test_the_first_programs_of_users_work() -> None:
    """Search for coding models, take the cheapest, ask it: as the first documentation of this library showed it."""
    recordings = [item for item in load_recordings(RECORDINGS, "openrouter-models") if b"openrouter/auto" in item.body]
    if not recordings:
        pytest.skip(f"no recorded list of models in {RECORDINGS}")
    with (
        ReplayServer(recordings) as server,
        create_provider("openrouter", {"api_key": "your-key", "base_url": server.address(recordings[0])}) as provider,
    ):
        coding_models = provider.search_models(query="coding", provider="openai")
        cheapest = min(coding_models, key=lambda m: m["pricing"]["prompt"])
        assert cheapest["name"].startswith("OpenAI")
        assert cheapest["id"].startswith("openai/")
        assert cheapest["pricing"]["prompt"].is_finite()
        assert len(provider.search_models(free=True, sort="price")) > 10
