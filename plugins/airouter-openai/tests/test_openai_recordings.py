"""Recorded traffic of OpenAI's, read as the vendor's own client reads it: as bytes cut anywhere, and end to end."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airouter_core import FilePart, create_provider
from airouter_core.errors import AirouterError, ProviderError
from airouter_core.testing.recordings import Recording, ReplayServer, cuts, difference, required_recordings, wire_events
from airouter_core.values.folding import fold
from airouter_core.values.response import Response
from airouter_openai.completions import COMPLETIONS
from airouter_openai.request import input_items

FOLDER = Path(__file__).resolve().parents[3].parent / "shared" / "recordings"
CUTS = cuts()


def outcome(recording: Recording, cut: Any) -> Response | AirouterError:
    try:
        return fold(wire_events(COMPLETIONS, recording, cut))
    except AirouterError as error:
        return error


@pytest.fixture(scope="module", params=["length", "chunked"])
def replay(request: pytest.FixtureRequest) -> Iterator[ReplayServer]:
    """All recordings of OpenAI's on loopback; bodies whole, or in pieces of any size."""
    endpoints = ("completions", "embeddings", "images", "models", "moderations")
    found = required_recordings(FOLDER, *(f"openai-{endpoint}" for endpoint in endpoints))
    cut = None if request.param == "length" else CUTS["anywhere"]
    with ReplayServer(found, cut=cut, framing=request.param) as server:
        yield server


def provider_for(server: ReplayServer, recording: Recording, **config: Any) -> Any:
    return create_provider(
        "openai",
        {"base_url": server.address(recording, "v1"), "api_key": "sk-test-0123456789", "max_retries": 0, **config},
    )


@pytest.mark.parametrize("cut", CUTS)
def test_every_completion_is_read_as_the_vendors_client_reads_it(cut: str) -> None:
    """The kit reads the two chat APIs; this is the old one, however the bytes come."""
    problems = [
        f"{recording.id}: {problem}"
        for recording in required_recordings(FOLDER, "openai-completions")
        for problem in difference(recording, outcome(recording, CUTS[cut]))
    ]
    assert problems == []


def test_every_completion_is_read_so_end_to_end(replay: ReplayServer) -> None:
    """The same through the public methods, the transport and a socket."""
    problems = []
    for recording in required_recordings(FOLDER, "openai-completions"):
        with provider_for(replay, recording, api="completions") as provider:
            try:
                call = provider.stream_chat if recording.stream else provider.chat
                answer = call("gpt-4o", "Hello")
                result: Any = answer.read() if recording.stream else answer
            except AirouterError as error:
                result = error
        problems += [f"{recording.id}: {problem}" for problem in difference(recording, result)]
    assert problems == []


def error_problems(recording: Recording, error: ProviderError) -> list[str]:
    """What an error lacks, compared with the one recorded."""
    return [f"{recording.id}: {problem}" for problem in difference(recording, error) or ()] or (
        [] if recording.expected_error else [f"{recording.id}: {error}"]
    )


def test_every_recorded_embedding_is_read_end_to_end(replay: ReplayServer) -> None:
    """Vectors have their number, their length and their first values, from base64 as from lists of numbers."""
    problems: list[str] = []
    for recording in required_recordings(FOLDER, "openai-embeddings"):
        asked = recording.request["json"]["input"]
        # Texts may have been sent as numbers of tokens; a list of lists is several.
        several = isinstance(asked, list) and not isinstance(asked[0], int)
        texts = [text if isinstance(text, str) else "text" for text in asked] if several else ["text"]
        with provider_for(replay, recording) as provider:
            try:
                vectors = provider.create_embedding(texts, model="text-embedding-3-small")
            except ProviderError as error:
                problems += error_problems(recording, error)
                continue
        expected = (recording.expected or {})["embeddings"]
        assert len(vectors) == expected["count"], recording.id
        assert {len(vector) for vector in vectors} == set(expected["dims"]), recording.id
        for vector, first in zip(vectors, expected["first"], strict=False):
            assert vector[:4] == pytest.approx(first, abs=1e-7), recording.id
    assert problems == []


def test_every_recorded_image_is_read_end_to_end(replay: ReplayServer) -> None:
    """An image with content is a data: URL of the same bytes; one with an address is that address."""
    problems: list[str] = []
    for recording in required_recordings(FOLDER, "openai-images"):
        with provider_for(replay, recording) as provider:
            try:
                addresses = provider.create_image("a cat", model="gpt-image-2")
            except ProviderError as error:
                problems += error_problems(recording, error)
                continue
        expected = (recording.expected or {})["images"]
        assert len(addresses) == len(expected), recording.id
        for address, image in zip(addresses, expected, strict=True):
            if image["kind"] == "url":
                assert address == image["url"], recording.id
            else:
                picture = FilePart.from_url(address)
                media_type, data = picture.media_type, picture.data or b""
                assert media_type.startswith("image/"), recording.id
                assert hashlib.sha256(data).hexdigest() == image["sha256"], recording.id
    assert problems == []


def test_every_recorded_list_of_models_is_read_end_to_end(replay: ReplayServer) -> None:
    """Ids are listed in their order, and one model asked for by name is a list of one."""
    problems: list[str] = []
    for recording in required_recordings(FOLDER, "openai-models"):
        with provider_for(replay, recording) as provider:
            try:
                models = provider.list_models()
            except ProviderError as error:
                problems += error_problems(recording, error)
                continue
        assert [model.id for model in models] == (recording.expected or {})["models"], recording.id
    assert problems == []


def test_every_recorded_moderation_is_read_end_to_end(replay: ReplayServer) -> None:
    """The verdict and the categories that apply are as recorded."""
    for recording in required_recordings(FOLDER, "openai-moderations"):
        with provider_for(replay, recording) as provider:
            result = provider.moderate_content("Some text")
        expected = (recording.expected or {})["results"][0]
        assert result.flagged is expected["flagged"], recording.id
        assert sorted(result.flagged_categories) == sorted(expected["categories"]), recording.id
        assert result["model"] == (recording.expected or {})["model"], recording.id


def test_what_was_answered_can_be_sent_back() -> None:
    """Each recorded response makes an input for the next turn, its encrypted reasoning, ids and phases unchanged."""
    for recording in required_recordings(FOLDER, "openai-responses"):
        result = outcome(recording, None)
        if isinstance(result, AirouterError) or recording.stream:
            continue
        said = json.loads(recording.body)["output"]
        sent = input_items([result.message], True, stored=False)
        by_id = {item["id"]: item for item in sent if "id" in item}
        for item in said:
            if item["type"] == "reasoning" and not item.get("encrypted_content"):
                assert item["id"] not in by_id, recording.id
                continue
            if item["type"] == "message" and any(part["type"] == "refusal" for part in item["content"]):
                continue
            back = by_id[item["id"]]
            for name in ("encrypted_content", "summary", "call_id", "arguments", "name", "phase"):
                if item.get(name) is not None:
                    assert back[name] == item[name], (recording.id, name)
            if item["type"] == "image_generation_call":
                assert base64.b64decode(back["result"]) == base64.b64decode(item["result"])
