"""Paths of those who look after the server."""

from __future__ import annotations

from ...dialects.table import CHAT
from ...serving import Serving
from ..answering import Answering
from ..exchange import Exchange
from .handling import GET, Path, Server

METRICS = b"text/plain; version=0.0.4; charset=utf-8"


async def alive(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    """Whether it runs."""
    await exchange.whole(b'{"status":"alive"}')


async def ready(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    """Whether it would answer questions."""
    is_ready = not server.stopping and bool(serving.manager.names)
    if is_ready:
        await exchange.whole(b'{"status":"ready"}')
    else:
        await exchange.whole(b'{"status":"not ready"}', status=503)


async def _metrics(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    await exchange.whole(server.numbers.text(), METRICS)


PATHS = {
    "/health/live": Path("health", CHAT.refused, GET, alive),
    "/health/ready": Path("health", CHAT.refused, GET, ready),
    "/metrics": Path("metrics", CHAT.refused, GET, _metrics),
}
