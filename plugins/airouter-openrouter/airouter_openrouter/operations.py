"""What the endpoints beside chat have in common: one way to ask, and errors that come with status 200."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from airouter_core.dialects.chat_completions.errors import status_in
from airouter_core.errors import ProtocolError
from airouter_core.wire.http import HttpRequest, json_request
from airouter_core.wire.json import decoded_object

from .config import OpenRouterConfig
from .errors import ERRORS, read_failure
from .headers import headers, headers_with_key


def get(
    config: OpenRouterConfig, path: str, query: Mapping[str, str] | None = None, *, key: bool = True
) -> HttpRequest:
    """A request for what is at ``path``; without ``key``, one that needs none."""
    asked = f"{path}?{urlencode(query)}" if query else path
    return json_request(config, "GET", asked, headers=headers_with_key(config) if key else headers(config))


def post(config: OpenRouterConfig, path: str, body: Mapping[str, Any]) -> HttpRequest:
    """A request that sends JSON to ``path``."""
    return json_request(config, "POST", path, dict(body), headers=headers_with_key(config))


def answer_in(body: bytes) -> dict[str, Any]:
    """The object of an answer.

    Raises:
        ProviderError: it is an error, although the status was 200.
        ProtocolError: it is no JSON object.
    """
    answer = decoded_object(body)
    if error := answer.get("error"):
        raise ERRORS.error(read_failure(error, answer), status=status_in(error), body=body, inside=True)
    return answer


def data_in(body: bytes) -> dict[str, Any]:
    """What an answer holds under ``data``, where that is one object.

    Raises:
        ProviderError, ProtocolError: as :func:`answer_in`.
    """
    data = answer_in(body).get("data")
    if not isinstance(data, dict):
        raise ProtocolError("OpenRouter sent an answer without data")
    return data
