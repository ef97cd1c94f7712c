"""Recorded traffic of OpenRouter's, read as the vendor's own client reads it: as bytes cut anywhere, and end to end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.errors import AirouterError, ModelNotFoundError, ProviderError
from airouter_core.testing.recordings import Recording, ReplayServer, cuts, difference, required_recordings
from airouter_core.values.messages import FilePart
from airouter_core.values.response import Response

FOLDER = Path(__file__).resolve().parents[3].parent / "shared" / "recordings"
PREFIX = "api/v1"
CUTS = cuts()
ALL = ("openrouter-chat", "openrouter-embeddings", "openrouter-models", "openrouter-other")


def further_differences(recording: Recording, result: Response | AirouterError) -> Iterator[str]:
    """What only this vendor says: who answered, and that vendor's own finish reason."""
    if not isinstance(result, Response) or recording.expected is None:
        return
    said = result.provider_metadata.get("openrouter", {})
    for name, expected in (("provider", "upstream_provider"), ("native_finish_reason", "native_finish_reason")):
        if said.get(name) != recording.expected.get(expected):
            yield f"{name}: expected {recording.expected.get(expected)!r}, got {said.get(name)!r}"


@pytest.fixture(scope="module", params=["length", "anywhere"])
def replay(request: pytest.FixtureRequest) -> Iterator[tuple[ReplayServer, list[Recording]]]:
    """Recorded chats on loopback; bodies whole, or in pieces of some size."""
    cut = CUTS.get(request.param)
    found = required_recordings(FOLDER, "openrouter-chat")
    with ReplayServer(found, cut=cut, framing="chunked" if cut else "length") as server:
        yield server, found


def provider_for(server: ReplayServer, recording: Recording, **config: Any) -> Any:
    return create_provider(
        "openrouter",
        {"base_url": server.address(recording, PREFIX), "api_key": "sk-or-0123456789", "max_retries": 0, **config},
    )


def test_every_chat_recording_is_read_so_end_to_end(replay: tuple[ReplayServer, list[Recording]]) -> None:
    """The same through the public methods, the transport and a socket; and the costs add up to the total."""
    problems = []
    server, found = replay
    for recording in found:
        with provider_for(server, recording) as provider:
            result: Any
            try:
                if recording.stream:
                    result = provider.stream_chat("some/model", "Hello").read()
                else:
                    result = provider.chat("some/model", "Hello")
            except AirouterError as error:
                result = error
            problem = [*difference(recording, result), *further_differences(recording, result)]
            cost = (recording.expected or {}).get("cost")
            if cost is not None and provider.total_cost != Decimal(str(cost)):
                problem.append(f"total_cost is {provider.total_cost}, not {cost}")
        problems += [f"{recording.id}: {text}" for text in problem]
    assert problems == []


@pytest.fixture(scope="module")
def whole() -> Iterator[ReplayServer]:
    """All recordings on loopback, in pieces of any size."""
    with ReplayServer(required_recordings(FOLDER, *ALL), cut=CUTS["anywhere"]) as server:
        yield server


def test_every_recorded_embedding_is_read_end_to_end(whole: ReplayServer) -> None:
    """Vectors have their number, their length and their first values; their cost is counted; an error is one."""
    for recording in required_recordings(FOLDER, "openrouter-embeddings"):
        asked = recording.request["json"]["input"]
        with provider_for(whole, recording) as provider:
            if (failure := recording.expected_error) is not None:
                with pytest.raises(ModelNotFoundError, match=str(failure["message"])) as caught:
                    provider.create_embedding(asked)
                assert caught.value.status == failure["status"], recording.id
                continue
            vectors = provider.create_embedding([asked] if isinstance(asked, str) else asked)
            reported = json.loads(recording.body)["usage"].get("cost", 0)
            assert provider.total_cost == Decimal(str(reported)), recording.id
        expected = (recording.expected or {})["embeddings"]
        assert len(vectors) == expected["count"], recording.id
        assert {len(vector) for vector in vectors} == set(expected["dims"]), recording.id
        for vector, first in zip(vectors, expected["first"], strict=False):
            assert vector[:4] == pytest.approx(first, abs=1e-6), recording.id


def test_every_recorded_list_of_models_is_read_end_to_end(whole: ReplayServer) -> None:
    """Ids are listed in their order; each price is what the list says, or infinite where it says -1."""
    for recording in required_recordings(FOLDER, "openrouter-models"):
        with provider_for(whole, recording) as provider:
            models = provider.list_models()
        assert [model.id for model in models] == (recording.expected or {})["models"], recording.id
        for model in models:
            for kind in ("prompt", "completion"):
                said = Decimal(model.raw["pricing"][kind])
                assert model["pricing"][kind] == (said if said >= 0 else Decimal("Infinity")), model.id
        cheapest = min(models, key=lambda m: m["pricing"]["prompt"])
        assert cheapest["pricing"]["prompt"].is_finite()
        assert not cheapest.id.startswith("openrouter/")


def test_every_other_recording_is_read_end_to_end(whole: ReplayServer) -> None:
    """Generations and pictures are what was recorded, and a generation that is not there is told as such."""
    for recording in required_recordings(FOLDER, "openrouter-other"):
        with provider_for(whole, recording) as provider:
            if recording.path.endswith("/generation"):
                name = recording.request["path"].partition("id=")[2]
                if recording.status == 404:
                    with pytest.raises(ProviderError, match=name):
                        provider.get_generation(name, wait=0)
                    continue
                generation = provider.get_generation(name)
                said = json.loads(recording.body)["data"]
                assert generation["id"] == name
                assert generation["total_cost"] == Decimal(str(said["total_cost"]))
                assert (generation.model, generation.provider_name) == (said["model"], said["provider_name"])
                assert generation.input_tokens == said["native_tokens_prompt"]
            elif recording.path.endswith("/images"):
                pictures = [FilePart.from_url(address) for address in provider.create_image("turn the logo to green")]
                said = json.loads(recording.body)
                assert [part.base64 for part in pictures] == [entry["b64_json"] for entry in said["data"]]
                assert all(part.is_image for part in pictures)
                assert provider.total_cost == Decimal(str(said["usage"]["cost"]))
                assert hashlib.sha256(pictures[0].data or b"").digest()
