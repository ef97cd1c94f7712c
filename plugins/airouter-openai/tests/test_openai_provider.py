"""What only OpenAI has: images, moderation, shorter vectors, counting; and the way each call takes."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airouter_core import ProviderManager, create_provider
from airouter_core.errors import (
    ConfigurationError,
    ParameterError,
    ProtocolError,
    QuotaExceededError,
    RetiredModelWarning,
    UnsupportedFeatureError,
)
from airouter_core.flow.blocking import Driver
from airouter_core.testing.server import Answer, LoopbackServer
from airouter_core.values.ask import Ask
from airouter_core.values.messages import FilePart, Message
from airouter_core.values.tokens import estimate_tokens
from airouter_openai.provider import OpenAIProvider

KEY = "sk-test-0123456789"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nrest").decode()


class Backend:
    """A server that answers each path as told, and remembers what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.server = LoopbackServer(self._answer)

    def _answer(self, request: Any, connection: Any) -> None:
        answer = self.answers[request.path]
        answer = answer(request) if callable(answer) else answer
        connection.answer(answer if isinstance(answer, Answer) else Answer.of_json(answer))

    @property
    def asked(self) -> list[Any]:
        return [json.loads(request.body) if request.body else None for request in self.server.requests]

    def provider(self, **config: Any) -> Any:
        return create_provider("openai", {"api_key": KEY, "base_url": f"{self.server.url}/v1", **config})


@pytest.fixture
def backend() -> Iterator[Backend]:
    made = Backend()
    with made.server:
        yield made


def completion(text: str = "Hello") -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


# The front page's own lines.


def test_the_first_call_of_the_front_page_works(backend: Backend) -> None:
    """By name and by alias, with a system prompt and parameters, alone and in a manager."""
    backend.answers["/v1/chat/completions"] = completion("A story")
    config = {"api_key": KEY, "organization": "org-a", "timeout": 300, "base_url": f"{backend.server.url}/v1"}
    with create_provider("gpt", config) as provider:
        told = provider.execute(
            model="gpt-4",
            prompt="Write a story about AI",
            system_prompt="You are a creative writer",
            parameters={"temperature": 0.9, "max_tokens": 2000},
        )
    assert told == "A story"
    assert backend.asked[-1]["messages"][0] == {"role": "system", "content": "You are a creative writer"}
    assert backend.server.requests[-1].headers["openai-organization"] == "org-a"
    manager = ProviderManager()
    manager.add_provider("openai", config)
    assert manager.auto_execute("gpt-4", "Hello!") == "A story"
    manager.close()


def test_custom_headers_are_sent_and_hidden(backend: Backend) -> None:
    """They may hold secrets."""
    backend.answers["/v1/chat/completions"] = completion()
    with backend.provider(custom_headers={"X-Custom-Header": "value-123456"}) as provider:
        provider.execute("gpt-4", "Hi")
        assert "value-123456" not in repr(provider.config)
        assert KEY not in repr(provider.config)
    assert backend.server.requests[-1].headers["x-custom-header"] == "value-123456"


def test_what_was_left_out_is_told(backend: Backend) -> None:
    """In the response, in its receipts, and once as a warning."""
    backend.answers["/v1/chat/completions"] = completion()
    with backend.provider() as provider:
        with pytest.warns(UserWarning, match="temperature"):
            response = provider.chat("gpt-5", "Hi", parameters={"temperature": 0.2, "max_length": 50})
        again = provider.chat("gpt-5", "Hi", parameters={"temperature": 0.2})
    assert "thinks before it answers" in response.warnings[0]
    assert [receipt.sent_as for receipt in response.parameters] == [None, "max_completion_tokens"]
    assert again.warnings[0] == response.warnings[0]
    assert "temperature" not in backend.asked[0]
    assert backend.asked[0]["max_completion_tokens"] == 50


def test_money_that_ran_out_is_asked_for_once(backend: Backend) -> None:
    """A quota error is a 429 that is never tried again."""
    error = {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": None}}
    backend.answers["/v1/chat/completions"] = Answer.of_json(error, status=429, headers={"retry-after": "0"})
    with backend.provider() as provider, pytest.raises(QuotaExceededError):
        provider.execute("gpt-4", "Hi")
    assert len(backend.server.requests) == 1


# Embeddings.


def vectors(request: Any) -> Any:
    texts = json.loads(request.body)["input"]
    data = [{"index": i, "embedding": [float(len(text))]} for i, text in enumerate(texts)][::-1]
    return {"data": data, "usage": {"prompt_tokens": len(texts), "total_tokens": len(texts)}}


def test_embeddings_keep_their_order_over_several_requests(backend: Backend) -> None:
    """More texts than one request may hold are asked for in several, and answers may come in any order."""
    backend.answers["/v1/embeddings"] = vectors
    texts = ["x" * (1 + number % 50) for number in range(2050)]
    with backend.provider() as provider:
        found = provider.create_embedding(texts, model="text-embedding-3-small", dimensions=1)
    assert found == [[float(len(text))] for text in texts]
    assert [len(asked["input"]) for asked in backend.asked] == [2048, 2]
    assert {asked["dimensions"] for asked in backend.asked} == {1}


def test_embeddings_of_several_requests_are_counted_together(backend: Backend) -> None:
    """Whoever keeps books hears of all tokens, and not of the last request's alone."""
    backend.answers["/v1/embeddings"] = vectors
    arguments = {"text_or_list": ["x"] * 2050, "model": "m"}
    ask = Ask(kind="embedding", model="m", operation="create_embedding", arguments=arguments)
    with backend.provider() as provider:
        driver = Driver(provider.flow_of(ask))
        assert len(driver.run()) == 2050
    assert driver.builder.partial().usage.input_tokens == 2050


def test_a_vector_for_one_text_is_no_list(backend: Backend) -> None:
    """One text, one vector; nothing is no text."""
    backend.answers["/v1/embeddings"] = vectors
    with backend.provider() as provider:
        assert provider.create_embedding("Hello world") == [11.0]
        assert "model" not in backend.asked[-1]
        for wrong in ("", [], ["a", ""]):
            with pytest.raises(ParameterError):
                provider.create_embedding(wrong)


def test_openai_itself_is_asked_for_base64_and_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of the bytes, and a default that a compatible server could not have."""
    with create_provider("openai", {"api_key": KEY}) as provider:
        flow = provider.embeddings_flow(["a"], None)
        sent = json.loads(next(flow).request.body)
        flow.close()
    assert sent == {"input": ["a"], "encoding_format": "base64", "model": "text-embedding-3-small"}


# Images.


def test_a_retired_image_model_stands_for_its_successor(backend: Backend) -> None:
    """With a warning that tells what else changed, and without what the successor would refuse."""
    backend.answers["/v1/images/generations"] = {"data": [{"b64_json": PNG}], "output_format": "png"}
    with backend.provider() as provider, pytest.warns(RetiredModelWarning, match="dall-e-3 was retired") as caught:
        urls = provider.create_image(
            prompt="A cat wearing a space suit",
            model="dall-e-3",
            size="1792x1024",
            quality="hd",
            options={"style": "vivid"},
        )
    assert urls == [f"data:image/png;base64,{PNG}"]
    assert backend.asked[-1] == {
        "model": "gpt-image-2.5-sunburst",
        "prompt": "A cat wearing a space suit",
        "size": "1536x1024",
        "quality": "high",
    }
    told = str(caught[0].message)
    assert "'1792x1024' became '1536x1024'" in told
    assert "style was left out" in told
    assert caught[0].filename == __file__


def test_images_are_saved_where_told(backend: Backend, tmp_path: Path) -> None:
    """Into a folder by number, or under the name given; folders are made."""
    backend.answers["/v1/images/generations"] = {"data": [{"b64_json": PNG}, {"b64_json": PNG}]}
    with backend.provider() as provider:
        urls = provider.create_image("a cat", save_to=tmp_path / "new" / "folder")
        provider.create_image("a cat", save_to=str(tmp_path / "cat.png"))
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["image-1.png", "image-2.png"]
    assert (
        (tmp_path / "cat.png").read_bytes() == (tmp_path / "cat-2.png").read_bytes() == FilePart.from_url(urls[0]).data
    )


def test_an_image_that_cannot_be_saved_is_not_made(backend: Backend, tmp_path: Path) -> None:
    """It would cost money."""
    (tmp_path / "file").write_text("in the way")
    with backend.provider() as provider, pytest.raises(ConfigurationError, match="save_to"):
        provider.create_image("a cat", save_to=tmp_path / "file" / "cat.png")
    assert backend.asked == []


def test_an_image_elsewhere_is_fetched_without_the_key(backend: Backend, tmp_path: Path) -> None:
    """The address may be of any host."""
    backend.answers["/v1/images/generations"] = {"data": [{"url": f"{backend.server.url}/elsewhere.png"}]}
    backend.answers["/elsewhere.png"] = Answer(200, {"content-type": "image/webp"}, (b"RIFF",), "length")
    with backend.provider(custom_headers={"X-Token": "token-123456"}) as provider:
        urls = provider.create_image("a cat", save_to=tmp_path)
    assert urls == [f"{backend.server.url}/elsewhere.png"]
    assert (tmp_path / "image-1.webp").read_bytes() == b"RIFF"
    assert not {"authorization", "x-token"} & set(backend.server.requests[-1].headers)


@pytest.mark.parametrize("data", [[], [{}], [{"b64_json": "@@@@"}]])
def test_an_answer_without_an_image_is_an_error(backend: Backend, data: Any) -> None:
    """Never an empty list."""
    backend.answers["/v1/images/generations"] = {"data": data}
    with backend.provider() as provider, pytest.raises(ProtocolError):
        provider.create_image("a cat")


def test_an_image_needs_a_prompt(backend: Backend) -> None:
    """Nothing is sent without one."""
    with backend.provider() as provider, pytest.raises(ParameterError):
        provider.create_image("")


# Moderation.

VERDICT = {
    "flagged": True,
    "categories": {"violence": True, "self-harm/intent": False},
    "category_scores": {"violence": 0.9, "self-harm/intent": 0.01},
    "category_applied_input_types": {"violence": ["text", "image"]},
}


def test_content_is_judged(backend: Backend) -> None:
    """Texts and images, alone and together; the verdict reads as a mapping too."""
    backend.answers["/v1/moderations"] = {"id": "modr-1", "model": "omni", "results": [VERDICT]}
    with backend.provider() as provider:
        result = provider.moderate_content("Some text to check")
        provider.moderate_content(["words", FilePart("image/png", data=b"x")])
        provider.moderate_content(FilePart.from_url("https://example.com/a.png"))
        for wrong in ("", [], [""], 5, FilePart("audio/wav", data=b"x")):
            with pytest.raises(ParameterError):
                provider.moderate_content(wrong)
    assert result.flagged is result["flagged"] is True
    assert result.flagged_categories == ("violence",)
    assert result.scores["violence"] == 0.9
    assert result.applied_input_types["violence"] == ("text", "image")
    assert (result.id, result.model, result.raw) == ("modr-1", "omni", VERDICT)
    assert backend.asked[0] == {"model": "omni-moderation-latest", "input": "Some text to check"}
    assert [part["type"] for part in backend.asked[1]["input"]] == ["text", "image_url"]
    assert backend.asked[2]["input"][0]["image_url"]["url"] == "https://example.com/a.png"


def test_several_texts_are_judged_each_for_itself(backend: Backend) -> None:
    """One request, one verdict for each."""
    backend.answers["/v1/moderations"] = {"results": [VERDICT, {**VERDICT, "flagged": False}]}
    with backend.provider() as provider:
        assert [result.flagged for result in provider.moderate_contents(["a", "b"])] == [True, False]
        with pytest.raises(ParameterError):
            provider.moderate_contents("a")


# Models and tokens.


def test_models_have_their_context_from_the_server_or_the_table(backend: Backend) -> None:
    """What a server says goes before what is known of the name."""
    listed = [
        {"id": "gpt-4o", "created": 1_700_000_000, "owned_by": "system"},
        {"id": "local", "max_model_len": 4096},
        {"id": "gpt-4", "meta": {"n_ctx": 512, "n_ctx_train": 2048}},
        {"id": "text-embedding-3-small"},
    ]
    backend.answers["/v1/models"] = {"object": "list", "data": listed}
    backend.answers["/v1/models/ft:gpt-4o:a%2Fb"] = {"id": "ft:gpt-4o:a/b", "object": "model"}
    with backend.provider() as provider:
        models = provider.list_models()
        assert provider.get_model("ft:gpt-4o:a/b").context_length == 128_000
        assert provider.get_info()["status"] == "available"
        backend.answers["/v1/models"] = listed  # bare, as some hosts have it
        assert provider.list_models() == models
    assert [model.context_length for model in models] == [128_000, 4096, 512, None]
    assert models[0]["max_output_tokens"] == 16_384


def test_tokens_are_counted_by_openai_for_models_of_its_newer_api(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere, or without a model, the count is an estimate and asks nobody."""
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    backend.answers["/v1/responses/input_tokens"] = {"object": "response.input_tokens", "input_tokens": 11}
    with backend.provider(api="responses") as provider:
        assert provider.count_tokens("Some text", "gpt-5") == 11
        assert provider.count_tokens("Some text") == estimate_tokens("Some text")
    with backend.provider() as provider:
        assert provider.count_tokens("Some text", "gpt-5") == estimate_tokens("Some text")
    assert len(backend.asked) == 1


def test_tiktoken_counts_where_it_is_installed(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the model's vocabulary, else by the newest; without its vocabulary the count is an estimate."""

    class Encoding:
        def encode(self, text: str, disallowed_special: Any) -> list[int]:
            return [1] * 42

    def encoding_for_model(model: str) -> Encoding:
        if model == "offline":
            raise ConnectionError("no network")
        if model != "gpt-4o":
            raise KeyError(model)
        return Encoding()

    fake = types.ModuleType("tiktoken")
    fake.encoding_for_model = encoding_for_model  # type: ignore[attr-defined]  # a module made by hand
    fake.get_encoding = lambda name: Encoding()  # type: ignore[attr-defined]  # as above
    monkeypatch.setitem(sys.modules, "tiktoken", fake)
    with backend.provider() as provider:
        assert provider.count_tokens("Some text", "gpt-4o") == 42
        assert provider.count_tokens("Some text", "unknown") == 42
        assert provider.count_tokens("Some text", "offline") == estimate_tokens("Some text")


def test_what_only_openai_has_can_be_awaited(backend: Backend, tmp_path: Path) -> None:
    """Each method has its awaited half, with the same result."""
    pytest.importorskip("aiohttp", reason="the async extra of airouter-core is not installed")
    backend.answers = {
        "/v1/images/generations": {"data": [{"b64_json": PNG}]},
        "/v1/moderations": {"results": [VERDICT]},
        "/v1/embeddings": vectors,
        "/v1/models/m": {"id": "m"},
        "/v1/responses/input_tokens": {"input_tokens": 3},
    }

    async def everything() -> None:
        async with backend.provider(api="responses") as provider:
            assert len(await provider.acreate_image("a cat", model="gpt-image-2", save_to=tmp_path)) == 1
            assert (await provider.amoderate_content("words")).flagged is True
            assert len(await provider.amoderate_contents(["words"])) == 1
            assert await provider.acreate_embedding("Hello", "m", dimensions=1) == [5.0]
            assert (await provider.aget_model("m")).id == "m"
            assert await provider.acount_tokens("words", "gpt-5") == 3

    asyncio.run(everything())
    assert (tmp_path / "image-1.png").exists()


def test_an_answer_left_with_openai_can_be_fetched(backend: Backend) -> None:
    """One made in the background is asked for by its id, until it is complete."""
    answer = {"id": "resp_1", "object": "response", "model": "gpt-5", "status": "queued", "output": []}
    backend.answers["/v1/responses"] = answer
    message = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "Done"}]}
    backend.answers["/v1/responses/resp_1"] = {**answer, "status": "completed", "output": [message]}
    with backend.provider(api="responses", store=True) as provider:
        begun = provider.chat("gpt-5", "Think", provider_options={"openai": {"background": True}})
        assert begun.raw_finish_reason == "queued"
        assert "get_response()" in begun.warnings[0]
        complete = provider.get_response(begun.id)
    assert (complete.text, complete.finish_reason, complete.provider) == ("Done", "stop", "openai")


def test_chat_completions_fetches_no_document(backend: Backend) -> None:
    """It takes the content; the message names both ways out."""
    document = Message.user(FilePart.from_url("https://example.com/a.pdf"))
    with backend.provider() as provider, pytest.raises(UnsupportedFeatureError, match="responses"):
        provider.chat("gpt-4o", [document])
    assert backend.asked == []


def test_too_few_vectors_are_an_error(backend: Backend) -> None:
    """Never a list that is shorter than that of the texts."""
    backend.answers["/v1/embeddings"] = {"data": [{"index": 0, "embedding": [1.0]}]}
    with backend.provider() as provider, pytest.raises(ProtocolError, match="1 embeddings for 2 texts"):
        provider.create_embedding(["a", "b"], model="m")


def test_models_that_know_no_turns_go_on_with_a_text(backend: Backend) -> None:
    """Over the API before chat; what that lacks is refused, or left out with the reason."""
    choice = {"index": 0, "text": " time", "finish_reason": "length"}
    columns = {"tokens": [" time"], "token_logprobs": [-0.5], "top_logprobs": [{" time": -0.5}]}
    backend.answers["/v1/completions"] = {"id": "cmpl-1", "model": "m", "choices": [{**choice, "logprobs": columns}]}
    with backend.provider(api="completions") as provider:
        with pytest.warns(UserWarning, match="verbosity"):
            response = provider.chat(
                "davinci-002",
                Message("user", "Once upon a", name="ada"),
                parameters={"max_tokens": 1, "top_logprobs": 1, "verbosity": "low"},
            )
        for more in ({"tools": [{"name": "t"}]}, {"response_format": "json"}):
            with pytest.raises(UnsupportedFeatureError, match="chat model"):
                provider.chat("davinci-002", "Hi", **more)
        with pytest.raises(UnsupportedFeatureError):
            provider.chat("davinci-002", [Message.user("a"), Message.assistant("b"), Message.user("c")])
    assert (response.text, response.finish_reason) == (" time", "length")
    assert any(warning.startswith("names of messages were not sent") for warning in response.warnings)
    entry = {"token": " time", "logprob": -0.5}
    assert response.provider_metadata["openai"]["logprobs"] == [{**entry, "top_logprobs": [entry]}]
    assert backend.asked == [{"model": "davinci-002", "prompt": "Once upon a", "max_tokens": 1, "logprobs": 1}]


def test_the_class_is_what_the_declaration_names() -> None:
    """Creating imports it."""
    with create_provider("openai", {"api_key": KEY}) as provider:
        assert isinstance(provider, OpenAIProvider)


@pytest.mark.parametrize(("model", "successor"), [("gpt-4", "gpt-5.5"), ("gpt-4-0613-mine", None), ("gpt-4o", None)])
def test_a_retired_model_has_a_successor_at_the_vendor_alone(model: str, successor: str | None) -> None:
    """Another server may have a model of that name."""
    vendor = create_provider("openai", {"api_key": "sk-000000", "base_url": "https://api.openai.com/v1"})
    assert vendor.successor_of(model) == successor
    assert create_provider("openai", {"base_url": "http://127.0.0.1:1"}).successor_of(model) is None
