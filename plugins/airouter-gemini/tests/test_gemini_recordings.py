"""What the kit does not read in the recordings of Google's APIs: models, token counts, embeddings, cached contents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.errors import AirouterError
from airouter_core.testing.recordings import Recording, ReplayServer, difference, load_recordings, pieces
from airouter_gemini.provider import GeminiProvider

SHARED = Path(__file__).parents[4] / "shared" / "recordings-more"
OTHER = load_recordings(SHARED, "gemini-other", "vertex-other")
pytestmark = pytest.mark.skipif(not OTHER, reason=f"there are no recordings in {SHARED}")


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    """All recordings on loopback, their bodies cut anywhere."""
    with ReplayServer(OTHER, cut=lambda data: pieces(data, seed=5)) as running:
        yield running


def asked(provider: GeminiProvider, recording: Recording) -> Any:
    """The call that a recording answers; its arguments are of no matter here."""
    name = recording.path.rpartition("/")[2]
    calls: dict[str, Callable[[], Any]] = {
        "countTokens": lambda: provider.count_tokens("Hello"),
        "batchEmbedContents": lambda: provider.create_embedding(["Hello"]),
        "embedContent": lambda: provider.create_embedding(["Hello"]),
        "models": provider.list_models,
    }
    caches: dict[tuple[str, bool], Callable[[], Any]] = {
        ("POST", True): lambda: provider.create_cache("gemini-2.5-flash", "Hello"),
        ("GET", True): provider.list_caches,
        ("PATCH", False): lambda: provider.update_cache("cachedContents/c1", 1200),
        ("DELETE", False): lambda: provider.delete_cache("cachedContents/c1"),
    }
    if "cachedContents" in recording.path:
        return caches[recording.request["method"], name == "cachedContents"]()
    return calls[name.rpartition(":")[2]]()


@pytest.mark.parametrize("recording", OTHER, ids=lambda one: one.id)
def test_recorded_answer(recording: Recording, server: ReplayServer) -> None:
    """Each is read as it was meant, and each failure is the error that it should be."""
    config = {
        "base_url": server.address(recording),
        "api_key": "test-key-0123",
        "max_retries": 0,
        "vertex": recording.kind == "vertex-other",
    }
    with create_provider("gemini", config) as provider:
        assert isinstance(provider, GeminiProvider)
        try:
            outcome = asked(provider, recording)
        except AirouterError as error:
            outcome = error
    if recording.expected_error:
        assert difference(recording, outcome) == []
        return
    expected, said = recording.expected or {}, json.loads(recording.body)
    if "input_tokens" in expected:
        assert outcome == expected["input_tokens"]
    elif "models" in expected:
        assert [model.id for model in outcome] == expected["models"]
        assert all(model.context_length for model in outcome)
    elif "embeddings" in expected:
        assert [len(vector) for vector in outcome] == expected["embeddings"]["dims"]
        assert [vector[:4] for vector in outcome] == expected["embeddings"]["first"]
    elif "usageMetadata" in said:
        assert (outcome.name, outcome.tokens) == (said["name"], said["usageMetadata"]["totalTokenCount"])
        assert outcome.expires_at is not None
    elif "cachedContents" in said:
        assert [cache.name for cache in outcome] == [entry["name"] for entry in said["cachedContents"]]
    else:
        assert (outcome, said) == (None, {})
