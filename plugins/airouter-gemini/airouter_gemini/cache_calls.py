"""Cached contents, as methods of the provider."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airouter_core.flow.steps import Flow
from airouter_core.provider.asking import Messages
from airouter_core.provider.both import both
from airouter_core.provider.http import HttpProvider
from airouter_core.values.message_dicts import messages_from
from airouter_core.values.request import Request
from airouter_core.values.tools import Tool, tools_from

from .caches import CACHE_PAGE, CREATE_CACHE, DELETE_CACHE, GET_CACHE, UPDATE_CACHE, Cache
from .config import GeminiConfig


class CacheCalls(HttpProvider[GeminiConfig]):
    """What a provider can do with cached contents."""

    def create_cache_flow(
        self,
        model: str,
        messages: Messages,
        *,
        tools: Iterable[Tool | Mapping[str, Any]] | None = None,
        ttl: float | None = None,
        name: str | None = None,
    ) -> Flow[Cache]:
        """Have the beginning of prompts kept; calls name it: ``provider_options={"gemini": {"cachedContent": …}}``.

        Args:
            messages: system prompt and all; a call with the cache must not repeat them, nor the tools.
            ttl: seconds until Google forgets it; an hour unless given.
            name: to tell it from others.

        Raises:
            BadRequestError: it is too short to be kept.
            ExecutionError: the provider was asked and failed.
        """
        said = messages_from(messages)
        request = Request(model=model, messages=said, tools=tools_from(tools) if tools else ())
        return (yield from self.operate(CREATE_CACHE, request, ttl, name, model=model))

    create_cache, acreate_cache = both(create_cache_flow, kind="management", name="create_cache")

    def get_cache_flow(self, name: str) -> Flow[Cache]:
        """One cached content."""
        return self.operate(GET_CACHE, name)

    get_cache, aget_cache = both(get_cache_flow, kind="management", name="get_cache")

    def update_cache_flow(self, name: str, ttl: float) -> Flow[Cache]:
        """Have a cached content kept for ``ttl`` seconds from now."""
        return self.operate(UPDATE_CACHE, name, ttl)

    update_cache, aupdate_cache = both(update_cache_flow, kind="management", name="update_cache")

    def delete_cache_flow(self, name: str) -> Flow[None]:
        """Have Google forget a cached content; keeping one costs by the hour."""
        return self.operate(DELETE_CACHE, name)

    delete_cache, adelete_cache = both(delete_cache_flow, kind="management", name="delete_cache")

    def caches_flow(self) -> Flow[list[Cache]]:
        """All cached contents."""
        found: list[Cache] = []
        token: str | None = None
        while True:
            page = yield from self.operate(CACHE_PAGE, token)
            found += page.caches
            token = page.next
            if token is None:
                return found

    list_caches, alist_caches = both(caches_flow, kind="management", name="list_caches")
