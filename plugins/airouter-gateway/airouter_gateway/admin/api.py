"""The admin API over HTTP: who may, bodies read, errors said."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from airouter_core.errors import AirouterError, ConfigurationError, ParameterError
from airouter_ledger.errors import LedgerError

from ..access.account_rows import NameTakenError, UnknownNameError
from ..dialects.refusals import without_keys
from .administration import Administration
from .authentication import Authenticator, TooManyWrongKeysError
from .endpoints import ENDPOINTS, Asked, Endpoint
from .openapi import PREFIX, document
from .served import Served
from .shapes import Failure, Problem

LOGGER = logging.getLogger("airouter.gateway")
LARGEST = 1024 * 1024
"""Bytes of a body: of a form or of JSON, neither of which is ever long."""
SLOWEST = 30.0
JSON = "application/json"
encode = msgspec.json.Encoder(decimal_format="number").encode
BY = "admin API"

Handler = Callable[[Request], Awaitable[Response]]


class TooLargeError(Exception):
    """A body is larger than any that is meant."""


def api_routes(gateway: Served, authenticator: Authenticator) -> list[BaseRoute]:
    """The routes of the API."""
    admin = Administration(gateway, BY)
    by_path: dict[str, list[Endpoint]] = {}
    for endpoint in ENDPOINTS:
        by_path.setdefault(endpoint.path, []).append(endpoint)
    routes: list[BaseRoute] = [
        Route(
            PREFIX + path.replace("{name}", "{name:str}"),
            _answering(admin, authenticator, found),
            methods=_methods(found),
        )
        for path, found in by_path.items()
    ]

    async def described(_: Request) -> Response:
        return Response(encode(document()), media_type=JSON)

    return [Route(f"{PREFIX}/openapi.json", _guarded(authenticator, described)), *routes]


async def body_of(request: Request) -> bytes:
    """A body, as far as it is not too large and comes in time.

    Raises:
        TooLargeError: it is larger than any that is meant.
        TimeoutError: it does not come.
    """
    pieces: list[bytes] = []
    async with asyncio.timeout(SLOWEST):
        async for piece in request.stream():
            pieces.append(piece)
            if sum(map(len, pieces)) > LARGEST:
                raise TooLargeError
    return b"".join(pieces)


def failure(status: int, kind: str, message: str) -> Response:
    """An error, as the API says it."""
    said = encode(Failure(error=Problem(type=kind, message=without_keys(message))))
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    return Response(said, status, media_type=JSON, headers=headers)


def _methods(endpoints: list[Endpoint]) -> list[str]:
    return [endpoint.method for endpoint in endpoints]


def _answering(admin: Administration, authenticator: Authenticator, endpoints: list[Endpoint]) -> Handler:
    by_method = {endpoint.method: endpoint for endpoint in endpoints}

    async def answer(request: Request) -> Response:
        endpoint = by_method["GET" if request.method == "HEAD" else request.method]
        body = None if endpoint.body is None else msgspec.json.decode(await body_of(request), type=endpoint.body)
        query = msgspec.convert(dict(request.query_params), endpoint.query, strict=False)
        result = await endpoint.does(admin, Asked(request.path_params.get("name", ""), query, body))
        return Response(b"" if endpoint.gives is None else encode(result), endpoint.status, media_type=JSON)

    return _guarded(authenticator, answer)


def _guarded(authenticator: Authenticator, answer: Handler) -> Handler:
    """Answers those who have the admin key, and says what is wrong to all."""

    async def guarded(request: Request) -> Response:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        try:
            given = key.strip() if scheme.lower() == "bearer" else ""
            if not authenticator.admits(given, request.client and request.client.host):
                return failure(401, "unauthorized", "give the admin key, in the header Authorization")
            return await answer(request)
        except TooManyWrongKeysError:
            return failure(429, "too_many_wrong_keys", "too many wrong keys: wait a minute")
        except Exception as error:
            return refusal(error)

    return guarded


def refusal(error: Exception) -> Response:
    """What is said of an error."""
    for kinds, status, kind in REFUSALS:
        if isinstance(error, kinds):
            words = {413: "a body may have 1 MiB", 408: "the request did not arrive in time"}
            return failure(status, kind, words.get(status, str(error)))
    LOGGER.error("a request to the admin API failed", exc_info=error)
    return failure(500, "internal", "this server failed")


REFUSALS: tuple[tuple[tuple[type[Exception], ...], int, str], ...] = (
    ((UnknownNameError,), 404, "not_found"),
    ((NameTakenError,), 409, "name_taken"),
    ((ParameterError, ConfigurationError, msgspec.ValidationError, msgspec.DecodeError), 400, "invalid_request"),
    ((TooLargeError,), 413, "too_large"),
    ((TimeoutError, ClientDisconnect), 408, "too_slow"),
    ((LedgerError,), 503, "database_unavailable"),
    ((AirouterError,), 502, "provider_failed"),
)
"""The nearest class first."""
