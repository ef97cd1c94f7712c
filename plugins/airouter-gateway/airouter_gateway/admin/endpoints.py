"""The endpoints of the admin API: one table, of which its routes and its document are made."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec

from airouter_core.errors import ParameterError
from airouter_core.values.value import Value

from ..access.account_rows import Change, UnknownNameError
from ..access.views import ShownKey, ShownTeam
from . import shapes
from .administration import Administration, changed

Item = TypeVar("Item")
NUMBER = re.compile("[0-9]{1,18}")


class Asked(Value, frozen=True):
    """A request, read.

    Attributes:
        name: what the address names.
        query, body: of the types that the endpoint takes.
    """

    name: str
    query: Any
    body: Any


class Endpoint(Value, frozen=True, kw_only=True):
    """One thing that the API can do.

    Attributes:
        id: its name in the document.
        path: below the prefix of the API; ``{name}`` stands for what it is about.
        query, body: what it takes.
        gives: what it answers; ``None`` for nothing.
    """

    id: str
    method: str
    path: str
    summary: str
    does: Callable[[Administration, Asked], Awaitable[Any]]
    gives: Any
    query: type[msgspec.Struct] = shapes.Nothing
    body: type[msgspec.Struct] | None = None
    status: int = 200


async def _keys(admin: Administration, asked: Asked) -> shapes.Page[ShownKey]:
    return page(await admin.keys(), asked.query)


async def _create_key(admin: Administration, asked: Asked) -> shapes.MadeKey:
    return _made(*await admin.create_key(**changed(asked.body)))


async def _key(admin: Administration, asked: Asked) -> ShownKey:
    return await admin.key(asked.name)


async def _edit_key(admin: Administration, asked: Asked) -> ShownKey:
    return await admin.edit_key(asked.name, **changed(asked.body))


async def _revoke_key(admin: Administration, asked: Asked) -> None:
    await admin.revoke_key(asked.name)


async def _rotate_key(admin: Administration, asked: Asked) -> shapes.MadeKey:
    return _made(*await admin.rotate_key(asked.name))


async def _teams(admin: Administration, asked: Asked) -> shapes.Page[ShownTeam]:
    return page(await admin.teams(), asked.query)


async def _create_team(admin: Administration, asked: Asked) -> ShownTeam:
    return await admin.create_team(**changed(asked.body))


async def _team(admin: Administration, asked: Asked) -> ShownTeam:
    return await admin.team(asked.name)


async def _edit_team(admin: Administration, asked: Asked) -> ShownTeam:
    return await admin.edit_team(asked.name, **changed(asked.body))


async def _remove_team(admin: Administration, asked: Asked) -> None:
    await admin.remove_team(asked.name)


async def _models(admin: Administration, asked: Asked) -> shapes.Page[shapes.ServedModel]:
    return page(await admin.models(), asked.query, by="id")


async def _health(admin: Administration, asked: Asked) -> shapes.Page[shapes.Health]:
    return page(await admin.health(), asked.query)


async def _explain(admin: Administration, asked: Asked) -> shapes.Explained:
    return await admin.explain(asked.body.address, asked.body.prompt)


async def _live(admin: Administration, asked: Asked) -> shapes.Page[shapes.LiveCall]:
    return page(admin.live(), asked.query, by="id")


async def _calls(admin: Administration, asked: Asked) -> shapes.Page[shapes.Call]:
    return await admin.calls(asked.query)


async def _call(admin: Administration, asked: Asked) -> shapes.WholeCall:
    found = await admin.call(asked.name)
    if found is None:
        raise UnknownNameError(f"there is no call {asked.name!r}")
    return found


async def _costs(admin: Administration, asked: Asked) -> shapes.Page[shapes.Costs]:
    return shapes.Page(tuple(await admin.costs(asked.query)))


async def _changes(admin: Administration, asked: Asked) -> shapes.Page[Change]:
    wanted: shapes.Paging = asked.query
    if wanted.after is not None and NUMBER.fullmatch(wanted.after) is None:
        raise ParameterError("after is the number of a change")
    found = await admin.changes(wanted.limit + 1, None if wanted.after is None else int(wanted.after))
    shown = tuple(found[: wanted.limit])
    return shapes.Page(shown, str(shown[-1].number) if len(found) > wanted.limit else None)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(id="listKeys", method="GET", path="/keys", summary="List the keys", does=_keys,
             gives=shapes.Page[ShownKey], query=shapes.Paging),
    Endpoint(id="createKey", method="POST", path="/keys", summary="Make a key; the answer alone holds it",
             does=_create_key, gives=shapes.MadeKey, body=shapes.NewKey, status=201),
    Endpoint(id="getKey", method="GET", path="/keys/{name}", summary="What is known of a key", does=_key,
             gives=ShownKey),
    Endpoint(id="editKey", method="PATCH", path="/keys/{name}", summary="Change what a key may do", does=_edit_key,
             gives=ShownKey, body=shapes.KeyChanges),
    Endpoint(id="revokeKey", method="DELETE", path="/keys/{name}", summary="Make a key useless", does=_revoke_key,
             gives=None, status=204),
    Endpoint(id="rotateKey", method="POST", path="/keys/{name}/rotate",
             summary="Make another key in place of one; the answer alone holds it", does=_rotate_key,
             gives=shapes.MadeKey),
    Endpoint(id="listTeams", method="GET", path="/teams", summary="List the teams", does=_teams,
             gives=shapes.Page[ShownTeam], query=shapes.Paging),
    Endpoint(id="createTeam", method="POST", path="/teams", summary="Make a team", does=_create_team,
             gives=ShownTeam, body=shapes.NewTeam, status=201),
    Endpoint(id="getTeam", method="GET", path="/teams/{name}", summary="What is known of a team", does=_team,
             gives=ShownTeam),
    Endpoint(id="editTeam", method="PATCH", path="/teams/{name}", summary="Change the bounds of a team",
             does=_edit_team, gives=ShownTeam, body=shapes.TeamChanges),
    Endpoint(id="removeTeam", method="DELETE", path="/teams/{name}", summary="Forget a team that has no keys",
             does=_remove_team, gives=None, status=204),
    Endpoint(id="listModels", method="GET", path="/models", summary="List the models that are served", does=_models,
             gives=shapes.Page[shapes.ServedModel], query=shapes.Paging),
    Endpoint(id="listProviders", method="GET", path="/providers", summary="Ask the providers how they are doing",
             does=_health, gives=shapes.Page[shapes.Health], query=shapes.Paging),
    Endpoint(id="explain", method="POST", path="/explain", summary="Say who would be asked; nobody is", does=_explain,
             gives=shapes.Explained, body=shapes.Question),
    Endpoint(id="listLiveCalls", method="GET", path="/live", summary="List what this server is answering now",
             does=_live, gives=shapes.Page[shapes.LiveCall], query=shapes.Paging),
    Endpoint(id="listCalls", method="GET", path="/calls", summary="List calls, the newest first", does=_calls,
             gives=shapes.Page[shapes.Call], query=shapes.CallFilter),
    Endpoint(id="getCall", method="GET", path="/calls/{name}", summary="A call, with what was kept of its content",
             does=_call, gives=shapes.WholeCall),
    Endpoint(id="listCosts", method="GET", path="/costs", summary="What calls cost together", does=_costs,
             gives=shapes.Page[shapes.Costs], query=shapes.CostsOf),
    Endpoint(id="listChanges", method="GET", path="/changes", summary="What administrators did, the newest first",
             does=_changes, gives=shapes.Page[Change], query=shapes.Paging),
)  # fmt: skip


def page(items: Sequence[Item], wanted: shapes.Paging, *, by: str = "name") -> shapes.Page[Item]:
    """The part of a list that is meant.

    Raises:
        ParameterError: it is to go on after what is not in it.
    """
    names = [getattr(item, by) for item in items]
    if wanted.after is not None and wanted.after not in names:
        raise ParameterError(f"there is no {wanted.after!r} to go on after")
    begin = 0 if wanted.after is None else names.index(wanted.after) + 1
    end = begin + wanted.limit
    return shapes.Page(tuple(items[begin:end]), names[end - 1] if end < len(names) else None)


def _made(secret: str, shown: ShownKey) -> shapes.MadeKey:
    fields = {name: getattr(shown, name) for name in shown.__struct_fields__}
    return shapes.MadeKey(**fields, key=secret)
