"""The console in a real Chromium: with a keyboard, on a small screen, in the dark, within its own policy."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from airouter_core.testing.server import Connection, ReceivedRequest

playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
pytest.importorskip("starlette", reason="the extra [console] is not installed")


if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from conftest import Running, Serve

ADMIN = "planted-admin-key-0123456789"
EVIL = "<img src=x onerror=alert(1)> \"quoted' </textarea><script>alert(2)</script>"
PATHS = ("", "/models", "/keys", "/keys/new-key", "/keys/key/ci", "/keys/team/a", "/log", "/playground")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser of playwright, or of the system."""
    program = os.environ.get("AIROUTER_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with playwright.sync_playwright() as started:
        try:
            # Root has no sandbox there, some kernels have none, and containers little shared memory; it sees our own
            # pages only.
            arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
            browser = started.chromium.launch(executable_path=program, args=arguments, timeout=120_000)
        except playwright.Error as error:
            way = (
                "Debian: apt install chromium; elsewhere: playwright install chromium; or name one in AIROUTER_CHROMIUM"
            )
            pytest.skip(f"no Chromium starts here ({way}): {str(error).splitlines()[0]}")
        yield browser
        browser.close()


class Seen:
    """A page that somebody looks at, and whatever went wrong in it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = f"{url}/console"
        self.wrong: list[str] = []
        page.on("console", lambda said: self.wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("dialog", lambda dialog: (self.wrong.append(dialog.message), dialog.dismiss()))
        page.on("requestfailed", lambda request: self.failed(request.url, request.failure))
        page.on("request", lambda request: request.url.startswith(url) or self.wrong.append(request.url))

    def failed(self, address: str, why: str) -> None:
        """A request came to nothing; whoever leaves a page gives up what it was loading, which is no failure."""
        if "ERR_ABORTED" not in why:
            self.wrong.append(f"{address}: {why}")

    def sign_in(self) -> None:
        """With the keyboard alone: the field has the focus."""
        self.page.goto(self.url)
        self.page.locator("#key:focus").wait_for()
        self.page.keyboard.type(ADMIN)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(self.url)


@pytest.fixture
def running(serve: Serve) -> Running:
    """A server with a team, a key, a call, and names that are meant to do harm."""
    running = serve(admin_key=ADMIN, tables={"ledger": {"content": "text"}}, models={EVIL: "up/m"})
    accounts = running.gateway.access.books.made_accounts()
    accounts.create_team("a", by="a test", tpm=100_000)
    key, _ = accounts.create("ci", by="a test", team="a", models=(EVIL, "up/*"), rpm=60)
    asked = {"model": "up/m", "messages": [{"role": "user", "content": f"planted {EVIL}"}]}
    assert running.post("/v1/chat/completions", asked, headers={"authorization": f"Bearer {key}"}).ok
    return running


def looked(chromium: Browser, running: Running, width: int = 1280, scheme: str = "light", **more: Any) -> Seen:
    context = chromium.new_context(viewport={"width": width, "height": 720}, color_scheme=scheme, **more)
    context.set_default_timeout(90_000)
    return Seen(context.new_page(), running.url)


def test_every_page_at_every_width_in_light_and_dark(chromium: Browser, running: Running) -> None:
    """Nothing is wider than the screen, the dark is dark, and nothing that names or prompts hold is run or fetched."""
    for width, scheme in ((360, "dark"), (1280, "light")):
        seen = looked(chromium, running, width, scheme)
        seen.sign_in()
        for path in PATHS:
            answer = seen.page.goto(seen.url + path)
            assert answer is not None
            assert answer.status == 200, path
            seen.page.wait_for_load_state("load")
            wide = seen.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{path} is {wide} pixels too wide at {width}"
            ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
            light = sum(map(int, re.findall(r"\d+", ground)[:3])) / 3
            assert (light < 60) == (scheme == "dark"), ground
            assert seen.page.evaluate("document.images.length") <= 2
        assert seen.wrong == []
        seen.page.context.close()


def test_with_a_keyboard(chromium: Browser, running: Running) -> None:
    """The first stop leads to the content; each stop is seen to have the focus; a key is made without a mouse."""
    seen = looked(chromium, running)
    seen.sign_in()
    page = seen.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#content"
    page.goto(f"{seen.url}/keys")
    for _ in range(8):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
    page.goto(f"{seen.url}/keys/new-key")
    page.locator("#name:focus").wait_for()
    page.keyboard.type("made by hand")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.type("2.50")
    page.keyboard.press("Enter")
    secret = page.get_by_label("Key", exact=True)
    assert secret.input_value().startswith("air-")
    page.get_by_role("link", name="I have it").click()
    assert page.get_by_label("Budget, US dollars").input_value() == "2.50"
    assert "air-" not in page.get_by_label("Name").or_(page.get_by_label("Models and routes")).first.input_value()
    assert seen.wrong == []


def test_parts_of_pages_are_shown_anew(chromium: Browser, running: Running) -> None:
    """What is under way, who is well, who would be asked, what is found: without loading the page again."""
    seen = looked(chromium, running)
    seen.sign_in()
    page = seen.page
    running.gateway.live["r"] = _UnderWay()
    page.get_by_role("row").filter(has_text="up/slow").wait_for()
    del running.gateway.live["r"]
    page.get_by_text("Nothing is being answered now.").wait_for()
    page.goto(f"{seen.url}/models")
    page.get_by_text("available").wait_for()
    page.evaluate("window.same = true")
    page.get_by_label("Model, route or name").fill("up/m")
    page.get_by_role("button", name="Explain").click()
    page.get_by_text("up/m, and nobody else").wait_for()
    page.get_by_label("Find").fill("nothing like it")
    page.get_by_text("No model has").wait_for()
    assert page.evaluate("window.same")
    page.goto(f"{seen.url}/log")
    page.evaluate("window.same = true")
    page.get_by_label("Words of prompt or answer").fill("elsewhere")
    page.get_by_text("No call fits.").wait_for()
    page.get_by_label("Words of prompt or answer").fill("planted")
    page.get_by_role("cell", name="up/m").wait_for()
    assert page.evaluate("window.same")
    page.locator("#calls a").first.click()
    assert EVIL in page.locator("pre").first.inner_text()
    assert seen.wrong == []


def said(text: str, reason: str | None = None) -> bytes:
    """A piece of an answer of the upstream."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
    return b"data: " + json.dumps({"id": "x", "model": "m", "choices": [choice]}).encode() + b"\n\n"


class _UnderWay:
    id, path, key_name, target, seconds = "r", "/v1/messages", None, "up/slow", 3.0


def test_answers_are_shown_as_they_come(chromium: Browser, serve: Serve) -> None:
    """The beginning while the end is still to come, side by side, as a text whatever it holds."""
    goes_on = threading.Event()

    def slow(request: ReceivedRequest, connection: Connection) -> None:
        if request.method == "GET":
            connection.send(b'HTTP/1.1 200 OK\r\ncontent-length: 36\r\n\r\n{"data": [{"id": "m"}, {"id": "n"}]}')
            return
        connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + said(EVIL))
        goes_on.wait(120)
        connection.send(said(" and the end", "stop") + b"data: [DONE]\n\n")
        connection.close()

    running = serve(slow, admin_key=ADMIN)
    seen = looked(chromium, running)
    seen.sign_in()
    page = seen.page
    page.goto(f"{seen.url}/playground")
    page.get_by_label("Model 1").fill("up/m")
    page.get_by_label("Model 2").fill("up/n")
    page.get_by_label("Prompt", exact=True).fill(EVIL)
    page.get_by_role("button", name="Ask", exact=True).click()
    for name in ("up/m", "up/n"):
        page.get_by_role("article", name=name).get_by_text(EVIL).wait_for()
    goes_on.set()
    for name in ("up/m", "up/n"):
        card = page.get_by_role("article", name=name)
        card.get_by_text("and the end").wait_for()
        card.get_by_text(f"stop · {name}").wait_for()
    assert page.get_by_label("Prompt", exact=True).input_value() == EVIL
    assert seen.wrong == []


def test_without_scripts(chromium: Browser, running: Running) -> None:
    """Pages and forms work as well; what scripts show anew is a link or a button away."""
    seen = looked(chromium, running, java_script_enabled=False)
    page = seen.page
    page.goto(seen.url)
    page.get_by_label("Admin key").fill(ADMIN)
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{seen.url}/models")
    page.get_by_label("Model, route or name").fill("up/m")
    page.get_by_role("button", name="Explain").click()
    page.get_by_text("up/m, and nobody else").wait_for()
    page.goto(f"{seen.url}/log")
    page.get_by_label("Words of prompt or answer").fill("elsewhere")
    page.get_by_role("button", name="Search").click()
    page.get_by_text("No call fits.").wait_for()
    page.goto(f"{seen.url}/keys/key/ci")
    page.get_by_text("Revoke…").click()
    page.get_by_role("button", name="Revoke ci").click()
    page.get_by_text("There is no key.").wait_for()
