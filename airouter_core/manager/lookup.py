"""Asking whom an address means, once it is known who that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..flow.steps import Flow, done
from ..provider.asking import Messages
from ..provider.both import Answering
from ..provider.facade import Provider
from ..values.response import Response
from .addresses import Address


class ToBeResolved:
    """A chat whose address is looked up when it is driven: that may ask local providers for their models."""

    def __init__(
        self,
        resolve: Callable[[str], Address],
        provider: Callable[[str], Provider[Any]],
        address: str,
        messages: Messages,
        options: Mapping[str, Any],
    ) -> None:
        self._resolve = resolve
        self._provider = provider
        self._address = address
        self._messages = messages
        self._options = options

    def whole(self) -> Flow[Response]:
        """The flow of the answer that nobody reads along."""
        return (yield from (yield from self._found()).whole())

    def streamed(self) -> Flow[Response]:
        """The flow of the answer that somebody reads along."""
        return (yield from (yield from self._found()).streamed())

    def _found(self) -> Flow[Answering]:
        name, model = yield from done(self._resolve, self._address)
        return self._provider(name).chat_asked(model, self._messages, **self._options)
