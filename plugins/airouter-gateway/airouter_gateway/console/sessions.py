"""Who is signed in: a cookie that this server has signed, so that every worker and replica knows it.

The signature's secret is made of the admin key: when that is changed nobody is signed in any more. What was signed out
before its time is remembered elsewhere.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from airouter_core.values.value import Value

from ..admin.authentication import Authenticator

COOKIE = "airouter_console"
PATH = "/console"
LASTS = 12 * 3600
"""Seconds for which somebody stays signed in."""


class Session(Value, frozen=True):
    """Somebody who is signed in.

    Attributes:
        id: of this session, by chance.
        until: when it ends, in seconds since 1970.
        token: what each form of theirs brings, so that no other page can send one for them.
    """

    id: str
    until: int
    token: str


class Sessions:
    """Signs and reads cookies.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, authenticator: Authenticator, *, clock: Callable[[], float] = time.time) -> None:
        self._authenticator = authenticator
        self._clock = clock

    def begin(self, request: Request, response: Response) -> None:
        """Sign somebody in: a cookie that scripts cannot read, and that no other site can have sent."""
        said = f"{int(self._clock()) + LASTS}.{secrets.token_hex(16)}"
        response.set_cookie(
            COOKIE, f"{said}.{self._sign(said)}", max_age=LASTS, path=PATH, httponly=True, samesite="strict",
            secure=is_private(request),
        )  # fmt: skip

    def end(self, response: Response) -> None:
        """Take somebody's cookie away."""
        response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")

    def of(self, request: Request) -> Session | None:
        """Who asks, by the cookie alone; ``None`` for whoever has none, or one whose time has passed."""
        said, _, signature = request.cookies.get(COOKIE, "").rpartition(".")
        until, _, id_ = said.partition(".")
        if not said.isascii() or not hmac.compare_digest(signature.encode(), self._sign(said).encode()):
            return None
        if not until.isdecimal() or int(until) < self._clock():
            return None
        token = hmac.new(self._authenticator.secret(b"form"), id_.encode(), "sha256").hexdigest()
        return Session(id_, int(until), token)

    def _sign(self, said: str) -> str:
        return hmac.new(self._authenticator.secret(b"session"), said.encode(), "sha256").hexdigest()


def is_private(request: Request) -> bool:
    """Whether nobody listens between a browser and what it speaks with: this server, or a proxy before it that says so.

    Whoever says so wrongly has only their own cookie kept back.
    """
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))


def is_own_form(request: Request, session: Session, form: Mapping[str, str]) -> bool:
    """Whether a form comes from a page of ours."""
    return is_own_page(request) and hmac.compare_digest(form.get("token", "").encode(), session.token.encode())


def is_own_page(request: Request) -> bool:
    """Whether a request was made by a page of this server, as far as the browser says."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
