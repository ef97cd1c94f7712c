"""What is no chat: pictures, judgements, counts, the API before chat; as OpenAI's and Anthropic's clients ask it."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from airouter_core.testing.server import Answer, Behaviour, Connection, LoopbackServer, ReceivedRequest

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
    return requests.post(url + path, json=body, timeout=20)


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
