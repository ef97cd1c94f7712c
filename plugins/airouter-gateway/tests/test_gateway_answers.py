"""What an answer holds beside its words reaches the client: likelihoods, sources, sound, thoughts without words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest

from .conftest import HEAD

LIKELY = [{"token": "hi", "logprob": -0.5, "bytes": [104, 105], "top_logprobs": [{"token": "ho", "logprob": -1.5}]}]
CITED = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2}
NESTED = {"type": "url_citation", "url_citation": {k: v for k, v in CITED.items() if k != "type"}}
SOUND = {"id": "audio_1", "data": "UklGRg==", "transcript": "hi", "expires_at": 9}
ASKED = [{"role": "user", "content": "hi"}]

MESSAGES_OF_CHAT: dict[str, dict[str, Any]] = {
    "likely": {"content": "hi"},
    "cited": {"content": "hi", "annotations": [NESTED]},
    "spoken": {"content": None, "audio": SOUND},
    "refused": {"content": None, "refusal": "no"},
}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"}
TEXT = {"type": "output_text", "text": "hi", "annotations": [CITED], "logprobs": LIKELY}
SAID = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "final_answer"}
OUTPUT = [THOUGHT, {"type": "web_search_call", "id": "ws_1", "status": "completed"}, {**SAID, "content": [TEXT]}]
COUNTS = {"input_tokens": 5, "output_tokens": 5, "total_tokens": 10}
BLOCKS: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "", "signature": "c2ln"},
    {"type": "redacted_thinking", "data": "cmVk"},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
    {"type": "text", "text": "hi"},
]
OF_CLAUDE = {"input_tokens": 3, "output_tokens": 4, "cache_creation": {"ephemeral_1h_input_tokens": 2}}
BESIDE = {"context_management": {"applied_edits": []}}


def events(kinds: list[dict[str, Any]]) -> bytes:
    """A stream of server-sent events that have a type."""
    return b"".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in kinds)


def of_chat(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Chunks, or the one whole answer."""
    message = {"role": "assistant", **MESSAGES_OF_CHAT[body["model"]]}
    likely = {"content": LIKELY} if body.get("logprobs") else None
    frame = {"id": "x", "model": "m", "service_tier": "flex"}
    if body.get("stream"):
        yield {**frame, "choices": [{"index": 0, "delta": message, "logprobs": likely}]}
        yield {**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    else:
        yield {**frame, "choices": [{"index": 0, "message": message, "logprobs": likely, "finish_reason": "stop"}]}


def of_responses(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of a stream, or the one whole answer."""
    whole = {"id": "r", "object": "response", "model": "m", "status": "completed", "output": OUTPUT, "usage": COUNTS}
    if not body.get("stream"):
        yield whole
        return
    yield {"type": "response.created", "response": {**whole, "output": [], "status": "in_progress"}}
    for place, item in enumerate(OUTPUT):
        yield {"type": "response.output_item.added", "output_index": place, "item": {**item, "content": []}}
        yield {"type": "response.output_item.done", "output_index": place, "item": item}
    yield {"type": "response.completed", "response": whole}


def of_messages(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of a stream, or the one whole answer."""
    frame = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
    if not body.get("stream"):
        yield {**frame, "content": BLOCKS, "usage": OF_CLAUDE, **BESIDE}
        return
    yield {"type": "message_start", "message": {**frame, "content": [], "usage": OF_CLAUDE}}
    for index, block in enumerate(BLOCKS):
        begun = {**block, "signature": ""} if block["type"] == "thinking" else block
        yield {"type": "content_block_start", "index": index, "content_block": begun}
        if block["type"] == "thinking":
            signed = {"type": "signature_delta", "signature": block["signature"]}
            yield {"type": "content_block_delta", "index": index, "delta": signed}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}, **BESIDE}
    yield {"type": "message_stop"}


def vendor(request: ReceivedRequest, connection: Connection) -> None:
    """Answers in all three formats, as the vendors do."""
    body = request.json
    if body is None or "count" in request.path:
        connection.answer(Answer.of_json({"input_tokens": 7, "data": [{"id": "m", "type": "model"}]}))
        return
    if "embeddings" in request.path:
        data = [{"index": place, "embedding": [1.0]} for place, _ in enumerate(body["input"])]
        connection.answer(Answer.of_json({"data": data, "usage": {"prompt_tokens": 7, "total_tokens": 7}}))
        return
    told = {"chat": of_chat, "resp": of_responses, "mess": of_messages}[request.path.split("/")[2][:4]](body)
    if not body.get("stream"):
        connection.answer(Answer.of_json(next(told)))
        return
    if "chat" in request.path:
        data = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in told) + b"data: [DONE]\n\n"
    else:
        data = events(list(told))
    connection.send(HEAD + data)
    connection.close()


@pytest.fixture
def url(serve_file: Callable[[str], str]) -> Iterator[str]:
    """A server in front of all three."""
    for plugin in ("airouter_openai", "airouter_claude"):
        pytest.importorskip(plugin)
    with LoopbackServer(vendor) as up:
        common = 'api_key = "none"\nmax_retries = 0\n'
        yield serve_file(
            f'[chat]\nprovider = "openai"\n{common}base_url = "{up.url}/v1"\n'
            f'[responses]\nprovider = "openai"\napi = "responses"\n{common}base_url = "{up.url}/v1"\n'
            f'[messages]\nprovider = "claude"\n{common}base_url = "{up.url}"\n'
        )


def asked(url: str, path: str, body: dict[str, Any]) -> Any:
    """A whole answer."""
    answer = requests.post(url + path, json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def streamed(url: str, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of a stream."""
    answer = requests.post(url + path, json={**body, "stream": True}, timeout=60)
    assert answer.status_code == 200, answer.text
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]


@pytest.mark.parametrize("stream", [False, True])
def test_chat_tells_likelihoods_sources_and_sound(url: str, stream: bool) -> None:
    """All fields of an entry are there, and words that were not said are none."""

    def choice(model: str, **more: Any) -> tuple[dict[str, Any], Any]:
        body = {"model": f"chat/{model}", "messages": ASKED, **more}
        if not stream:
            answer = asked(url, "/v1/chat/completions", body)
            assert answer["service_tier"] == "flex"
            return answer["choices"][0]["message"], answer["choices"][0]["logprobs"]
        chunks = [chunk["choices"][0] for chunk in streamed(url, "/v1/chat/completions", body)]
        message = {name: value for each in chunks for name, value in each["delta"].items()}
        return message, next((each["logprobs"] for each in chunks if each["logprobs"]), None)

    _, likely = choice("likely", logprobs=True, top_logprobs=1)
    (entry,) = likely["content"]
    assert entry == {**LIKELY[0], "top_logprobs": [{"token": "ho", "logprob": -1.5, "bytes": [104, 111]}]}
    assert choice("cited")[0]["annotations"] == [NESTED]
    spoken = choice("spoken")[0]
    assert spoken["audio"] == SOUND
    assert spoken.get("content") is None
    refused = choice("refused")[0]
    assert (refused.get("content"), refused["refusal"]) == (None, "no")


@pytest.mark.parametrize("stream", [False, True])
def test_responses_keep_what_goes_back_and_what_stands_beside_a_text(url: str, stream: bool) -> None:
    """A thought without words, a call of the vendor's own, the phase of a message, its sources and likelihoods."""
    body = {"model": "responses/m", "input": "hi"}
    if stream:
        told = streamed(url, "/v1/responses", body)
        added = next(event for event in told if event["type"] == "response.output_text.annotation.added")
        assert (added["annotation"], added["annotation_index"]) == (CITED, 0)
        answer = told[-1]["response"]
        assert [event["item"] for event in told if event["type"] == "response.output_item.done"] == answer["output"]
    else:
        answer = asked(url, "/v1/responses", body)
    thought, search, said = answer["output"]
    assert (thought["type"], thought["summary"], thought["encrypted_content"]) == ("reasoning", [], "sealed")
    assert search["type"] == "web_search_call"
    assert said["phase"] == "final_answer"
    assert said["content"][0]["annotations"] == [CITED]
    assert said["content"][0]["logprobs"][0]["token"] == "hi"


def test_likelihoods_are_told_in_the_words_of_each_dialect(url: str) -> None:
    """In columns by the API before chat; by Ollama's with the last line."""
    body = {"model": "chat/likely", "prompt": "hi", "logprobs": 1}
    columns = {"tokens": ["hi"], "token_logprobs": [-0.5], "top_logprobs": [{"ho": -1.5}], "text_offset": [0]}
    assert asked(url, "/v1/completions", body)["choices"][0]["logprobs"] == columns
    assert streamed(url, "/v1/completions", body)[-1]["choices"][0]["logprobs"] == columns
    body = {"model": "chat/likely", "messages": ASKED, "logprobs": True, "top_logprobs": 1, "stream": False}
    for path, more in (("/api/chat", {}), ("/api/generate", {"prompt": "hi"})):
        assert asked(url, path, {**body, **more})["logprobs"][0]["token"] == "hi"
    lines = requests.post(f"{url}/api/chat", json={**body, "stream": True}, timeout=60).text.splitlines()
    assert json.loads(lines[-1])["logprobs"][0]["top_logprobs"][0]["token"] == "ho"


def test_likelihoods_that_responses_include_are_asked_of_others_by_their_parameter(url: str) -> None:
    """A server of chat completions tells them as well."""
    body = {"model": "chat/likely", "input": "hi", "include": ["message.output_text.logprobs"], "top_logprobs": 1}
    for answer in (asked(url, "/v1/responses", body), streamed(url, "/v1/responses", body)[-1]["response"]):
        assert answer["output"][0]["content"][0]["logprobs"][0]["token"] == "hi"


@pytest.mark.parametrize("stream", [False, True])
def test_messages_keep_thoughts_that_are_not_shown(url: str, stream: bool) -> None:
    """Signed and sealed ones, also where nobody asked for any; and what only this vendor counts and tells."""
    body = {"model": "messages/m", "max_tokens": 9, "messages": ASKED}
    if not stream:
        answer = asked(url, "/v1/messages", body)
        assert answer["content"] == BLOCKS
        assert answer["usage"]["cache_creation"] == OF_CLAUDE["cache_creation"]
        assert answer["context_management"] == BESIDE["context_management"]
        return
    told = streamed(url, "/v1/messages", body)
    begun = [event["content_block"] for event in told if event["type"] == "content_block_start"]
    assert [block["type"] for block in begun] == [block["type"] for block in BLOCKS]
    assert begun[1] == BLOCKS[1]
    assert begun[2]["input"] == {}
    deltas = [event["delta"] for event in told if event["type"] == "content_block_delta"]
    assert {"type": "signature_delta", "signature": "c2ln"} in deltas
    assert json.loads(next(delta["partial_json"] for delta in deltas if "partial_json" in delta)) == {"query": "x"}
    assert told[-2]["usage"]["cache_creation"] == OF_CLAUDE["cache_creation"]
    assert told[-2]["context_management"] == BESIDE["context_management"]


@pytest.mark.parametrize("stream", [False, True])
def test_what_only_one_vendor_reads_is_no_empty_item_of_another(url: str, stream: bool) -> None:
    """Its sealed thoughts and its own calls are not shown in Responses."""
    body = {"model": "messages/m", "input": "hi", "max_output_tokens": 9}
    if stream:
        output = streamed(url, "/v1/responses", body)[-1]["response"]["output"]
    else:
        output = asked(url, "/v1/responses", body)["output"]
    assert [item["type"] for item in output] == ["message"]
    assert output[0]["content"][0]["text"] == "hi"


@pytest.mark.filterwarnings("ignore::airouter_core.errors.UnsupportedParameterWarning")
@pytest.mark.parametrize("stream", [False, True])
def test_the_receipt_names_what_was_lost_and_nothing_else(url: str, stream: bool) -> None:
    """Also of a stream, whose provider has left a parameter out; under the names by which the client knows it."""
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "newer-2026-01-01"}
    tool = {"name": "f", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}
    body = {
        "model": "chat/cited",
        "max_tokens": 2000,
        "messages": ASKED,
        "stream": stream,
        "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
        "tools": [tool],
    }
    told = requests.post(f"{url}/v1/messages", json=body, headers=headers, timeout=60).headers["x-airouter-warnings"]
    assert "openai is not known to take it: anthropic-beta, thinking.display, cache_control of tool 'f'; " in told
    assert "'reasoning_budget' was left out" in told
    body = {"model": "messages/m", "input": "x", "reasoning": {"effort": "low", "summary": "auto"}, "stream": stream}
    told = requests.post(f"{url}/v1/responses", json=body, timeout=60).headers["x-airouter-warnings"]
    assert told.startswith("not sent, since claude is not known to take it: reasoning.summary")


def test_tokens_of_a_question_are_counted_in_responses_too(url: str) -> None:
    """As the vendor's client asks; what else lies beside the answers is said to be missing, and not to be an answer."""
    counted = asked(url, "/v1/responses/input_tokens", {"model": "messages/m", "input": "hi"})
    assert counted == {"object": "response.input_tokens", "input_tokens": 7}
    missing = requests.post(f"{url}/v1/responses/compact", json={"model": "messages/m", "input": "hi"}, timeout=60)
    assert missing.status_code == 404
    assert missing.json()["error"]["message"] == "there is no POST /v1/responses/compact"
    kept = asked(url, "/v1/responses", {"model": "responses/m", "input": "hi"})
    again = requests.get(f"{url}/v1/responses/{kept['id']}?stream=true", timeout=60)
    assert (again.status_code, again.json()["error"]["param"]) == (400, "stream")


def test_one_model_is_told_to_each_kind_of_client(url: str) -> None:
    """In the words of the vendor whose client asks."""
    one = requests.get(f"{url}/v1/models/messages/m", headers={"anthropic-version": "2023-06-01"}, timeout=60).json()
    assert (one["type"], one["id"], one["display_name"]) == ("model", "messages/m", "m")
    assert requests.get(f"{url}/v1/models/messages/m", timeout=60).json()["object"] == "model"


def test_tokens_of_vectors_are_those_that_the_provider_has_counted(url: str) -> None:
    """Of all requests that were made for many texts; and the ledger is told the same."""
    many = ["x"] * 2049  # one more than a request may hold
    body = {"model": "chat/m", "input": many}
    assert asked(url, "/v1/embeddings", body)["usage"] == {"prompt_tokens": 14, "total_tokens": 14}
    assert asked(url, "/api/embed", {"model": "chat/m", "input": "x"})["prompt_eval_count"] == 7
    assert 'airouter_tokens_total{kind="input"} 21.0' in requests.get(f"{url}/metrics", timeout=60).text


def test_what_a_format_has_no_place_for_is_told_of_a_whole_answer(url: str) -> None:
    """Sources and sound in Anthropic's, what a vendor did by itself in every other one; where all is told, nothing."""
    cases = [
        ("/v1/messages", "chat/cited", "sources"),
        ("/v1/messages", "chat/spoken", "sound"),
        ("/v1/chat/completions", "messages/m", "what the provider did by itself"),
        ("/v1/chat/completions", "chat/cited", None),
        ("/v1/messages", "messages/m", None),
    ]
    for path, model, told in cases:
        body = {"model": model, "max_tokens": 9, "messages": ASKED}
        said = requests.post(url + path, json=body, timeout=60).headers.get("x-airouter-warnings", "")
        assert said == ("" if told is None else f"the answer holds more, for which this format has no place: {told}")
