"""Counting the tokens of files that are given by address: the endpoint takes none, so they are fetched first.

The addresses are the caller's, not the vendor's: no key goes there, nor any of the configured headers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from airouter_core.errors import BadRequestError, ProviderError, ServerError
from airouter_core.flow.exchange import Exchange, Policy
from airouter_core.flow.steps import Flow
from airouter_core.values.media import media_type_of
from airouter_core.values.messages import FilePart, Message, Part, ToolResultPart
from airouter_core.wire.failures import RETRIED_STATUSES
from airouter_core.wire.http import MEBIBYTE, HttpRequest

from .plugin import CLAUDE

COUNTING_MODEL = "claude-opus-5-5"
"""Whose tokens are counted when no model is named."""
LONGEST_FILE = 32 * MEBIBYTE
"""What a whole request to the vendor may be."""


def embedded_files(messages: Iterable[Message], policy: Policy) -> Flow[tuple[Message, ...]]:
    """The messages with the bytes of their files in place of addresses.

    Raises:
        ProviderError: an address answers with an error.
    """
    made = []
    for message in messages:
        parts = []
        for part in message.parts:
            parts.append((yield from _embedded(part, policy)))
        made.append(msgspec.structs.replace(message, parts=tuple(parts)))
    return tuple(made)


def _embedded(part: Part, policy: Policy) -> Flow[Part]:
    if isinstance(part, ToolResultPart):
        content: list[Any] = []
        for item in part.content:
            content.append((yield from _embedded(item, policy)))
        return msgspec.structs.replace(part, content=tuple(content))
    if not isinstance(part, FilePart) or part.url is None:
        return part
    exchange = Exchange(HttpRequest("GET", part.url, {"Accept": "*/*"}), _refused, policy)
    try:
        response, data = yield from exchange.fetch(LONGEST_FILE)
    except ProviderError as error:
        if error.status is not None and 300 <= error.status < 400:
            raise _refused(error.status, {}, b"") from error
        raise
    told = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    found = media_type_of(data)
    media_type = found if found != "application/octet-stream" else told or part.media_type
    return msgspec.structs.replace(part, media_type=media_type, data=data, url=None)


def _refused(status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    hint = " (give the address that it redirects to)" if status < 400 else ""
    error_class = ServerError if status in RETRIED_STATUSES else BadRequestError
    return error_class(
        f"a file whose tokens are to be counted cannot be fetched from its address: HTTP {status}{hint}",
        provider=CLAUDE.name,
        status=status,
    )
