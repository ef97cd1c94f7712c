"""Real clients in front of ``airouter serve``, which runs the toy model in llama.cpp: as users have it."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airouter_gateway.keys import KeyFile

if TYPE_CHECKING:
    from .conftest import Serve

ROOT = Path(__file__).parents[3]
MODEL = "llama-cpp/airouter-toy"
LISTED = {"llama-cpp/airouter-toy/airouter-toy", "toy"}
QUESTION = [{"role": "user", "content": "What is airouter?"}]
ANSWER = "Python library"
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

needs_engine = pytest.mark.skipif(
    not (ROOT / "models" / "airouter-toy").exists(), reason="needs the toy model that lies in models/"
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, started: Any) -> Iterator[str]:
    """A server of the toy model."""
    pytest.importorskip("airouter_llamacpp")
    pytest.importorskip("xllamacpp", reason="needs the embedded engine: airouter-llamacpp[embedded]")
    folder = tmp_path_factory.mktemp("serve")
    settings = folder / "airouter.toml"
    settings.write_text(
        f'[llama-cpp]\nmode = "embedded"\nmodels_dir = "{ROOT / "models"}"\n\n[gateway.models]\ntoy = "{MODEL}"\n'
    )
    program = started(folder, "--config", str(settings), "--port", "0")
    try:
        yield program.url()
    finally:
        program.end()


@needs_engine
def test_openai_s_client(url: str) -> None:
    """Chat whole, streamed and with a tool; Responses in the helper that checks every event; models; an error."""
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        whole = client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0)
        assert ANSWER in whole.choices[0].message.content
        assert whole.usage.prompt_tokens > 0
        chunks = list(
            client.chat.completions.create(
                model="toy", messages=QUESTION, temperature=0, stream=True, stream_options={"include_usage": True}
            )
        )
        assert ANSWER in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert chunks[-1].usage.completion_tokens > 0
        response = client.responses.create(model=MODEL, input="What is airouter?", temperature=0)
        assert ANSWER in response.output_text
        with client.responses.stream(model=MODEL, input="What is airouter?", temperature=0) as stream:
            kinds = [event.type for event in stream]
            final = stream.get_final_response()
        assert kinds[0] == "response.created"
        assert kinds[-1] == "response.completed"
        assert ANSWER in final.output_text
        assert {model.id for model in client.models.list()} >= LISTED
        with pytest.raises(openai.NotFoundError) as unknown:
            client.chat.completions.create(model="nobody/none", messages=QUESTION)
        assert unknown.value.code == "model_not_found"
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=-1)


@needs_engine
def test_openai_s_client_calls_a_tool(url: str) -> None:
    """The call comes back whole, and its result leads to an answer."""
    openai = pytest.importorskip("openai")
    function = {"name": "get_weather", "description": "The weather of a city.", "parameters": WEATHER}
    asked = [{"role": "user", "content": "What is the weather in Paris?"}]
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        tools: list[Any] = [{"type": "function", "function": function}]
        first = client.chat.completions.create(
            model=MODEL, messages=asked, tools=tools, tool_choice="required", temperature=0
        )
        (call,) = first.choices[0].message.tool_calls
        assert (call.function.name, first.choices[0].finish_reason) == ("get_weather", "tool_calls")
        result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
        second = client.chat.completions.create(
            model=MODEL, messages=[*asked, first.choices[0].message, result], tools=tools, temperature=0
        )
        assert second.choices[0].message.content


@needs_engine
def test_anthropic_s_client(url: str) -> None:
    """Messages whole and streamed, a tool and its result, a count, models, an error."""
    anthropic = pytest.importorskip("anthropic")
    with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as client:
        whole = client.messages.create(model=MODEL, max_tokens=60, messages=QUESTION)
        assert whole.content[0].text
        assert whole.usage.input_tokens > 0
        with client.messages.stream(model=MODEL, max_tokens=60, messages=QUESTION) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        assert text == final.content[0].text
        assert final.stop_reason in ("end_turn", "max_tokens")
        tools: list[Any] = [{"name": "get_weather", "description": "The weather of a city.", "input_schema": WEATHER}]
        asked: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
        first = client.messages.create(
            model=MODEL, max_tokens=80, messages=asked, tools=tools, tool_choice={"type": "any"}
        )
        (use,) = [block for block in first.content if block.type == "tool_use"]
        assert (use.name, first.stop_reason) == ("get_weather", "tool_use")
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}]}
        answered = [*asked, {"role": "assistant", "content": first.content}, result]
        second = client.messages.create(model=MODEL, max_tokens=80, messages=answered, tools=tools)
        assert second.content
        assert client.messages.count_tokens(model=MODEL, messages=QUESTION).input_tokens > 0
        assert {model.id for model in client.models.list(limit=100)} >= LISTED
        with pytest.raises(anthropic.NotFoundError):
            client.messages.create(model="nobody/none", max_tokens=5, messages=QUESTION)


@needs_engine
def test_ollama_s_client(url: str) -> None:
    """Chat whole and streamed, generate, the lists, an error."""
    ollama = pytest.importorskip("ollama")
    with ollama.Client(host=url) as client:
        options = {"temperature": 0}
        assert ANSWER in client.chat(model=MODEL, messages=QUESTION, options=options).message.content
        parts = list(client.chat(model=MODEL, messages=QUESTION, options=options, stream=True))
        assert ANSWER in "".join(part.message.content for part in parts)
        assert parts[-1].done
        assert parts[-1].eval_count > 0
        assert ANSWER in client.generate(model=MODEL, prompt="What is airouter?", options=options).response
        assert {model.model for model in client.list().models} >= LISTED
        assert "completion" in client.show(MODEL).capabilities
        assert not client.ps().models
        with pytest.raises(ollama.ResponseError) as unknown:
            client.chat(model="nobody/none", messages=QUESTION)
        assert unknown.value.status_code == 404
        with pytest.raises(ollama.ResponseError, match="off"):
            client.pull("x")


@needs_engine
def test_an_answer_in_a_form_that_was_asked_for(url: str) -> None:
    """A schema binds the model in each dialect that has a place for one."""
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    forms: list[tuple[str, dict[str, Any]]] = [
        ("/api/chat", {"messages": QUESTION, "format": schema, "stream": False}),
        (
            "/v1/messages",
            {
                "messages": QUESTION,
                "max_tokens": 100,
                "output_config": {"format": {"type": "json_schema", "schema": schema}},
            },
        ),
    ]
    for path, body in forms:
        answer = requests.post(url + path, json={**body, "model": MODEL}, timeout=120).json()
        text = answer["message"]["content"] if path == "/api/chat" else answer["content"][0]["text"]
        assert text.lstrip().startswith('{"name"') or text.lstrip().startswith('{ "name"'), text


def test_routes_and_budgets_stand_behind_every_dialect(serve: Serve, tmp_path: Path, started: Any) -> None:
    """A route goes on where its first target is down; a budget that covers a key refuses its calls, and no others."""
    pytest.importorskip("airouter_router")
    pytest.importorskip("airouter_ledger")
    upstream = serve().upstream
    settings = tmp_path / "airouter.toml"
    settings.write_text(
        '[ollama]\nbase_url = "http://127.0.0.1:9"\nmax_retries = 0\n\n'
        f'[up]\nprovider = "openai"\napi_key = "sk-planted"\nbase_url = "{upstream.url}/v1"\n\n'
        '[routes.careful]\ntargets = ["ollama/none", "up/m"]\n\n'
        f'[ledger]\npath = "{tmp_path / "ledger.db"}"\n\n'
        '[prices]\n"openai/m" = { input = 1000000, output = 1000000 }\n\n'
        '[budgets.poor]\namount = 0.01\nperiod = "day"\nkeys = ["poor"]\n\n'
        f'[gateway]\nkeys = "{tmp_path / "made.json"}"\n'
    )
    keys = KeyFile(str(tmp_path / "made.json"))
    rich, poor = keys.create("rich")[0], keys.create("poor")[0]
    program = started(tmp_path, "--config", str(settings), "--port", "0")
    try:
        url = program.url()
        for path in ("/v1/chat/completions", "/v1/messages"):
            body = {"model": "route:careful", "messages": QUESTION, "max_tokens": 40}
            answer = requests.post(url + path, json=body, headers={"x-api-key": rich}, timeout=120)
            assert answer.status_code == 200, answer.text
            assert "hello" in answer.text
            asked = len(upstream.requests)
            refused = requests.post(
                url + path, json={**body, "model": "up/m"}, headers={"x-api-key": poor}, timeout=120
            )
            assert refused.status_code == 429, refused.text
            assert refused.headers["x-should-retry"] == "false"
            assert "budget" in refused.text
            assert len(upstream.requests) == asked
    finally:
        assert program.end() == 0, program.text


def test_the_program_reads_its_settings_again_and_ends_in_good_order(tmp_path: Path, started: Any) -> None:
    """SIGHUP serves what the file says now, a broken file changes nothing; SIGTERM ends it with 0."""
    settings = tmp_path / "airouter.toml"
    table = '[ollama]\nbase_url = "http://127.0.0.1:9"\nmax_retries = 0\n'
    settings.write_text(table)
    program = started(tmp_path, "--config", str(settings), "--port", "0")
    try:
        url = program.url()
        settings.write_text(f'{table}[gateway.models]\nfresh = "ollama/x"\n')
        program.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "read again" in program.text)
        listed = requests.get(f"{url}/v1/models", timeout=120).json()["data"]
        assert [model["id"] for model in listed] == ["fresh"]
        settings.write_text("[gateway\n")
        program.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "the old ones stay" in program.text)
        assert requests.get(f"{url}/health/ready", timeout=120).status_code == 200
    finally:
        code = program.end()
    assert code == 0, program.text
    assert "Traceback" not in program.text


def test_the_program_says_why_it_does_not_start(tmp_path: Path, started: Any) -> None:
    """A port that is taken, an address beyond loopback without keys, a wrong setting: an error, and no server."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        program = started(tmp_path, "--port", port)
        assert program.process.wait(120) == 2
        assert "take another with --port" in program.text
    program = started(tmp_path, "--host", "0.0.0.0", "--port", "0")
    assert program.process.wait(120) == 2
    assert "airouter gateway create NAME" in program.text
    settings = tmp_path / "wrong.toml"
    settings.write_text("[gateway]\nlargest = 1\n")
    program = started(tmp_path, "--config", str(settings), "--port", "0")
    assert program.process.wait(120) == 2
    assert "unknown setting 'largest'" in program.text


def wait_for(true: Any, seconds: float = 120) -> None:
    """Until something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
