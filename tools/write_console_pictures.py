"""Take the pictures of the gateway's console: python tools/write_console_pictures.py [FOLDER] (Chromium, playwright).

A server with made-up calls is started on the loopback, and a browser looks at it: at 1,280 and at 360 pixels, in light
and in dark. Without a folder only the picture of the documentation is taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import requests
from playwright.sync_api import Browser, sync_playwright

from airouter_core.manager import ProviderManager
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_core.values.usage import Cost, Usage
from airouter_gateway.access.access import Access
from airouter_gateway.access.books import Books
from airouter_gateway.keys import KeyFile
from airouter_gateway.running import bound_socket, run
from airouter_gateway.server.app import Gateway
from airouter_gateway.serving import Serving
from airouter_gateway.settings import GatewaySettings
from airouter_ledger.ledger import Ledger
from airouter_ledger.records import CallRecord

ADMIN = "an-admin-key-for-pictures"
PICTURE = Path(__file__).parents[1] / "docs" / "console.png"
PAGES = {
    "overview": "", "models": "/models", "keys": "/keys", "key": "/keys/key/eva", "new": "/keys/new-key", "log": "/log",
    "playground": "/playground",
}  # fmt: skip
MODELS = (("openai", "gpt-5.5", 6.0), ("claude", "claude-sonnet-4-5", 9.0), ("llama-cpp", "qwen3-8b", 0.0))
PROGRAMS = ("/usr/bin/chromium", "/usr/bin/chromium-browser")


def remember(ledger: Ledger) -> None:
    """Some weeks of calls."""
    chance = random.Random(7)
    now = time.time()
    for number in range(2600):
        age = chance.random() ** 2.2 * 30 * 86400
        busy = 0.55 + 0.45 * math.sin((now - age) / 86400 * 2 * math.pi)
        if chance.random() > busy:
            continue
        provider, model, price = chance.choices(MODELS, (5, 4, 6))[0]
        sent, made = chance.randint(200, 9000), chance.randint(20, 900)
        failed = chance.random() < 0.03
        seconds = chance.lognormvariate(0.4, 0.6) * (1 + busy) * (0.5 if price == 0 else 1)
        ledger.add(
            CallRecord(
                id=f"{number:06d}{chance.randrange(16**10):010x}", at=now - age, kind="chat", provider=provider,
                model=model, served=model, usage=Usage() if failed else Usage(sent, made),
                cost=Cost(Decimal(0 if failed else round((sent + 4 * made) * price / 1e6, 6)), "prices of 2026-11"),
                seconds=seconds, first_event=seconds / 4, finish=None if failed else "stop",
                error="OverloadedError" if failed else None, stream=True,
                tags={"key": chance.choice(("eva", "ci", "website")), "team": "research"},
            )
        )  # fmt: skip


def answering(request: ReceivedRequest, connection: Connection) -> None:
    """A provider that is slow enough to be seen."""
    if request.method == "GET":
        models = [
            {"id": model, "object": "model", "context_length": 131072}
            for name, model, _ in MODELS
            if f"/{name}/" in request.path
        ]
        connection.answer(Answer.of_json({"object": "list", "data": models}))
        return
    time.sleep(40)
    connection.close()


def ask(address: str, key: str, model: str) -> None:
    """A request that is under way for a while."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
    with contextlib.suppress(requests.RequestException):
        headers = {"authorization": f"Bearer {key}"}
        requests.post(f"{address}/v1/chat/completions", json=body, headers=headers, timeout=60)


@contextmanager
def served() -> Iterator[str]:
    """A server with a past; its address."""
    with (
        tempfile.TemporaryDirectory() as folder,
        LoopbackServer(answering) as upstream,
        Ledger.open(f"{folder}/ledger.db") as ledger,
    ):
        remember(ledger)
        books = Books({"ledger": {"path": f"{folder}/ledger.db"}}, open_ledger=lambda *_: ledger)
        accounts = books.made_accounts()
        accounts.create_team("research", by="command line", budget=Decimal(200), tpm=200_000)
        key, _ = accounts.create("eva", by="console", team="research", models=("openai/*", "route:careful"), rpm=60,
                        budget=Decimal(20), expires=time.time() + 80 * 86400)  # fmt: skip
        accounts.create("ci", by="console", team="research", models=("llama-cpp/*",), in_flight=4)
        accounts.create("website", by="admin API", budget=Decimal(5), period="day", disabled=True)
        manager = ProviderManager()
        for name in ("openai", "claude", "llama-cpp"):
            config = {"base_url": f"{upstream.url}/{name}/v1", "api_key": "none", "max_retries": 0}
            manager.add_provider("openai", config, as_name=name)
        settings = GatewaySettings(admin_key=ADMIN, drain=0)
        gateway = Gateway(Serving(manager, settings, books), Access(KeyFile(f"{folder}/keys.json"), books))
        listening = bound_socket("127.0.0.1", 0)
        listening.listen()
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=lambda: loop.run_until_complete(run(gateway, listening)))
        thread.start()
        try:
            address = f"http://127.0.0.1:{listening.getsockname()[1]}"
            for model in ("openai/gpt-5.5", "route:careful", "openai/gpt-5.5-mini"):
                threading.Thread(target=ask, args=(address, key, model), daemon=True).start()
                time.sleep(0.7)
            yield address
        finally:
            loop.call_soon_threadsafe(gateway.stop)
            thread.join(10)


def opened(browser: Browser, address: str, width: int, scheme: str) -> object:
    """A page of somebody who is signed in."""
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, device_scale_factor=1.5
    )
    page = context.new_page()
    page.goto(f"{address}/console/login")
    page.get_by_label("Admin key").fill(ADMIN)
    page.get_by_role("button", name="Sign in").click()
    return page


def main() -> None:
    """Take them."""
    logging.disable(logging.CRITICAL)  # what is under way is cut off in the end
    program = next((one for one in PROGRAMS if Path(one).exists()), None)
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = opened(browser, address, 1280, "light")
        page.wait_for_timeout(300)
        page.screenshot(path=PICTURE, full_page=True)
        print(PICTURE)
        for folder in map(Path, sys.argv[1:]):
            folder.mkdir(parents=True, exist_ok=True)
            for width in (1280, 360):
                for scheme in ("light", "dark"):
                    page = opened(browser, address, width, scheme)
                    for name, path in PAGES.items():
                        page.goto(f"{address}/console{path}")
                        page.wait_for_timeout(400)
                        page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
