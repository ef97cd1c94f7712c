"""Answers of Responses that are kept: for whom, for how long, and on which machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_gateway.keys import KeyFile
from airouter_gateway.stored_responses import DAY, StoredResponses
from airouter_ledger.ledger import Ledger

if TYPE_CHECKING:
    from conftest import Serve

RESPONSES = "/v1/responses"
ASKED = {"model": "up/m", "input": "hi"}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def counting(request: ReceivedRequest, connection: Connection) -> None:
    """Says how many messages it was sent."""
    said = f"{len(request.json['messages'])} messages"
    if request.json.get("stream"):
        choice = {"index": 0, "delta": {"content": said}, "finish_reason": "stop"}
        connection.send(HEAD + b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\ndata: [DONE]\n\n")
        connection.close()
    else:
        message = {"role": "assistant", "content": said}
        connection.answer(Answer.of_json({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}))


def text_of(answer: requests.Response) -> str:
    """What was answered."""
    assert answer.status_code == 200, answer.text
    return str(answer.json()["output"][0]["content"][0]["text"])


def test_the_vendor_s_client_goes_on_from_an_answer(serve: Serve) -> None:
    """By the id alone, streamed or whole; an answer is read again, its input listed, and it is gone when deleted."""
    openai = pytest.importorskip("openai")
    running = serve(counting)
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0) as client:
        first = client.responses.create(model="up/m", input="hi", instructions="be brief")
        assert first.store is True
        with client.responses.stream(model="up/m", input="more", previous_response_id=first.id) as stream:
            streamed = stream.until_done().get_final_response()
        assert streamed.output_text == "3 messages"  # what was said, what was answered, what is said now
        assert streamed.previous_response_id == first.id
        last = client.responses.create(
            model="up/m", input=[{"role": "user", "content": "x"}], previous_response_id=streamed.id
        )
        assert last.output_text == "5 messages"
        assert [message["role"] for message in running.upstream.requests[-1].json["messages"]] == [
            *("user", "assistant") * 2, "user",
        ]  # fmt: skip
        again = client.responses.retrieve(streamed.id)
        assert (again.id, again.output_text) == (streamed.id, "3 messages")
        items = client.responses.input_items.list(streamed.id)
        assert [item.content[0].text for item in items] == ["more", "2 messages", "hi"]
        (newest,) = client.responses.input_items.list(streamed.id, limit=1).data
        assert newest.content[0].text == "more"
        client.responses.delete(streamed.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(streamed.id)
        with pytest.raises(openai.BadRequestError) as gone:
            client.responses.create(model="up/m", input="x", previous_response_id=last.id)
        assert gone.value.code == "previous_response_not_found"  # a link of its chain is missing


def calling(request: ReceivedRequest, connection: Connection) -> None:
    """Calls a tool, and then says what was sent."""
    roles = [message["role"] for message in request.json["messages"]]
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message: dict[str, Any] = {"role": "assistant", "content": " ".join(roles)}
    if "tool" not in roles:
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    connection.answer(Answer.of_json({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}))


def test_items_of_earlier_answers_may_be_referred_to(serve: Serve) -> None:
    """As Vercel's client does in a loop of tools, which says no answer to go on from; not those of another key."""
    running = serve(calling)
    keys = [{"authorization": f"Bearer {running.keys.create(name)[0]}"} for name in ("eva", "max")]
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}]
    asked = {"role": "user", "content": [{"type": "input_text", "text": "x"}]}
    first = running.post(RESPONSES, {"model": "up/m", "input": [asked], "tools": tools}, headers=keys[0]).json()
    (call,) = first["output"]
    referring = [
        asked,
        {"type": "item_reference", "id": call["id"]},
        {"type": "function_call_output", "call_id": call["call_id"], "output": "y"},
    ]
    body = {"model": "up/m", "input": referring, "tools": tools}
    second = running.post(RESPONSES, body, headers=keys[0])
    assert text_of(second) == "user assistant tool"
    third = {**ASKED, "tools": tools, "previous_response_id": second.json()["id"]}
    assert text_of(running.post(RESPONSES, third, headers=keys[0])) == "user assistant tool assistant user"
    refused = running.post(RESPONSES, body, headers=keys[1])
    assert refused.status_code == 400
    assert "input[1]: the item is not found here" in refused.text


def test_nothing_is_kept_of_what_must_not_be(serve: Serve) -> None:
    """Neither where the client says so nor where the settings do; then the answer says it, and a header tells."""
    running = serve(counting)
    made = running.post(RESPONSES, {**ASKED, "store": False})
    assert made.json()["store"] is False
    assert running.get(f"{RESPONSES}/{made.json()['id']}").status_code == 404
    off = serve(counting, store_days=0)
    made = off.post(RESPONSES, {**ASKED, "store": True})
    assert made.json()["store"] is False
    assert "keeps no answers" in made.headers["x-airouter-warnings"]
    assert off.get(f"{RESPONSES}/{made.json()['id']}").status_code == 404


def test_no_answer_of_one_client_is_another_s(serve: Serve) -> None:
    """Advisory 14: an id is of use to its owner alone, whatever is asked with it; to others it is not there."""
    running = serve(counting)
    (mine, _), (theirs, _) = running.keys.create("mine"), running.keys.create("theirs")
    owner, other = {"authorization": f"Bearer {mine}"}, {"authorization": f"Bearer {theirs}"}
    made = running.post(RESPONSES, ASKED, headers=owner).json()["id"]
    asked = len(running.upstream.requests)
    for path in (f"{RESPONSES}/{made}", f"{RESPONSES}/{made}/input_items"):
        assert running.get(path, headers=owner).status_code == 200
        assert running.get(path, headers=other).status_code == 404
        assert running.get(path).status_code == 401
    assert requests.delete(f"{running.url}{RESPONSES}/{made}", headers=other, timeout=120).status_code == 404
    assert running.post(f"{RESPONSES}/{made}/cancel", headers=other).status_code == 404
    gone_on = running.post(RESPONSES, {**ASKED, "previous_response_id": made}, headers=other)
    assert (gone_on.status_code, gone_on.json()["error"]["code"]) == (400, "previous_response_not_found")
    assert len(running.upstream.requests) == asked
    assert running.get(f"{RESPONSES}/{made}", headers=owner).status_code == 200
    for identity in ("' OR 1=1 --", "%", "resp_", made[:-1]):
        assert running.get(f"{RESPONSES}/{requests.utils.quote(identity)}", headers=owner).status_code == 404


def test_no_answer_of_the_cache_is_given_to_another_key(program: Any, tmp_path: Path) -> None:
    """Advisory 14: whose key it is counts, whatever user a client says it asks for; its owner has it from the cache."""
    pytest.importorskip("airouter_openai", reason="the upstream is asked by airouter-openai")
    made = tmp_path / "made.json"
    keys = {name: KeyFile(str(made)).create(name)[0] for name in ("mine", "theirs")}
    body = {"model": "up/m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0, "user": "eva"}
    with LoopbackServer(counting) as upstream:
        settings = tmp_path / "airouter.toml"
        settings.write_text(
            f'[up]\nprovider = "openai"\napi = "chat"\napi_key = "none"\nbase_url = "{upstream.url}/v1"\n'
            f'[cache]\non = true\n[ledger]\npath = "{tmp_path / "ledger.db"}"\n[gateway]\nkeys = "{made}"\n'
        )
        url = program("--config", str(settings), "--port", "0").url()
        for name, asked in (("mine", 1), ("mine", 1), ("theirs", 2), ("theirs", 2), ("mine", 2)):
            headers = {"authorization": f"Bearer {keys[name]}"}
            answer = requests.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=20)
            assert answer.status_code == 200, answer.text
            assert len(upstream.requests) == asked


def test_replicas_share_what_is_kept(serve: Serve, address: str) -> None:
    """Two servers with one ledger, in a file or in PostgreSQL: the second goes on from what the first has answered."""
    first, second = (serve(counting, ledger=address) for _ in range(2))
    made = first.post(RESPONSES, ASKED).json()["id"]
    answer = second.post(RESPONSES, {**ASKED, "previous_response_id": made})
    assert text_of(answer) == "3 messages"
    assert text_of(first.post(RESPONSES, {**ASKED, "previous_response_id": answer.json()["id"]})) == "5 messages"


def test_an_answer_that_was_cut_is_not_kept(serve: Serve) -> None:
    """Half an answer is nothing to go on from."""

    def cut(request: ReceivedRequest, connection: Connection) -> None:
        connection.send(HEAD + b'data: {"choices":[{"index":0,"delta":{"content":"hal"}}]}\n\n')
        connection.close()

    running = serve(cut)
    text = running.post(RESPONSES, {**ASKED, "stream": True}).text
    assert "response.failed" in text
    identity = json.loads(text.split("data: ")[1].splitlines()[0])["response"]["id"]
    assert running.get(f"{RESPONSES}/{identity}").status_code == 404


def test_what_was_kept_is_forgotten_in_time(tmp_path: Path) -> None:
    """After its days it is not there, and then gone from the file too."""
    now = [1000.0]
    response: dict[str, Any] = {"id": "resp_1", "output": [{"role": "assistant", "content": "x"}]}
    with Ledger.open(str(tmp_path / "ledger.db")) as ledger:
        kept = StoredResponses(lambda: ledger, 2, clock=lambda: now[0])
        kept.keep("me", None, [{"role": "user", "content": "hi"}], response)
        assert kept.turn("me", "resp_1") is not None
        now[0] += 2 * DAY + 1
        assert kept.turn("me", "resp_1") is None
        kept.keep("me", None, [], {**response, "id": "resp_2"})
        assert ledger.database.read("SELECT id FROM gateway_responses") == [("resp_2",)]


def test_wrong_pages_are_refused(serve: Serve) -> None:
    """As all that is wrong, in the words of the dialect."""
    running = serve(counting)
    made = running.post(RESPONSES, ASKED).json()["id"]
    for query in ("limit=0", "limit=x", "limit=101", "order=up", "limit=%F0%9F%A6%8A"):
        answer = running.get(f"{RESPONSES}/{made}/input_items?{query}")
        assert answer.status_code == 400, query
        assert answer.json()["error"]["type"] == "invalid_request_error"
    for wrong in ("yes", 1, []):
        assert running.post(RESPONSES, {**ASKED, "store": wrong}).status_code == 400
