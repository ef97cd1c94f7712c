"""Pages: templates, what they show numbers and moments as, and the headers that every page has."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import Response

from airouter_core.version import VERSION

from .sessions import Session

HEADERS = {
    # Nothing but what this server has: no script or style in a page, no frame around it, nobody told whence one comes.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Without any, browsers do not say of a form which page has sent it.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
NAVIGATION = (
    ("overview", "/console", "Overview"),
    ("models", "/console/models", "Models"),
    ("keys", "/console/keys", "Keys"),
    ("log", "/console/log", "Log"),
    ("playground", "/console/playground", "Playground"),
)
NOTHING = "-"


def money(amount: Decimal | float | None) -> str:
    """An amount of dollars, with as many digits as tell something."""
    if amount is None:
        return NOTHING
    amount = Decimal(amount)
    if not amount:
        return "$0"
    places = 2 if abs(amount) >= 1 else 4 if abs(amount) >= Decimal("0.001") else 6
    return f"${amount:,.{places}f}"


def count(number: int | None) -> str:
    """A whole number, in groups of three digits."""
    return NOTHING if number is None else f"{number:,}"


def short(number: int) -> str:
    """A large number, in thousands or millions."""
    for size, letter in ((1_000_000_000, "B"), (1_000_000, "M"), (1000, "k")):
        if number >= size:
            return f"{number / size:.1f} {letter}"
    return str(number)


def duration(seconds: float | None) -> str:
    """A time that something took."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def moment(seconds: float | None) -> str:
    """A moment, in UTC."""
    return NOTHING if not seconds else _utc(seconds).strftime("%Y-%m-%d %H:%M:%S")


def exact(seconds: float) -> str:
    """A moment, as machines read it."""
    return _utc(seconds).isoformat(timespec="seconds")


def day(seconds: float | None) -> str:
    """The day of a moment, as a field for dates takes it; empty for none."""
    return "" if not seconds else _utc(seconds).strftime("%Y-%m-%d")


def _utc(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("airouter_gateway.console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    written = (money, count, short, duration, moment, exact, day)
    made.filters |= {function.__name__: function for function in written}
    made.globals |= {"navigation": NAVIGATION, "nothing": NOTHING, "version": VERSION}
    return made


ENVIRONMENT = _environment()


def page(name: str, session: Session | None, *, status: int = 200, **given: Any) -> Response:
    """A page, or a part of one.

    Args:
        name: of the template.
        session: of whom it is for.
        given: what the template shows.
    """
    here = name.partition("/")[2].partition(".")[0] if name.startswith("parts/") else name.partition(".")[0]
    text = ENVIRONMENT.get_template(name).render(session=session, **{"here": here, **given})
    return Response(text, status, media_type="text/html", headers=HEADERS)


def wants_part(request: Request) -> bool:
    """Whether a page asks for a part of itself, and not a person for a page."""
    return "hx-request" in request.headers
