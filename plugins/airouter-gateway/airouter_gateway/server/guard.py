"""Who may ask: by the name that the server was called by, the page that asks, and the key.

A page on the net that makes its own name mean 127.0.0.1 (DNS rebinding) would read what this machine's user may read;
so on loopback only names of loopback count, and scripts of pages only where their page was allowed.
"""

from __future__ import annotations

import ipaddress
import time
from urllib.parse import urlsplit

from ..dialects.refusals import Refusal
from ..keys import ClientKey, KeyStore, digest_of
from ..settings import GatewaySettings
from .exchange import Exchange, RefusedError

APPLICATIONS = ("app", "file", "tauri", "vscode-webview", "vscode-file")
"""Schemes of programs on this machine that show pages, as Ollama allows them."""
LOCAL_NAME = "localhost"
PREFLIGHT_SECONDS = b"600"


class Guard:
    """Decides who may ask.

    Args:
        loopback: whether only this machine reaches the server.
    """

    def __init__(self, keys: KeyStore, *, loopback: bool) -> None:
        self._keys = keys
        self._loopback = loopback
        self._recent: dict[str, list[float]] = {}

    def check_names(self, exchange: Exchange, settings: GatewaySettings) -> None:
        """Refuse a request that was made by another name, or by a page that was not allowed.

        Raises:
            RefusedError: it is one.
        """
        host = exchange.headers.get("host", "")
        if self._loopback and not is_local(_hostname(f"//{host}")) and _hostname(f"//{host}") not in settings.hosts:
            raise RefusedError(
                Refusal(kind="forbidden", message="this server is not called by that name: see [gateway] hosts")
            )
        origin = exchange.headers.get("origin")
        if origin is None:
            return
        if not self._is_allowed(origin, settings):
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
        await exchange.whole(204, b"", headers=((b"access-control-max-age", PREFLIGHT_SECONDS),))

    def key_of(self, exchange: Exchange) -> ClientKey | None:
        """The key of a request; ``None`` where none is needed.

        Raises:
            RefusedError: it is missing, wrong or expired, or asks too often.
        """
        if self._loopback and self._keys.is_empty():
            return None
        given = {said for said in (_bearer(exchange), exchange.headers.get("x-api-key", "").strip()) if said}
        if len(given) != 1:
            said = "give this server's key" if not given else "two keys were given that differ"
            raise RefusedError(Refusal(kind="unauthorized", message=said, should_retry=False))
        key = self._keys.find(digest_of(given.pop()))
        if key is None or key.is_expired(time.time()):
            said = "this is no key of this server" if key is None else "this key has expired"
            raise RefusedError(Refusal(kind="unauthorized", message=said, should_retry=False))
        exchange.key_name, exchange.key_prefix = key.name, key.prefix
        return key

    def count(self, key: ClientKey | None) -> None:
        """Count a question against the key's limit.

        Raises:
            RefusedError: it is one too many in a minute.
        """
        if key is None or key.rpm is None:
            return
        now = time.monotonic()
        recent = [moment for moment in self._recent.get(key.digest, ()) if now - moment < 60]
        self._recent[key.digest] = recent
        if len(recent) >= key.rpm:
            wait = 60 - (now - recent[0]) if recent else 60.0
            message = f"this key may ask {key.rpm} times a minute"
            raise RefusedError(Refusal(kind="rate_limit", message=message, retry_after=wait))
        recent.append(now)

    def _is_allowed(self, origin: str, settings: GatewaySettings) -> bool:
        if origin in settings.origins:
            return True
        parts = urlsplit(origin)
        if parts.scheme in APPLICATIONS:
            return self._loopback
        return self._loopback and parts.scheme in ("http", "https") and is_local(_hostname(origin))


def is_local(name: str) -> bool:
    """Whether a name means this machine, whoever is asked."""
    if name == LOCAL_NAME or name.endswith(f".{LOCAL_NAME}"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _hostname(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _bearer(exchange: Exchange) -> str:
    scheme, _, key = exchange.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
