"""The list of models as a whole: all its pages, and kept for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from airouter_core.flow.steps import Flow
from airouter_core.values.catalog import ModelInfo

from .models import Page

MOST_PAGES = 200
"""A list that goes on longer than that goes in circles."""


def all_pages(ask: Callable[[Mapping[str, str]], Flow[Page]], query: Mapping[str, str]) -> Flow[list[ModelInfo]]:
    """Follow the pages of a list to its end."""
    models: list[ModelInfo] = []
    asked: list[Mapping[str, str]] = []
    following: Mapping[str, str] | None = query
    while following is not None and following not in asked and len(asked) < MOST_PAGES:
        asked.append(following)
        page = yield from ask(following)
        models += page.models
        following = page.next_query
    return models


class Catalog:
    """Lists of models, each kept for a while. For many threads.

    Args:
        seconds: how long; 0 keeps nothing.
        clock: seconds that only grow.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, tuple[ModelInfo, ...]]] = {}
        self._by_id: dict[str, ModelInfo] = {}

    def fresh(self, kind: str) -> tuple[ModelInfo, ...] | None:
        """The models of this kind, unless they were put too long ago."""
        with self._lock:
            until, models = self._kept.get(kind, (float("-inf"), ()))
        return models if self._clock() < until else None

    def put(self, kind: str, models: tuple[ModelInfo, ...]) -> None:
        """Keep them from now on."""
        with self._lock:
            self._kept[kind] = (self._clock() + self._seconds, models)
            self._by_id.update((model.id, model) for model in models)

    def last_seen(self, model: str) -> ModelInfo | None:
        """What was last said about a model, however long ago; with a suffix (``:nitro``) it is the same model."""
        with self._lock:
            return self._by_id.get(model) or self._by_id.get(model.partition(":")[0])
