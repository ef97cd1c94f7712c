"""Which hosts belong to the open net. What others name is looked at before anything is fetched there."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that stand for IPv4 ones (RFC 6052)."""
INNER = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
"""Endings of names that mean something else in each network (RFC 6761, 6762, 8375, and what routers hand out)."""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the open net: not to this machine, its neighbours or a cloud's own services."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        found = inner or found
    return found.is_global and not found.is_multicast


def may_be_public(url: str) -> bool:
    """Whether an address on the web may lead to the open net, as far as that is seen without asking anybody.

    A name of the open net can stand for an address that is not: whoever fetches looks at that as well.
    """
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    name = (host or "").rstrip(".")
    if not name:
        return False
    try:
        # Also for 127.1, 0x7f000001 and 2130706433, which the usual ways to look up a host take for addresses.
        return is_public(name.partition("%")[0] if ":" in name else socket.inet_ntoa(socket.inet_aton(name)))
    except (OSError, ValueError, UnicodeError):
        return "." in name and not f".{name}".endswith(INNER)
