"""What drivers send requests through, as they see it: whose connections, and the answers that come by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..wire.http import HttpRequest


class HttpResponse(Protocol):
    """An answer whose head has arrived. Only its driver reads it."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""
        ...


class OpenResponse(HttpResponse, Protocol):
    """An answer as the blocking driver sees it."""

    def read_some(self, timeout: float) -> bytes: ...

    def read_all(self, timeout: float, limit: int) -> bytes: ...

    def close(self) -> None:
        """Close the connection, unless the answer was read to its end."""
        ...


class Transport(Protocol):
    """Sends requests, blocking. Safe for use from many threads."""

    def open(
        self, request: HttpRequest, *, connect_timeout: float, read_timeout: float, within: float | None = None
    ) -> OpenResponse:
        """Send, and wait for status and headers.

        Raises:
            TransportError: the network failed.
        """
        ...

    def close(self) -> None: ...


class AsyncOpenResponse(HttpResponse, Protocol):
    """An answer as the awaited driver sees it."""

    async def read_some(self, timeout: float) -> bytes: ...

    async def read_all(self, timeout: float, limit: int) -> bytes: ...

    def close(self) -> None: ...


class AsyncTransport(Protocol):
    """Sends requests, awaited; for many event loops."""

    async def open(
        self, request: HttpRequest, *, connect_timeout: float, read_timeout: float, within: float | None = None
    ) -> AsyncOpenResponse: ...

    async def close(self) -> None: ...


class Endpoint(Protocol):
    """Whose connections a request goes through; an :class:`~airouter_core.provider.http.HttpProvider` is one."""

    @property
    def transport(self) -> Transport: ...

    @property
    def async_transport(self) -> AsyncTransport: ...
