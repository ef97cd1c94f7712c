"""Where the server is, in the spellings that people copy from other clients."""

from __future__ import annotations

OTHER_FORMATS = ("/v1/chat/completions", "/chat/completions", "/v1")
"""Ends of addresses that other clients are given; the paths asked for here stand below the server's own address."""
REACHED = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  # addresses to listen on, turned into ones to call
LOOPBACK = "127.0.0.1"


def address_of(said: str) -> str:
    """The address of a server from any spelling: without a scheme, with ``/v1`` at its end, as one to listen on."""
    text = said.strip().strip("\"'").strip()
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "http", text
    authority, slash, path = rest.partition("/")
    if not authority or "@" in authority:
        return text  # refused, without being shown, where all addresses are checked
    host, colon, port = authority.rpartition(":") if authority[-1] != "]" else (authority, "", "")
    host = host if colon else authority
    authority = f"{REACHED.get(host, host) or LOOPBACK}{colon}{port if colon else ''}"
    address = f"{scheme}://{authority}{slash}{path}".rstrip("/")
    for end in OTHER_FORMATS:
        if address.endswith(end):
            return address[: -len(end)].rstrip("/")
    return address
