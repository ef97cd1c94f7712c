"""The server: which path is whose, and what is done for each request."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from airouter_core.errors import AirouterError

from ..dialects.anthropic import others as anthropic
from ..dialects.anthropic.messages import read_messages
from ..dialects.dialect import Dialect, Refused
from ..dialects.ollama import others as ollama
from ..dialects.ollama.chat import is_load, unloads
from ..dialects.ollama.chat_writer import loaded
from ..dialects.openai import others as openai
from ..dialects.question import Naming
from ..dialects.refusals import Refusal, refusal_of
from ..dialects.table import CHAT, MESSAGES, OLLAMA_CHAT, OLLAMA_GENERATE, RESPONSES
from ..keys import ClientKey, KeyStore
from ..serving import Serving
from .answering import Answering
from .exchange import Exchange, LeftError, Receive, RefusedError, Scope, Send
from .guard import Guard
from .numbers import Numbers

ACCESS = logging.getLogger("airouter.access")
LOGGER = logging.getLogger("airouter.gateway")
LEFT = 499
TEXT = b"text/plain; charset=utf-8"
METRICS = b"text/plain; version=0.0.4; charset=utf-8"

Handler = Callable[["Gateway", Exchange, Answering, Serving], Awaitable[None]]


class Gateway:
    """An ASGI application.

    Args:
        reload: makes the serving anew, of the settings as they are now.
        loopback: whether only this machine reaches it.

    Attributes:
        stop: ends the server that runs it; streams under way may finish.
        stopping: whether it is to end.
    """

    def __init__(
        self,
        serving: Serving,
        keys: KeyStore,
        *,
        loopback: bool = True,
        reload: Callable[[], Serving] | None = None,
    ) -> None:
        self.serving = serving
        self.numbers = Numbers()
        self.stopping = False
        self.stop: Callable[[], None] = lambda: None
        self._guard = Guard(keys, loopback=loopback)
        self._make_again = reload
        self._closing: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(Exchange(scope, receive, send))
        else:
            # Codex tries a WebSocket first, and takes this for "not here".
            await send({"type": "websocket.close", "code": 1000})

    async def reload(self) -> None:
        """Serve what the settings say now. What is under way goes on with what it began with."""
        if self._make_again is None:
            return
        try:
            fresh = await asyncio.to_thread(self._make_again)
        except AirouterError as error:
            LOGGER.error("the settings were not read again, and the old ones stay: %s", error)  # noqa: TRY400  # no bug
            return
        old, self.serving = self.serving, fresh
        task = asyncio.create_task(old.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        LOGGER.info("the settings were read again")

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.serving.manager.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _answer(self, exchange: Exchange) -> None:
        dialect, refused, methods, handler = route_of(exchange)
        serving = self.serving
        serving.in_use += 1
        self.numbers.under_way.inc()
        try:
            await self._handled(exchange, serving, methods, handler)
        except LeftError:
            exchange.status = LEFT
        except RefusedError as error:
            await _refuse(exchange, refused, error.refusal)
        except Exception as error:
            exchange.failure = type(error).__name__
            refusal = refusal_of(error)
            if refusal.status == 500:
                LOGGER.exception("request %s failed", exchange.id)
            await _refuse(exchange, refused, refusal)
        finally:
            serving.in_use -= 1
            self.numbers.under_way.dec()
            self._tell(exchange, dialect)

    async def _handled(self, exchange: Exchange, serving: Serving, methods: tuple[str, ...], handler: Handler) -> None:
        self._guard.check_names(exchange, serving.settings)
        if exchange.method == "OPTIONS":
            await self._guard.preflight(exchange)
            return
        if exchange.method not in methods:
            message = f"{exchange.method} is no method of {exchange.path}"
            raise RefusedError(Refusal(kind="no_method", message=message))
        key: ClientKey | None = None
        if handler not in OPEN:
            key = self._guard.key_of(exchange)
            if exchange.method == "POST":
                self._guard.count(key)
        await handler(self, exchange, Answering(serving, self.numbers, key), serving)

    def _tell(self, exchange: Exchange, dialect: str) -> None:
        outcome = exchange.failure or f"{exchange.status // 100}xx"
        target = (exchange.target or "none").partition("/")[0]
        self.numbers.requests.labels(dialect, target, outcome).inc()
        self.numbers.duration.labels(dialect).observe(exchange.seconds)
        ACCESS.info(
            "%s %s %s %s %.3fs %s %s",
            exchange.method,
            msgspec.json.encode(exchange.path[:200]).decode(),
            exchange.status,
            exchange.target or "-",
            exchange.seconds,
            exchange.id,
            exchange.key_prefix or "-",
        )


async def _refuse(exchange: Exchange, refused: Refused, refusal: Refusal) -> None:
    if exchange.status:
        return  # the head is out: all that is left is to cut
    status, body, headers = refused(refusal, exchange.id)
    await exchange.whole(status, body, headers=(*refusal.headers, *headers))


async def _body(exchange: Exchange, serving: Serving) -> bytes:
    return await exchange.body(serving.settings.largest_body, serving.settings.read_timeout)


def _chat(dialect: Dialect) -> Handler:
    async def answer(gateway: Gateway, exchange: Exchange, answering: Answering, serving: Serving) -> None:
        question = dialect.read(await _body(exchange, serving), exchange.headers)
        await answering.chat(exchange, dialect, question)

    return answer


def _ollama(dialect: Dialect, *, chat: bool) -> Handler:
    async def answer(gateway: Gateway, exchange: Exchange, answering: Answering, serving: Serving) -> None:
        body = await _body(exchange, serving)
        if is_load(body):
            model = ollama.named_model(body)
            await answering.target_of(exchange, model)
            naming = Naming("", int(time.time()), model)
            await exchange.whole(200, loaded(naming, unloaded=unloads(body), chat=chat))
            return
        await answering.chat(exchange, dialect, dialect.read(body, exchange.headers))

    return answer


async def _count(gateway: Gateway, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    question = read_messages(await _body(exchange, serving), exchange.headers)
    await exchange.whole(200, anthropic.counted_body(await answering.tokens(exchange, question)))


async def _embeddings(gateway: Gateway, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    asked = openai.read_embeddings(await _body(exchange, serving))
    await exchange.whole(200, openai.embeddings_body(asked, await answering.vectors(exchange, asked)))


def _embed(written: Callable[..., bytes]) -> Handler:
    async def answer(gateway: Gateway, exchange: Exchange, answering: Answering, serving: Serving) -> None:
        asked = ollama.read_embed(await _body(exchange, serving))
        vectors = await answering.vectors(exchange, asked)
        await exchange.whole(200, written(asked, vectors, exchange.seconds))

    return answer


async def _models(gateway: Gateway, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    models = await answering.models()
    now = int(time.time())
    if "anthropic-version" in exchange.headers:
        await exchange.whole(200, anthropic.models_body(models, now))
    else:
        await exchange.whole(200, openai.models_body(models, now))


async def _model(gateway: Gateway, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    model = await answering.model(exchange, exchange.path.removeprefix(MODEL))
    await exchange.whole(200, msgspec.json.encode(openai.model_entry(model, int(time.time()))))


async def _tags(gateway: Gateway, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    await exchange.whole(200, ollama.tags_body(await answering.models(), int(time.time())))


async def _show(gateway: Gateway, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    model = await answering.model(exchange, ollama.named_model(await _body(exchange, serving)))
    await exchange.whole(200, ollama.show_body(model, int(time.time())))


async def _running(gateway: Gateway, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    await exchange.whole(200, ollama.running_body())


async def _version(gateway: Gateway, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    await exchange.whole(200, ollama.version_body())


async def _root(gateway: Gateway, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    await exchange.whole(200, ollama.RUNNING, TEXT)


async def _alive(gateway: Gateway, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    await exchange.whole(200, b'{"status":"alive"}')


async def _ready(gateway: Gateway, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    ready = not gateway.stopping and bool(serving.manager.names)
    await exchange.whole(200 if ready else 503, b'{"status":"ready"}' if ready else b'{"status":"not ready"}')


async def _metrics(gateway: Gateway, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    await exchange.whole(200, gateway.numbers.text(), METRICS)


async def _off(gateway: Gateway, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    message = f"{exchange.path} is off: this server changes no models"
    raise RefusedError(Refusal(kind="forbidden", message=message))


async def _nowhere(gateway: Gateway, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    raise RefusedError(Refusal(kind="no_path", message=f"there is no {exchange.method} {exchange.path[:100]}"))


GET = ("GET", "HEAD")
POST = ("POST",)
ANY = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
MODEL = "/v1/models/"
OLLAMA_PATHS = "/api/"
OPEN: frozenset[Any] = frozenset({_alive, _ready, _root})
"""What is answered without a key: nothing about models, and nothing that costs."""

ROUTES: dict[str, tuple[str, Refused, tuple[str, ...], Handler]] = {
    "/v1/chat/completions": (CHAT.name, CHAT.refused, POST, _chat(CHAT)),
    "/v1/responses": (RESPONSES.name, RESPONSES.refused, POST, _chat(RESPONSES)),
    "/v1/messages": (MESSAGES.name, MESSAGES.refused, POST, _chat(MESSAGES)),
    "/v1/messages/count_tokens": ("count", MESSAGES.refused, POST, _count),
    "/v1/embeddings": ("embeddings", CHAT.refused, POST, _embeddings),
    "/v1/models": ("models", CHAT.refused, GET, _models),
    "/api/chat": (OLLAMA_CHAT.name, OLLAMA_CHAT.refused, POST, _ollama(OLLAMA_CHAT, chat=True)),
    "/api/generate": (OLLAMA_GENERATE.name, OLLAMA_GENERATE.refused, POST, _ollama(OLLAMA_GENERATE, chat=False)),
    "/api/embed": ("embeddings", OLLAMA_CHAT.refused, POST, _embed(ollama.embed_body)),
    "/api/embeddings": ("embeddings", OLLAMA_CHAT.refused, POST, _embed(ollama.embeddings_body)),
    "/api/tags": ("models", OLLAMA_CHAT.refused, GET, _tags),
    "/api/show": ("models", OLLAMA_CHAT.refused, POST, _show),
    "/api/ps": ("models", OLLAMA_CHAT.refused, GET, _running),
    "/api/version": ("models", OLLAMA_CHAT.refused, GET, _version),
    **{
        f"/api/{name}": ("models", OLLAMA_CHAT.refused, ANY, _off)
        for name in ("pull", "push", "create", "copy", "delete")
    },
    "/": ("root", CHAT.refused, GET, _root),
    "/health/live": ("health", CHAT.refused, GET, _alive),
    "/health/ready": ("health", CHAT.refused, GET, _ready),
    "/metrics": ("metrics", CHAT.refused, GET, _metrics),
}


def route_of(exchange: Exchange) -> tuple[str, Refused, tuple[str, ...], Handler]:
    """What a path is about, how it is refused, its methods, and who answers."""
    found = ROUTES.get(exchange.path)
    if found is None and exchange.path.startswith(MODEL):
        found = ("models", CHAT.refused, GET, _model)
    if found is None:
        refused = OLLAMA_CHAT.refused if exchange.path.startswith(OLLAMA_PATHS) else CHAT.refused
        found = ("none", refused, ANY, _nowhere)
    if "anthropic-version" in exchange.headers and not exchange.path.startswith(OLLAMA_PATHS):
        return found[0], MESSAGES.refused, *found[2:]
    return found
