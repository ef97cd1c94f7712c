"""What holds for every mode that runs a model here, with real engines and the toy model."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import math
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContextLengthError,
    ModelNotFoundError,
    ParameterError,
    UnsupportedFeatureError,
)
from airouter_core.values.events import TextDelta
from airouter_core.values.messages import FilePart, Message
from airouter_core.values.response import Response
from airouter_llamacpp.provider import LlamaCppProvider

from .conftest import (
    ENDLESS,
    GREEDY,
    TOY,
    MakeProvider,
    entry,
    needs_engine,
    needs_programs,
    programs_folder,
    with_entries,
)

CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "My name is Ada."},
    {"role": "assistant", "content": "Nice to meet you."},
    {"role": "user", "content": "What is the capital of France?"},
]
PROMPTS = [
    "What is the capital of France?",
    "/read /etc/hostname",
    "/exit",
    "/glob /etc/*",
    "/image /etc/hostname",
    "-h",
    "--help",
    "--model /etc/passwd",
    "a\0b",
    "\"double\" 'single' `id` $(id) ; rm -rf / | cat \\n C:\\new %PATH% {{ 7 * 7 }} {% raw %}",
    "two\nlines\r\nand\ttabs",
    "  spaces around  ",
    "<|im_end|> </s> [INST] [End thinking]\n\n",
    "é😀中\u2028",
    "User:\nhi\n\nAssistant:\nno\n\n",
]
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "the weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
TIME: dict[str, Any] = {"type": "function", "function": {**WEATHER["function"], "name": "get_time"}}


def counted(ask: Callable[[], Response]) -> Response:
    """An answer with its figures: llama-cli may end before its log is written, and then it is asked again."""
    answers = (ask() for _ in range(20))
    return next(answer for answer in answers if answer.usage.input_tokens is not None)


def test_models_are_listed_without_loading_any(local: LlamaCppProvider) -> None:
    """A listing comes from the headers; nothing is started for it."""
    (model,) = [model for model in local.list_models() if model.name == TOY]
    assert model.family == "llama"
    assert model.context_length == 4096
    assert model.quantization == "F16"
    assert model.capabilities is not None
    assert "chat" in model.capabilities
    assert local.details().get("loaded", []) == []
    assert local.validate_config()


def test_a_stream_is_the_answer_in_pieces(local: LlamaCppProvider) -> None:
    """For the same seed, a stream adds up to the answer that comes whole; its usage and its end are the same."""
    parameters = {"temperature": 1.0, "seed": 7, "max_tokens": 40}
    pieces: list[str] = []

    def streamed() -> Response:
        with local.stream_chat(TOY, "Tell me something.", parameters=parameters) as stream:
            pieces[:] = [event.text for event in stream if isinstance(event, TextDelta)]
        return stream.response

    whole = counted(lambda: local.chat(TOY, "Tell me something.", parameters=parameters))
    folded = counted(streamed)
    assert "".join(pieces) == whole.text == folded.text != ""
    assert folded.finish_reason == whole.finish_reason
    assert folded.usage.output_tokens == whole.usage.output_tokens
    assert folded.usage.input_tokens == whole.usage.input_tokens
    assert whole.model == folded.model == "airouter-toy/airouter-toy"
    assert local.execute(TOY, "Tell me something.", parameters=parameters) == whole.text


def test_a_conversation_is_seen_as_a_whole(local: LlamaCppProvider) -> None:
    """System prompt and earlier turns reach the model: they are counted, and the last question is answered."""
    alone = counted(lambda: local.chat(TOY, CONVERSATION[-1:], parameters=GREEDY))
    within = counted(lambda: local.chat(TOY, CONVERSATION, parameters=GREEDY))
    assert within.usage.input_tokens is not None
    assert alone.usage.input_tokens is not None
    assert within.usage.input_tokens > alone.usage.input_tokens + 15
    assert alone.text == local.execute(TOY, CONVERSATION[-1]["content"], parameters=GREEDY)
    assert alone.finish_reason == "stop"


def test_an_answer_that_is_cut_says_so(local: LlamaCppProvider) -> None:
    """The limit of tokens is kept and reported; a stop word ends the answer before it."""
    cut = counted(lambda: local.chat(TOY, "Count from 2 to 9.", parameters={**GREEDY, "max_tokens": 3}))
    assert cut.finish_reason == "length"
    assert cut.usage.output_tokens == 3
    whole = local.chat(TOY, "Count from 2 to 9.", parameters=GREEDY).text
    word = whole[len(whole) // 2 :].split(" ")[0] or whole[3]
    stopped = local.chat(TOY, "Count from 2 to 9.", parameters={**GREEDY, "stop": [word]})
    assert word not in stopped.text
    assert whole.startswith(stopped.text.rstrip())


def test_a_grammar_is_followed(local: LlamaCppProvider) -> None:
    """An answer follows a GBNF grammar; so a character of several bytes comes whole, however it is cut."""
    grammar = 'root ::= "é😀中"'
    assert local.execute(TOY, "Hi", parameters={"grammar": grammar, "temperature": 0}) == "é😀中"
    assert "".join(local.stream_execute(TOY, "Hi", parameters={"grammar": grammar, "temperature": 0})) == "é😀中"


@pytest.mark.engine
@needs_engine
@needs_programs
def test_every_mode_gives_the_same_text(make: MakeProvider) -> None:
    """Greedily, with the same seed, all four modes answer alike, and count alike, whatever the prompt looks like.

    So none of them reads a prompt as a command, as an argument or as a path.
    """
    embedded, server, cli = make("embedded"), make("server"), make("cli")
    server.load_model(TOY)
    (engine,) = server._mode.pool.running()  # type: ignore[attr-defined]  # mode server has a pool
    remote = make("remote", base_url=engine.address, api_key=engine.api_key)
    for prompt in PROMPTS:
        expected = embedded.chat(TOY, prompt, parameters=GREEDY)
        for provider in (server, cli, remote):
            answer = counted(functools.partial(provider.chat, TOY, prompt, parameters=GREEDY))
            assert answer.text == expected.text, (prompt, provider.details()["mode"])
            assert answer.usage.input_tokens == expected.usage.input_tokens, (prompt, provider.details()["mode"])
    assert [model.id for model in remote.list_models()] == ["airouter-toy/airouter-toy"]
    wrong = make("remote", base_url=engine.address, api_key="wrong-key")
    with pytest.raises(AuthenticationError, match="API key"):
        wrong.list_models()


def test_tokens_are_counted_exactly(local: LlamaCppProvider) -> None:
    """What the template makes of a message has as many tokens as the usage of the call says, without the first.

    That one is put before every prompt by the vocabulary, and belongs to no text.
    """
    rendered = "<|im_start|>user\nWhat is 2 + 3?<|im_end|>\n<|im_start|>assistant\n"
    usage = counted(lambda: local.chat(TOY, "What is 2 + 3?", parameters=GREEDY)).usage
    assert usage.input_tokens is not None
    assert local.count_tokens(rendered, model=TOY) == usage.input_tokens - 1
    assert local.count_tokens("", model=TOY) == 0


def test_a_prompt_that_is_too_long_is_an_error(local: LlamaCppProvider) -> None:
    """One beyond the context is refused with what to do; so is one of a megabyte, which fits on no command line."""
    for prompt in ("word " * 400, "x" * 1_000_000):
        with pytest.raises(ContextLengthError, match=r"exceeds the available context size.*shorten the prompt"):
            local.execute(TOY, prompt, parameters={"context": 256})
        with pytest.raises(ContextLengthError):
            list(local.stream_execute(TOY, prompt, parameters={"context": 256}))


def test_the_context_is_a_parameter(local: LlamaCppProvider) -> None:
    """A call chooses its context, and the receipt says so."""
    response = local.chat(TOY, "Hi", parameters={"ctx_size": 512, "max_tokens": 3})
    assert response.parameters[0].outcome == "sent"
    assert response.warnings == ()


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("nothing-like-it", ModelNotFoundError, "there are: 'airouter-toy/airouter-toy'"),
        ("airouter-tox", ModelNotFoundError, "did you mean 'airouter-toy/airouter-toy'"),
        ("../../etc/passwd", ModelNotFoundError, "is not in models_dir"),
        ("/etc/passwd", ModelNotFoundError, "is not in models_dir"),
        ("a\0b", ModelNotFoundError, "is no name of a model"),
        ("", ParameterError, "must be the name of a model"),
    ],
)
def test_a_model_that_is_not_there(local: LlamaCppProvider, name: str, error: type[Exception], says: str) -> None:
    """A name that means no model in the folder is refused before anything is started, with what there is."""
    with pytest.raises(error, match=says):
        local.execute(name, "Hi")


def test_wrong_parameters_are_named(local: LlamaCppProvider) -> None:
    """An unknown parameter, a wrong type and a value out of range are errors before anything is started."""
    for parameters, says in (
        ({"temprature": 1}, "did you mean"),
        ({"temperature": "hot"}, "must be a number"),
        ({"top_p": 2}, "at most 1"),
        ({"seed": -2}, "at least -1"),
        ({"context": 1}, "at least 2"),
    ):
        with pytest.raises(ParameterError, match=says):
            local.execute(TOY, "Hi", parameters=parameters)
    assert local.details().get("loaded", []) == []


def test_a_closed_provider_says_so(local: LlamaCppProvider) -> None:
    """After close() a call is an error that says what to do."""
    local.close()
    with pytest.raises(ConfigurationError, match="was closed; create another one"):
        local.execute(TOY, "Hi")


def test_a_stream_left_early_frees_the_engine(local: LlamaCppProvider) -> None:
    """Whoever stops reading gets the engine back for the next call at once."""
    local.execute(TOY, "Hi", parameters={**GREEDY, "context": 4096})
    options = ENDLESS if local.details()["mode"] != "cli" else None
    parameters = {"max_tokens": 3000, "context": 4096, "temperature": 1}

    def leaves_at_once() -> bool:
        started = time.monotonic()
        part = local.chat(TOY, "Count.", parameters={**parameters, "max_tokens": 500}, provider_options=options)
        assert part.text
        with local.stream_chat(TOY, "Count.", parameters=parameters, provider_options=options) as stream:
            next(event for event in stream if isinstance(event, TextDelta))
            left = time.monotonic()
        assert local.execute(TOY, "Hi", parameters={**GREEDY, "context": 4096})
        # The rest of the answer would take six times as long as a part of it, however slow the machine is.
        return time.monotonic() - left < 3 * (left - started)

    assert any(leaves_at_once() for _ in range(3))  # a machine with other things to do may stop in the middle


def test_sixteen_threads_share_a_provider(local: LlamaCppProvider) -> None:
    """Many threads ask at once, and each gets the answer to its own question."""
    questions = [f"What is {a} + {b}?" for a in (2, 3) for b in (4, 5)]
    expected = {question: local.execute(TOY, question, parameters=GREEDY) for question in questions}
    rounds = 2 if local.details()["mode"] == "cli" else 20
    asked = questions * rounds
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda question: local.execute(TOY, question, parameters=GREEDY), asked))
    assert answers == [expected[question] for question in asked]


def test_everything_can_be_awaited(local: LlamaCppProvider) -> None:
    """The awaited half gives the same answers, several at once."""
    pytest.importorskip("aiohttp")
    expected = local.execute(TOY, "What is 2 + 3?", parameters=GREEDY)

    async def ask() -> None:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(local.aclose)
            answers = await asyncio.gather(
                *(local.achat(TOY, "What is 2 + 3?", parameters=GREEDY) for _ in range(3)),
            )
            assert [answer.text for answer in answers] == [expected] * 3
            async with local.astream_chat(TOY, "What is 2 + 3?", parameters=GREEDY) as stream:
                pieces = [event.text async for event in stream if isinstance(event, TextDelta)]
            assert "".join(pieces) == expected
            assert await local.acount_tokens("Hi", model=TOY) > 0
            assert await local.avalidate_config()

    asyncio.run(ask())


def test_a_picture_for_a_model_without_eyes(pooled: LlamaCppProvider) -> None:
    """The engine calls it a failure of its own; it is not tried again, and says what is missing."""
    picture = FilePart("image/png", data=PICTURE)
    with pytest.raises(BadRequestError, match=r"takes text only; with an mmproj file.*it takes more$") as caught:
        pooled.chat(TOY, [Message.user(picture, "What is this?")])
    assert not caught.value.retryable


def test_vectors_come_in_order(pooled: LlamaCppProvider) -> None:
    """A text has a vector of length one, a list of texts a list of them, in its order."""
    one = pooled.create_embedding("a cat", TOY)
    both = pooled.create_embedding(["a cat", "a house"], TOY)
    assert math.isclose(math.hypot(*one), 1, abs_tol=1e-3)
    assert len(both) == 2
    assert both[0] == pytest.approx(one, abs=1e-3)
    assert both[1] != pytest.approx(one, abs=1e-3)
    with pytest.raises(UnsupportedFeatureError, match="pass model="):
        pooled.create_embedding("a cat")


def test_an_answer_can_be_held_to_a_schema(pooled: LlamaCppProvider) -> None:
    """With a JSON Schema the answer is JSON that it accepts, parsed."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    response = pooled.chat(TOY, "A number", response_format=schema, parameters={"max_tokens": 60, "seed": 1})
    assert set(response.parsed) == {"n"}
    assert isinstance(response.parsed["n"], int)


def test_a_tool_can_be_required(pooled: LlamaCppProvider) -> None:
    """A named tool is the one that is called; how it was said to the server is told."""
    parameters = {"max_tokens": 200, "temperature": 0, "context": 2048}
    question = "What is the weather in Paris?"
    named = pooled.chat(
        TOY,
        question,
        tools=[WEATHER, TIME],
        tool_choice={"type": "function", "function": {"name": "get_time"}},
        parameters=parameters,
    )
    assert [call.name for call in named.tool_calls] == ["get_time"]
    assert named.finish_reason == "tool_calls"
    assert "'get_time' was sent as the only tool" in named.warnings[0]
    required = pooled.chat(TOY, question, tools=[WEATHER], tool_choice="required", parameters=parameters)
    assert [call.name for call in required.tool_calls] == ["get_weather"]
    assert required.warnings == ()


@pytest.mark.engine
@needs_programs
def test_mode_cli_says_what_it_lacks(make: MakeProvider) -> None:
    """What llama-cli cannot do is refused before it is run, or left out with the reason."""
    cli = make("cli")
    for more in ({"tools": [WEATHER]}, {"response_format": "json"}):
        with pytest.raises(UnsupportedFeatureError, match="use mode server or embedded"):
            cli.chat(TOY, "Hi", **more)  # type: ignore[arg-type]  # one of two arguments
    with pytest.raises(UnsupportedFeatureError, match="use mode server or embedded"):
        cli.create_embedding("Hi", TOY)
    with pytest.warns(UserWarning, match="logprobs"):
        response = cli.chat(TOY, "Hi", parameters={**GREEDY, "logprobs": True})
    assert "llama-cli cannot do it" in response.warnings[0]


@pytest.mark.engine
@needs_programs
def test_flags_are_passed_on(make: MakeProvider) -> None:
    """Flags in the configuration and in a call reach the program; one that it does not know is named."""
    for mode in ("server", "cli"):
        provider = make(mode, special_flags=["--no-warmup"])
        assert provider.execute(TOY, "Hi", parameters={**GREEDY, "special_flags": ["--jinja", "--poll", "0"]})
        for flags, says in (
            (["--jinjaa"], "has no flag '--jinjaa'; did you mean --jinja?"),
            (["--poll=0"], "write it as two words"),
            (["--model", "/etc/passwd"], "--model is set by model="),
        ):
            with pytest.raises(ParameterError, match=says):
                provider.execute(TOY, "Hi", parameters={"special_flags": flags})
    with pytest.raises(ConfigurationError, match="did you mean --jinja"):
        make("server", special_flags=["--jinjaa"]).execute(TOY, "Hi")


@pytest.mark.engine
@needs_engine
def test_flags_need_a_program(make: MakeProvider) -> None:
    """The embedded engine takes no flags: those of a call are reported as left out, and so are the configured ones."""
    provider = make("embedded", special_flags=["--jinja"])
    with pytest.warns(UserWarning, match="special_flags"):
        response = provider.chat(TOY, "Hi", parameters={**GREEDY, "special_flags": ["--jinja"]})
    assert len(response.warnings) == 2


@pytest.mark.parametrize("mode", ["embedded", "server", "cli"])
def test_a_folder_is_needed(mode: str) -> None:
    """Without models_dir, or with one that is not there, the message says what to set."""
    with create_provider("llama-cpp", {"mode": mode}) as provider:
        with pytest.raises(ConfigurationError, match="AIROUTER_MODELS_DIR"):
            provider.list_models()
        with pytest.raises(ConfigurationError, match="AIROUTER_MODELS_DIR"):
            provider.execute("any", "Hi")
    with (
        create_provider("llama-cpp", {"mode": mode, "models_dir": "/no/such/folder"}) as provider,
        pytest.raises(ConfigurationError, match=r"/no/such/folder.*cannot be read"),
    ):
        provider.execute("any", "Hi")


@pytest.mark.engine
@needs_programs
@needs_engine
@pytest.mark.parametrize("mode", ["embedded", "server", "cli"])
def test_settings_reach_the_engine(make: MakeProvider, mode: str) -> None:
    """All typed settings that a machine without a GPU can take are accepted by the real engine."""
    provider = make(
        mode,
        default_threads=1,
        batch_threads=1,
        default_gpu_layers=999,
        split_mode="none",
        main_gpu=0 if mode != "embedded" else None,
        flash_attention="on",
        cache_type_k="q8_0",
        cache_type_v="q8_0",
        default_context=512,
        batch_size=256,
        micro_batch_size=128,
        load_mode="mmap",
    )
    assert provider.execute(TOY, "What is the capital of France?", parameters=GREEDY)


def test_a_context_beyond_the_models_own_is_told(pooled: LlamaCppProvider) -> None:
    """It is used as it was asked for, and the response says what becomes of it."""
    response = pooled.chat(TOY, "Hi", parameters={**GREEDY, "context": 5000})
    assert response.text
    assert any("trained on 4,096 tokens" in warning for warning in response.warnings)
    assert not pooled.chat(TOY, "Hi", parameters={**GREEDY, "context": 4096}).warnings


def test_a_seed_of_minus_one_is_a_random_one(local: LlamaCppProvider) -> None:
    """As everywhere in llama.cpp."""
    assert local.execute(TOY, "Hi", parameters={"seed": -1, "max_tokens": 3})


def test_a_name_with_a_comma_is_one_name(make: MakeProvider, models: Path, tmp_path: Path) -> None:
    """Though llama-server would take it for two."""
    shutil.copy(models / TOY / f"{TOY}.gguf", tmp_path / "one, two.gguf")
    for mode in ("embedded", *(("server",) if programs_folder() else ())):
        with make(mode, models_dir=tmp_path).stream_chat("one, two", "Hi", parameters=GREEDY) as stream:
            assert "".join(event.text for event in stream if isinstance(event, TextDelta))
        assert stream.response.model == "one, two"


@pytest.mark.engine
@needs_engine
def test_without_a_folder_a_model_is_named_by_its_path(make: MakeProvider, models: Path) -> None:
    """So that a file can be tried before anything is set up; what lies beside it is not."""
    provider = make("embedded", models_dir=None)
    path = models / TOY / f"{TOY}.gguf"
    for name in (str(path), os.path.relpath(path)):
        assert provider.chat(name, "Hi", parameters=GREEDY).model == TOY
    with pytest.raises(ConfigurationError, match="the path of its file"):
        provider.execute(TOY, "Hi")
    with pytest.raises(ModelNotFoundError, match="there is no file"):
        provider.execute("./nowhere/at-all.gguf", "Hi")


def test_a_projector_that_is_none_is_named(pooled: LlamaCppProvider, make: MakeProvider) -> None:
    """Before the engine is started with it."""
    provider = make(pooled.details()["mode"], mmproj=f"{TOY}/{TOY}.gguf")
    with pytest.raises(ConfigurationError, match="is no projector, but of the kind 'model'"):
        provider.execute(TOY, "Hi")


def test_each_of_several_answers_has_the_whole_context(make: MakeProvider, pooled: LlamaCppProvider) -> None:
    """parallel shares the engine and not the context."""
    provider = make(pooled.details()["mode"], parallel=2, default_context=1024)
    prompt = "The capital of France is Paris. " * 80
    assert 600 < provider.count_tokens(prompt, TOY) < 1000
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda _: provider.chat(TOY, prompt, parameters={**GREEDY, "max_tokens": 4}), range(2))
        assert [answer.finish_reason for answer in answers] == ["length", "length"]


def test_documents_are_ranked_by_a_model_that_was_made_for_it(
    make: MakeProvider, pooled: LlamaCppProvider, models: Path, tmp_path: Path
) -> None:
    """By the engine's own endpoint; another model is refused before it is started. The scores of a toy mean nothing."""
    toy = (models / TOY / f"{TOY}.gguf").read_bytes()
    (tmp_path / "ranker.gguf").write_bytes(with_entries(toy, entry("llama.pooling_type", 4)))
    provider = make(pooled.details()["mode"], models_dir=tmp_path)
    assert provider.list_models()[0].capabilities == ("rerank",)
    ranked = provider.rerank("What is the capital of France?", ["Paris.", "A cat.", "Rome."], "ranker")
    assert sorted(document.index for document in ranked) == [0, 1, 2]
    assert [document.score for document in ranked] == sorted((one.score for one in ranked), reverse=True)
    assert (
        provider.rerank("What?", ["Paris.", "A cat."], "ranker", limit=1)
        == provider.rerank("What?", ["Paris.", "A cat."], "ranker")[:1]
    )
    with pytest.raises(UnsupportedFeatureError, match="was not made to rank"):
        pooled.rerank("What?", ["Paris."], TOY)
