"""Who may ask: keys, names, pages, sizes. Each advisory that other gateways had has its test here."""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airouter_core.errors import ConfigurationError, ParameterError
from airouter_gateway.access.access import Access
from airouter_gateway.access.books import Books
from airouter_gateway.keys import ClientKey, KeyFile, digest_of
from airouter_gateway.running import require_keys

if TYPE_CHECKING:
    from .conftest import Running, Serve

CHAT = "/v1/chat/completions"
ASKED = {"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}
Questions = dict[str, dict[str, Any]]


def bearer(key: str) -> dict[str, str]:
    """As most clients give a key."""
    return {"authorization": f"Bearer {key}"}


def test_without_keys_the_server_stays_on_this_machine(tmp_path: Path) -> None:
    """Advisory 10: an open port without keys is refused, and the message says what to do."""
    keys = KeyFile(str(tmp_path / "keys.json"))
    access = Access(keys, Books({"ledger": {"path": str(tmp_path / "ledger.db")}}))
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        with pytest.raises(ConfigurationError, match="airouter gateway create"):
            require_keys(host, access)
    for host in ("127.0.0.1", "::1", "localhost"):
        assert require_keys(host, access)
    keys.create("somebody")
    assert not require_keys("0.0.0.0", access)


def test_a_key_is_kept_as_a_hash_and_shown_once(tmp_path: Path) -> None:
    """Advisories 7 and 12: what is kept makes no key, and nobody else may read the file."""
    keys = KeyFile(str(tmp_path / "keys.json"))
    key, made = keys.create("ci", models=("up/*",), rpm=3)
    text = Path(keys.path).read_text(encoding="utf-8")
    assert key not in text
    assert key[len(made.prefix) :] not in text
    assert key not in repr(made)
    assert stat.S_IMODE(os.stat(keys.path).st_mode) == 0o600
    assert KeyFile(keys.path).find(digest_of(key)) == made
    with pytest.raises(ParameterError, match="already"):
        keys.create("ci")
    keys.revoke("ci")
    assert KeyFile(keys.path).is_empty()
    with pytest.raises(ParameterError, match="no key"):
        keys.revoke("ci")


def test_where_there_are_keys_one_is_needed(serve: Serve, questions: Questions) -> None:
    """In any header that clients use; a hash is no key, and neither is its beginning; two that differ are none."""
    running = serve()
    key, made = running.keys.create("ci")
    for headers in (bearer(key), {"x-api-key": key}, {"x-api-key": key, **bearer(key)}):
        assert running.post(CHAT, ASKED, headers=headers).status_code == 200
    wrong = ({}, bearer("dummy"), bearer(made.digest), bearer(key[:20]), {"x-api-key": "other", **bearer(key)})
    for headers in wrong:
        for path, body in questions.items():
            answer = running.post(path, body, headers=headers)
            assert answer.status_code == 401
            assert key not in answer.text
        assert running.get("/v1/models", headers=headers).status_code == 401
        assert running.get("/metrics", headers=headers).status_code == 401
    assert running.get("/health/live").status_code == 200
    running.keys.revoke("ci")
    running.keys.create("another")
    assert running.post(CHAT, ASKED, headers=bearer(key)).status_code == 401


def test_a_key_may_ask_what_it_was_made_for(serve: Serve) -> None:
    """Models by pattern, requests by the minute, and until it expires; it hears of no other models."""
    running = serve(models={"mine": "up/m", "theirs": "up/secret"})
    key, _ = running.keys.create("ci", models=("mine", "up/m*"), rpm=3)
    headers = bearer(key)
    assert running.post(CHAT, {**ASKED, "model": "mine"}, headers=headers).status_code == 200
    assert running.post(CHAT, {**ASKED, "model": "theirs"}, headers=headers).status_code == 403
    unknown = running.post(CHAT, {**ASKED, "model": "nobody/m"}, headers=headers)
    assert unknown.status_code == 404
    assert "up" not in unknown.json()["error"]["message"].replace("served", "")
    limited = running.post(CHAT, {**ASKED, "model": "mine"}, headers=headers)
    assert limited.status_code == 429
    assert 0 < int(limited.headers["retry-after"]) <= 60
    assert [model["id"] for model in running.get("/v1/models", headers=headers).json()["data"]] == ["up/m", "mine"]
    key, _ = running.keys.create("by-address", models=("up/m",))
    listed = running.get("/v1/models", headers=bearer(key)).json()["data"]
    assert [model["id"] for model in listed] == ["up/m", "mine"]  # it may ask for `mine`, which is up/m
    old, _ = running.keys.create("old", expires=time.time() - 1)
    assert running.post(CHAT, ASKED, headers=bearer(old)).status_code == 401


def test_a_pattern_allows_no_more_than_it_says() -> None:
    """Names are matched whole, and as they are written."""
    key = ClientKey(name="x", digest="d", prefix="p", models=("up/m*", "route:fast"))
    assert key.allows("up/mini")
    assert key.allows("alias", "route:fast")
    assert not key.allows("up/other")
    assert not key.allows("UP/m")


def test_whose_call_it_is_goes_to_the_layers(serve: Serve, questions: Questions) -> None:
    """Budgets cover calls by the name of the key, the session by the header; the provider is sent neither."""
    running = serve()
    key, _ = running.keys.create("team-a")
    seen = []
    provider = running.gateway.serving.manager.provider("up")
    answer = provider.flow_of
    provider.flow_of = lambda ask: seen.append(ask) or answer(ask)  # type: ignore[method-assign,func-returns-value]
    headers = {**bearer(key), "x-claude-code-session-id": "s-1"}
    assert running.post("/v1/messages", questions["/v1/messages"], headers=headers).status_code == 200
    assert (seen[0].tags, seen[0].session) == ({"key": "team-a"}, "s-1")
    assert b"team-a" not in running.upstream.requests[-1].raw
    assert key.encode() not in running.upstream.requests[-1].raw


def test_nobody_says_whom_the_server_asks(serve: Serve, questions: Questions) -> None:
    """Advisory 1: addresses in a request lead nowhere, and our key goes to nobody else."""
    running = serve()
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.3)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}"
        more = dict.fromkeys(("api_base", "base_url", "url", "endpoint", "proxy", "custom_llm_provider"), url)
        headers = {"x-portkey-custom-host": url, "x-forwarded-host": url, "helicone-target-url": url}
        for path, body in questions.items():
            running.post(path, {**body, **more, "provider_options": {"openai": {"base_url": url}}}, headers=headers)
        with pytest.raises(TimeoutError):
            trap.accept()
    assert running.upstream.requests
    assert not any(url.encode() in request.raw for request in running.upstream.requests)


def test_nobody_is_let_in_when_the_last_key_is_gone(serve: Serve) -> None:
    """Advisory 10: beyond this machine a server without keys is closed, and not open."""
    running = serve(loopback=False)
    key, _ = running.keys.create("ci")
    assert running.post(CHAT, ASKED, headers=bearer(key)).status_code == 200
    running.keys.revoke("ci")
    for headers in ({}, bearer(key), bearer("x")):
        assert running.post(CHAT, ASKED, headers=headers).status_code == 401


def test_serve_itself_refuses_to_be_open(program: Any) -> None:
    """Advisory 10: before anybody can connect, and with the way out."""
    running = program("--host", "0.0.0.0", "--port", "0")
    assert running.process.wait(60) == 2
    assert "airouter gateway create" in running.text
    assert "serving" not in running.text


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:4100", "127.0.0.1.evil.example", "192.0.2.9", "0.0.0.0", "2130706433", ""),
        *("evil.example@localhost", "localhost@evil.example", "localhost/evil.example", "localhost:x", "[::1", "a b"),
    ],
)
def test_a_page_that_makes_its_name_mean_this_machine_reads_nothing(serve: Serve, host: str) -> None:
    """DNS rebinding: the name by which the server is called tells, on every path (advisory 4 too)."""
    running = serve()
    for path in ("/", "/v1/models", "/metrics", "/api/tags", "/health/live"):
        assert running.get(path, headers={"host": host}).status_code == 403 or not host
    assert running.post(CHAT, ASKED, headers={"host": host}).status_code in (400, 403)
    assert not running.upstream.requests


def test_only_pages_that_were_allowed_may_ask(serve: Serve) -> None:
    """Of this machine, and those of the settings; never with credentials, and never whoever asks."""
    running = serve(origins=("https://chat.example",))
    for origin in ("https://chat.example", "http://localhost:3000", "http://127.0.0.1", "app://obsidian.md"):
        answer = running.post(CHAT, ASKED, headers={"origin": origin})
        assert answer.headers["access-control-allow-origin"] == origin
        assert "access-control-allow-credentials" not in answer.headers
        asked = {"origin": origin, "access-control-request-headers": "authorization"}
        preflight = requests.options(running.url + CHAT, headers=asked, timeout=120)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-headers"] == "authorization"
    own = running.get("/v1/models", headers={"origin": running.url.replace("127.0.0.1", "localhost")})
    assert own.status_code == 200
    for origin in (
        *("https://evil.example", "http://localhost.evil.example", "null", "http://[::1", "localhost", "http://"),
        *("http://localhost@evil.example", "http://evil.example\\@localhost", "http://localhost/evil", "data://x"),
    ):
        answer = running.post(CHAT, ASKED, headers={"origin": origin})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


def test_a_page_of_the_server_s_own_may_ask(serve: Serve) -> None:
    """By whatever name it is served: the console behind a proxy sends its forms from there."""
    running = serve(hosts=("models.example.org",))
    names = {"host": "models.example.org", "origin": "https://models.example.org"}
    assert running.get("/v1/models", headers=names).status_code == 200
    assert running.get("/v1/models", headers={**names, "origin": "https://example.org"}).status_code == 403
    assert running.get("/v1/models", headers={**names, "host": "localhost"}).status_code == 403


def raw(running: Running, data: bytes, wait: float = 120) -> bytes:
    """What a bare socket gets."""
    with socket.create_connection(("127.0.0.1", int(running.url.rpartition(":")[2])), timeout=wait) as sock:
        sock.sendall(data)
        got = b""
        while piece := sock.recv(65536):
            got += piece
            if b"\r\n\r\n" in got and b"}" in got:
                break
        return got


def test_requests_that_are_too_large_or_too_slow_are_refused(serve: Serve) -> None:
    """Before they are read, where they say their size; as soon as it shows, where not."""
    running = serve(largest_body=2000)
    assert running.post(CHAT, {**ASKED, "user": "x" * 3000}).status_code == 413
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
    chunked = head + b"transfer-encoding: chunked\r\n\r\n" + b"1000\r\n" + b"x" * 4096 + b"\r\n"
    assert b" 413 " in raw(running, chunked).partition(b"\r\n")[0]
    packed = running.post(CHAT, b"\x1f\x8b", headers={"content-encoding": "gzip"})
    assert packed.status_code == 400
    late = raw(serve(read_timeout=0.3), head + b"content-length: 100\r\n\r\n{")
    assert b" 408 " in late.partition(b"\r\n")[0]


def test_nothing_of_a_request_becomes_a_header(serve: Serve) -> None:
    """A name with a line break in it stays a name."""
    running = serve(default="up/m")
    named = "m\r\nset-cookie: a=b"
    for model in (named, f"up/{named}", "m\u0000é"):
        answer = running.post(CHAT, {**ASKED, "model": model})
        assert "set-cookie" not in answer.headers
        assert answer.headers.get("x-airouter-served-by", "").isprintable()


def test_the_log_tells_no_content_and_no_key(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """Advisory 8: neither headers nor bodies; a line break in a path makes no line."""
    caplog.set_level("INFO", logger="airouter.access")
    running = serve()
    key, made = running.keys.create("ci")
    running.post(CHAT, {**ASKED, "messages": [{"role": "user", "content": "planted words"}]}, headers=bearer(key))
    running.get("/v1/x%0Aforged", headers=bearer(key))
    assert made.prefix in caplog.text
    assert key not in caplog.text
    assert "planted" not in caplog.text
    assert "\nforged" not in caplog.text


def test_there_is_nothing_that_runs_renders_or_administers(serve: Serve) -> None:
    """Advisories 2 to 5, 11 and 12: no such route exists; a template or a quote in a text stays what it is."""
    running = serve()
    paths = ("/config", "/admin", "/key/generate", "/mcp/test", "/prompts/test", "/v1/config", "/user/new", "/.env")
    for path in paths:
        assert running.get(path).status_code == 404
        assert running.post(path, {}).status_code == 404
    text = "{{ 7*7 }} ${HOME} ' OR 1=1 --"
    running.post(CHAT, {**ASKED, "messages": [{"role": "user", "content": text}]})
    assert running.upstream.requests[-1].json["messages"][0]["content"] == text
    key, _ = running.keys.create("ci")
    assert running.post(CHAT, ASKED, headers=bearer("' OR 1=1 --")).status_code == 401
    assert json.loads(Path(running.keys.path).read_text(encoding="utf-8"))[0]["digest"] == digest_of(key)
