"""Paths of Ollama's clients."""

from __future__ import annotations

import time
from collections.abc import Callable

from ...dialects.dialect import Dialect
from ...dialects.ollama import others as ollama
from ...dialects.ollama.chat import is_load, unloads
from ...dialects.ollama.chat_writer import loaded
from ...dialects.question import Naming
from ...dialects.refusals import Refusal
from ...dialects.table import OLLAMA_CHAT, OLLAMA_GENERATE
from ...serving import Serving
from ..answering import Answering
from ..exchange import Exchange, RefusedError
from .handling import ANY, GET, POST, Handler, Path, Server, body_of

REFUSED = OLLAMA_CHAT.refused
TEXT = b"text/plain; charset=utf-8"


def _asked(dialect: Dialect, *, is_chat: bool) -> Handler:
    async def answer(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
        body = await body_of(exchange, serving)
        if is_load(body):
            model = ollama.named_model(body)
            await answering.target_of(exchange, model)
            naming = Naming("", int(time.time()), model)
            await exchange.whole(200, loaded(naming, unloaded=unloads(body), chat=is_chat))
            return
        await answering.chat(exchange, dialect, dialect.read(body, exchange.headers))

    return answer


def _embed(written: Callable[..., bytes]) -> Handler:
    async def answer(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
        asked = ollama.read_embed(await body_of(exchange, serving))
        vectors = await answering.vectors(exchange, asked)
        await exchange.whole(200, written(asked, vectors, exchange.seconds))

    return answer


async def _tags(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    await exchange.whole(200, ollama.tags_body(await answering.models(), int(time.time())))


async def _show(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    model = await answering.model(exchange, ollama.named_model(await body_of(exchange, serving)))
    await exchange.whole(200, ollama.show_body(model, int(time.time())))


async def _running(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    await exchange.whole(200, ollama.running_body())


async def _version(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    await exchange.whole(200, ollama.version_body())


async def running_here(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    """What Ollama's clients, and Claude Code, ask before all else."""
    await exchange.whole(200, ollama.RUNNING, TEXT)


async def _off(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    message = f"{exchange.path} is off: this server changes no models"
    raise RefusedError(Refusal(kind="forbidden", message=message))


PATHS = {
    "/api/chat": Path(OLLAMA_CHAT.name, REFUSED, POST, _asked(OLLAMA_CHAT, is_chat=True)),
    "/api/generate": Path(OLLAMA_GENERATE.name, REFUSED, POST, _asked(OLLAMA_GENERATE, is_chat=False)),
    "/api/embed": Path("embeddings", REFUSED, POST, _embed(ollama.embed_body)),
    "/api/embeddings": Path("embeddings", REFUSED, POST, _embed(ollama.embeddings_body)),
    "/api/tags": Path("models", REFUSED, GET, _tags),
    "/api/show": Path("models", REFUSED, POST, _show),
    "/api/ps": Path("models", REFUSED, GET, _running),
    "/api/version": Path("models", REFUSED, GET, _version),
    **{f"/api/{name}": Path("models", REFUSED, ANY, _off) for name in ("pull", "push", "create", "copy", "delete")},
}
