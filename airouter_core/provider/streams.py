"""The streams that users read."""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Iterator
from typing import NoReturn, Self

from ..errors import ExecutionError
from ..flow.blocking import Driven, Driver
from ..flow.steps import Flow
from ..values.events import StreamEvent, TextDelta
from ..values.messages import Message
from ..values.response import Response

NO_RESPONSE = Response(message=Message("assistant", ()))
"""What has arrived when nothing has."""


def words_of(response: Response) -> str:
    """The text of an answer.

    Where it is empty because thinking used up the limit a warning is logged: whoever takes the text alone would see no
    more than an empty string.
    """
    if (
        response.finish_reason == "length"
        and not response.text
        and (response.reasoning is not None or response.usage.reasoning_tokens)
    ):
        logging.getLogger(f"airouter.{response.provider or 'core'}").warning(
            "the answer of %s is empty: thinking used up its limit; raise max_tokens, or ask for less reasoning_effort",
            response.model or "the model",
        )
    return response.text


class UnreadError(ExecutionError, AttributeError):
    """What is asked for is not there yet. As an ``AttributeError``, so that debuggers and mocks look on undisturbed."""


# Two classes, since one is read and closed with `await` and the other without; all else is in what they share.


class _StreamState:
    """What both kinds of stream know."""

    _driver: Driven

    def __reduce__(self) -> NoReturn:
        raise TypeError("a stream is for one process: create it where it is read; its response can be sent")

    @property
    def response(self) -> Response:
        """The whole answer, once the last event was read.

        Raises:
            ExecutionError: it is not complete yet; ``read()`` goes to the end.
        """
        if not self._driver.complete:
            raise UnreadError("the answer is not complete: read the stream to its end first, or call read()")
        response: Response = self._driver.result
        return response

    @property
    def partial(self) -> Response:
        """What has arrived so far."""
        if self._driver.complete:
            return self.response
        builder = self._driver.builder
        partial: Response = NO_RESPONSE if builder is None else builder.partial()
        return partial


class ResponseStream(_StreamState):
    """A stream of events that adds up to a response. Leaving it early closes its connection at once.

    Iterate it, or use it as a context manager; for one reader.
    """

    _driver: Driver

    def __init__(self, flow: Flow[Response]) -> None:
        # Nothing is sent here: the driver begins with the first event that is asked for.
        self._driver = Driver(flow)
        self._events = self._driver.events()

    def __iter__(self) -> Iterator[StreamEvent]:
        return self._events

    def __next__(self) -> StreamEvent:
        event: StreamEvent = next(self._events)
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self) -> Response:
        """Go to the end, and return the whole answer."""
        for _ in self._events:
            pass
        return self.response

    def texts(self) -> Iterator[str]:
        """Only the pieces of the answer's text."""
        try:
            for event in self._events:
                if type(event) is TextDelta and event.text:
                    yield event.text
            words_of(self.partial)
        finally:
            self.close()

    def close(self) -> None:
        """Stop here. Called while another thread reads, it stops that reader at the next event."""
        # A generator that runs in another thread cannot be closed; it looks at this mark after each event.
        if inspect.getgeneratorstate(self._events) == inspect.GEN_RUNNING:
            self._driver.stopped = True
        else:
            self._events.close()


class AsyncResponseStream(_StreamState):
    """A :class:`ResponseStream` that is awaited: ``async for``, ``async with``."""

    def __init__(self, flow: Flow[Response]) -> None:
        from ..flow.awaited import AsyncDriver

        self._driver = AsyncDriver(flow)
        self._events = self._driver.events()

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self._events

    async def __anext__(self) -> StreamEvent:
        event: StreamEvent = await anext(self._events)
        return event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def read(self) -> Response:
        """Go to the end, and return the whole answer."""
        async for _ in self._events:
            pass
        return self.response

    async def texts(self) -> AsyncIterator[str]:
        """Only the pieces of the answer's text."""
        try:
            async for event in self._events:
                if type(event) is TextDelta and event.text:
                    yield event.text
            words_of(self.partial)
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Stop here."""
        await self._events.aclose()
