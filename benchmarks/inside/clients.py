"""Every client that is measured, behind three tables of functions.

``CALLS[name](shape, base)`` makes a function that asks once and returns the text; ``STREAMS`` one that gives the pieces
of a streamed answer; ``AWAITED`` a coroutine function that asks once. What is made beforehand (clients, sessions,
imports) is not measured. This module runs in the environment of the client, and imports nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from formats import HEADERS, MODELS, PATHS, PROMPT, payload, piece_in, text_in

Call = Callable[[], str]
Stream = Callable[[], Iterator[Any]]
Awaited = Callable[[], Awaitable[str]]

POOL = int(os.environ.get("BENCHMARK_POOL", "10"))
"""Connections that a pool may keep; clients that need no such hint ignore it."""
PROVIDERS = {"openai": "openai", "anthropic": "claude", "ollama": "ollama"}
MESSAGES: Any = [{"role": "user", "content": PROMPT}]


# airouter


def airouter_provider(shape: str, base: str) -> Any:
    """As a user makes one."""
    from airouter_core import create_provider

    settings = {} if shape == "ollama" else {"api_key": "stub-key"}
    return create_provider(PROVIDERS[shape], {"base_url": base + ("/v1" if shape == "openai" else ""), **settings})


def call_airouter(shape: str, base: str) -> Call:
    provider, model = airouter_provider(shape, base), MODELS[shape]
    return lambda: str(provider.execute(model, PROMPT))


def stream_airouter(shape: str, base: str) -> Stream:
    provider, model = airouter_provider(shape, base), MODELS[shape]
    return lambda: provider.stream_execute(model, PROMPT)  # type: ignore[no-any-return]


def awaited_airouter(shape: str, base: str) -> Awaited:
    provider, model = airouter_provider(shape, base), MODELS[shape]
    return lambda: provider.aexecute(model, PROMPT)  # type: ignore[no-any-return]


# The floor: what a program without a library would do.


def call_http_client(shape: str, base: str) -> Call:
    import http.client

    url = urlsplit(base + PATHS[shape])
    connection = http.client.HTTPConnection(str(url.hostname), url.port)
    headers = {**HEADERS[shape], "Content-Type": "application/json"}

    def call() -> str:
        connection.request("POST", url.path, json.dumps(payload(shape, stream=False)), headers)
        return text_in(shape, json.loads(connection.getresponse().read()))

    return call


def _session() -> Any:
    import requests

    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_connections=POOL, pool_maxsize=POOL))
    return session


def call_requests(shape: str, base: str) -> Call:
    session, url, headers = _session(), base + PATHS[shape], HEADERS[shape]
    return lambda: text_in(shape, session.post(url, json=payload(shape, stream=False), headers=headers).json())


def call_requests_pool(shape: str, base: str) -> Call:
    """The pool below requests, driven directly."""
    url = base + PATHS[shape]
    pool = _session().get_adapter(url).poolmanager.connection_from_url(url)
    path, headers = urlsplit(url).path, {**HEADERS[shape], "Content-Type": "application/json"}

    def call() -> str:
        body = json.dumps(payload(shape, stream=False)).encode()
        answer = pool.urlopen("POST", path, body=body, headers=headers, redirect=False, retries=False)
        return text_in(shape, json.loads(answer.data))

    return call


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines


def _stream_requests(shape: str, base: str, read: Callable[[Any], Iterator[bytes]]) -> Stream:
    session, url, headers = _session(), base + PATHS[shape], HEADERS[shape]

    def stream() -> Iterator[str | None]:
        with session.post(url, json=payload(shape, stream=True), headers=headers, stream=True) as answer:
            for line in _lines(read(answer.raw)):
                yield piece_in(shape, line)

    return stream


def _as_it_comes(raw: Any) -> Iterator[bytes]:
    while data := raw.read1(65536):
        yield data


def stream_floor(shape: str, base: str) -> Stream:
    """Read in the cheapest way that holds nothing back, split into lines, json.loads."""
    return _stream_requests(shape, base, lambda raw: raw.stream(65536) if raw.chunked else _as_it_comes(raw))


def stream_read1(shape: str, base: str) -> Stream:
    """As the floor, always by read1: nothing is ever held back."""
    return _stream_requests(shape, base, _as_it_comes)


def awaited_aiohttp(shape: str, base: str) -> Awaited:
    import aiohttp

    url, headers = base + PATHS[shape], HEADERS[shape]
    sessions: list[aiohttp.ClientSession] = []

    async def call() -> str:
        if not sessions:
            sessions.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        async with sessions[0].post(url, json=payload(shape, stream=False), headers=headers) as answer:
            return text_in(shape, await answer.json())

    return call


# The peers.


def _openai(base: str, *, awaited: bool = False) -> Any:
    import openai

    return (openai.AsyncOpenAI if awaited else openai.OpenAI)(api_key="stub-key", base_url=base + "/v1")


def call_openai(shape: str, base: str) -> Call:
    ask, model = _openai(base).chat.completions.create, MODELS[shape]
    return lambda: str(ask(model=model, messages=MESSAGES).choices[0].message.content)


def stream_openai(shape: str, base: str) -> Stream:
    ask, model = _openai(base).chat.completions.create, MODELS[shape]
    return lambda: (chunk.choices[0].delta.content for chunk in ask(model=model, messages=MESSAGES, stream=True))


def awaited_openai(shape: str, base: str) -> Awaited:
    ask, model = _openai(base, awaited=True).chat.completions.create, MODELS[shape]

    async def call() -> str:
        return str((await ask(model=model, messages=MESSAGES)).choices[0].message.content)

    return call


def call_anthropic(shape: str, base: str) -> Call:
    import anthropic

    ask, model = anthropic.Anthropic(api_key="stub-key", base_url=base).messages.create, MODELS[shape]
    return lambda: str(ask(model=model, messages=MESSAGES, max_tokens=1024).content[0].text)


def stream_anthropic(shape: str, base: str) -> Stream:
    import anthropic

    ask, model = anthropic.Anthropic(api_key="stub-key", base_url=base).messages.create, MODELS[shape]

    def stream() -> Iterator[Any]:
        for event in ask(model=model, messages=MESSAGES, max_tokens=1024, stream=True):
            if event.type == "content_block_delta":
                yield event.delta.text

    return stream


def call_ollama(shape: str, base: str) -> Call:
    import ollama

    ask, model = ollama.Client(base).chat, MODELS[shape]
    return lambda: str(ask(model=model, messages=MESSAGES).message.content)


def stream_ollama(shape: str, base: str) -> Stream:
    import ollama

    ask, model = ollama.Client(base).chat, MODELS[shape]
    return lambda: (part.message.content for part in ask(model=model, messages=MESSAGES, stream=True))


LITELLM_NAMES = {"openai": "openai/", "anthropic": "anthropic/", "ollama": "ollama_chat/"}


def _litellm(shape: str, base: str) -> dict[str, Any]:
    settings = {"model": LITELLM_NAMES[shape] + MODELS[shape], "messages": MESSAGES, "api_key": "stub-key"}
    return {**settings, "api_base": base + ("/v1" if shape == "openai" else "")}


def call_litellm(shape: str, base: str) -> Call:
    import litellm

    settings = _litellm(shape, base)
    return lambda: str(litellm.completion(**settings).choices[0].message.content)


def stream_litellm(shape: str, base: str) -> Stream:
    import litellm

    settings = _litellm(shape, base)
    return lambda: (chunk.choices[0].delta.content for chunk in litellm.completion(**settings, stream=True))


def awaited_litellm(shape: str, base: str) -> Awaited:
    import litellm

    settings = _litellm(shape, base)

    async def call() -> str:
        return str((await litellm.acompletion(**settings)).choices[0].message.content)

    return call


CALLS: dict[str, Callable[[str, str], Call]] = {
    "airouter": call_airouter,
    "http.client": call_http_client,
    "requests": call_requests,
    "requests pool": call_requests_pool,
    "openai": call_openai,
    "anthropic": call_anthropic,
    "ollama": call_ollama,
    "litellm": call_litellm,
}
STREAMS: dict[str, Callable[[str, str], Stream]] = {
    "airouter": stream_airouter,
    "floor": stream_floor,
    "read1": stream_read1,
    "openai": stream_openai,
    "anthropic": stream_anthropic,
    "ollama": stream_ollama,
    "litellm": stream_litellm,
}
AWAITED: dict[str, Callable[[str, str], Awaited]] = {
    "airouter": awaited_airouter,
    "aiohttp": awaited_aiohttp,
    "openai": awaited_openai,
    "litellm": awaited_litellm,
}
