"""Clients without weight: raw HTTP/1.1 over sockets, so that what is measured is the gateway."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

MESSAGES = [{"role": "user", "content": "Say hello."}]
LIMIT = 1 << 20
MARK = b'"content":'


def request_of(model: str, headers: Mapping[str, str], *, stream: bool = False, **more: Any) -> bytes:
    """A question, as bytes."""
    body = json.dumps({"model": model, "messages": MESSAGES, **({"stream": True} if stream else {}), **more}).encode()
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n{lines}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


class Line:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def call(self, request: bytes) -> int:
        """Ask, and read a whole answer; its status."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=LIMIT)
        assert self._reader is not None
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].split(b"\r", 1)[0]
        await self._reader.readexactly(int(length))
        return int(head[9:12])

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()


async def latencies(port: int, request: bytes, count: int) -> list[float]:
    """Seconds of each call, one after the other."""
    line = Line(port)
    found = []
    for number in range(count + 20):
        began = time.perf_counter()
        assert await line.call(request) == 200
        if number >= 20:
            found.append(time.perf_counter() - began)
    line.close()
    return found


async def saturated(port: int, request: bytes, seconds: float, lines: int = 32) -> int:
    """Calls that are answered while so many ask without a pause."""
    end = time.monotonic() + seconds

    async def ask() -> int:
        line, count = Line(port), 0
        while time.monotonic() < end:
            assert await line.call(request) == 200
            count += 1
        line.close()
        return count

    return sum(await asyncio.gather(*(ask() for _ in range(lines))))


async def counted(port: int, request: bytes, count: int, lines: int = 32) -> None:
    """So many calls, as fast as they are answered."""

    async def ask() -> None:
        line = Line(port)
        for _ in range(count // lines):
            assert await line.call(request) == 200
        line.close()

    await asyncio.gather(*(ask() for _ in range(lines)))


async def streamed(port: int, request: bytes, *, leave_after: int | None = None) -> tuple[str, int]:
    """One stream: how it ended (``done``, ``left``, ``error`` or a status), and how many events it had."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=LIMIT)
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            return head[9:12].decode(), 0
        count, tail = 0, b""
        while data := await reader.read(1 << 16):
            seen = tail + data
            count += seen.count(MARK)
            tail = b"" if data.endswith(MARK) else seen[-len(MARK) + 1 :]
            if leave_after is not None and count >= leave_after:
                return "left", count
            if b"[DONE]" in seen[-80:] or b"[DONE]" in data:
                return "done", count
            if b'"error"' in data:
                return "error", count
        return "cut", count
    finally:
        writer.close()
