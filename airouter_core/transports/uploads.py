"""How bodies are sent through aiohttp: at once, or block by block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, BinaryIO, Self

from ..wire.http import HttpRequest
from .connections import JOINED

BLOCK = 65536
"""Bytes of a body that are handed on at a time, each with the whole patience."""


class Upload:
    """Sends a long body block by block, and gives up when none is taken for as long as the patience lasts.

    aiohttp waits for ever for a server that stops reading. Used as a context around the request.

    Attributes:
        body, headers: what to hand to aiohttp.
        is_long: whether it is sent in blocks; what is not goes at once, and needs no context.
        is_stalled: whether it was given up.
    """

    def __init__(self, request: HttpRequest, patience: float) -> None:
        self.body: Any = request.body
        self.headers: Mapping[str, str] = {}
        self.is_stalled = False
        self._patience = patience
        self._timeout: asyncio.Timeout | None = None
        body = request.body
        if isinstance(body, bytes):
            # Named here, it stands where the blocking half has it.
            self.headers = {"Content-Length": str(len(body))}
        if isinstance(body, bytes) and len(body) > JOINED:
            self.body = self._moving(_blocks_of(body))
        elif body is not None and not isinstance(body, bytes):
            self.body = self._moving(_blocks_read(body))
        self.is_long = self.body is not body

    async def __aenter__(self) -> Self:
        if self.is_long:
            self._timeout = asyncio.timeout(self._patience)
            await self._timeout.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        timeout: Any = self._timeout
        self._timeout = None
        if timeout is not None:
            try:
                await timeout.__aexit__(*error)
            except TimeoutError:
                self.is_stalled = True
                raise

    async def _moving(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for block in blocks:
            self._wait_until(asyncio.get_running_loop().time() + self._patience)
            yield block
        self._wait_until(None)  # from now on the answer is waited for

    def _wait_until(self, time: float | None) -> None:
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(time)


async def _blocks_of(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), BLOCK):
        yield body[start : start + BLOCK]


async def _blocks_read(file: BinaryIO) -> AsyncIterator[bytes]:
    while block := await asyncio.to_thread(file.read, BLOCK):
        yield block
