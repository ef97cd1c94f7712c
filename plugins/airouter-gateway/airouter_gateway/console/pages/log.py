"""Calls that the ledger remembers, and what was said in them as far as that was kept."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ...access.account_rows import UnknownNameError
from ...admin import shapes
from ..guards import Console
from ..rendering import page, wants_part
from ..sessions import PATH, Session

FIELDS = ("text", "model", "key", "error")
SHOWN = 50


async def log(console: Console, request: Request, session: Session) -> Response:
    """The page, or the calls alone."""
    wanted = {name: request.query_params.get(name, "").strip() for name in FIELDS}
    given = {name: value for name, value in wanted.items() if value}
    after = request.query_params.get("after") or None
    found = await console.admin.calls(msgspec.convert({**given, "after": after, "limit": SHOWN}, shapes.CallFilter))
    following = None if found.next is None else f"{PATH}/log?{urlencode({**given, 'after': found.next})}"
    ledger = console.admin.ledger()
    shown: dict[str, Any] = {
        "wanted": wanted,
        "calls": found.data,
        "following": following,
        "content": console.gateway.access.books.settings.rules.content,
        "remembers": ledger is not None,
        "names": [key.name for key in await console.admin.keys()],
    }
    return page("parts/calls.html" if wants_part(request) else "log.html", session, **shown)


async def call(console: Console, request: Request, session: Session) -> Response:
    """One call."""
    id_ = str(request.path_params["name"])
    found = await console.admin.call(id_)
    if found is None:
        raise UnknownNameError(f"there is no call {id_!r}: it may have been forgotten")
    return page("call.html", session, here="log", call=found)
