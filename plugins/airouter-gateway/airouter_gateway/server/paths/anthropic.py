"""Paths of Anthropic's clients."""

from __future__ import annotations

from ...dialects.anthropic import others as anthropic
from ...dialects.anthropic.messages import read_messages
from ...dialects.table import MESSAGES
from ...serving import Serving
from ..answering import Answering
from ..exchange import Exchange
from .handling import POST, Path, Server, body_of, chat


async def _count(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    question = read_messages(await body_of(exchange, serving), exchange.headers)
    await exchange.whole(anthropic.counted_body(await answering.tokens(exchange, question)))


PATHS = {
    "/v1/messages": Path(MESSAGES.name, MESSAGES.refused, POST, chat(MESSAGES)),
    "/v1/messages/count_tokens": Path("count", MESSAGES.refused, POST, _count),
}
