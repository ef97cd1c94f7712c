"""Reading a public web address that somebody names: for texts and files that are put into a question.

Whoever can make a program read an address can make it read one that only this machine sees: a router's page, a cloud's
metadata, a database's port. So an address is asked only where it is public. The name is resolved here, each of its
addresses is looked at, and the connection goes to the one that was looked at, so that no second answer of the resolver
counts; the same again for each redirect. Proxies are passed by: behind one nobody could say who is asked.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

from ...errors import ExecutionError, ParameterError, TransportError
from ...transports import troubles
from ...transports.security import authorities, context_for
from ...values.value import Value, hiding
from ...version import VERSION
from ...wire.hosts import is_public

if TYPE_CHECKING:
    import urllib3

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 5
CONNECT_TIMEOUT = 10.0
PORTS = {"http": 80, "https": 443}
INSTEAD = "fetch it yourself, and pipe or attach what you get"


class Fetched(Value, frozen=True):
    """What an address gave.

    Attributes:
        url: where it was in the end.
        media_type: as the server says, in lower case, without parameters; empty where it says nothing.
        charset: as the server says.
    """

    url: str
    data: bytes
    media_type: str = ""
    charset: str | None = None

    __repr__ = hiding("data")


def fetch(url: str, *, limit: int = 100 * 1024 * 1024, timeout: float = 30.0) -> Fetched:
    """Read a public ``http(s):`` address.

    Args:
        limit: bytes that are read at most.
        timeout: seconds of silence.

    Raises:
        ParameterError: it is no such address, holds a password, or is not public; nothing was sent there.
        ExecutionError: it cannot be read; it is longer than ``limit``.
    """
    for _ in range(MOST_REDIRECTS + 1):
        parts = _checked(url)
        with _answered(url, parts, timeout) as answer:
            place = answer.headers.get("location")
            if answer.status in REDIRECTS and place:
                url = urljoin(url, place)
                continue
            if answer.status != 200:
                raise ExecutionError(f"{troubles.place_of(url)} answered {answer.status}; look at the address")
            return _read(url, answer, limit)
    raise ExecutionError(f"{troubles.place_of(url)} leads from one address to another without end")


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        complete = parts.scheme in PORTS and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        complete = False
    if not complete or not url.isprintable() or " " in url:
        raise ParameterError(f"{url[:80]!r} is no http(s) address")
    if "@" in parts.netloc:
        raise ParameterError(f"{troubles.place_of(url)}: an address with a user name or a password is not read")
    return parts


def _public_addresses(url: str, parts: SplitResult) -> list[str]:
    """The addresses of a host, all of which are public."""
    place, port = troubles.place_of(url), parts.port or PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise TransportError(f"{place}: the name cannot be resolved ({troubles.words(error)})") from error
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    for address in addresses:
        if not is_public(address):
            where = "" if address == parts.hostname else f", which is {address} here"
            raise ParameterError(f"{place} is no public address{where}, and such are not read; {INSTEAD}")
    return addresses


@contextlib.contextmanager
def _answered(url: str, parts: SplitResult, timeout: float) -> Iterator[urllib3.BaseHTTPResponse]:
    """The answer to a request, its head read; the first address counts that can be connected to."""
    import urllib3

    *others, last = _public_addresses(url, parts)
    for address in (*others, last):
        pool = _pool(address, parts, timeout)
        try:
            answer = pool.request(
                "GET",
                (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
                headers={
                    "Host": parts.netloc,
                    "User-Agent": f"airouter/{VERSION}",
                    "Accept": "*/*",
                    "Accept-Encoding": "gzip, deflate",
                },
                redirect=False,
                retries=False,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            pool.close()
            if address is not last and isinstance(error, urllib3.exceptions.NewConnectionError):
                continue
            raise TransportError(f"cannot read {troubles.place_of(url)}: {troubles.words(error)}") from error
        try:
            yield answer
        finally:
            answer.close()
            pool.close()
        return


def _pool(address: str, parts: SplitResult, timeout: float) -> urllib3.HTTPConnectionPool:
    """A connection to one address of a host, which must have the host's certificate."""
    import urllib3

    port = parts.port or PORTS[parts.scheme]
    patience = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=timeout)
    if parts.scheme == "http":
        return urllib3.HTTPConnectionPool(address, port, timeout=patience)
    return urllib3.HTTPSConnectionPool(
        address,
        port,
        timeout=patience,
        ssl_context=context_for(authorities(True)),
        server_hostname=parts.hostname,
        assert_hostname=parts.hostname,
    )


def _read(url: str, answer: urllib3.BaseHTTPResponse, limit: int) -> Fetched:
    import urllib3

    data = bytearray()
    try:
        for piece in answer.stream(65536, decode_content=True):
            data += piece
            if len(data) > limit:
                raise ExecutionError(f"{troubles.too_long(url, limit)}, and no more is read")
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise TransportError(f"cannot read {troubles.place_of(url)}: {troubles.words(error)}") from error
    from email.message import Message as Head

    head = Head()
    head["content-type"] = answer.headers.get("content-type", "")
    said = head.get_content_type() if head["content-type"] else ""
    return Fetched(url, bytes(data), said, head.get_content_charset())
