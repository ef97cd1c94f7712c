"""The administration as an ASGI application: the API, and the console."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..console.guards import problem
from ..console.routes import console_routes
from ..console.sessions import PATH
from .api import api_routes, failure
from .authentication import Authenticator
from .served import Served

KINDS = {404: "not_found", 405: "method_not_allowed"}


def administration(gateway: Served) -> Starlette:
    """The application, for one server."""
    authenticator = Authenticator(lambda: gateway.serving.settings.admin_key)
    routes = [*api_routes(gateway, authenticator), *console_routes(gateway, authenticator)]
    return Starlette(routes=routes, exception_handlers={HTTPException: _said})


async def _said(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if request.url.path.startswith(PATH):
        return problem(None, error.status_code, "There is no such page.")
    message = f"there is no {request.method} {request.url.path[:100]}"
    return failure(error.status_code, KINDS.get(error.status_code, "invalid_request"), message)
