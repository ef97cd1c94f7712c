"""Recorded answers of real servers on the endpoints beside chat, through the public methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.errors import BadRequestError, ProviderError
from airouter_core.testing.recordings import Recording, load_recordings
from airouter_core.testing.server import Connection, LoopbackServer, ReceivedRequest

RECORDINGS = Path(__file__).resolve().parents[3].parent / "shared" / "recordings"
OTHER = load_recordings(RECORDINGS, "llamacpp-other")

if not OTHER:
    pytest.skip(f"no recordings in {RECORDINGS}", allow_module_level=True)


def of(path: str, *, failed: bool = False) -> list[Any]:
    """The recordings of one endpoint."""
    found = [one for one in OTHER if one.path == path and (one.status >= 400) == failed]
    return [pytest.param(one, id=one.id) for one in found]


def asked(recording: Recording) -> tuple[LoopbackServer, dict[str, Any]]:
    def behave(request: ReceivedRequest, connection: Connection) -> None:
        assert request.path.endswith(recording.path)
        connection.answer(recording.answer())

    return LoopbackServer(behave), {"mode": "remote", "max_retries": 0}


@pytest.mark.parametrize("recording", of("/v1/embeddings"))
def test_vectors_are_read(recording: Recording) -> None:
    """As many vectors as the vendor's client reads, of its lengths, beginning with its numbers."""
    server, config = asked(recording)
    expected = (recording.expected or {})["embeddings"]
    with server, create_provider("llama-cpp", {**config, "base_url": server.url}) as provider:
        vectors = provider.create_embedding(["a"] * expected["count"], "m")
    assert [len(vector) for vector in vectors] == expected["dims"]
    for vector, first in zip(vectors, expected["first"], strict=False):
        assert vector[: len(first)] == pytest.approx(first)


@pytest.mark.parametrize("recording", of("/v1/embeddings", failed=True))
def test_a_refusal_is_told(recording: Recording) -> None:
    """With the server's own words and type."""
    server, config = asked(recording)
    expected = recording.expected_error or {}
    with (
        server,
        create_provider("llama-cpp", {**config, "base_url": server.url}) as provider,
        pytest.raises(ProviderError) as caught,
    ):
        provider.create_embedding("a", "m")
    assert caught.value.status == expected["status"]
    assert caught.value.error_type == expected["type"]
    assert expected["message"] in str(caught.value)
    assert isinstance(caught.value, BadRequestError)


@pytest.mark.parametrize("recording", of("/v1/models"))
def test_models_are_read(recording: Recording) -> None:
    """The ids that the vendor's client reads, and what else the server says of them."""
    server, config = asked(recording)
    with server, create_provider("llama-cpp", {**config, "base_url": server.url}) as provider:
        models = provider.list_models()
    assert [model.id for model in models] == (recording.expected or {})["models"]
    assert all(model.context_length and model.size and model.parameters for model in models)
