"""What stands before each page: whoever is not signed in signs in, and a form counts only from a page of ours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from airouter_core.errors import AirouterError
from airouter_ledger.errors import LedgerError

from ..access.account_rows import UnknownNameError
from ..access.ended_sessions import EndedSessions
from ..admin.administration import Administration
from ..admin.api import TooLargeError, body_of
from ..admin.authentication import Authenticator
from ..admin.served import Served
from ..dialects.refusals import without_keys
from .rendering import HEADERS, page, wants_part
from .sessions import PATH, Session, Sessions, is_own_form

LOGGER = logging.getLogger("airouter.gateway")
SIGN_IN = f"{PATH}/login"
MOST_FIELDS = 100
Form = Mapping[str, str]
Show = Callable[["Console", Request, Session], Awaitable[Response]]
Act = Callable[["Console", Request, Session, Form], Awaitable[Response]]
Handler = Callable[[Request], Awaitable[Response]]


class Console:
    """What all pages have: the administration, and who is signed in."""

    def __init__(self, gateway: Served, authenticator: Authenticator) -> None:
        self.gateway = gateway
        self.admin = Administration(gateway, "console")
        self.authenticator = authenticator
        self.sessions = Sessions(authenticator)
        self.ended = EndedSessions(gateway.access.books)

    async def session(self, request: Request) -> Session | None:
        """Who asks; ``None`` for whoever is not signed in, or no more.

        Raises:
            LedgerError: whether they have signed out cannot be known.
        """
        found = self.sessions.of(request)
        return None if found is None or await asyncio.to_thread(self.ended.has, found.id) else found

    def shows(self, show: Show) -> Handler:
        """A page, for whoever is signed in."""

        async def handle(request: Request) -> Response:
            return await self._answered(request, lambda session: show(self, request, session))

        return handle

    def does(self, act: Act) -> Handler:
        """What a form asks for, for whoever is signed in, from a page of ours."""

        async def handle(request: Request) -> Response:
            async def acted(session: Session) -> Response:
                form = await form_of(request)
                if not is_own_form(request, session, form):
                    return problem(session, 403, "That form was not sent by this console, or has expired. Try again.")
                return await act(self, request, session, form)

            return await self._answered(request, acted)

        return handle

    async def _answered(self, request: Request, answer: Callable[[Session], Awaitable[Response]]) -> Response:
        """An answer to whoever is signed in, or a page that says what is wrong."""
        session: Session | None = None
        try:
            session = await self.session(request)
            return _way_in(request) if session is None else await answer(session)
        except UnknownNameError as error:
            return problem(session, 404, str(error))
        except TooLargeError:
            return problem(session, 413, "That is too long.")
        except (TimeoutError, ClientDisconnect):
            return problem(session, 408, "That did not arrive in time.")
        except LedgerError as error:
            LOGGER.error("the console cannot read the ledger: %s", error)  # noqa: TRY400  # no bug of ours
            return problem(session, 503, "The database cannot be reached now.")
        except (AirouterError, ValueError, msgspec.MsgspecError) as error:
            return problem(session, 400, str(error))


async def form_of(request: Request) -> Form:
    """The fields of a form; of one that is there more than once all values, one a line."""
    fields: dict[str, str] = {}
    body = await body_of(request)
    for name, value in parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS):
        fields[name] = f"{fields[name]}\n{value}" if name in fields else value
    return fields


def problem(session: Session | None, status: int, message: str) -> Response:
    """A page that says what is wrong."""
    return page("problem.html", session, status=status, message=without_keys(message))


def to(path: str) -> Response:
    """On to another page."""
    return RedirectResponse(path, 303, headers=HEADERS)


def _way_in(request: Request) -> Response:
    if wants_part(request):
        return Response("", 401, headers={**HEADERS, "hx-redirect": SIGN_IN})
    return to(SIGN_IN)
