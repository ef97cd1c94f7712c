"""Keys and teams: who may ask, how much they may spend, and what they have."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from airouter_core.errors import AirouterError, ParameterError

from ...access.account_rows import UnknownNameError
from ...access.views import ShownKey, ShownTeam
from ...admin import shapes
from ...admin.administration import changed
from ..guards import Console, Form, to
from ..rendering import day, page
from ..sessions import PATH, Session

KEYS = f"{PATH}/keys"
COUNTS = ("rpm", "tpm", "in_flight")
CHANGES = 20
Shown = ShownKey | ShownTeam


async def keys(console: Console, request: Request, session: Session) -> Response:
    """The page of all keys and teams."""
    return page(
        "keys.html",
        session,
        keys=await console.admin.keys(),
        teams=await console.admin.teams(),
        changes=await console.admin.changes(CHANGES, None),
    )


async def new_key(console: Console, request: Request, session: Session) -> Response:
    """The form for a key."""
    return await _form(console, session, "key", None, {"team": request.query_params.get("team", "")})


async def create_key(console: Console, request: Request, session: Session, form: Form) -> Response:
    """Make a key, and show it: this once."""
    try:
        fields = changed(_read(form, shapes.NewKey, ("team", "expires")))
        secret, shown = await console.admin.create_key(**fields)
    except (AirouterError, msgspec.ValidationError) as error:
        return await _form(console, session, "key", None, form, error)
    return page("once.html", session, here="keys", key=secret, shown=shown, was="made")


async def key(console: Console, request: Request, session: Session) -> Response:
    """One key, with its form."""
    found = await _key(console, request)
    return await _form(console, session, "key", found, _written(found))


async def edit_key(console: Console, request: Request, session: Session, form: Form) -> Response:
    """Change a key."""
    found = await _key(console, request)
    try:
        await console.admin.edit_key(found.name, **changed(_read(form, shapes.KeyChanges, ("team", "expires"))))
    except (AirouterError, msgspec.ValidationError) as error:
        return await _form(console, session, "key", found, form, error)
    return to(f"{KEYS}/key/{quote(found.name)}")


async def rotate_key(console: Console, request: Request, session: Session, form: Form) -> Response:
    """Make another key in place of one, and show it: this once."""
    secret, shown = await console.admin.rotate_key(_name(request))
    return page("once.html", session, here="keys", key=secret, shown=shown, was="changed")


async def revoke_key(console: Console, request: Request, session: Session, form: Form) -> Response:
    """Make a key useless."""
    await console.admin.revoke_key(_name(request))
    return to(KEYS)


async def new_team(console: Console, request: Request, session: Session) -> Response:
    """The form for a team."""
    return await _form(console, session, "team", None, {})


async def create_team(console: Console, request: Request, session: Session, form: Form) -> Response:
    """Make a team."""
    try:
        made = await console.admin.create_team(**changed(_read(form, shapes.NewTeam)))
    except (AirouterError, msgspec.ValidationError) as error:
        return await _form(console, session, "team", None, form, error)
    return to(f"{KEYS}/team/{quote(made.name)}")


async def team(console: Console, request: Request, session: Session) -> Response:
    """One team, with its form."""
    found = await console.admin.team(_name(request))
    return await _form(console, session, "team", found, _written(found))


async def edit_team(console: Console, request: Request, session: Session, form: Form) -> Response:
    """Change a team."""
    found = await console.admin.team(_name(request))
    try:
        await console.admin.edit_team(found.name, **changed(_read(form, shapes.TeamChanges)))
    except (AirouterError, msgspec.ValidationError) as error:
        return await _form(console, session, "team", found, form, error)
    return to(f"{KEYS}/team/{quote(found.name)}")


async def remove_team(console: Console, request: Request, session: Session, form: Form) -> Response:
    """Forget a team."""
    await console.admin.remove_team(_name(request))
    return to(KEYS)


async def _key(console: Console, request: Request) -> ShownKey:
    name = _name(request)
    found = next((one for one in await console.admin.keys() if one.name == name and one.kept == "ledger"), None)
    if found is None:
        raise UnknownNameError(f"there is no key {name!r} that could be changed here")
    return found


def _name(request: Request) -> str:
    return str(request.path_params["name"])


async def _form(
    console: Console, session: Session, what: str, shown: Shown | None, fields: Form, error: Exception | None = None
) -> Response:
    return page(
        "account.html",
        session,
        status=200 if error is None else 400,
        here="keys",
        what=what,
        shown=shown,
        fields={"period": "month", **fields},
        teams=await console.admin.teams() if what == "key" else [],
        served=[model.id for model in await console.admin.models()],
        message=None if error is None else str(error),
    )


def _read(form: Form, kind: type[Any], more: tuple[str, ...] = ()) -> Any:
    """A form as what the admin API takes; what is left empty bounds nothing.

    Raises:
        ParameterError: a field cannot be read.
        msgspec.ValidationError: a field cannot be so.
    """
    said: dict[str, Any] = {name: _number(form, name) for name in (*COUNTS, "budget")}
    said["models"] = form.get("models", "").split()
    said["period"] = form.get("period", "").strip() or "month"
    said["unpriced"] = "allow" if "unpriced" in form else "refuse"
    said["disabled"] = "disabled" in form
    if "name" in kind.__struct_fields__:
        said["name"] = form.get("name", "").strip()
    if "team" in more:
        said["team"] = form.get("team") or None
    if "expires" in more:
        said["expires"] = _end_of(form.get("expires", ""))
    return msgspec.convert(said, kind, strict=False)


def _number(form: Form, name: str) -> str | None:
    return form.get(name, "").strip().replace(",", "").removeprefix("$") or None


def _end_of(said: str) -> float | None:
    """The end of a day, in UTC."""
    if not said.strip():
        return None
    try:
        begins = datetime.datetime.strptime(said.strip(), "%Y-%m-%d").replace(tzinfo=datetime.UTC)
    except ValueError:
        raise ParameterError("expires is a day, such as 2027-01-31") from None
    return (begins + datetime.timedelta(days=1)).timestamp() - 1


def _written(shown: Shown) -> Mapping[str, str]:
    """What is known, as a form has it."""
    said = {name: "" if (value := getattr(shown, name)) is None else f"{value}" for name in (*COUNTS, "budget")}
    said |= {"name": shown.name, "models": "\n".join(shown.models), "period": shown.period}
    if shown.unpriced == "allow":
        said["unpriced"] = "on"
    if shown.state == "disabled":
        said["disabled"] = "on"
    if isinstance(shown, ShownKey):
        said |= {"team": shown.team or "", "expires": day(shown.expires)}
    return said
