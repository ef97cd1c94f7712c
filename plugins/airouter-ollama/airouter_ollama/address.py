"""Where the server is: ``OLLAMA_HOST`` in every spelling that Ollama's own programs take.

Source: Ollama, envconfig/config.go (``Host``), fb307609.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

DEFAULT_PORT = "11434"
DEFAULT_PORTS = {"http": "80", "https": "443"}
CLOUD = "ollama.com"
LOOPBACK = "127.0.0.1"

OTHER_FORMATS = ("/v1", "/api")
"""Ends of addresses that people copy from other clients; the native API stands beside the one and below the other."""


def address_of(said: str) -> str:
    """The address of the server, with scheme and port, from any spelling: ``""``, ``":11435"``, ``"box"``, ``"::1"``.

    An address to listen on (``0.0.0.0``, ``::``) stands for the loopback address.

    Raises:
        ValueError: the port is none.
    """
    text = said.strip().strip("\"'").strip()
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "", text
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        return text  # refused, without being shown, where all addresses are checked
    host, port = _host_and_port(authority)
    if not scheme:
        scheme = "https" if host == CLOUD else "http"
        default_port = "443" if host == CLOUD else DEFAULT_PORT
    else:
        scheme = scheme.lower()
        default_port = DEFAULT_PORTS.get(scheme, DEFAULT_PORT)
    port = port or default_port
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"base_url (or OLLAMA_HOST) has the port {port!r}, which is none between 1 and 65535")
    shown_port = "" if DEFAULT_PORTS.get(scheme) == port else f":{port}"
    return f"{scheme}://{_reachable(host)}{shown_port}{_without_format((slash + path).rstrip('/'))}"


def is_cloud(address: str) -> bool:
    """Whether this is Ollama's own service, reached over TLS."""
    parts = urlsplit(address)
    host = (parts.hostname or "").lower()
    return parts.scheme == "https" and (host == CLOUD or host.endswith("." + CLOUD))


def is_loopback(address: str) -> bool:
    """Whether the server is on this machine, as far as the address says."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host_and_port(authority: str) -> tuple[str, str]:
    if authority.startswith("["):
        host, _, rest = authority[1:].partition("]")
        return host, rest.removeprefix(":")
    if authority.count(":") > 1:
        return authority, ""  # a bare IPv6 address
    host, _, port = authority.partition(":")
    return host, port


def _reachable(host: str) -> str:
    if host in ("", "0.0.0.0"):  # noqa: S104  # an address to listen on, turned into one to call
        return LOOPBACK
    if ":" in host:
        return "[::1]" if host == "::" else f"[{host}]"
    return host


def _without_format(path: str) -> str:
    for end in OTHER_FORMATS:
        if path.endswith(end):
            return path[: -len(end)]
    return path
