"""Paths of Ollama's clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from airouter_core.errors import ExecutionError

from ...dialects.dialect import NDJSON, Dialect
from ...dialects.ollama import others as ollama
from ...dialects.ollama.chat import is_load, unloads
from ...dialects.ollama.chat_writer import encode, loaded
from ...dialects.ollama.refused import error_of
from ...dialects.question import Naming
from ...dialects.refusals import Refusal, refusal_of
from ...dialects.table import OLLAMA_CHAT, OLLAMA_GENERATE
from ...serving import Serving
from ..answering import Answering, parameters_of
from ..exchange import Exchange, RefusedError
from .handling import ANY, GET, POST, Handler, Path, Server, body_of

REFUSED = OLLAMA_CHAT.refused
SHOW, RUNNING, PULL, UNLOAD = "show_model", "list_running_models", "pull_model", "unload_model"
TEXT = b"text/plain; charset=utf-8"


def _asked(dialect: Dialect, *, is_chat: bool) -> Handler:
    async def answer(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
        body = await body_of(exchange, serving)
        if is_load(body):
            await _load(exchange, answering, serving, body, is_chat=is_chat)
            return
        await answering.chat(exchange, dialect, dialect.read(body, exchange.headers))

    return answer


async def _load(exchange: Exchange, answering: Answering, serving: Serving, body: bytes, *, is_chat: bool) -> None:
    """Free a model's memory where its provider can; to load one is left to the first question."""
    model = ollama.named_model(body)
    target = await answering.target_of(exchange, model)
    unloaded = unloads(body)
    if unloaded and parameters_of(serving.provider(target), UNLOAD) is not None:
        await answering.operation(exchange, model, UNLOAD, {"name": target.model})
    naming = Naming("", int(time.time()), model)
    await exchange.whole(loaded(naming, unloaded=unloaded, chat=is_chat))


def _embed(written: Callable[..., bytes]) -> Handler:
    async def answer(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
        asked = ollama.read_embed(await body_of(exchange, serving))
        vectors, tokens = await answering.vectors(exchange, asked)
        await exchange.whole(written(asked, vectors, tokens, exchange.seconds))

    return answer


async def _tags(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    await exchange.whole(ollama.tags_body(await answering.models(), int(time.time())))


async def _show(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    name = ollama.named_model(await body_of(exchange, serving))
    model = await answering.model(exchange, name)
    target = await answering.target_of(exchange, name)
    provider = serving.provider(target)
    if parameters_of(provider, SHOW) is not None:
        model = await answering.operation(exchange, name, SHOW, {"name": target.model})
    await exchange.whole(ollama.show_body(model, int(time.time()), calls_tools="tools" in provider.info.capabilities))


async def _running(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    """What is in memory, of the providers that tell; one that is down costs only its own part."""
    models: list[Any] = []
    for name in serving.manager.names:
        provider = serving.manager.provider(name)
        if parameters_of(provider, RUNNING) is None:
            continue
        try:
            found = await exchange.until_left(provider.arun(provider.operation_flow(RUNNING)))
        except ExecutionError:
            continue
        models += [(f"{name}/{model.id}", model) for model in found if answering.may_ask(f"{name}/{model.id}")]
    await exchange.whole(ollama.running_body(models))


async def _pull(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    if not serving.settings.pull:
        await _off(server, exchange, answering, serving)
    body = await body_of(exchange, serving)
    named, stream = ollama.named_model(body), ollama.is_streamed(body)
    provider, name = _puller(serving, named)
    host, slash, _ = name.partition("/")
    if (slash and any(mark in host for mark in ".:")) or "//" in name:
        # The engine would fetch from any host that is named.
        raise RefusedError(Refusal(kind="forbidden", message="models are pulled from the engine's own registry alone"))
    if not answering.may_ask(named, f"{provider.kept_as}/{name}"):
        raise RefusedError(Refusal(kind="forbidden", message=f"this key may not use {named!r}"))
    reports: asyncio.Queue[Any] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    flow = provider.operation_flow(PULL, name, lambda report: loop.call_soon_threadsafe(reports.put_nowait, report))
    pulling = asyncio.ensure_future(exchange.until_left(provider.arun(flow)))
    pulling.add_done_callback(lambda done: reports.put_nowait(None))
    try:
        first = await reports.get()
        if not stream or first is None:
            await pulling
            await exchange.whole(ollama.PULLED)
            return
        await exchange.begin(NDJSON)
        await exchange.more(ollama.pulling_line(first))
        while (report := await reports.get()) is not None:
            await exchange.more(ollama.pulling_line(report))
        error = pulling.exception()
        last = ollama.PULLED + b"\n" if error is None else encode(error_of(refusal_of(error))) + b"\n"
        await exchange.more(last)
        await exchange.end()
    finally:
        pulling.cancel()
        await asyncio.gather(pulling, return_exceptions=True)


def _puller(serving: Serving, named: str) -> tuple[Any, str]:
    """Who pulls a model of this name: the provider that is named, else the only one that can."""
    first, _, rest = named.partition("/")
    able = [name for name in serving.manager.names if parameters_of(serving.manager.provider(name), PULL) is not None]
    if first in able and rest:
        return serving.manager.provider(first), rest
    if len(able) != 1:
        who = "several providers here do: name one before a slash" if able else "no provider here does"
        raise RefusedError(Refusal(kind="unsupported", message=f"who pulls {named!r}? {who}", should_retry=False))
    return serving.manager.provider(able[0]), named


async def _version(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    await exchange.whole(ollama.version_body())


async def running_here(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    """What Ollama's clients, and Claude Code, ask before all else."""
    await exchange.whole(ollama.RUNNING, TEXT)


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
    "/api/pull": Path("models", REFUSED, POST, _pull),
    **{f"/api/{name}": Path("models", REFUSED, ANY, _off) for name in ("push", "create", "copy", "delete")},
}
