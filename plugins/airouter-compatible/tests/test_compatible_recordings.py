"""Recorded traffic of these services, read as each vendor's own client reads it: cut anywhere, and end to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from airouter_compatible.plugin import SERVICES
from airouter_core import create_provider
from airouter_core.errors import AirouterError, ProviderError
from airouter_core.testing.recordings import Recording, ReplayServer, difference, load_recordings, pieces, wire_events
from airouter_core.values.folding import fold

FOLDER = Path(__file__).resolve().parents[3].parent / "shared" / "recordings-more"
PLACES: Mapping[str, Mapping[str, str]] = {
    "azure-classic": {"api_version": "2024-10-21"},
    "cloudflare": {"account_id": "kit"},
}
CUTS: Mapping[str, Any] = {
    "whole": None,
    **{str(size): lambda data, size=size: pieces(data, size) for size in (1, 2, 3, 7)},
    "anywhere": lambda data: pieces(data, seed=11),
    "anywhere else": lambda data: pieces(data, seed=12),
}
PIECEWISE = "cloudflare-chat-92f0558cd7bd"
"""Expected of it is one call for each fragment of its only one."""
NAMED = {service.name for service in SERVICES}
FOREIGN = ("bedrock-converse", "cohere", "gemini-generate", "gemini-interactions", "vertex")
"""Folders of other formats."""
KINDS = sorted(
    folder.name
    for folder in (FOLDER.iterdir() if FOLDER.is_dir() else ())
    if folder.name.endswith("-chat") and not folder.name.startswith(FOREIGN)
)


def provider_for(kind: str, address: str) -> Any:
    """The provider of the service that a folder is of; of one without a row, the one that settings describe."""
    service = kind.rpartition("-")[0]
    name = service if service in NAMED else "compatible"
    given = {"base_url": address, "api_key": "a-key-0123456789", "max_retries": 0, **PLACES.get(name, {})}
    return create_provider(name, given)


@pytest.mark.parametrize("cut", CUTS)
def test_every_recorded_chat_is_read_as_expected(cut: str) -> None:
    """Whole and in pieces of any size, of services with a row and without one."""
    if not KINDS:
        pytest.skip(f"no recordings in {FOLDER}")
    problems = []
    for kind in KINDS:
        with provider_for(kind, "http://127.0.0.1:9/v1") as provider:
            for recording in load_recordings(FOLDER, kind):
                try:
                    outcome: Any = fold(wire_events(provider.wire, recording, CUTS[cut]))
                except AirouterError as error:
                    outcome = error
                if recording.id != PIECEWISE:
                    problems += [f"{recording.id}: {problem}" for problem in difference(recording, outcome)]
    assert problems == []


@pytest.fixture(scope="module")
def others() -> Iterator[tuple[ReplayServer, list[Recording]]]:
    """What was recorded beside chats, on loopback."""
    kinds = sorted(
        folder.name
        for folder in FOLDER.glob("*-other")
        if not folder.name.startswith((*FOREIGN, "bedrock", "gemini-other"))
    )
    found = load_recordings(FOLDER, *kinds) if kinds else []
    if not found:
        pytest.skip(f"no recordings in {FOLDER}")
    with ReplayServer(found, cut=lambda data: pieces(data, seed=3)) as server:
        yield server, found


def asked_for(recording: Recording, server: ReplayServer, ask: Callable[[Any], Any]) -> Any:
    """What is answered, or the error."""
    with provider_for(recording.kind, server.address(recording, "ai/v1")) as provider:
        try:
            return ask(provider)
        except ProviderError as error:
            return error


def test_every_recorded_list_of_models_is_read_end_to_end(others: tuple[ReplayServer, list[Recording]]) -> None:
    """Ids in their order, whatever the list looks like; and refusals as errors."""
    server, recordings = others
    asked = [recording for recording in recordings if "/models" in recording.path]
    assert asked
    for recording in asked:
        models = asked_for(recording, server, lambda provider: provider.list_models())
        if isinstance(models, ProviderError):
            problems = difference(recording, models)
            # Where errors come in a list, what is expected holds that list, and the message only its words.
            assert [problem for problem in problems if "message: '[{" not in problem] == []
            continue
        assert recording.expected_error is None, recording.id
        if recording.expected:
            assert [model.id for model in models] == recording.expected["models"], recording.id
        assert recording.kind != "groq-other" or all(model.context_length for model in models)


def test_every_recorded_embedding_is_read_end_to_end(others: tuple[ReplayServer, list[Recording]]) -> None:
    """Vectors have their number, their length and their first values."""
    server, recordings = others
    asked = [recording for recording in recordings if recording.path.endswith("/embeddings")]
    assert asked
    for recording in asked:
        texts = recording.request["json"]["input"]
        given = [texts] if isinstance(texts, str) else [text or "empty" for text in texts]
        outcome = asked_for(
            recording, server, lambda provider, given=given: provider.create_embedding(given, model="m")
        )
        if isinstance(outcome, ProviderError):
            assert difference(recording, outcome) == []
            continue
        vectors, expected = outcome, (recording.expected or {})["embeddings"]
        if recording.kind == "perplexity-other":
            # Each number is a byte; the client that the expectation is from takes four of them for one.
            assert {len(vector) for vector in vectors} == {4 * dimensions for dimensions in expected["dims"]}
            assert all(number in range(-128, 128) for vector in vectors for number in vector)
            continue
        assert [len(vectors), {len(vector) for vector in vectors}] == [expected["count"], set(expected["dims"])]
        for vector, first in zip(vectors, expected["first"], strict=False):
            assert vector[:4] == pytest.approx(first, rel=1e-6), recording.id
