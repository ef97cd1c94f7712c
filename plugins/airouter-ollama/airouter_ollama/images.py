"""Images given by address: fetched here, since Ollama takes only their bytes.

They are asked for without any key, since the address is not the server's; and only of hosts of the open net, at each
step of the way: whoever may name an address must not get to see what this machine and its neighbours have.
"""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import msgspec

from airouter_core.config.http import HttpConfig
from airouter_core.errors import BadRequestError, ProviderError, ServerError
from airouter_core.flow.exchange import Exchange, Policy
from airouter_core.flow.steps import Do, Flow
from airouter_core.values.media import media_type_of
from airouter_core.values.messages import FilePart, Message, Part, ToolResultPart
from airouter_core.values.request import Request
from airouter_core.version import VERSION
from airouter_core.wire.hosts import is_public
from airouter_core.wire.http import MEBIBYTE, Headers, HttpRequest

from .plugin import OLLAMA

LIMIT = 32 * MEBIBYTE


def with_fetched_images(request: Request, config: HttpConfig) -> Flow[Request]:
    """The request with the bytes of every image in it.

    Raises:
        BadRequestError: there is no image at an address.
        TransportError: the address cannot be reached.
    """
    if not any(_has_address(part) for message in request.messages for part in message.parts):
        return request
    messages: list[Message] = []
    for message in request.messages:
        parts: list[Part] = []
        for part in message.parts:
            parts.append((yield from _with_bytes(part, config)))
        messages.append(msgspec.structs.replace(message, parts=parts))
    return msgspec.structs.replace(request, messages=tuple(messages))


def _has_address(part: Part) -> bool:
    if isinstance(part, ToolResultPart):
        return any(_has_address(item) for item in part.content)
    return isinstance(part, FilePart) and part.is_image and part.data is None and part.url is not None


def _with_bytes(part: Part, config: HttpConfig) -> Flow[Part]:
    if not _has_address(part):
        return part
    if isinstance(part, ToolResultPart):
        content: list[Any] = []
        for item in part.content:
            content.append((yield from _with_bytes(item, config)))
        return msgspec.structs.replace(part, content=content)
    assert isinstance(part, FilePart)
    assert part.url is not None
    data = yield from _fetched(part.url, config)
    media_type = media_type_of(data)
    if not media_type.startswith("image/") and not _is_text(data):
        media_type = part.media_type  # a format whose first bytes are not known here
    if not media_type.startswith("image/"):
        raise _no_image(part.url, f"what is there is {media_type}")
    return msgspec.structs.replace(part, data=data, url=None, media_type=media_type)


def _fetched(url: str, config: HttpConfig) -> Flow[bytes]:
    def follow(request: HttpRequest, location: str) -> Flow[HttpRequest]:
        parts = urlsplit(request.url)
        named = urlunsplit(parts._replace(netloc=request.headers.get("Host", parts.netloc)))
        try:
            target = urljoin(named, location)
        except ValueError:
            raise _no_image(url, "it redirects to what is no address") from None
        return (yield from _request_to(target, url))

    def refused(status: int, headers: Headers, body: bytes) -> ProviderError:
        return _no_image(url, f"HTTP {status}", status)

    request = yield from _request_to(url, url)
    exchange = Exchange(request, refused, Policy.of(config), follow=follow)
    try:
        _, data = yield from exchange.fetch(LIMIT)
    except ProviderError as error:
        if error.provider is not None:
            raise
        raise _no_image(url, str(error), error.status) from error
    return data


def _request_to(address: str, url: str) -> Flow[HttpRequest]:
    """A request for one step of the way from ``url``, if that leads to where everybody may go."""
    headers = {"User-Agent": f"airouter/{VERSION}", "Accept": "image/*"}
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _no_image(url, "that is no address") from None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        raise _no_image(url, "it leads to something that is no web address")
    found: list[str] = yield Do(lambda: addresses_of(host, port or parts.scheme))
    if not found:
        raise _no_image(url, f"{host} has no address that can be looked up here")
    if not all(map(is_public, found)):
        raise _no_image(url, f"{host} is no host of the open net, and what such hosts have is never fetched")
    if parts.scheme == "https":  # the certificate says whether the host is still the same when it is called
        return HttpRequest("GET", address, headers)
    literal = f"[{found[0]}]" if ":" in found[0] else found[0]
    pinned = parts._replace(netloc=literal if port is None else f"{literal}:{port}")
    return HttpRequest("GET", urlunsplit(pinned), {"Host": parts.netloc, **headers})


def addresses_of(host: str, port: int | str) -> list[str]:
    """The addresses of a host; none where it has none. Blocks."""
    try:
        return [str(row[4][0]).partition("%")[0] for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


def _no_image(url: str, why: str, status: int | None = None) -> ProviderError:
    shown = url.partition("?")[0].rpartition("@")[2]
    error_class = ServerError if status is not None and status >= 500 else BadRequestError
    return error_class(
        f"there is no image to fetch at {shown}: {why}; give image_path or image_data instead",
        provider=OLLAMA.name,
        status=status,
    )


def _is_text(data: bytes) -> bool:
    return not data or data[:64].lstrip()[:1] in (b"<", b"{", b"[") or b"\0" not in data[:512]
