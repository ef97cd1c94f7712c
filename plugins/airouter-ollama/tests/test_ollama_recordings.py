"""What was recorded from real servers, beside the chat answers that the kit reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airouter_core.errors import ExecutionError, ModelNotFoundError
from airouter_core.testing.recordings import Recording, cuts, load_recordings
from airouter_core.values.response import fold
from airouter_ollama.progress import Progress
from airouter_ollama.provider import OllamaProvider
from airouter_ollama.wire import WIRE

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


def test_an_answer_is_the_same_however_it_is_cut(recordings: list[Recording]) -> None:
    """Answers, cut at 1, 2, 3 and 7 bytes and anywhere, are what the vendor's client makes of them."""
    for recording in of(recordings, "/api/chat", "/api/generate"):
        expected = recording.expected or {}
        if not recording.is_answer:
            continue
        responses = [fold(WIRE.parse_body(recording.body))]
        for size in (1, 2, 3, 7):
            parser = WIRE.open_stream()
            events = [
                event
                for start in range(0, len(recording.body), size)
                for event in parser.feed(recording.body[start : start + size])
            ]
            responses.append(fold([*events, *parser.close()]))
            assert parser.done
        for cut in cuts().values():
            parser = WIRE.open_stream()
            events = [event for piece in cut(recording.body) for event in parser.feed(piece)]
            responses.append(fold([*events, *parser.close()]))
        for response in responses:
            assert response == responses[0], recording.id
        response = responses[0]
        assert response.text == expected["text"], recording.id
        assert (response.reasoning or None) == (expected["reasoning"] or None), recording.id
        assert response.raw_finish_reason == expected["finish_reason"], recording.id
        assert response.model == expected["model"], recording.id
        calls = [(call.name, call.arguments) for call in response.tool_calls]
        assert calls == [(call["name"], call["arguments"]) for call in expected["tool_calls"]], recording.id
        assert response.usage.input_tokens == expected["usage"]["input_tokens"], recording.id
        assert response.usage.output_tokens == expected["usage"]["output_tokens"], recording.id
        assert (response.finish_reason == "tool_calls") == bool(calls)
        if count := expected.get("logprobs", {}).get("count"):
            assert len(response.provider_metadata["ollama"]["logprobs"]) == count


def test_every_cut_short_stream_is_an_error(recordings: list[Recording]) -> None:
    """A stream that ends one line early never passes for an answer."""
    for recording in of(recordings, "/api/chat"):
        if recording.stream and recording.is_answer:
            cut = b"".join(recording.body.splitlines(keepends=True)[:-1])
            parser = WIRE.open_stream()
            with pytest.raises(ExecutionError, match="stopped before"):
                fold([*parser.feed(cut), *parser.close()])


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
