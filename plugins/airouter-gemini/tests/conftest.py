"""A server that answers as Google does, and providers that ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.testing.server import LoopbackServer
from airouter_gemini.provider import GeminiProvider

from .google_server import KEY, Google


@pytest.fixture
def google() -> Google:
    return Google()


@pytest.fixture
def server(google: Google) -> Iterator[LoopbackServer]:
    with LoopbackServer(google) as running:
        yield running


@pytest.fixture
def make(server: LoopbackServer) -> Iterator[Callable[..., GeminiProvider]]:
    made: list[GeminiProvider] = []

    def provider(**config: Any) -> GeminiProvider:
        given = {"base_url": server.url, "api_key": KEY, "max_retries": 0, **config}
        found = create_provider("gemini", {name: value for name, value in given.items() if value is not None})
        assert isinstance(found, GeminiProvider)
        made.append(found)
        return found

    yield provider
    for one in made:
        one.close()
