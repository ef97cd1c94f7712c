"""The admin API: off without a key, refused without the right one, and as its document says."""

from __future__ import annotations

import itertools
import json
import re
import time
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import requests

from airouter_core.errors import ConfigurationError
from airouter_core.testing.server import Answer, Connection, ReceivedRequest
from airouter_gateway.keys import digest_of

pytest.importorskip("starlette", reason="the extra [console] is not installed")

from airouter_gateway.admin.authentication import (
    MOST_WRONG,
    MOST_WRONG_OF_ALL,
    Authenticator,
    TooManyWrongKeysError,
    require_usable,
)
from airouter_gateway.admin.endpoints import ENDPOINTS
from airouter_gateway.admin.openapi import PREFIX, document

if TYPE_CHECKING:
    from conftest import Running, Serve

ADMIN = "planted-admin-key-0123456789"
ROOT = Path(__file__).parents[3]
ASKED = {"model": "up/m", "messages": [{"role": "user", "content": "planted words"}]}


class Api:
    """The API of a server that runs; every answer is held against the document."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.said = document()

    def __call__(self, method: str, path: str, body: Any = None, status: int = 200, **query: Any) -> Any:
        headers = {"authorization": f"Bearer {ADMIN}"}
        given = {"data": body} if isinstance(body, bytes) else {"json": body}
        answer = requests.request(
            method, self.running.url + PREFIX + path, headers=headers, params=query, timeout=120, **given
        )
        assert answer.status_code == status, answer.text
        self.check(method, path, answer)
        return answer.json() if answer.content else None

    def check(self, method: str, path: str, answer: requests.Response) -> None:
        name = next(
            (
                one
                for one in self.said["paths"]
                if _fits(one, PREFIX + path) and method.lower() in self.said["paths"][one]
            ),
            None,
        )
        if name is None:
            return
        described = self.said["paths"][name][method.lower()]["responses"][str(answer.status_code)]
        if "content" not in described:
            assert not answer.content
            return
        assert answer.headers["content-type"] == "application/json"
        schema = {**described["content"]["application/json"]["schema"], "components": self.said["components"]}
        jsonschema.validate(answer.json(), schema)


def _fits(pattern: str, path: str) -> bool:
    parts, given = pattern.split("/"), path.split("/")
    return len(parts) == len(given) and all(part in (one, "{name}") for part, one in zip(parts, given, strict=True))


@pytest.fixture
def running(serve: Serve) -> Running:
    """A server with an admin key."""
    return serve(admin_key=ADMIN)


@pytest.fixture
def api(running: Running) -> Iterator[Api]:
    return Api(running)


def test_without_an_admin_key_there_is_no_administration(serve: Serve) -> None:
    """Advisories 5 and 11: nobody becomes an administrator by coming first."""
    running = serve()
    for endpoint in ENDPOINTS:
        path = PREFIX + endpoint.path.replace("{name}", "x")
        for headers in ({}, {"authorization": "Bearer "}, {"authorization": f"Bearer {ADMIN}"}):
            answer = requests.request(endpoint.method, running.url + path, headers=headers, timeout=120)
            assert answer.status_code == 404
    assert running.get("/console").status_code == 404


def test_every_route_wants_the_admin_key(
    running: Running, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Advisory 5: each of them, also those that nobody thinks of; a client's key opens none."""
    key, made = running.keys.create("ci")
    wrong = (None, "", ADMIN[:-1], ADMIN + "x", key, made.digest, digest_of(ADMIN))
    caplog.set_level("INFO")
    for name in ("MOST_WRONG", "MOST_WRONG_OF_ALL"):
        monkeypatch.setattr(f"airouter_gateway.admin.authentication.{name}", 1000)
    paths = [(endpoint.method, endpoint.path.replace("{name}", "ci")) for endpoint in ENDPOINTS]
    for (method, path), given in itertools.product([*paths, ("GET", "/openapi.json")], wrong):
        headers = {} if given is None else {"authorization": f"Bearer {given}"}
        answer = requests.request(method, running.url + PREFIX + path, headers=headers, json={}, timeout=120)
        assert answer.status_code == 401, (method, path)
        assert answer.json()["error"]["type"] == "unauthorized"
        assert answer.headers["www-authenticate"] == "Bearer"
    assert ADMIN not in caplog.text
    assert running.post("/v1/chat/completions", ASKED, headers={"authorization": f"Bearer {ADMIN}"}).status_code == 401


def test_keys_are_not_tried_for_long() -> None:
    """After some wrong ones whoever tries is not let in for a minute, in all of a network of version 6; others are."""
    now = [0.0]
    authenticator = Authenticator(lambda: ADMIN, clock=lambda: now[0])
    for here, there, elsewhere in (
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
        ("::ffff:192.0.2.9", "192.0.2.9", "192.0.2.8"),
    ):
        assert authenticator.admits(ADMIN, here)
        for _ in range(MOST_WRONG):
            assert not authenticator.admits("wrong", here)
        with pytest.raises(TooManyWrongKeysError):
            authenticator.admits(ADMIN, there)
        assert authenticator.admits(ADMIN, elsewhere)
        assert authenticator.admits(ADMIN, None)
        now[0] += 61
        assert authenticator.admits(ADMIN, here)


def test_many_who_try_keys_lock_out_nobody_who_has_had_the_right_one() -> None:
    """From however many places they try: all together have so many guesses a minute."""
    now = [0.0]
    authenticator = Authenticator(lambda: ADMIN, clock=lambda: now[0])
    assert authenticator.admits(ADMIN, "192.0.2.1")
    for number in range(MOST_WRONG_OF_ALL):
        assert not authenticator.admits("wrong", f"198.51.100.{number}")
    for stranger in ("198.51.100.250", "203.0.113.1"):
        with pytest.raises(TooManyWrongKeysError):
            authenticator.admits(ADMIN, stranger)
    assert authenticator.admits(ADMIN, "192.0.2.1")
    now[0] = 61
    assert authenticator.admits(ADMIN, "203.0.113.1")


def test_no_key_is_no_guess() -> None:
    """Whoever asks without one, a probe for instance, locks out nobody; where no key is set none is right."""
    authenticator = Authenticator(lambda: ADMIN)
    assert not any(authenticator.admits("", "192.0.2.1") for _ in range(2 * MOST_WRONG_OF_ALL))
    assert authenticator.admits(ADMIN, "192.0.2.1")
    assert not Authenticator(lambda: None).admits("", None)
    assert not Authenticator(lambda: None).admits("x", None)


def test_nothing_that_is_shown_holds_a_key(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Advisories 12 and 13: of providers neither keys nor addresses that hold one, also where they repeat them."""
    running = api.running

    def failing(request: ReceivedRequest, connection: Connection) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        said = f"Incorrect API key provided: {given}. It was sk-planted-of-others****wxyz before."
        connection.answer(Answer.of_json({"error": {"message": said}}, status=401))

    key = api("POST", "/keys", {"name": "ci"}, 201)["key"]
    running.upstream.behaviour = failing
    said = [running.post("/v1/chat/completions", ASKED, headers={"authorization": f"Bearer {key}"}).text]
    for endpoint in ENDPOINTS:
        if endpoint.method == "GET" and "{name}" not in endpoint.path:
            said.append(json.dumps(api("GET", endpoint.path)))
    call = json.loads(next(one for one in said if '"cost_source"' in one))["data"][0]["id"]
    said += [json.dumps(api("GET", f"/calls/{call}")), json.dumps(api("GET", "/keys/ci"))]
    said.append(json.dumps(api("POST", "/explain", {"address": "sk-planted-in-a-name"}, 400)))
    for secret in ("sk-planted", key, digest_of(key), ADMIN):
        assert not [text for text in said if secret in text], secret
    for secret in ("sk-planted-upstream", key, ADMIN):
        assert secret not in caplog.text


def test_a_server_that_reads_hosts_wrongly_is_not_taken() -> None:
    """Advisory 4: Starlette before 1.0.1 took a part of the Host header for a part of the path."""
    project = tomllib.loads((ROOT / "plugins/airouter-gateway/pyproject.toml").read_text(encoding="utf-8"))
    (wanted,) = (one for one in project["project"]["optional-dependencies"]["console"] if one.startswith("starlette"))
    assert tuple(map(int, re.findall(r">=([\d.]+)", wanted)[0].split("."))) >= (1, 0, 1)


def test_a_key_that_could_be_guessed_is_refused() -> None:
    """When the server starts, and not when somebody has guessed it."""
    require_usable(None)
    require_usable(ADMIN)
    with pytest.raises(ConfigurationError, match="16 characters"):
        require_usable("secret")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example"])
def test_the_name_of_the_server_is_checked(running: Running, host: str) -> None:
    """DNS rebinding, and Host headers that made others forget their guards (advisory 4)."""
    for path in (f"{PREFIX}/keys", "/console", "/console/login"):
        headers = {"host": host, "authorization": f"Bearer {ADMIN}"}
        assert running.get(path, headers=headers).status_code == 403
    pages = {"origin": "https://evil.example", "authorization": f"Bearer {ADMIN}"}
    answer = running.get(f"{PREFIX}/keys", headers=pages)
    assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (403, False)


def test_keys(api: Api) -> None:
    """Made, listed, changed, made anew, revoked; the key itself is in one answer, and in no other."""
    made = api("POST", "/keys", {"name": "ci", "rpm": 5, "budget": 2.5, "models": ["up/*"]}, 201)
    assert made["key"].startswith(made["prefix"])
    headers = {"authorization": f"Bearer {made['key']}"}
    assert api.running.post("/v1/chat/completions", ASKED, headers=headers).status_code != 401
    changed = api("PATCH", "/keys/ci", {"rpm": None, "tpm": 900, "disabled": True})
    assert (changed["rpm"], changed["tpm"], changed["budget"], changed["state"]) == (None, 900, 2.5, "disabled")
    assert api.running.post("/v1/chat/completions", ASKED, headers=headers).status_code == 401
    again = api("POST", "/keys/ci/rotate")
    assert again["key"] != made["key"]
    for shown in (api("GET", "/keys"), api("GET", "/keys/ci"), api("GET", "/changes")):
        for secret in (made["key"], again["key"], digest_of(made["key"]), digest_of(again["key"])):
            assert secret not in json.dumps(shown)
    api("DELETE", "/keys/ci", status=204)
    api("GET", "/keys/ci", status=404)
    assert [one["action"] for one in api("GET", "/changes")["data"]] == [
        "revoke key", "rotate key", "edit key", "create key"
    ]  # fmt: skip


def test_teams(api: Api) -> None:
    """Made, given keys, changed; one with keys stays."""
    api("POST", "/teams", {"name": "a", "tpm": 100}, 201)
    api("POST", "/keys", {"name": "ci", "team": "a"}, 201)
    assert api("GET", "/teams/a")["keys"] == ["ci"]
    assert api("PATCH", "/teams/a", {"budget": 3})["budget"] == 3
    assert "has keys" in api("DELETE", "/teams/a", status=400)["error"]["message"]
    api("PATCH", "/keys/ci", {"team": None})
    api("DELETE", "/teams/a", status=204)
    assert api("GET", "/teams") == {"data": [], "next": None}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("POST", "/keys", {"name": "x", "rpm": 0}, 400, "invalid_request"),
        ("POST", "/keys", {"name": "x", "colour": "red"}, 400, "invalid_request"),
        ("POST", "/keys", {"name": "x", "budget": -1}, 400, "invalid_request"),
        ("POST", "/keys", {"name": "x", "period": "fortnight"}, 400, "invalid_request"),
        ("POST", "/keys", {"name": "x", "team": "nobody"}, 400, "invalid_request"),
        ("POST", "/keys", {"name": "x/y"}, 400, "invalid_request"),
        ("POST", "/keys", {"name": 'x"><script>'}, 201, None),
        ("POST", "/keys", {"name": "x", "budget": 1e300}, 400, "invalid_request"),
        ("POST", "/keys", {"name": "x", "expires": 1e300}, 400, "invalid_request"),
        ("POST", "/keys", {"name": "x", "rpm": 10**30}, 400, "invalid_request"),
        ("GET", "/keys/taken'--", None, 404, "not_found"),
        ("PATCH", "/keys/taken'--", {}, 404, "not_found"),
        ("DELETE", "/keys/x' OR name='taken", None, 404, "not_found"),
        ("GET", "/calls?since=nan", None, 400, "invalid_request"),
        ("GET", "/calls?until=1e30", None, 400, "invalid_request"),
        ("GET", "/calls?since=-1e30", None, 400, "invalid_request"),
        ("GET", f"/changes?after={10**30}", None, 400, "invalid_request"),
        ("GET", "/changes?after=²", None, 400, "invalid_request"),
        ("POST", "/keys", {"name": "taken"}, 409, "name_taken"),
        ("POST", "/keys", b"{", 400, "invalid_request"),
        ("POST", "/keys", b"[]", 400, "invalid_request"),
        ("POST", "/keys", b"x" * 1_100_000, 413, "too_large"),
        ("PATCH", "/keys/taken", {"digest": "0" * 64}, 400, "invalid_request"),
        ("PATCH", "/keys/nobody", {}, 404, "not_found"),
        ("GET", "/keys?limit=0", None, 400, "invalid_request"),
        ("GET", "/keys?limit=x", None, 400, "invalid_request"),
        ("GET", "/keys?after=nobody", None, 400, "invalid_request"),
        ("GET", "/keys?colour=red", None, 400, "invalid_request"),
        ("GET", "/calls/nobody", None, 404, "not_found"),
        ("GET", "/costs?by=colour", None, 400, "invalid_request"),
        ("GET", "/nothing", None, 404, "not_found"),
        ("PUT", "/keys", {}, 405, "method_not_allowed"),
    ],
)
def test_what_cannot_be(api: Api, method: str, path: str, body: Any, status: int, kind: str | None) -> None:
    """An error in JSON, of the status that says whose move it is; never a 500. A quote is no statement (advisory 2)."""
    api("POST", "/keys", {"name": "taken"}, 201)
    answer = api(method, path, body, status)
    assert "taken" in [one["name"] for one in api("GET", "/keys")["data"]]
    if kind is not None:
        assert answer["error"]["type"] == kind


def test_lists_come_in_pages(api: Api) -> None:
    """Each item once, in order, whatever the size of a page."""
    for number in range(5):
        api("POST", "/keys", {"name": f"k{number}"}, 201)
    found, after = [], {}
    while True:
        page = api("GET", "/keys", limit=2, **after)
        found += [one["name"] for one in page["data"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert found == [f"k{number}" for number in range(5)]
    first = api("GET", "/changes", limit=3)
    rest = api("GET", "/changes", limit=3, after=first["next"])
    assert [one["subject"] for one in first["data"] + rest["data"]] == [f"k{number}" for number in (4, 3, 2, 1, 0)]


def test_calls_and_costs(api: Api) -> None:
    """Of keys: who, what, when, how much; of their content nothing, since none is kept."""
    made = api("POST", "/keys", {"name": "ci"}, 201)
    headers = {"authorization": f"Bearer {made['key']}"}
    for _ in range(3):
        assert api.running.post("/v1/chat/completions", ASKED, headers=headers).status_code == 200
    first = api("GET", "/calls", limit=2, key="ci")
    (rest,) = api("GET", "/calls", limit=2, key="ci", after=first["next"])["data"]
    assert len({one["id"] for one in (*first["data"], rest)}) == 3
    call = api("GET", f"/calls/{rest['id']}")
    assert (call["key"], call["model"], call["input_tokens"], call["prompt"]) == ("ci", "m", 3, None)
    assert api("GET", "/calls", key="other")["data"] == []
    assert api("GET", "/calls", since=time.time() + 60)["data"] == []
    (total,) = api("GET", "/costs", by="tag:key")["data"]
    assert (total["name"], total["calls"], total["input_tokens"]) == ("ci", 3, 9)


def test_models_and_who_would_be_asked(api: Api) -> None:
    """Models under their addresses, providers with their health; nobody is asked to explain."""
    assert [one["id"] for one in api("GET", "/models")["data"]] == ["up/m"]
    (health,) = api("GET", "/providers")["data"]
    assert (health["name"], health["status"], health["models"]) == ("up", "available", 1)
    explained = api("POST", "/explain", {"address": "up/m"})
    assert (explained["provider"], explained["model"], explained["plan"]) == ("up", "m", None)
    assert "nobody" in api("POST", "/explain", {"address": "nobody/m"}, 400)["error"]["message"]
    assert not any(request.method == "POST" for request in api.running.upstream.requests)
    assert api("GET", "/live") == {"data": [], "next": None}


def test_the_document_is_that_of_the_routes(running: Running, api: Api) -> None:
    """The routes of the application, the document that is served and the one among the docs are the same."""
    from airouter_gateway.admin.application import administration

    served = api("GET", "/openapi.json")
    routed = {
        (method, route.path.replace("{name:str}", "{name}"))
        for route in administration(running.gateway).routes
        if route.path.startswith(PREFIX) and not route.path.endswith("openapi.json")
        for method in route.methods - {"HEAD"}
    }
    described = {(method.upper(), path) for path, said in served["paths"].items() for method in said}
    assert described == routed
    kept = json.loads((ROOT / "docs/gateway-admin-api.json").read_text(encoding="utf-8"))
    assert kept == served == json.loads(json.dumps(document())), "run tools/write_docs.py"
    for said in served["paths"].values():
        for operation in said.values():
            assert operation["responses"].keys() >= {"401", "503"}
    assert Decimal(served["openapi"][:3]) >= 3
