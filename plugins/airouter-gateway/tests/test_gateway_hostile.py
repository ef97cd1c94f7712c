"""What nobody well-meaning sends: wrong values in every field that clients fill, and requests that are none.

Each is the caller's fault and told as such, in the shape of the dialect: never a 500, and nothing goes out half read.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airouter_core import create_provider
from airouter_core.errors import AirouterError
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_gateway.dialects import table
from airouter_gateway.dialects.binding import bound
from airouter_gateway.dialects.dialect import Dialect
from airouter_gateway.dialects.refusals import refusal_of
from airouter_gateway.server.answering import taker_of

from .conftest import changed, places

if TYPE_CHECKING:
    from conftest import Running, Serve

REQUESTS = Path(__file__).parents[4] / "shared" / "clients" / "requests"
DIALECTS: dict[str, tuple[Dialect, tuple[str, ...]]] = {
    "/v1/messages": (table.MESSAGES, ("claude", "openrouter")),
    "/v1/responses": (table.RESPONSES, ("openai", "openrouter")),
    "/v1/chat/completions": (table.CHAT, ("openrouter", "claude")),
    "/api/chat": (table.OLLAMA_CHAT, ("ollama", "claude")),
    "/api/generate": (table.OLLAMA_GENERATE, ("ollama",)),
}
"""Each with providers of its own format and of another one."""
WRONG: tuple[Any, ...] = (None, True, -1, 1e308, "", "\ud800", [], [None], {}, {"type": "x"}, "x\r\nset-cookie: a=b")


def recorded(dialect_path: str) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Every field that recorded bodies of a dialect have, once: the body and the place."""
    seen: set[tuple[Any, ...]] = set()
    for file in sorted(REQUESTS.glob("*/*.json")):
        request = json.loads(file.read_text(encoding="utf-8"))
        if request["path"].partition("?")[0] != dialect_path or not isinstance(request["body"], dict):
            continue
        for path in places(request["body"]):
            # What lies inside of a schema is the caller's own, and read by nobody here.
            general = tuple("*" if isinstance(step, int) else step for step in path)
            if general not in seen and not {"properties", "$defs"} & set(general):
                seen.add(general)
                yield request["body"], path


@pytest.mark.filterwarnings("ignore::airouter_core.errors.UnsupportedParameterWarning")
@pytest.mark.parametrize("path", DIALECTS)
def test_no_value_of_a_recorded_field_is_the_server_s_fault(path: str) -> None:
    """Whatever stands in a field: it can be sent, or is refused with a status of the 400 class."""
    cases = list(recorded(path))
    if not cases:
        pytest.skip("no recorded requests of clients beside the checkout")
    dialect, names = DIALECTS[path]
    for name in names:
        pytest.importorskip(f"airouter_{name}")
        config: dict[str, Any] = {} if name == "ollama" else {"api_key": "sk-planted"}
        with create_provider(name, {**config, **({"api": "responses"} if name == "openai" else {})}) as provider:
            for body, place in cases:
                for wrong in WRONG:
                    said = json.dumps(changed(body, place, wrong)).encode()
                    try:
                        _sent(dialect, provider, said)
                    except AirouterError as error:
                        refused = refusal_of(error)
                    except Exception as error:
                        raise AssertionError(f"{name}: {place} as {wrong!r}") from error
                    else:
                        continue
                    assert 400 <= refused.status < 500, (name, place, wrong, refused.message)


def _sent(dialect: Dialect, provider: Any, said: bytes) -> None:
    question = dialect.read(said, {})
    ask, _ = bound(question, "m", taker_of(provider, "m"))
    request = provider.prepare(ask).request
    assert request is not None
    provider.wire_for(request).build_request(request, provider.config, stream=ask.stream)


DEEP = b'{"a":' * 900 + b"{}" + b"}" * 900


@pytest.mark.parametrize(
    "field",
    [
        b'"unknown":%s',
        b'"tools":[{"type":"function","function":{"name":"f","parameters":%s}}]',
        b'"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":%s}}',
    ],
)
def test_what_is_nested_without_end_is_the_caller_s_fault(serve: Serve, field: bytes) -> None:
    """JSON may be read that is too deep for all that follows; also with a ledger, which looks at it elsewhere."""
    running = serve(tables={"ledger": {"on": True}})
    body = b'{"model":"up/m","messages":[{"role":"user","content":"hi"}],' + field % DEEP + b"}"
    answer = running.post("/v1/chat/completions", body)
    assert answer.status_code < 500, answer.text


SHAPES = {
    "/v1/chat/completions": {"error"},
    "/v1/responses": {"error"},
    "/v1/completions": {"error"},
    "/v1/embeddings": {"error"},
    "/v1/images/generations": {"error"},
    "/v1/moderations": {"error"},
    "/v1/messages": {"type", "error", "request_id"},
    "/v1/messages/count_tokens": {"type", "error", "request_id"},
    "/v1/messages/batches": {"type", "error", "request_id"},
    "/api/chat": {"error"},
    "/api/generate": {"error"},
    "/api/embed": {"error"},
    "/api/show": {"error"},
}
NO_QUESTIONS = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"\xff\xfe",
    b"{}" * 2,
    b'{"model": "up/m"',
    b"[" * 100_000,
    b'{"a":' * 50_000,
)


@pytest.mark.parametrize("path", SHAPES)
def test_what_is_no_question_is_told_so_in_the_shape_of_the_dialect(serve: Serve, path: str) -> None:
    """No JSON, no object, cut off, or nested without end: 400, at once, and nobody is asked."""
    running = serve()
    wrong = [
        b'{"model": 5}',
        *([] if path == "/api/show" else [b'{"model": "up/m", "messages": 5, "input": 5, "prompt": 5}']),
    ]
    for body in (*NO_QUESTIONS, *wrong):
        answer = running.post(path, body)
        assert 400 <= answer.status_code < 500, (body[:40], answer.text)
        assert answer.json().keys() == SHAPES[path], body[:40]
        assert isinstance(answer.json()["error"], str) is path.startswith("/api/")
    assert not running.upstream.requests


def raw(running: Running, data: bytes) -> bytes:
    """What the server says to these bytes, until it hangs up or has said all."""
    port = int(running.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=120) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := sock.recv(65536):
                got += piece
        return got


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
NO_REQUESTS = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    "a head without end": HEAD + b"x: " + b"y" * 200_000,
    "two lengths that differ": HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{} ",
    "a length that is none": HEAD + b"content-length: -5\r\n\r\n{}",
    "a chunk that is none": HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a break in a header": HEAD + b"x-session-id: a\rb\r\ncontent-length: 2\r\n\r\n{}",
    "less than it says": HEAD + b"content-length: 500\r\n\r\n{",
    "a method of nobody": b"BREW /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "a path that leads out": b"GET /v1/models/../../etc/passwd HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "a path with a null": b"GET /v1/models/%00%0d%0ax HTTP/1.1\r\nhost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("kind", NO_REQUESTS)
def test_what_is_no_request_is_refused_and_harms_nobody_else(serve: Serve, kind: str) -> None:
    """A status of the 400 class or a closed connection; the next client is served."""
    running = serve()
    status = re.match(rb"HTTP/1.1 (\d+)", got := raw(running, NO_REQUESTS[kind]))
    assert not got or (status is not None and 400 <= int(status[1]) < 500), got[:300]
    assert b"set-cookie" not in got.lower()
    asked = {"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}
    assert running.post("/v1/chat/completions", asked).status_code == 200


def test_a_provider_that_redirects_gets_our_key_nowhere(serve: Serve) -> None:
    """Advisory 1: an address in an answer is no better than one in a question."""
    with LoopbackServer(lambda request, connection: connection.answer(Answer.of_json({}))) as trap:

        def elsewhere(request: ReceivedRequest, connection: Connection) -> None:
            connection.answer(Answer.of_json({}, status=307, headers={"location": f"{trap.url}/v1/chat/completions"}))

        answer = serve(elsewhere).post(
            "/v1/chat/completions", {"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}
        )
        assert answer.status_code >= 400
        assert not any(b"sk-planted" in request.raw for request in trap.requests)


def test_keys_that_begin_alike_are_different_keys(serve: Serve) -> None:
    """Advisory 6: all of a key counts, not how it begins, and none is remembered by less than all of it."""
    running = serve()
    key, _ = running.keys.create("mine")
    headers = {"authorization": f"Bearer {key}"}
    assert running.get("/v1/models", headers=headers).status_code == 200
    for other in (
        key[:-1],
        f"{key}x",
        key[:20] + "A" * (len(key) - 20),
        key.upper(),
        f"{key[:-1]}{'a' if key[-1] != 'a' else 'b'}",
    ):
        answer = requests.get(f"{running.url}/v1/models", headers={"authorization": f"Bearer {other}"}, timeout=120)
        assert answer.status_code == 401, other
