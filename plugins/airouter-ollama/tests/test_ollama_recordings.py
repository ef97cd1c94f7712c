"""What was recorded from real servers, beside the chat answers that the kit reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airouter_core.errors import ModelNotFoundError
from airouter_core.testing.recordings import Recording, cuts, load_recordings
from airouter_ollama.progress import Progress
from airouter_ollama.provider import OllamaProvider

Stub = Callable[..., Any]
Providers = Callable[..., OllamaProvider]


@pytest.fixture(scope="module")
def recordings(shared: Path) -> list[Recording]:
    """All that was recorded from Ollama's own API."""
    return load_recordings(shared / "recordings", "ollama-api")


def of(recordings: list[Recording], *paths: str) -> list[Recording]:
    """Those of some endpoints."""
    found = [recording for recording in recordings if recording.path in paths]
    assert found, paths
    return found


def test_recorded_embeddings(recordings: list[Recording], stub: Stub, provider_at: Providers) -> None:
    """Vectors come as recorded, from the endpoint of today and from the older one."""
    for recording in of(recordings, "/api/embed", "/api/embeddings"):
        expected = (recording.expected or {})["embeddings"]
        with stub(embed=recording.answer()) as server:
            texts = ["a text"] * expected["count"]
            vectors = provider_at(server.url).create_embedding(texts, "model")
        assert [len(vector) for vector in vectors] == expected["dims"]
        assert [vector[:4] for vector in vectors[:3]] == [pytest.approx(first) for first in expected["first"]]


def test_recorded_model_lists(recordings: list[Recording], stub: Stub, provider_at: Providers) -> None:
    """A list from a server that does not tell contexts, and shows nothing, is a list all the same."""
    for recording in of(recordings, "/api/tags"):
        with stub(tags=recording.answer()) as server:
            models = provider_at(server.url).list_models()
        assert [model.id for model in models] == (recording.expected or {})["models"]
        assert all(model.size and model.family and model.quantization and model.created for model in models)


def test_a_list_is_completed_by_what_is_shown(recordings: list[Recording], stub: Stub, provider_at: Providers) -> None:
    """Where the list has no context length, each version of a model is asked for its own, once."""
    (tags,) = of(recordings, "/api/tags")
    show = of(recordings, "/api/show")[0]
    with stub(tags=tags.answer(), show=show.answer()) as server:
        provider = provider_at(server.url)
        models = provider.list_models()
        asked = len(server.requests)
        assert provider.list_models() == models
        assert len(server.requests) == asked + 1
    digests = {model.raw["digest"] for model in models}
    assert asked == 1 + len(digests)
    assert all(model.context_length for model in models)


def test_recorded_models_are_shown(recordings: list[Recording], stub: Stub, provider_at: Providers) -> None:
    """What is shown of a model has its context, template and options."""
    for recording in of(recordings, "/api/show"):
        with stub(show=recording.answer()) as server:
            details = provider_at(server.url).show_model("model")
        assert details.context_length
        assert details.context_length >= 2048
        assert details.template
        assert details.embedding_length
        assert details.capabilities is None or "chat" in details.capabilities
        assert all(isinstance(words, tuple) for name, words in details.options.items() if name == "stop")


def test_recorded_pulls(recordings: list[Recording], stub: Stub, provider_at: Providers) -> None:
    """A recorded pull reports its steps, cut anywhere; a failed one is an error."""
    for recording in of(recordings, "/api/pull"):
        for cut in cuts().values():
            seen: list[Progress] = []
            with stub(pull=recording.answer(cut)) as server:
                provider = provider_at(server.url, max_retries=0)
                if recording.status == 200:
                    provider.pull_model("model", seen.append)
                    assert [progress.status for progress in seen] == (recording.expected or {})["statuses"]
                else:
                    with pytest.raises(ModelNotFoundError):
                        provider.pull_model("model", seen.append)
