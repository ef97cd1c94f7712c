"""Cached contents, as methods of the provider."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airouter_core.flow.steps import Flow
from airouter_core.provider.http import HttpProvider
from airouter_core.provider.preparation import Messages
from airouter_core.values.message_dicts import messages_from, tools_from
from airouter_core.values.request import Request
from airouter_core.values.tools import Tool

from .caches import CACHE_PAGE, CREATE_CACHE, DELETE_CACHE, GET_CACHE, UPDATE_CACHE, Cache
from .config import GeminiConfig


class CacheCalls(HttpProvider[GeminiConfig]):
    """What a provider can do with cached contents."""

    def create_cache(
        self,
        model: str,
        messages: Messages,
        *,
        tools: Iterable[Tool | Mapping[str, Any]] | None = None,
        ttl: float | None = None,
        name: str | None = None,
    ) -> Cache:
        """Have the beginning of prompts kept; calls name it: ``provider_options={"gemini": {"cachedContent": …}}``.

        Args:
            messages: system prompt and all; a call with the cache must not repeat them, nor the tools.
            ttl: seconds until Google forgets it; an hour unless given.
            name: to tell it from others.

        Raises:
            BadRequestError: it is too short to be kept.
            ExecutionError: the provider was asked and failed.
        """
        return self.run(self.create_cache_flow(model, messages, tools, ttl, name))

    async def acreate_cache(
        self,
        model: str,
        messages: Messages,
        *,
        tools: Iterable[Tool | Mapping[str, Any]] | None = None,
        ttl: float | None = None,
        name: str | None = None,
    ) -> Cache:
        """:meth:`create_cache`, awaited."""
        return await self.arun(self.create_cache_flow(model, messages, tools, ttl, name))

    def get_cache(self, name: str) -> Cache:
        """One cached content."""
        return self.run(self.operate(GET_CACHE, name))

    async def aget_cache(self, name: str) -> Cache:
        """:meth:`get_cache`, awaited."""
        return await self.arun(self.operate(GET_CACHE, name))

    def update_cache(self, name: str, ttl: float) -> Cache:
        """Have a cached content kept for ``ttl`` seconds from now."""
        return self.run(self.operate(UPDATE_CACHE, name, ttl))

    async def aupdate_cache(self, name: str, ttl: float) -> Cache:
        """:meth:`update_cache`, awaited."""
        return await self.arun(self.operate(UPDATE_CACHE, name, ttl))

    def delete_cache(self, name: str) -> None:
        """Have Google forget a cached content; keeping one costs by the hour."""
        self.run(self.operate(DELETE_CACHE, name))

    async def adelete_cache(self, name: str) -> None:
        """:meth:`delete_cache`, awaited."""
        await self.arun(self.operate(DELETE_CACHE, name))

    def list_caches(self) -> list[Cache]:
        """All cached contents."""
        return self.run(self.caches_flow())

    async def alist_caches(self) -> list[Cache]:
        """:meth:`list_caches`, awaited."""
        return await self.arun(self.caches_flow())

    def create_cache_flow(
        self,
        model: str,
        messages: Messages,
        tools: Iterable[Tool | Mapping[str, Any]] | None,
        ttl: float | None,
        name: str | None,
    ) -> Flow[Cache]:
        """The flow of :meth:`create_cache`."""
        said = messages_from(messages)
        request = Request(model=model, messages=said, tools=tools_from(tools) if tools else ())
        return (yield from self.operate(CREATE_CACHE, request, ttl, name, model=model))

    def caches_flow(self) -> Flow[list[Cache]]:
        """The flow of :meth:`list_caches`."""
        found: list[Cache] = []
        token: str | None = None
        while True:
            page = yield from self.operate(CACHE_PAGE, token)
            found += page.caches
            token = page.next
            if token is None:
                return found
