"""What a path is: its methods, how it refuses, and who answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from airouter_core.values.value import Value

from ...dialects.dialect import Dialect, Refused
from ...serving import Serving
from ..answering import Answering
from ..exchange import Exchange
from ..numbers import Numbers

GET = ("GET", "HEAD")
POST = ("POST",)
ANY = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Server(Protocol):
    """Of the server what some answers tell."""

    numbers: Numbers
    stopping: bool


Handler = Callable[[Server, Exchange, Answering, Serving], Awaitable[None]]


class Path(Value, frozen=True):
    """One path.

    Attributes:
        name: for the numbers.
    """

    name: str
    refused: Refused
    methods: tuple[str, ...]
    handler: Handler


async def body_of(exchange: Exchange, serving: Serving) -> bytes:
    """The body of a request, within the bounds of the settings.

    Raises:
        RefusedError: it is too large or comes too slowly.
    """
    return await exchange.body(serving.settings.largest_body, serving.settings.read_timeout)


def chat(dialect: Dialect) -> Handler:
    """Answers chats of one dialect."""

    async def answer(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
        question = dialect.read(await body_of(exchange, serving), exchange.headers)
        await answering.chat(exchange, dialect, question)

    return answer
