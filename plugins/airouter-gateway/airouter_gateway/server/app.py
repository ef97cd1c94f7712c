"""The server: which path is whose, and what is done for each request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from airouter_core.errors import AirouterError

from ..access.access import Access
from ..dialects.dialect import Refused
from ..dialects.refusals import Refusal, refusal_of
from ..dialects.table import CHAT
from ..serving import Serving
from .answering import Answering
from .exchange import Exchange, LeftError, Message, Receive, RefusedError, Scope, Send
from .guard import Guard
from .leases import Lease
from .numbers import Numbers
from .paths.handling import Handler
from .paths.table import OPEN, path_of

ACCESS = logging.getLogger("airouter.access")
LOGGER = logging.getLogger("airouter.gateway")
LEFT = 499
ADMINISTRATION = ("/admin/", "/console")
"""How paths begin that are an administrator's, where there is one."""


class Gateway:
    """An ASGI application.

    Args:
        reload: makes the serving anew, of the settings as they are now.
        loopback: whether only this machine reaches it.

    Attributes:
        stop: ends the server that runs it; streams under way may finish.
        stopping: whether it is to end.
        live: what is being answered.
    """

    def __init__(
        self,
        serving: Serving,
        access: Access,
        *,
        loopback: bool = True,
        reload: Callable[[], Serving] | None = None,
    ) -> None:
        self.serving = serving
        self.numbers = Numbers()
        self.stopping = False
        self.stop: Callable[[], None] = lambda: None
        self.access = access
        self.live: dict[str, Exchange] = {}
        self._administration: Callable[[Scope, Receive, Send], Awaitable[None]] | None = None
        self._guard = Guard(access, loopback=loopback)
        self._make_again = reload
        self._closing: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        exchange = Exchange(scope, receive, send)
        if self.serving.settings.admin_key is not None and exchange.path.startswith(ADMINISTRATION):
            await self._administer(exchange, scope, receive, send)
        else:
            await self._answer(exchange)

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
                await asyncio.to_thread(self.access.close)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _administer(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to the administration, which is imported when the first one comes."""

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
            await send(message)

        try:
            self._guard.check_names(exchange, self.serving.settings)
            if self._administration is None:
                from ..admin.application import administration

                self._administration = administration(self)
            await self._administration(scope, receive, watched)
        except RefusedError as error:
            await _refuse(exchange, CHAT.refused, error.refusal)
        finally:
            self._tell(exchange, "admin")

    async def _answer(self, exchange: Exchange) -> None:
        path = path_of(exchange)
        serving = self.serving
        serving.in_use += 1
        self.live[exchange.id] = exchange
        self.numbers.under_way.inc()
        try:
            await self._handled(exchange, serving, path.methods, path.handler)
        except LeftError:
            exchange.status = LEFT
        except RefusedError as error:
            await _refuse(exchange, path.refused, error.refusal)
        except Exception as error:
            exchange.failure = type(error).__name__
            refusal = refusal_of(error)
            if refusal.status == 500:
                LOGGER.exception("request %s failed", exchange.id)
            await _refuse(exchange, path.refused, refusal)
        finally:
            serving.in_use -= 1
            del self.live[exchange.id]
            self.numbers.under_way.dec()
            self._tell(exchange, path.name)

    async def _handled(self, exchange: Exchange, serving: Serving, methods: tuple[str, ...], handler: Handler) -> None:
        self._guard.check_names(exchange, serving.settings)
        if exchange.method == "OPTIONS":
            await self._guard.preflight(exchange)
            return
        if exchange.method not in methods:
            message = f"{exchange.method} is no method of {exchange.path}"
            raise RefusedError(Refusal(kind="no_method", message=message))
        if handler in OPEN:
            await handler(self, exchange, Answering(serving, self.numbers, Lease(None)), serving)
            return
        key = await self._guard.key_of(exchange)
        # Questions count; what only looks at something does not.
        lease = await self._guard.admit(exchange, key, serving.settings) if exchange.method == "POST" else Lease(key)
        try:
            await handler(self, exchange, Answering(serving, self.numbers, lease), serving)
        finally:
            await lease.end()

    def _tell(self, exchange: Exchange, dialect: str) -> None:
        outcome = exchange.failure or f"{exchange.status // 100}xx"
        target = (exchange.target or "none").partition("/")[0]
        self.numbers.answered(dialect, target, outcome, exchange.seconds)
        if not ACCESS.isEnabledFor(logging.INFO):
            return
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
    await exchange.whole(body, headers=(*refusal.headers, *headers), status=status)
