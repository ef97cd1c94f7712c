"""The routes of the console."""

from __future__ import annotations

import importlib.resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..admin.authentication import Authenticator
from ..admin.served import Served
from .guards import Console
from .pages import entry, keys, log, models, overview, playground
from .rendering import HEADERS
from .sessions import PATH

KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
DAY = 86400


def console_routes(gateway: Served, authenticator: Authenticator) -> list[BaseRoute]:
    """All pages of the console."""
    console = Console(gateway, authenticator)

    async def way_in(request: Request) -> Response:
        return await entry.way_in(console, request)

    async def sign_in(request: Request) -> Response:
        return await entry.sign_in(console, request)

    shown = {
        "": overview.overview,
        "/live": overview.live,
        "/models": models.models,
        "/models/health": models.health,
        "/keys": keys.keys,
        "/keys/new-key": keys.new_key,
        "/keys/new-team": keys.new_team,
        "/keys/key/{name:str}": keys.key,
        "/keys/team/{name:str}": keys.team,
        "/log": log.log,
        "/log/{name:str}": log.call,
        "/playground": playground.playground,
    }
    done = {
        "/logout": entry.sign_out,
        "/models": models.explain,
        "/keys/new-key": keys.create_key,
        "/keys/new-team": keys.create_team,
        "/keys/key/{name:str}": keys.edit_key,
        "/keys/key/{name:str}/rotate": keys.rotate_key,
        "/keys/key/{name:str}/revoke": keys.revoke_key,
        "/keys/team/{name:str}": keys.edit_team,
        "/keys/team/{name:str}/remove": keys.remove_team,
        "/playground": playground.compare,
        "/playground/answer": playground.answer,
    }
    return [
        Route(f"{PATH}/login", way_in, methods=["GET"]),
        Route(f"{PATH}/login", sign_in, methods=["POST"]),
        Route(f"{PATH}/static/{{name:str}}", _static, methods=["GET"]),
        *(Route(PATH + path, console.shows(show), methods=["GET"]) for path, show in shown.items()),
        *(Route(PATH + path, console.does(act), methods=["POST"]) for path, act in done.items()),
    ]


async def _static(request: Request) -> Response:
    """One of the files that pages are drawn with; no other file has such a name."""
    name = str(request.path_params["name"])
    files = importlib.resources.files(__package__) / "static"
    found = next((file for file in files.iterdir() if file.name == name), None)
    if found is None:
        return Response("there is no such file", 404, headers=HEADERS)
    kind = KINDS[name.rpartition(".")[2]]
    headers = {**HEADERS, "cache-control": f"public, max-age={DAY}"}
    return Response(found.read_bytes(), media_type=kind, headers=headers)
