"""Images given by address: fetched here, since Ollama takes only their bytes.

They are asked for without any key: the address is not the server's.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

import msgspec

from airouter_core.config.http import HttpConfig
from airouter_core.errors import BadRequestError
from airouter_core.flow.steps import Flow, Open, ReadAll
from airouter_core.values.messages import FilePart, Message, Part, ToolResultPart, media_type_of
from airouter_core.values.request import Request
from airouter_core.version import VERSION
from airouter_core.wire.http import MEBIBYTE, HttpRequest

from .plugin import OLLAMA

LIMIT = 32 * MEBIBYTE
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})


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
    headers = {"User-Agent": f"airouter/{VERSION}", "Accept": "image/*"}
    address = url
    for _ in range(MAX_REDIRECTS + 1):
        response = yield Open(HttpRequest("GET", address, headers), config.connect_timeout, config.timeout)
        location = response.headers.get("location")
        if response.status in REDIRECTS and location:
            address = urljoin(address, location)
            if not address.startswith(("http://", "https://")):
                raise _no_image(url, "it redirects to something that is no web address")
            continue
        if response.status != 200:
            raise _no_image(url, f"HTTP {response.status}", response.status)
        data: bytes = yield ReadAll(response, config.timeout, LIMIT)
        return data
    raise _no_image(url, f"it redirects more than {MAX_REDIRECTS} times")


def _no_image(url: str, why: str, status: int | None = None) -> BadRequestError:
    shown = url.partition("?")[0]
    return BadRequestError(
        f"there is no image to fetch at {shown}: {why}; give image_path or image_data instead",
        provider=OLLAMA.name,
        status=status,
    )


def _is_text(data: bytes) -> bool:
    return not data or data[:64].lstrip()[:1] in (b"<", b"{", b"[") or b"\0" not in data[:512]
