"""The console's pages: who may see and send them, what they hold, and what they never show."""

from __future__ import annotations

import datetime
import html.parser
import json
import re
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests

pytest.importorskip("jinja2", reason="the extra [console] is not installed")
pytest.importorskip("starlette", reason="the extra [console] is not installed")

from airouter_core.testing.server import Answer, Connection, ReceivedRequest
from airouter_gateway.access.ended_sessions import EndedSessions
from airouter_gateway.admin.authentication import MOST_WRONG, Authenticator
from airouter_gateway.console.plots import HEIGHT, TOP, buckets, latency, percentile, spend, traffic
from airouter_gateway.console.rendering import duration, money, short
from airouter_gateway.console.routes import console_routes
from airouter_gateway.console.sessions import COOKIE, LASTS, Sessions
from airouter_gateway.keys import digest_of

from .conftest import opened_books

if TYPE_CHECKING:
    from conftest import Running, Serve

ADMIN = "planted-admin-key-0123456789"
EVIL = "x\"'><script>alert(1)</script>&amp;"
PAGES = (
    "", "/models", "/models/health", "/keys", "/keys/new-key", "/keys/new-team", "/log", "/playground", "/live"
)  # fmt: skip


class Browser:
    """A session with the console, without a browser."""

    def __init__(self, running: Running) -> None:
        self.url = f"{running.url}/console"
        self.running = running
        self.session = requests.Session()

    def sign_in(self, key: str = ADMIN) -> requests.Response:
        return self.session.post(f"{self.url}/login", data={"key": key}, timeout=120, allow_redirects=False)

    def get(self, path: str, status: int = 200, **options: Any) -> str:
        answer = self.session.get(self.url + path, timeout=120, allow_redirects=False, **options)
        assert answer.status_code == status, answer.text
        return answer.text

    @property
    def token(self) -> str:
        found = re.search(r'name="token" value="([0-9a-f]+)"', self.get("/keys"))
        assert found is not None
        return found[1]

    def post(self, path: str, status: int = 303, **fields: Any) -> str:
        data = {"token": self.token, **fields}
        answer = self.session.post(self.url + path, data=data, timeout=120, allow_redirects=False)
        assert answer.status_code == status, answer.text
        return answer.text


@pytest.fixture
def running(serve: Serve) -> Running:
    return serve(admin_key=ADMIN, models={EVIL: "up/m"})


@pytest.fixture
def browser(running: Running) -> Browser:
    """Somebody who is signed in."""
    found = Browser(running)
    assert found.sign_in().status_code == 303
    return found


def all_paths(running: Running) -> list[tuple[str, str]]:
    """Every route of the console, by its method."""
    routes = console_routes(running.gateway, Authenticator(lambda: ADMIN))
    return [
        (method, route.path.replace("{name:str}", "x").removeprefix("/console"))
        for route in routes
        for method in route.methods - {"HEAD"}
    ]


def test_whoever_is_not_signed_in_is_shown_the_way_in(running: Running) -> None:
    """On every page and for every form; a part of a page sends its page there."""
    stranger = Browser(running)
    for method, path in all_paths(running):
        if path == "/login" or path.startswith("/static"):
            continue
        for cookie in ("", "x", f"{int(time.time()) + 99}.x.", "é.é.é"):
            headers = {"cookie": f"{COOKIE}={cookie}".encode()}
            answer = requests.request(method, stranger.url + path, headers=headers, timeout=120, allow_redirects=False)
            assert (answer.status_code, answer.headers["location"]) == (303, "/console/login"), path
            part = requests.request(method, stranger.url + path, headers={"hx-request": "true"}, timeout=120)
            assert (part.status_code, part.headers["hx-redirect"]) == (401, "/console/login")


def test_the_admin_key_opens(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """A cookie that no script reads and no other site sends; a wrong key is told, and tried not for long."""
    browser = Browser(running)
    assert "not the admin key" in browser.sign_in("wrong").text
    assert browser.sign_in(digest_of(ADMIN)).status_code == 401
    answer = browser.sign_in()
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=strict", "path=/console", f"max-age={LASTS}"))
    assert ADMIN not in cookie + answer.text + caplog.text
    browser.get("")
    browser.post("/logout")
    browser.get("", 303)
    for _ in range(MOST_WRONG):
        browser.sign_in("wrong")
    assert browser.sign_in().status_code == 429


def test_whoever_signs_out_is_out_with_all_copies_of_the_cookie(serve: Serve, address: str) -> None:
    """In every server of the ledger; other sessions stay. Signing in takes up no session that somebody has brought."""
    running, replica = (serve(admin_key=ADMIN, ledger=address) for _ in range(2))
    browser, other = Browser(running), Browser(running)
    browser.session.cookies.set(COOKIE, "of-somebody-else", path="/console")
    for one in (browser, other):
        assert one.sign_in().status_code == 303
    copy = [one.value for one in browser.session.cookies if one.name == COOKIE][-1]
    assert copy not in ("of-somebody-else", other.session.cookies[COOKIE])

    def shown(url: str) -> int:
        headers = {"cookie": f"{COOKIE}={copy}"}
        return requests.get(f"{url}/console/keys", headers=headers, timeout=20, allow_redirects=False).status_code

    assert [shown(one.url) for one in (running, replica)] == [200, 200]
    browser.session.cookies.clear()
    browser.session.cookies.set(COOKIE, copy, path="/console")
    browser.post("/logout")
    assert [shown(one.url) for one in (running, replica)] == [303, 303]
    other.get("/keys")


def test_a_session_ends_though_nobody_signs_out(tmp_path: Path) -> None:
    """What was signed out is remembered until it would have ended, and no longer."""
    now = [1000.0]
    with opened_books(str(tmp_path / "ledger.db")) as books:
        ended = EndedSessions(books, clock=lambda: now[0])
        assert not ended.has("a")
        for _ in range(2):
            ended.end("a", 2000.0)
        now[0] = 2001.0
        assert ended.has("a")
        ended.end("b", 3000.0)
        assert (ended.has("a"), ended.has("b")) == (False, True)


def test_a_proxy_with_a_certificate_is_believed(running: Running) -> None:
    """The cookie goes over encrypted connections alone, where the browser's is one."""
    for headers, kept in (({"x-forwarded-proto": "https"}, True), ({}, False)):
        answer = requests.post(
            f"{running.url}/console/login", data={"key": ADMIN}, headers=headers, timeout=20, allow_redirects=False
        )
        assert ("secure" in answer.headers["set-cookie"].lower()) is kept


def test_a_session_ends() -> None:
    """After its hours, with another admin key, and with any character of its cookie changed."""
    from starlette.requests import Request
    from starlette.responses import Response

    key, now = [ADMIN], [1000.0]

    def asked(cookie: str = "") -> Request:
        headers = [(b"cookie", f"{COOKIE}={cookie}".encode()), (b"host", b"localhost")]
        return Request(
            {
                "type": "http",
                "method": "GET",
                "path": "/",
                "headers": headers,
                "scheme": "https",
                "query_string": b"",
                "server": ("localhost", 80),
            }
        )

    sessions = Sessions(Authenticator(lambda: key[0]), clock=lambda: now[0])
    response = Response()
    sessions.begin(asked(), response)
    said = response.headers["set-cookie"]
    assert "samesite=strict" in said.lower()
    assert "secure" in said.lower()
    cookie = said.partition("=")[2].partition(";")[0]
    found = sessions.of(asked(cookie))
    assert found is not None
    assert found.token not in cookie
    for place in range(0, len(cookie), 7):
        changed = cookie[:place] + ("1" if cookie[place] != "1" else "2") + cookie[place + 1 :]
        assert sessions.of(asked(changed)) is None
    now[0] += LASTS + 1
    assert sessions.of(asked(cookie)) is None
    now[0] = 1000.0
    key[0] = "another-admin-key-0123456789"
    assert sessions.of(asked(cookie)) is None


def test_a_form_counts_from_pages_of_ours_alone(browser: Browser) -> None:
    """Without its token, with that of another session, and from another origin nothing is done."""
    other = Browser(browser.running)
    other.sign_in()
    for given in ({}, {"token": ""}, {"token": other.token}, {"token": "é"}):
        for method, path in all_paths(browser.running):
            if method == "POST" and path != "/login":
                answer = browser.session.post(browser.url + path, data=given, timeout=120, allow_redirects=False)
                assert answer.status_code == 403, path
    made = {"token": browser.token, "name": "ci"}
    headers = {"origin": "http://localhost:1"}
    answer = browser.session.post(f"{browser.url}/keys/new-key", data=made, headers=headers, timeout=120)
    assert answer.status_code == 403
    assert (
        browser.session.post(f"{browser.url}/login", data={"key": ADMIN}, headers=headers, timeout=120).status_code
        == 403
    )
    assert "There is no key" in browser.get("/keys")


class Inline(html.parser.HTMLParser):
    """Finds what a page must not hold: scripts and styles of its own, and addresses elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in given) or tag in ("iframe", "object", "embed", "base"):
            self.found.append(tag)
        for name, value in given.items():
            if name == "style" or name.startswith(("on", "hx-on")):
                self.found.append(name)
            if name in ("src", "href", "action", "hx-get", "hx-post") and not (value or "").startswith(("/", "#")):
                self.found.append(f"{name}={value}")


def test_pages_hold_no_script_and_no_style_and_say_so(browser: Browser) -> None:
    """Every page has the headers that make browsers refuse what is not this server's, and needs none of it."""
    for path in (*PAGES, "/login", "/nothing", "/keys/key/nobody", "/static/nothing"):
        answer = browser.session.get(browser.url + path, timeout=120)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        seen = Inline()
        seen.feed(answer.text)
        assert seen.found == [], path
        assert "access-control-allow-origin" not in answer.headers


def test_the_one_script_of_others_is_named(browser: Browser) -> None:
    """With its version and licence; nothing outside the folder of files can be had."""
    script = browser.get("/static/htmx-4.0.1.min.js")
    assert "htmx 4.0.1" in script[:200]
    assert "0BSD" in script[:200]
    for name in ("../routes.py", "..%2froutes.py", "%2e%2e/routes.py", "routes.py", "/etc/passwd", "."):
        url = f"{browser.url}/static/{name}"
        request = requests.Request("GET", url).prepare()
        request.url = url  # as it is written
        assert browser.session.send(request, timeout=120).status_code in (403, 404)


def escaped(text: str) -> None:
    """A page that holds what somebody has called something, as a text."""
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_what_is_called_anything_stays_a_text(browser: Browser) -> None:
    """Names of keys, teams and models, and what is typed into fields, with quotes and tags in them."""
    name = EVIL.replace("/", "")
    browser.post("/keys/new-team", name=name)
    once = browser.post("/keys/new-key", 200, name=name, team=name, models=EVIL)
    assert "<script>alert" not in once
    for path in ("/keys", f"/keys/key/{quote(name)}", f"/keys/team/{quote(name)}", "/log"):
        page = browser.get(path)
        assert "<script>alert" not in page
        assert "&#34;&#39;&gt;&lt;script&gt;" in page, path
    escaped(browser.get("/models"))
    escaped(browser.get("/playground"))
    escaped(browser.get(f"/log?text={quote(EVIL)}&model={quote(EVIL)}"))
    escaped(browser.get(f"/models?find={quote(EVIL)}"))
    escaped(browser.post("/models", 200, address=EVIL, prompt=EVIL))
    escaped(browser.post("/playground", 200, model=EVIL, prompt=EVIL))
    escaped(browser.post("/keys/new-key", 400, name=EVIL, rpm=EVIL))


def test_a_key_is_shown_once(browser: Browser) -> None:
    """On the page that it is made on, and on no other; changed by its form, made anew, revoked."""
    made = browser.post(
        "/keys/new-key", 200, name="ci", rpm="1,000", budget="$2.50", period="day", expires="2099-12-31"
    )
    (key,) = re.findall(r'value="(air-[\w-]{40,})"', made)
    headers = {"authorization": f"Bearer {key}"}
    asked = {"model": "up/m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
    assert browser.running.post("/v1/chat/completions", asked, headers=headers).status_code in (200, 429)
    for path in ("", "/keys", "/keys/key/ci", "/log"):
        page = browser.get(path)
        assert key not in page
        assert digest_of(key) not in page
    form = browser.get("/keys/key/ci")
    for name, value in (("rpm", "1000"), ("budget", "2.50"), ("period", "day"), ("expires", "2099-12-31")):
        assert re.search(rf'name="{name}"[^>]* value="{value}"', form), name
    browser.post("/keys/key/ci", rpm="5", models="up/*\nroute:fast", disabled="on")
    (known,) = browser.running.gateway.access.books.made_accounts().all_keys()
    assert (known.rpm, known.budget, known.models, known.disabled) == (5, None, ("up/*", "route:fast"), True)
    assert browser.running.post("/v1/chat/completions", asked, headers=headers).status_code == 401
    (another,) = re.findall(r'value="(air-[\w-]{40,})"', browser.post("/keys/key/ci/rotate", 200))
    assert another != key
    browser.post("/keys/key/ci/revoke")
    assert ">ci</a>" not in browser.get("/keys")
    browser.post("/keys/key/ci/revoke", 404)


class Fields(html.parser.HTMLParser):
    """What a browser sends of the form for a key or a team, as it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}
        self._field: str | None = None
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        self._inside = self._inside or (tag == "form" and "fields" in (given.get("class") or ""))
        if not self._inside or name == "token":
            return
        if tag == "input" and (given.get("type") != "checkbox" or "checked" in given):
            self.sent[name] = (
                given.get("value") or "on" if given.get("type") == "checkbox" else given.get("value") or ""
            )
        if tag in ("textarea", "select"):
            self._field = name
            self.sent[name] = ""
        if tag == "option" and "selected" in given and self._field:
            self.sent[self._field] = given.get("value") or ""

    def handle_data(self, data: str) -> None:
        if self._inside and self._field == "models":
            self.sent["models"] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("textarea", "select"):
            self._field = None
        if tag == "form":
            self._inside = False


@pytest.mark.parametrize(
    "more", [{}, {"disabled": True, "unpriced": "allow", "rpm": None, "budget": None, "models": ()}]
)
def test_a_form_that_is_sent_as_it_is_shown_changes_nothing(browser: Browser, more: dict[str, Any]) -> None:
    """Of a key and of a team, whatever is bounded."""
    accounts = browser.running.gateway.access.books.made_accounts()
    bounds = {"models": ("up/*", "route:fast"), "rpm": 5, "budget": Decimal("2.50"), "period": "24 hours", **more}
    team = accounts.create_team("a", by="a test", **bounds)
    expires = datetime.datetime(2099, 12, 31, 23, 59, 59, tzinfo=datetime.UTC).timestamp()
    accounts.create("ci", by="a test", team="a", expires=expires, **bounds)
    key = accounts.key("ci")
    for path in ("/keys/key/ci", "/keys/team/a"):
        fields = Fields()
        fields.feed(browser.get(path))
        browser.post(path, **fields.sent)
    assert (accounts.key("ci"), accounts.team("a")) == (key, team)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "ok", "rpm": "0"}, "rpm"),
        ({"name": "ok", "rpm": "many"}, "rpm"),
        ({"name": "ok", "budget": "-1"}, "budget"),
        ({"name": "ok", "budget": "NaN"}, "budget"),
        ({"name": "ok", "period": "fortnight"}, "fortnight"),
        ({"name": "ok", "expires": "31.12.2099"}, "2027-01-31"),
        ({"name": "ok", "team": "nobody"}, "nobody"),
        ({"name": "taken"}, "already"),
        ({"name": ""}, "name"),
    ],
)
def test_a_form_that_cannot_be_is_shown_again(browser: Browser, fields: dict[str, str], said: str) -> None:
    """With what is wrong, and with what was typed."""
    browser.post("/keys/new-key", 200, name="taken")
    page = browser.post("/keys/new-key", 400, **{"tpm": "77", **fields})
    assert said in page.partition('role="alert">')[2].partition("</p>")[0]
    assert 'value="77"' in page


def test_the_log_shows_what_is_kept(serve: Serve) -> None:
    """Calls with their key; their content, and a search of it, only where it is kept, and only as a text."""
    running = serve(admin_key=ADMIN, tables={"ledger": {"content": "text"}})
    browser = Browser(running)
    browser.sign_in()
    (key,) = re.findall(r'value="(air-[\w-]{40,})"', browser.post("/keys/new-key", 200, name="ci"))
    for words in ("planted words", EVIL):
        asked = {"model": "up/m", "messages": [{"role": "user", "content": words}]}
        running.post("/v1/chat/completions", asked, headers={"authorization": f"Bearer {key}"})
    page = browser.get("/log")
    ids = re.findall(r'href="/console/log/([\w-]+)"', page)
    assert len(ids) == 2
    escaped(browser.get(f"/log/{ids[0]}"))
    assert "planted words" in browser.get(f"/log/{ids[1]}")
    assert re.findall(r'href="/console/log/([\w-]+)"', browser.get("/log?text=planted")) == [ids[1]]
    part = browser.get("/log?key=nobody", headers={"hx-request": "true"})
    assert "No call fits" in part
    assert "<html" not in part
    browser.get("/log/nobody", 404)
    browser.get("/log?after=nobody", 400)


def test_content_that_is_not_kept_is_not_shown(browser: Browser) -> None:
    """The page of a call says so."""
    (key,) = re.findall(r'value="(air-[\w-]{40,})"', browser.post("/keys/new-key", 200, name="ci"))
    asked = {"model": "up/m", "messages": [{"role": "user", "content": "planted words"}]}
    browser.running.post("/v1/chat/completions", asked, headers={"authorization": f"Bearer {key}"})
    (id_,) = re.findall(r'href="/console/log/([\w-]+)"', browser.get("/log"))
    call = browser.get(f"/log/{id_}")
    assert "was not kept" in call
    assert "planted" not in call


def test_the_playground_asks_each_model_by_itself(browser: Browser) -> None:
    """A place for each of up to four models, whose answer comes in lines; an error is one of them."""
    page = browser.post("/playground", 200, model=["up/m", EVIL, "", "up/m"], prompt="hi")
    assert page.count("data-answer") == 2
    assert "one to 4" in browser.post("/playground", 400, model=[f"up/{number}" for number in range(5)], prompt="hi")
    assert "Say something" in browser.post("/playground", 400, model="up/m", prompt=" ")
    lines = [
        json.loads(line) for line in browser.post("/playground/answer", 200, model="up/m", prompt="hi").splitlines()
    ]
    assert "".join(line.get("text", "") for line in lines) == "hello"
    assert lines[-1]["done"]["served"] == "up/m"
    browser.post("/playground/answer", 400, model="nobody/m", prompt="hi")
    assert "sk-planted" not in browser.post("/playground/answer", 400, model="sk-planted-by-mistake", prompt="hi")
    browser.post("/playground/answer", 400, model="up/m", prompt="hi", temperature="warm")


def test_an_answer_that_breaks_off_says_so(serve: Serve) -> None:
    """In the last line; and nothing in it looks like a key."""

    def refusing(request: ReceivedRequest, connection: Connection) -> None:
        connection.answer(
            Answer.of_json(
                {"error": {"message": "bad key sk-planted-upstream, not sk-planted-of-others****"}}, status=400
            )
        )

    browser = Browser(serve(refusing, admin_key=ADMIN))
    browser.sign_in()
    said = browser.post("/playground/answer", 200, model="up/m", prompt="hi")
    assert "error" in json.loads(said.splitlines()[-1])
    assert "sk-planted" not in said


def test_numbers_of_the_overview(browser: Browser) -> None:
    """What the ledger remembers, as figures and plots; who has done nothing has empty plots."""
    assert browser.get("").count("nothing yet") == 3
    (key,) = re.findall(r'value="(air-[\w-]{40,})"', browser.post("/keys/new-key", 200, name="ci"))
    asked = {"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}
    for _ in range(3):
        browser.running.post("/v1/chat/completions", asked, headers={"authorization": f"Bearer {key}"})
    page = browser.get("")
    assert "3 calls, 0 failed" in page
    assert re.search(r'scope="row">ci</th>\s*<td class="number" data-label="Calls">3<', page)


def test_one_of_several_processes_says_that_it_is(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under way is its own alone, on the page and in the part that is shown again."""
    for path in ("", "/live"):
        assert "airouter_inflight" not in browser.get(path)
    monkeypatch.setattr("airouter_gateway.console.pages.overview.is_one_of_several", lambda: True)
    for path in ("", "/live"):
        assert "airouter_inflight" in browser.get(path)


def test_where_marks_stand() -> None:
    """Within the plot; the highest at the top; nothing is drawn where nothing was."""
    found = buckets([(5.0, 2.0, False), (5.5, 4.0, False), (7.0, None, True), (99.0, 1.0, False)], 4.0, 1.0, 5)
    assert [(bucket.calls, bucket.failed, bucket.half, bucket.most) for bucket in found] == [
        (0, 0, None, None), (2, 0, 2.0, 4.0), (0, 0, None, None), (1, 1, None, None), (0, 0, None, None)
    ]  # fmt: skip
    bars = traffic(found).bars
    assert bars[1].y == TOP
    assert all(0 <= bar.x <= 100 - bar.width and TOP <= bar.y <= HEIGHT for bar in bars)
    assert latency(found, duration).lines[0][1] == ()
    assert [bar.height for bar in spend([("2026-11-01", 0), ("2026-11-02", 0)], money).bars] == [0, 0]
    assert (percentile([], 0.5), percentile([1, 2, 3, 4], 0.5), percentile([1, 2], 0.95)) == (None, 2, 2)


@pytest.mark.parametrize(
    ("written", "value", "said"),
    [
        (money, None, "-"), (money, 0, "$0"), (money, "1234.5", "$1,234.50"), (money, "0.0123", "$0.0123"),
        (money, "0.00001234", "$0.000012"), (duration, 0.0421, "42 ms"), (duration, 12.34, "12.3 s"),
        (duration, 600, "10.0 min"), (short, 999, "999"), (short, 1_500_000, "1.5 M"),
    ],
)  # fmt: skip
def test_how_numbers_are_written(written: Callable[[Any], str], value: Any, said: str) -> None:
    """With as many digits as tell something."""
    assert written(value) == said
