"""The way in, and out."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from airouter_ledger.errors import LedgerError

from ...admin.api import TooLargeError
from ...admin.authentication import TooManyWrongKeysError
from ..guards import SIGN_IN, Console, Form, form_of, problem, to
from ..rendering import page
from ..sessions import PATH, Session, is_own_page


async def way_in(console: Console, request: Request) -> Response:
    """The page that asks for the admin key."""
    with contextlib.suppress(LedgerError):
        if await console.session(request) is not None:
            return to(PATH)
    return page("login.html", None, message=None)


async def sign_in(console: Console, request: Request) -> Response:
    """Sign in whoever has the admin key."""
    if not is_own_page(request):
        return problem(None, 403, "That form was not sent by this console.")
    try:
        given = (await form_of(request)).get("key", "")
        right = console.authenticator.admits(given, request.client and request.client.host)
    except TooManyWrongKeysError:
        return page("login.html", None, status=429, message="Too many wrong keys. Wait a minute.")
    except (TooLargeError, TimeoutError, ClientDisconnect, ValueError):
        right = False
    if not right:
        return page("login.html", None, status=401, message="That is not the admin key.")
    response = to(PATH)
    console.sessions.begin(request, response)
    return response


async def sign_out(console: Console, request: Request, session: Session, form: Form) -> Response:
    """Sign out, also whoever has a copy of the cookie."""
    await asyncio.to_thread(console.ended.end, session.id, session.until)
    response = to(SIGN_IN)
    console.sessions.end(response)
    return response
