"""The server as clients meet it: answers, streams, refusals, and what becomes of those who leave."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest

from .conftest import HEAD, chunk

if TYPE_CHECKING:
    from .conftest import Running, Serve

Questions = dict[str, dict[str, Any]]
ASKED = {"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}
STREAMED = {**ASKED, "stream": True}


def refusing(status: int, body: dict[str, Any], **headers: str) -> Any:
    """An upstream that always refuses."""

    def behave(request: ReceivedRequest, connection: Connection) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.answer(Answer.of_json(body, status=status, headers=named))

    return behave


PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/api/chat", "/api/generate")


@pytest.mark.parametrize("path", PATHS)
def test_each_dialect_answers_whole_and_as_a_stream(serve: Serve, questions: Questions, path: str) -> None:
    """The same words come out of every door, and the upstream is asked for usage in any case."""
    running = serve()
    whole = running.post(path, questions[path])
    assert whole.status_code == 200, whole.text
    assert "hello" in whole.text
    assert whole.headers["x-airouter-served-by"] == "up/m"
    stream = running.post(path, {**questions[path], "stream": True})
    assert stream.status_code == 200
    assert "hel" in stream.text
    assert "lo" in stream.text
    assert running.upstream.requests[-1].json["stream_options"] == {"include_usage": True}
    metrics = running.get("/metrics").text
    assert 'airouter_tokens_total{kind="input"} 3.0' in metrics


def test_models_are_listed_for_each_kind_of_client(serve: Serve) -> None:
    """One path for two vendors: the header tells; names of the settings are there too."""

    def models(request: ReceivedRequest, connection: Connection) -> None:
        connection.answer(Answer.of_json({"object": "list", "data": [{"id": "m", "object": "model"}]}))

    running = serve(models, models={"claude-x": "up/m"})
    listed = running.get("/v1/models").json()
    assert [model["id"] for model in listed["data"]] == ["up/m", "claude-x"]
    listed = running.get("/v1/models?limit=1000", headers={"anthropic-version": "2023-06-01"}).json()
    assert [(model["type"], model["id"]) for model in listed["data"]] == [("model", "up/m"), ("model", "claude-x")]
    tags = running.get("/api/tags").json()
    assert {"name", "model", "modified_at", "size", "digest", "details"} <= tags["models"][0].keys()
    shown = running.post("/api/show", {"model": "", "name": "up/m"}).json()
    assert "completion" in shown["capabilities"]
    assert running.get("/v1/models/up/m").json()["id"] == "up/m"


def test_a_name_of_the_settings_stands_for_an_address(serve: Serve) -> None:
    """Clients that bring names of their own are served, and hear the name they said; others may have a default."""
    running = serve(models={"claude-x": "up/m"}, default="up/other")
    for named, asked in (("claude-x", "m"), ("claude-x:latest", "m"), ("gpt-none-such", "other")):
        answer = running.post("/v1/chat/completions", {**ASKED, "model": named})
        assert answer.json()["model"] == named
        assert running.upstream.requests[-1].json["model"] == asked


def test_errors_before_the_first_event_keep_their_status(serve: Serve, questions: Questions) -> None:
    """Also of a stream: no head is sent before there is something to send. A wait is told, and bounded."""
    running = serve(refusing(429, {"error": {"message": "slow down", "type": "rate_limit"}}, retry_after="3600"))
    for path, body in questions.items():
        answer = running.post(path, {**body, "stream": True})
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "60"
        assert answer.headers["x-should-retry"] == "false"
        assert "error" in answer.json()


def test_a_request_that_the_provider_finds_too_large_is_told_as_such(serve: Serve, questions: Questions) -> None:
    """With the status by which clients know it."""
    running = serve(refusing(413, {"error": {"message": "too many bytes"}}))
    assert {running.post(path, body).status_code for path, body in questions.items()} == {413}
    assert running.post("/v1/messages", questions["/v1/messages"]).json()["error"]["type"] == "request_too_large"


def test_a_bad_key_of_ours_is_no_fault_of_the_caller(serve: Serve, questions: Questions) -> None:
    """It is a 502, and nothing of the key is in it: not what we sent, nor what the upstream says of it."""
    said = {"error": {"message": "Incorrect API key provided: sk-planted-upstream", "code": "invalid_api_key"}}
    running = serve(refusing(401, said))
    for path, body in questions.items():
        answer = running.post(path, body)
        assert answer.status_code == 502
        assert "planted" not in answer.text
        assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("path", "mark"),
    [
        ("/v1/chat/completions", "[DONE]"),
        ("/v1/responses", "response.completed"),
        ("/v1/messages", "message_stop"),
        ("/api/chat", '"done":true'),
    ],
)
def test_a_stream_that_is_cut_ends_in_an_error_and_without_an_end_mark(
    serve: Serve, questions: Questions, path: str, mark: str
) -> None:
    """Half an answer is never a whole one."""

    def cut(request: ReceivedRequest, connection: Connection) -> None:
        connection.send(HEAD + chunk({"content": "hel"}))
        connection.close()

    answer = serve(cut).post(path, {**questions[path], "stream": True}, stream=True)
    assert answer.status_code == 200
    text = ""
    is_broken = path == "/api/chat"  # an error is a line there, over which some clients read
    with pytest.raises(requests.exceptions.ChunkedEncodingError) if is_broken else contextlib.nullcontext():
        for piece in answer.iter_content(None):
            text += piece.decode()
    assert "hel" in text
    assert "error" in text
    assert mark not in text


def test_a_response_that_fails_is_an_error_too(serve: Serve, questions: Questions) -> None:
    """Before it says that the response has failed, as the vendor does: some clients stop at an error alone."""

    def cut(request: ReceivedRequest, connection: Connection) -> None:
        connection.send(HEAD + chunk({"content": "hel"}))
        connection.close()

    answer = serve(cut).post("/v1/responses", {**questions["/v1/responses"], "stream": True})
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    error, failed = events[-2:]
    assert [error["type"], failed["type"]] == ["error", "response.failed"]
    assert failed["sequence_number"] == error["sequence_number"] + 1
    assert error["error"]["message"] == error["message"] == failed["response"]["error"]["message"]
    assert error["error"]["code"] == error["code"] == failed["response"]["error"]["code"]


def leave_after(running: Running, path: str, body: dict[str, Any], *, read: bytes | None) -> None:
    """Ask on a bare socket, perhaps read something, and go."""
    port = int(running.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=120) as sock:
        payload = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(payload)}\r\n\r\n"
        sock.sendall(head.encode() + payload)
        got = b""
        while read is not None and read not in got:
            got += sock.recv(4096)
        deadline = time.monotonic() + 120
        while not running.upstream.requests and time.monotonic() < deadline:
            time.sleep(0.01)


@pytest.mark.parametrize("phase", ["before the head", "before the first event", "in the middle", "not streamed"])
def test_a_client_that_leaves_stops_the_upstream(serve: Serve, phase: str) -> None:
    """In each phase the provider's connection is closed at once, or a machine would go on working for nobody."""

    def behave(request: ReceivedRequest, connection: Connection) -> None:
        if phase in ("before the first event", "in the middle"):
            connection.send(HEAD)
        if phase == "in the middle":
            connection.send(chunk({"content": "hel"}))
        connection.wait(120)

    running = serve(behave)
    body = ASKED if phase == "not streamed" else STREAMED
    leave_after(running, "/v1/chat/completions", body, read=b"hel" if phase == "in the middle" else None)
    assert running.upstream.left.wait(120)
    deadline = time.monotonic() + 120
    while 'class="4xx"' not in running.get("/metrics").text and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "airouter_inflight 1.0" in running.get("/metrics").text  # the question about it alone


def test_a_client_that_takes_nothing_is_given_up(serve: Serve) -> None:
    """Its stream is paused first, and the provider with it; after the limit both are let go."""

    def endless(request: ReceivedRequest, connection: Connection) -> None:
        connection.send(HEAD)
        while connection.send(chunk({"content": "x" * 60_000})):
            pass

    running = serve(endless, send_timeout=0.3)
    payload = json.dumps(STREAMED).encode()
    port = int(running.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=120) as sock:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(payload)}\r\n\r\n"
        sock.sendall(head.encode() + payload)
        deadline = time.monotonic() + 120
        while 'class="4xx"' not in running.get("/metrics").text and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "airouter_inflight 1.0" in running.get("/metrics").text  # the question about it alone


def test_pings_keep_a_client_and_hide_no_dead_upstream(serve: Serve, questions: Questions) -> None:
    """While nothing comes the client hears that somebody is there; after the limit it hears of the silence."""

    def silent(request: ReceivedRequest, connection: Connection) -> None:
        connection.send(HEAD + chunk({"content": "hel"}))
        connection.wait(120)

    for limit in (0.8, 4, 20):  # a busy machine may come to the limit before it comes to a ping
        running = serve(silent, ping=0.1, idle_timeout=limit)
        answer = running.post("/v1/messages", {**questions["/v1/messages"], "stream": True})
        if answer.text.count("event: ping") >= 2:
            break
    assert answer.text.count("event: ping") >= 2
    assert "event: error" in answer.text
    assert "message_stop" not in answer.text
    assert running.upstream.left.wait(120)


def test_a_stream_begins_in_time_though_its_first_event_is_late(serve: Serve) -> None:
    """Proxies and clients give up on a head that never comes."""
    gate = threading.Event()

    def late(request: ReceivedRequest, connection: Connection) -> None:
        gate.wait(120)
        connection.send(HEAD + chunk({"content": "hi"}, "stop") + b"data: [DONE]\n\n")
        connection.close()

    running = serve(late, headers_after=0.1)
    with requests.post(f"{running.url}/v1/chat/completions", json=STREAMED, stream=True, timeout=120) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        assert next(lines) == b": keep-alive"
        gate.set()
        assert b"data: [DONE]" in list(lines)


def test_a_reader_that_is_slow_slows_the_upstream(serve: Serve) -> None:
    """What waits is bounded: an upstream that writes without end is not read without end."""
    sent = []
    piece = chunk({"content": "x" * 10_000})

    def endless(request: ReceivedRequest, connection: Connection) -> None:
        connection.socket.settimeout(1.5)
        connection.send(HEAD)
        while connection.send(piece) and len(sent) < 20_000:
            sent.append(1)

    running = serve(endless)
    with requests.post(f"{running.url}/v1/chat/completions", json=STREAMED, stream=True, timeout=120) as answer:
        next(answer.iter_content(10))
        assert running.upstream.left.wait(120)  # its own send times out, since nobody takes any more
    assert len(sent) < 5_000


def test_what_is_lost_on_the_way_is_named(serve: Serve, questions: Questions) -> None:
    """Fields that the provider cannot take are in a header, in any case."""
    running = serve()
    body = {**questions["/v1/messages"], "context_management": {"edits": []}, "service_tier": "auto"}
    answer = running.post("/v1/messages", body)
    assert "context_management" in answer.headers["x-airouter-warnings"]
    assert "context_management" not in running.upstream.requests[-1].json


def test_a_question_that_is_wrong_is_told_so_in_the_dialect(serve: Serve) -> None:
    """The status is of the 400 class, and nothing goes out."""
    running = serve()
    wrong: list[tuple[str, Any, int]] = [
        ("/v1/chat/completions", b"{", 400),
        ("/v1/chat/completions", {**ASKED, "temperature": "hot"}, 400),
        ("/v1/chat/completions", {**ASKED, "n": 2}, 400),
        ("/v1/messages", {**ASKED, "messages": []}, 400),
        ("/v1/responses", {"model": "up/m", "input": "x", "previous_response_id": "resp_1"}, 400),
        ("/v1/chat/completions", {**ASKED, "model": "nobody/m"}, 404),
        ("/api/pull", {"model": "m"}, 403),
        ("/v1/nothing", {}, 404),
        ("/v1/models", {}, 405),
    ]
    for path, body, status in wrong:
        answer = running.post(path, body)
        assert answer.status_code == status, (path, answer.text)
        assert "error" in answer.json()
    assert not running.upstream.requests
    answer = running.post(*wrong[4][:2])
    assert answer.json()["error"]["code"] == "previous_response_not_found"


@pytest.mark.parametrize("stream", [False, True])
def test_the_header_names_the_target_that_answered(serve_file: Callable[[str], str], stream: bool) -> None:
    """Of a route it is the target that spoke, not the one that failed before it, and not the route: streamed too."""
    pytest.importorskip("airouter_router", reason="routes are airouter-router's")
    pytest.importorskip("airouter_openai", reason="the upstreams are asked by airouter-openai")

    def well(request: ReceivedRequest, connection: Connection) -> None:
        if request.json.get("stream"):
            connection.send(HEAD + chunk({"content": "hi"}, "stop") + b"data: [DONE]\n\n")
            connection.close()
        else:
            message = {"role": "assistant", "content": "hi"}
            connection.answer(Answer.of_json({"choices": [{"message": message, "finish_reason": "stop"}]}))

    with LoopbackServer(refusing(500, {"error": {"message": "no"}})) as ill, LoopbackServer(well) as other:
        tables = "".join(
            f'[{name}]\nprovider = "openai"\napi_key = "none"\nbase_url = "{server.url}/v1"\n'
            for name, server in (("ill", ill), ("well", other))
        )
        url = serve_file(f'{tables}[routes.fast]\nstrategy = "first"\ntargets = ["ill/m", "well/m"]\n')
        body = {**ASKED, "model": "route:fast", "stream": stream}
        answer = requests.post(f"{url}/v1/chat/completions", json=body, timeout=120)
        assert answer.status_code == 200, answer.text
        assert "hi" in answer.text
        assert answer.headers["x-airouter-served-by"] == "well/m"
        assert len(ill.requests) == 1


def test_what_probes_ask_is_answered(serve: Serve) -> None:
    """HEAD of the root by Claude Code and Ollama's clients; health; the version."""
    running = serve()
    assert requests.head(running.url, timeout=120).status_code == 200
    assert running.get("/").text == "Ollama is running"
    assert running.get("/health/live").status_code == 200
    assert running.get("/health/ready").status_code == 200
    assert running.get("/api/version").json()["version"]
    assert running.get("/api/ps").json() == {"models": []}


def test_a_model_is_loaded_by_an_empty_question(serve: Serve) -> None:
    """Ollama's clients say so before they talk; nothing is asked of the provider."""
    running = serve()
    loaded = running.post("/api/generate", {"model": "up/m", "prompt": ""}).json()
    assert (loaded["done"], loaded["done_reason"]) == (True, "load")
    gone = running.post("/api/chat", {"model": "up/m", "messages": [], "keep_alive": "0s"}).json()
    assert gone["done_reason"] == "unload"
    assert not running.upstream.requests


def test_what_is_for_claude_s_vendor_goes_to_nobody_else(serve: Serve, questions: Questions) -> None:
    """A system block of Claude Code's that changes with each request would make every cache useless; the rest stays."""
    running = serve()
    blocks = [{"type": "text", "text": text} for text in ("x-anthropic-billing-header: cch=1;", "Be brief.")]
    assert running.post("/v1/messages", {**questions["/v1/messages"], "system": blocks}).status_code == 200
    system, _ = running.upstream.requests[-1].json["messages"]
    assert "Be brief." in json.dumps(system)
    assert "billing" not in json.dumps(system)


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/chat/completions", "with /v1 at its end"),
        ("/messages", "with /v1 at its end"),
        ("/v1/v1/messages", "without /v1 at its end"),
        ("/v1//chat/completions", "without a slash at its end"),
        ("/openai/deployments/m/chat/completions", "the address that ends in /v1"),
        ("/api/v1/chat/completions", "the address that ends in /v1"),
        ("/v1/api/chat", "Ollama's format"),
        ("/nothing", "there is no POST /nothing"),
    ],
)
def test_a_client_with_the_wrong_end_of_the_address_is_told(serve: Serve, path: str, hint: str) -> None:
    """Some want the address with ``/v1`` and some without: which one it is here, the refusal says."""
    running = serve()
    answer = running.post(path, {"model": "up/m"})
    assert answer.status_code == 404
    assert hint in answer.text
    assert not running.upstream.requests


def test_editors_learn_that_a_model_calls_tools(serve: Serve) -> None:
    """Of a model of which no list tells, by what its provider's models do; nothing else is promised."""
    assert serve().post("/api/show", {"model": "up/m"}).json()["capabilities"] == ["completion", "tools"]


def test_ids_of_tokens_are_refused_with_the_way_out(serve: Serve) -> None:
    """As LangChain's embeddings send them unless told otherwise, for one model of one vendor."""
    running = serve()
    body = {"model": "up/m", "input": [[1820, 374], [15339]], "encoding_format": "base64"}
    answer = running.post("/v1/embeddings", body)
    assert answer.status_code == 400
    assert "check_embedding_ctx_length=False" in answer.json()["error"]["message"]
    assert not running.upstream.requests
