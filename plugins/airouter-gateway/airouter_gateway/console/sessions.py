"""Who is signed in: a cookie that this server has signed, so that every worker and replica knows it.

The signature's secret is made of the admin key: when that is changed nobody is signed in any more.
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
        token: what each form of theirs brings, so that no other page can send one for them.
    """

    id: str
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
            secure=request.url.scheme == "https",
        )  # fmt: skip

    def end(self, response: Response) -> None:
        """Sign somebody out."""
        response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")

    def of(self, request: Request) -> Session | None:
        """Who asks; ``None`` for whoever is not signed in, or no more."""
        said, _, signature = request.cookies.get(COOKIE, "").rpartition(".")
        until, _, id_ = said.partition(".")
        if not said.isascii() or not hmac.compare_digest(signature.encode(), self._sign(said).encode()):
            return None
        if not until.isdecimal() or int(until) < self._clock():
            return None
        return Session(id_, hmac.new(self._authenticator.secret(b"form"), id_.encode(), "sha256").hexdigest())

    def _sign(self, said: str) -> str:
        return hmac.new(self._authenticator.secret(b"session"), said.encode(), "sha256").hexdigest()


def is_own_form(request: Request, session: Session, form: Mapping[str, str]) -> bool:
    """Whether a form comes from a page of ours."""
    return is_own_page(request) and hmac.compare_digest(form.get("token", "").encode(), session.token.encode())


def is_own_page(request: Request) -> bool:
    """Whether a request was made by a page of this server, as far as the browser says."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
