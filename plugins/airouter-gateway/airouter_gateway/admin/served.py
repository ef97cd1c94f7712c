"""Of the server, and of what it is answering, what an administrator sees."""

from __future__ import annotations

from typing import Any, Protocol

from ..access.access import Access
from ..serving import Serving


class UnderWay(Protocol):
    """A request that is being answered."""

    id: str
    path: str
    key_name: str | None
    target: str | None

    @property
    def seconds(self) -> float: ...


class Served(Protocol):
    """Of the server what an administrator sees."""

    serving: Serving
    access: Access
    live: dict[str, Any]
