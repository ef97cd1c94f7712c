"""What is no chat: pictures, judgements, counts, the API before chat; as OpenAI's and Anthropic's clients ask it."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from airouter_core.testing.server import Answer, Behaviour, Connection, LoopbackServer, ReceivedRequest
from airouter_gateway.keys import KeyFile

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
ServeFile = Callable[[str], str]


@contextlib.contextmanager
def upstream(behaviour: Behaviour, provider: str = "openai", more: str = "") -> Iterator[tuple[LoopbackServer, str]]:
    """A server of a vendor, and the table of settings that names it ``up``."""
    pytest.importorskip(f"airouter_{provider}", reason=f"the upstream is asked by airouter-{provider}")
    with LoopbackServer(behaviour) as server:
        base = f"{server.url}/v1" if provider == "openai" else server.url
        yield server, f'[up]\nprovider = "{provider}"\napi_key = "none"\nbase_url = "{base}"\nmax_retries = 0\n{more}'


def answering(body: Any) -> Behaviour:
    """Answers everything so."""

    def behave(request: ReceivedRequest, connection: Connection) -> None:
        connection.answer(Answer.of_json(body))

    return behave


def ask(url: str, path: str, body: Any) -> requests.Response:
    """Ask, as some client would."""
    return requests.post(url + path, json=body, timeout=120)


def test_pictures_are_made_by_whoever_can(serve_file: ServeFile) -> None:
    """Fields go on, unknown ones too; the answer has bytes, or an address where one is asked for."""
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    with upstream(answering({"data": [{"b64_json": picture}]})) as (server, settings):
        url = serve_file(settings)
        body = {"model": "up/gpt-image-x", "prompt": "a cat", "size": "1024x1024", "n": 1, "moderation": "low"}
        answer = ask(url, "/v1/images/generations", body)
        assert answer.json()["data"] == [{"b64_json": picture}], answer.text
        sent = server.requests[-1].json
        assert (sent["prompt"], sent["size"], sent["moderation"], sent["model"]) == (
            "a cat",
            "1024x1024",
            "low",
            "gpt-image-x",
        )
        answer = ask(url, "/v1/images/generations", {**body, "response_format": "url"})
        assert answer.json()["data"][0]["url"].startswith("data:image/png;base64,")
        for wrong in (
            {"prompt": ""},
            {"n": "two"},
            {"n": 99},
            {"size": 3},
            {"response_format": "png"},
            {"stream": True},
        ):
            assert ask(url, "/v1/images/generations", {**body, **wrong}).status_code == 400, wrong
        assert len(server.requests) == 2


def test_texts_are_judged_by_whoever_can(serve_file: ServeFile) -> None:
    """One, several, or text with a picture; a provider that judges nothing says so."""
    judged = {"flagged": True, "categories": {"violence": True}, "category_scores": {"violence": 0.9}}
    judged["category_applied_input_types"] = {"violence": ["text"]}

    def behave(request: ReceivedRequest, connection: Connection) -> None:
        several = request.json["input"] if isinstance(request.json["input"], list) else [""]
        count = len(several) if isinstance(several[0], str) else 1
        connection.answer(Answer.of_json({"id": "m", "model": "omni", "results": [judged] * count}))

    with upstream(behave) as (_, settings):
        url = serve_file(f'{settings}[other]\nprovider = "llama-cpp"\n')
        for said, count in (("hit", 1), (["a", "b"], 2), ([{"type": "text", "text": "x"}], 1)):
            answer = ask(url, "/v1/moderations", {"model": "up/omni", "input": said}).json()
            assert [result["categories"] for result in answer["results"]] == [{"violence": True}] * count
            assert answer["results"][0]["category_scores"] == {"violence": 0.9}
        for wrong in ("", [], [""], [1], None, {"a": 1}):
            assert ask(url, "/v1/moderations", {"model": "up/omni", "input": wrong}).status_code == 400, wrong
        lacking = ask(url, "/v1/moderations", {"model": "other/m", "input": "hit"})
        assert lacking.status_code == 400
        assert "moderate_content" in lacking.json()["error"]["message"]


def test_a_text_is_gone_on_with(serve_file: ServeFile) -> None:
    """The API before chat: whole and streamed, from a model of turns too; a suffix goes only to those who know one."""

    def behave(request: ReceivedRequest, connection: Connection) -> None:
        before_chat = request.path.endswith("/v1/completions")
        said = {"text": "lo"} if before_chat else {"message": {"role": "assistant", "content": "lo"}}
        if request.json.get("stream"):
            delta = {"text": "lo"} if before_chat else {"delta": {"content": "lo"}}
            choice = {"index": 0, **delta, "finish_reason": "stop"}
            connection.send(HEAD + b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\ndata: [DONE]\n\n")
            connection.close()
        else:
            connection.answer(Answer.of_json({"choices": [{"index": 0, **said, "finish_reason": "stop"}]}))

    with upstream(behave) as (server, settings):
        url = serve_file(settings + settings.replace("[up]", "[old]") + 'api = "completions"\n')
        for model in ("up/m", "old/m"):
            body = {"model": model, "prompt": ["hel"], "max_tokens": 5, "echo": False}
            whole = ask(url, "/v1/completions", body).json()
            assert (whole["object"], whole["choices"][0]["text"]) == ("text_completion", "lo")
            stream = ask(url, "/v1/completions", {**body, "stream": True}).text
            assert '"text":"lo"' in stream
            assert stream.endswith("data: [DONE]\n\n")
        assert server.requests[-1].json["prompt"] == "hel"
        assert ask(url, "/v1/completions", {**body, "suffix": "world"}).status_code == 200
        assert server.requests[-1].json["suffix"] == "world"
        count = len(server.requests)
        assert ask(url, "/v1/completions", {**body, "model": "up/m", "suffix": "world"}).status_code == 400
        for wrong in ("", [], ["a", "b"], [1, 2], 5, None):
            assert ask(url, "/v1/completions", {**body, "prompt": wrong}).status_code == 400, wrong
        assert len(server.requests) == count


def test_whoever_can_count_counts_all_of_a_question(serve_file: ServeFile) -> None:
    """System and tools count too: the vendor is asked, where it has an endpoint for that."""
    question = {
        "model": "up/claude-x",
        "system": "be brief",
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": "f", "description": "long " * 200, "input_schema": {"type": "object"}}],
    }
    with upstream(answering({"input_tokens": 77}), "claude") as (server, settings):
        url = serve_file(f'{settings}[here]\nprovider = "llama-cpp"\nmodels_dir = "/nowhere"\n')
        counted = ask(url, "/v1/messages/count_tokens", question)
        assert counted.json() == {"input_tokens": 77}, counted.text
        assert {"system", "tools", "messages"} <= server.requests[-1].json.keys()


BATCH = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "ended",
    "created_at": "2026-11-01T00:00:00Z",
}
COUNTS = {"processing": 0, "succeeded": 1, "errored": 1, "canceled": 0, "expired": 0}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 1},
}
LINES = (
    {"custom_id": "a", "result": {"type": "succeeded", "message": MESSAGE}},
    {
        "custom_id": "b",
        "result": {"type": "errored", "error": {"error": {"type": "invalid_request_error", "message": "no"}}},
    },
)


def batches(request: ReceivedRequest, connection: Connection) -> None:
    """A vendor with one batch."""
    batch = {**BATCH, "request_counts": COUNTS, "results_url": "https://vendor.example/secret"}
    if request.path.endswith("/results"):
        body = b"".join(json.dumps(line).encode() + b"\n" for line in LINES)
        connection.answer(Answer(pieces=(body,), headers={"content-type": "application/x-jsonl"}))
    elif request.method == "GET" and request.path.partition("?")[0].endswith("/batches"):
        connection.answer(Answer.of_json({"data": [batch], "has_more": False}))
    else:
        connection.answer(Answer.of_json(batch))


def test_batches_go_to_a_provider_that_takes_them(serve_file: ServeFile) -> None:
    """Handed in, asked for, read and stopped by the vendor's own client, which sees no address but ours."""
    anthropic = pytest.importorskip("anthropic")
    params = {"model": "up/claude-x", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    with upstream(batches, "claude") as (server, settings):
        url = serve_file(settings)
        with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as client:
            made = client.messages.batches.create(
                requests=[{"custom_id": name, "params": params} for name in ("a", "b")]
            )
            assert made.results_url.startswith("/v1/")
            assert server.requests[-1].json["requests"][0]["params"]["model"] == "claude-x"
            assert client.messages.batches.retrieve(made.id).request_counts.succeeded == 1
            results = {result.custom_id: result.result for result in client.messages.batches.results(made.id)}
            assert results["a"].message.content[0].text == "hello"
            assert results["b"].error.error.type == "invalid_request_error"
            assert client.messages.batches.cancel(made.id).id == made.id
            assert [batch.id for batch in client.messages.batches.list()] == [made.id]
        several = {"requests": [{"custom_id": "a", "params": {**params, "model": "llama-cpp/x"}}]}
        assert ask(url, "/v1/messages/batches", several).status_code in (400, 404)
        for wrong in ([], [{}], [{"custom_id": "a"}], [{"custom_id": "a", "params": {**params, "messages": []}}], "x"):
            assert ask(url, "/v1/messages/batches", {"requests": wrong}).status_code == 400, wrong


def test_nobody_reads_another_s_batch(serve_file: ServeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Advisory 14: the vendor sees one account, and still an id is of use to its owner alone."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    keys = KeyFile()
    (mine, _), (theirs, _) = keys.create("mine"), keys.create("theirs")
    params = {"model": "up/claude-x", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    with upstream(batches, "claude") as (server, settings):
        url = serve_file(settings)
        path = f"{url}/v1/messages/batches"
        body = {"requests": [{"custom_id": "a", "params": params}]}
        made = requests.post(path, json=body, headers={"x-api-key": mine}, timeout=120).json()
        assert requests.get(f"{path}/{made['id']}", headers={"x-api-key": mine}, timeout=120).status_code == 200
        count = len(server.requests)
        for identity in (made["id"], "msgbatch_1", "msgbatch_1.up.", f"{made['id']}0"):
            for what in ("", "/results"):
                answer = requests.get(f"{path}/{identity}{what}", headers={"x-api-key": theirs}, timeout=120)
                assert answer.status_code == 404
        assert requests.get(path, headers={"x-api-key": theirs}, timeout=120).status_code == 403
        assert len(server.requests) == count


def engine(request: ReceivedRequest, connection: Connection) -> None:
    """An Ollama with one model."""
    path = request.path
    details = {"family": "llama", "parameter_size": "1B", "quantization_level": "Q4_0"}
    model = {"name": "toy:latest", "model": "toy:latest", "size": 5, "digest": "d", "details": details}
    if path == "/api/pull":
        lines = [{"status": "pulling d", "digest": "d", "total": 2, "completed": 1}, {"status": "success"}]
        body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        connection.answer(Answer(pieces=(body,), headers={"content-type": "application/x-ndjson"}))
    elif path == "/api/show":
        info = {"general.architecture": "llama", "llama.context_length": 4096}
        connection.answer(Answer.of_json({"template": "{{ .Prompt }}", "details": details, "model_info": info}))
    elif path == "/api/version":
        connection.answer(Answer.of_json({"version": "0.33.0"}))
    else:
        connection.answer(Answer.of_json({"models": [model]}))


def test_ollama_s_models_are_shown_as_the_engine_has_them(serve_file: ServeFile) -> None:
    """Its template and context, and what is in memory, by the addresses that they have here."""
    ollama = pytest.importorskip("ollama")
    with upstream(engine, "ollama") as (_, settings):
        url = serve_file(settings.replace('api_key = "none"\n', ""))
        with ollama.Client(host=url) as client:
            shown = client.show("up/toy")
            assert shown.template == "{{ .Prompt }}"
            assert shown.modelinfo["llama.context_length"] == 4096
            assert [model.model for model in client.ps().models] == ["up/toy:latest"]


def test_a_model_leaves_the_engine_s_memory_when_a_client_says_so(serve_file: ServeFile) -> None:
    """As ``ollama stop`` and Open WebUI say it, which were told that it is done; nothing but that is asked."""
    loaded = [True]

    def behave(request: ReceivedRequest, connection: Connection) -> None:
        if request.path == "/api/chat":
            loaded.clear()
            connection.answer(Answer.of_json({"model": "toy", "done": True, "done_reason": "unload"}))
        elif request.path == "/api/ps" and not loaded:
            connection.answer(Answer.of_json({"models": []}))
        else:
            engine(request, connection)

    with upstream(behave, "ollama") as (server, settings):
        url = serve_file(settings.replace('api_key = "none"\n', ""))
        stopped = {"model": "up/toy", "prompt": "", "suffix": "", "system": "", "keep_alive": "0s", "options": None}
        answer = ask(url, "/api/generate", stopped)
        assert answer.json()["done_reason"] == "unload"
        (asked,) = [request.json for request in server.requests if request.path == "/api/chat"]
        assert (asked["model"], asked["messages"], asked["keep_alive"]) == ("toy", [], "0s")


@pytest.mark.parametrize("path", ["/v1/embeddings", "/api/embed"])
def test_what_is_not_sent_with_texts_for_vectors_is_told(serve_file: ServeFile, path: str) -> None:
    """Fields that no provider is sent stand in the receipt; those that say nothing do not."""

    def vectors(request: ReceivedRequest, connection: Connection) -> None:
        connection.answer(Answer.of_json({"data": [{"index": 0, "embedding": [1.0]}], "model": "m"}))

    with upstream(vectors) as (server, settings):
        url = serve_file(settings)
        body = {"model": "up/m", "input": "a"}
        quiet = ask(url, path, {**body, "options": None})
        assert (quiet.status_code, quiet.headers.get("x-airouter-warnings")) == (200, None)
        told = ask(url, path, {**body, "user": "u", "truncate": False}).headers["x-airouter-warnings"]
        assert "truncate" in told
        assert "user" in told
        assert "truncate" not in server.requests[-1].json


def test_models_are_downloaded_where_that_is_allowed(serve_file: ServeFile) -> None:
    """It is off; where it is on, only from the engine's own registry: a name may not send it to another host."""
    ollama = pytest.importorskip("ollama")
    with upstream(engine, "ollama") as (server, settings):
        table = settings.replace('api_key = "none"\n', "")
        assert ask(serve_file(table), "/api/pull", {"model": "toy"}).status_code == 403
        assert not server.requests
        url = serve_file(f"{table}[gateway]\npull = true\n")
        with ollama.Client(host=url) as client:
            statuses = [report.status for report in client.pull("up/toy", stream=True)]
            assert (statuses[0], statuses[-1]) == ("pulling d", "success")
            assert client.pull("toy").status == "success"
        assert server.requests[-1].json["model"] == "toy"
        count = len(server.requests)
        for name in ("evil.example/a/b", "http://10.0.0.1/x", "up/10.0.0.1:80/a/b", "localhost:1/a"):
            assert ask(url, "/api/pull", {"model": name, "insecure": True}).status_code == 403, name
        assert len(server.requests) == count
