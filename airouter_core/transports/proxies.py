"""Which proxy a request goes through: decided here, for every transport.

The configuration comes first, then the environment (on macOS and Windows also the system), as requests has it. What the
environment names is for other machines: a server on this one is always asked directly, since no proxy could reach it
and prompts for it are to stay here. ``NO_PROXY`` counts for the environment's proxies alone.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import sys
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit

from ..config.secrets import secrets_of_address
from ..errors import ConfigurationError
from ..values.value import Value, hiding

USUAL_PORTS = {"http": 80, "https": 443}
PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}
"""The proxies that are spoken to, and the port of each where the address has none."""
ALIASES = {"socks": "socks5h"}
"""As desktops and VPN programs write it."""


class Proxy(Value, frozen=True):
    """One proxy.

    Attributes:
        address: scheme, host and port; nothing that must not be shown.
        user, password: what it wants to know, decoded; empty without.
        secrets: what must be shown nowhere.
    """

    address: str
    user: str = ""
    password: str = ""
    secrets: tuple[str, ...] = ()

    __repr__ = hiding("user", "password", "secrets")

    @property
    def is_socks(self) -> bool:
        return self.address.startswith("socks")

    @property
    def headers(self) -> dict[str, str]:
        """What it is told of who asks (RFC 7617)."""
        if not self.user and not self.password:
            return {}
        credentials = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Proxy-Authorization": f"Basic {credentials}"}


def none_named(configured: Mapping[str, str]) -> bool:
    """Whether nobody has named any proxy, so that there is nothing to decide."""
    if configured or sys.platform in ("darwin", "win32"):  # the system may name one
        return False
    return not any(value and name.lower().endswith("_proxy") for name, value in os.environ.items())


def proxy_for(url: str, configured: Mapping[str, str]) -> Proxy | None:
    """The proxy for this address; ``None`` to ask its server directly.

    Args:
        configured: as the setting ``proxies`` has them, by scheme (or ``scheme://host``, or ``all``); its ``no_proxy``
            names hosts for which the environment is not asked.

    Raises:
        ConfigurationError: the address of the proxy is none.
    """
    if none_named(configured):
        return None
    from requests.utils import select_proxy

    found = select_proxy(url, dict(configured)) or select_proxy(url, _of_environment(url, configured.get("no_proxy")))
    return _read(found) if found else None


def is_loopback(host: str | None) -> bool:
    """Whether this is the machine that asks."""
    if not host:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost")


def _of_environment(url: str, no_proxy: str | None) -> dict[str, str]:
    from urllib.request import getproxies

    from requests.utils import should_bypass_proxies

    parts = urlsplit(url)
    host = parts.hostname or ""
    named = no_proxy or os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if is_loopback(host) or _is_named(host, parts.port or USUAL_PORTS.get(parts.scheme, 0), named.split(",")):
        return {}
    return {} if should_bypass_proxies(url, no_proxy=no_proxy) else getproxies()


def _is_named(host: str, port: int, entries: Iterable[str]) -> bool:
    """Whether ``NO_PROXY`` names this, also as requests does not read it: addresses with ports, IPv6, stars."""
    for entry in map(str.strip, entries):
        name, its_port = _parted(entry)
        if its_port is not None and its_port != port:
            continue
        if entry == "*" or (name and _matches(host, name)):
            return True
    return False


def _parted(entry: str) -> tuple[str, int | None]:
    """Name and port of ``name``, ``name:port``, ``::1`` or ``[::1]:port``."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        port = rest.lstrip(":")
    elif entry.count(":") == 1:
        name, _, port = entry.partition(":")
    else:
        name, port = entry, ""
    return name, int(port) if port.isascii() and port.isdecimal() and len(port) <= 5 else None


def _matches(host: str, name: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = name.lower().removeprefix("*").strip(".")
        host = host.lower().rstrip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    try:
        return address in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False


def _read(given: str) -> Proxy:
    address = given.strip()
    address = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(address)
        scheme = ALIASES.get(parts.scheme, parts.scheme)
        port = parts.port or PORTS.get(scheme, 0)
        host = parts.hostname or ""
        if any(character.isspace() or not character.isprintable() for character in host):
            host = ""
    except ValueError:
        scheme, port, host = "", 0, ""
    if not host or not port or scheme not in PORTS:
        shown = address.rpartition("@")[2].partition("?")[0]
        shown = shown if "://" in shown else f"{address.partition('://')[0]}://{shown}"
        known = ", ".join(PORTS)
        raise ConfigurationError(
            f"{shown!r} is no address of a proxy: it must look like 'http://host:port' (known are {known}); "
            "look at the setting `proxies` and at the variables HTTP_PROXY, HTTPS_PROXY and ALL_PROXY"
        )
    host = f"[{host}]" if ":" in host else host
    return Proxy(
        f"{scheme}://{host}:{port}",
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        secrets_of_address(address),
    )
