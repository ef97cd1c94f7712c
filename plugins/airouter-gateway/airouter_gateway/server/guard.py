"""Who may ask: by the name that the server was called by, the page that asks, and the key.

A page on the net that makes its own name mean 127.0.0.1 (DNS rebinding) would read what this machine's user may read;
so on loopback only names of loopback count, and scripts of pages only where their page was allowed.
"""

from __future__ import annotations

import functools
import ipaddress
import logging
import re
import time

from airouter_ledger.errors import LedgerError

from ..access.access import Access
from ..dialects.refusals import Refusal
from ..keys import ClientKey, digest_of
from ..settings import GatewaySettings
from .exchange import Exchange, RefusedError
from .leases import Lease, bounded_by

LOGGER = logging.getLogger("airouter.gateway")

APPLICATIONS = ("app", "file", "tauri", "vscode-webview", "vscode-file")
"""Schemes of programs on this machine that show pages, as Ollama allows them."""
LOCAL_NAME = "localhost"
LONGEST_NAME = 300
CALLED = re.compile(r"(?:\[([0-9a-f:.]+)\]|([\w.-]+?)\.?)(?::\d{1,5})?", re.ASCII | re.IGNORECASE)
"""A name or an address, and perhaps a port: nothing else stands in a Host header or behind the scheme of a page."""
PREFLIGHT_SECONDS = b"600"
SAID_ONCE = frozenset({b"host", b"origin", b"authorization", b"x-api-key"})


class Guard:
    """Decides who may ask.

    Args:
        loopback: whether only this machine reaches the server.
    """

    def __init__(self, access: Access, *, loopback: bool) -> None:
        self._access = access
        self._loopback = loopback

    def check_names(self, exchange: Exchange, settings: GatewaySettings) -> None:
        """Refuse a request that was made by another name, or by a page that was not allowed.

        Raises:
            RefusedError: it is one.
        """
        if len(exchange.headers) < len(exchange.scope["headers"]):
            _require_once(exchange)
        host = exchange.headers.get("host", "")
        if self._loopback and not is_local(name_in(host)) and name_in(host) not in settings.hosts:
            raise RefusedError(
                Refusal(kind="forbidden", message="this server is not called by that name: see [gateway] hosts")
            )
        origin = exchange.headers.get("origin")
        if origin is None:
            return
        if not self._is_allowed(origin, host, settings):
            raise RefusedError(
                Refusal(kind="forbidden", message="scripts of that page may not ask: see [gateway] origins")
            )
        exchange.say("access-control-allow-origin", origin)
        exchange.say("vary", "Origin")

    async def preflight(self, exchange: Exchange) -> None:
        """Answer a browser that asks whether it may ask. Never with credentials."""
        asked = exchange.headers.get("access-control-request-headers", "")
        exchange.say("access-control-allow-methods", "GET, POST, DELETE, HEAD")
        exchange.say("access-control-allow-headers", asked)
        await exchange.whole(b"", headers=((b"access-control-max-age", PREFLIGHT_SECONDS),), status=204)

    async def key_of(self, exchange: Exchange) -> ClientKey | None:
        """The key of a request; ``None`` where none is needed.

        Raises:
            RefusedError: it is missing, wrong, expired or switched off.
        """
        try:
            await self._access.refresh()
        except LedgerError as error:
            LOGGER.error("keys cannot be read: %s", error)  # noqa: TRY400  # no bug of ours
            said = "this server cannot read its keys now"
            raise RefusedError(Refusal(kind="overloaded", message=said, retry_after=5)) from error
        given = {said for said in (bearer_of(exchange), exchange.headers.get("x-api-key", "").strip()) if said}
        if self._loopback and self._access.knows_none:
            return None
        if len(given) != 1:
            said = "give this server's key" if not given else "two keys were given that differ"
            raise RefusedError(Refusal(kind="unauthorized", message=said, should_retry=False))
        key = self._access.find(digest_of(given.pop()))
        problem = _problem(key)
        if key is None or problem:
            raise RefusedError(Refusal(kind="unauthorized", message=problem, should_retry=False))
        exchange.key_name, exchange.key_prefix = key.name, key.prefix
        return key

    async def admit(self, exchange: Exchange, key: ClientKey | None, settings: GatewaySettings) -> Lease:
        """A place among what the key, its team and the whole server may do at a time and in a minute.

        Raises:
            RefusedError: there is none.
        """
        bounded = bounded_by(key, settings.bounds)
        if not bounded:
            return Lease(key)
        try:
            limits = await self._access.limits()
        except LedgerError as error:
            LOGGER.error("limits cannot be counted: %s", error)  # noqa: TRY400  # as above
            said = "this server cannot count its limits now"
            raise RefusedError(Refusal(kind="overloaded", message=said, retry_after=5)) from error
        lease = Lease(key, limits, bounded)
        await lease.begin(exchange)
        return lease

    def _is_allowed(self, origin: str, host: str, settings: GatewaySettings) -> bool:
        if origin in settings.origins:
            return True
        scheme, mark, page = origin.partition("://")
        if not mark:
            return False
        if scheme in ("http", "https"):
            # A page of this server's own, and on loopback any of this machine.
            return bool(name_in(page)) and (page == host or (self._loopback and is_local(name_in(page))))
        return self._loopback and scheme in APPLICATIONS


@functools.lru_cache(maxsize=256)
def is_local(name: str) -> bool:
    """Whether a name means this machine, whoever is asked."""
    if name == LOCAL_NAME or name.endswith(f".{LOCAL_NAME}"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@functools.lru_cache(maxsize=256)
def name_in(called: str) -> str:
    """The name or address in what a server was called; empty where that is none."""
    found = CALLED.fullmatch(called) if len(called) < LONGEST_NAME else None
    return "" if found is None else (found[1] or found[2]).lower()


def _require_once(exchange: Exchange) -> None:
    """Refuse a request that says twice who it is for or from: whoever stands before this server may read the other."""
    given = [name for name, _ in exchange.scope["headers"] if name in SAID_ONCE]
    if len(given) > len(set(given)):
        raise RefusedError(Refusal(kind="invalid", message="a header is given twice that may be given once"))


def _problem(key: ClientKey | None) -> str:
    """Why a key is of no use; empty where it is of use."""
    if key is None:
        return "this is no key of this server"
    if key.is_off:
        return "this key is switched off"
    return "this key has expired" if key.is_expired(time.time()) else ""


def bearer_of(exchange: Exchange) -> str:
    """The key that a request brings as a bearer; empty where it brings none."""
    scheme, _, key = exchange.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
