"""The account, its key, single answers, embeddings and pictures."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.errors import (
    AuthenticationError,
    ModelNotFoundError,
    ParameterError,
    PermissionDeniedError,
    ProtocolError,
    ProviderError,
    QuotaExceededError,
)
from airouter_core.testing.server import Answer, LoopbackServer
from airouter_core.values.messages import FilePart

KEY = "sk-or-0123456789"
PNG = b"\x89PNG\r\n\x1a\nrest"
LIMITED = {
    "label": "sk-or-…789",
    "limit": 20,
    "limit_remaining": 12.25,
    "limit_reset": "monthly",
    "usage": 7.75,
    "usage_daily": 0.1,
    "usage_weekly": 1,
    "usage_monthly": 7.75,
    "is_free_tier": False,
    "is_management_key": False,
    "expires_at": "2027-01-01T00:00:00Z",
}


def refusal(status: int, message: str = "Only management keys can do this") -> Answer:
    return Answer.of_json({"error": {"code": status, "message": message}}, status=status)


def data(value: Any) -> Answer:
    return Answer.of_json({"data": value})


Start = Callable[..., Any]


@pytest.fixture
def start() -> Iterator[Start]:
    """Makes a provider whose server gives these answers, by the end of the path; the last one again and again."""
    running: list[Any] = []

    def started(answers: Mapping[str, list[Answer] | Answer], **config: Any) -> Any:
        def answer(request: Any, connection: Any) -> None:
            found = answers[request.path.partition("?")[0].rpartition("/")[2]]
            if isinstance(found, list):
                found = found.pop(0) if len(found) > 1 else found[0]
            connection.answer(found)

        server = LoopbackServer(answer).__enter__()
        provider = create_provider(
            "openrouter", {"api_key": KEY, "base_url": f"{server.url}/api/v1", "max_retries": 0, **config}
        )
        provider.server = server
        running.extend((provider, server))
        return provider

    yield started
    for thing in running:
        thing.close()


# Credits and the key.


def test_credits_are_what_remains(start: Start) -> None:
    """In exact US dollars, readable as a mapping."""
    credits_left = start({"credits": data({"total_credits": 100.5, "total_usage": 0.1})}).get_credits()
    assert f"Remaining credits: {credits_left['credits']}" == "Remaining credits: 100.4"
    assert dict(credits_left) == {
        "credits": Decimal("100.4"),
        "total_credits": Decimal("100.5"),
        "total_usage": Decimal("0.1"),
        "source": "account",
    }


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_with_a_limit_tells_its_own(start: Start, status: int) -> None:
    """Where it may not read the account's credits; and says that this is what it tells."""
    credits_left = start({"credits": refusal(status), "key": data(LIMITED)}).get_credits()
    assert (credits_left["credits"], credits_left["total_credits"]) == (Decimal("12.25"), Decimal(20))
    assert (credits_left["total_usage"], credits_left["source"]) == (Decimal("7.75"), "key")


def test_a_key_without_a_limit_cannot_tell(start: Start) -> None:
    """The error says what would help."""
    unlimited = data({**LIMITED, "limit": None, "limit_remaining": None})
    with pytest.raises(PermissionDeniedError, match=r"management key.*get_key_info") as caught:
        start({"credits": refusal(403), "key": unlimited}).get_credits()
    assert caught.value.status == 403
    assert KEY not in str(caught.value)


def test_a_wrong_key_is_told_as_such(start: Start) -> None:
    """Not as a right that it lacks."""
    provider = start({"credits": refusal(403), "key": refusal(401, "User not found.")})
    with pytest.raises(AuthenticationError, match="User not found"):
        provider.get_credits()
    assert provider.validate_config() is False


def test_the_key_is_described(start: Start) -> None:
    """Limits and spendings are exact; the time is a time."""
    provider = start({"key": data(LIMITED)})
    info = provider.get_key_info()
    assert (info["limit_remaining"], info["limit_reset"], info["usage"]) == (
        Decimal("12.25"),
        "monthly",
        Decimal("7.75"),
    )
    assert info.expires_at.year == 2027
    assert provider.validate_config() is True


def test_an_answer_without_data_is_an_error(start: Start) -> None:
    """Also where the status is 200; and an error there is that error."""
    with pytest.raises(ProtocolError):
        start({"key": Answer.of_json({})}).get_key_info()
    with pytest.raises(QuotaExceededError) as caught:
        start({"key": Answer.of_json({"error": {"code": 402, "message": "Insufficient credits"}})}).get_key_info()
    assert caught.value.status == 200


# Single answers.


def test_a_generation_is_waited_for(start: Start) -> None:
    """It appears shortly after the answer."""
    found = {"id": "gen-1", "model": "a/b", "total_cost": 0.000019, "native_tokens_prompt": 11, "latency": 719}
    provider = start({"generation": [refusal(404, "Generation gen-1 not found"), data(found)]})
    generation = provider.get_generation("gen-1")
    assert generation["total_cost"] == Decimal("0.000019")
    assert (generation.input_tokens, generation.latency, generation.output_tokens) == (11, 719, None)
    assert provider.server.requests[-1].path == "/api/v1/generation?id=gen-1"


def test_a_generation_that_is_not_there_is_no_lacking_model(start: Start) -> None:
    """The error names the generation."""
    provider = start({"generation": refusal(404, "Generation gen-1 not found")})
    with pytest.raises(ProviderError, match="gen-1") as caught:
        provider.get_generation("gen-1", wait=0.1)
    assert not isinstance(caught.value, ModelNotFoundError)
    assert (caught.value.status, len(provider.server.requests)) == (404, 2)


# Embeddings and pictures.


def test_embeddings_are_in_the_order_of_the_texts(start: Start) -> None:
    """Whatever order they come in; their cost is counted, and routing goes with them."""
    vectors = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]
    provider = start({"embeddings": Answer.of_json({"data": vectors, "usage": {"cost": 0.5}})})
    options = {"only": "openai", "input_type": "search_query"}
    assert provider.create_embedding(["a", "b"], dimensions=8, options=options) == [[1.0], [2.0]]
    assert provider.total_cost == Decimal("0.5")
    assert provider.server.requests[-1].json == {
        "model": "openai/text-embedding-3-small",
        "input": ["a", "b"],
        "dimensions": 8,
        "input_type": "search_query",
        "provider": {"only": ["openai"]},
    }
    with pytest.raises(ParameterError):
        provider.create_embedding("")


def test_pictures_are_data_urls_and_files(start: Start, tmp_path: Path) -> None:
    """The type is as told, else as the bytes say; a folder and a name both work; the cost is counted."""
    content = base64.b64encode(PNG).decode()
    made = {"data": [{"b64_json": content}, {"b64_json": content, "media_type": "image/webp"}], "usage": {"cost": 0.04}}
    provider = start({"images": Answer.of_json(made)})
    addresses = provider.create_image(
        "A cat", model="a/b", size="1024x1024", n=2, save_to=tmp_path / "new", options={"provider": {"sort": "price"}}
    )
    assert addresses == [f"data:image/png;base64,{content}", f"data:image/webp;base64,{content}"]
    assert (tmp_path / "new" / "image-1.png").read_bytes() == PNG
    assert (tmp_path / "new" / "image-2.webp").read_bytes() == PNG
    provider.create_image("A cat", save_to=tmp_path / "cat.png", references=[FilePart.from_data(PNG)])
    assert (tmp_path / "cat.png").read_bytes() == (tmp_path / "cat-2.png").read_bytes() == PNG
    assert provider.total_cost == Decimal("0.08")
    first, second = (request.json for request in provider.server.requests)
    assert first == {"model": "a/b", "prompt": "A cat", "size": "1024x1024", "n": 2, "provider": {"sort": "price"}}
    assert second["input_references"][0]["image_url"]["url"] == f"data:image/png;base64,{content}"


def test_a_picture_that_cannot_be_kept_is_not_made(start: Start, tmp_path: Path) -> None:
    """It would cost money."""
    (tmp_path / "file").write_text("x")
    provider = start({})
    with pytest.raises(ParameterError, match="save_to"):
        provider.create_image("A cat", save_to=tmp_path / "file" / "below" / "cat.png")
    with pytest.raises(ParameterError, match="prompt"):
        provider.create_image("")
    assert provider.server.requests == []


@pytest.mark.parametrize("entries", [[], [{}], [{"b64_json": "%%%"}]])
def test_an_answer_without_pictures_is_an_error(start: Start, entries: list[Any]) -> None:
    """Never an empty list."""
    with pytest.raises(ProtocolError):
        start({"images": Answer.of_json({"data": entries})}).create_image("A cat")


def test_everything_can_be_awaited(start: Start) -> None:
    """The same answers, under the names with an ``a``."""
    pytest.importorskip("aiohttp", reason="awaiting needs the extra [async]")
    content = base64.b64encode(PNG).decode()
    provider = start(
        {
            "credits": refusal(403),
            "key": data(LIMITED),
            "generation": data({"id": "gen-1"}),
            "images": Answer.of_json({"data": [{"b64_json": content}], "usage": {"cost": 0.04}}),
            "embeddings": Answer.of_json({"data": [{"index": 0, "embedding": [1.0]}], "usage": {"cost": 0.5}}),
        }
    )

    async def ask() -> None:
        assert (await provider.aget_credits())["credits"] == Decimal("12.25")
        assert (await provider.aget_key_info()).label == LIMITED["label"]
        assert (await provider.aget_generation("gen-1")).id == "gen-1"
        assert await provider.acreate_image("A cat") == [f"data:image/png;base64,{content}"]
        assert await provider.acreate_embedding("a", dimensions=1) == [1.0]
        assert provider.total_cost == Decimal("0.54")
        await provider.aclose()

    asyncio.run(ask())
