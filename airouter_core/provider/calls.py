"""The order of one call: admitted, started, answered, ended; written once for all ways of making it.

:class:`CallRun` is the order; :func:`events_of_call` drives it blocking,
:func:`async_events_of_call` awaiting.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from typing import Any, Protocol, Self

import msgspec

from ..errors import ExecutionError, ProviderError
from ..values.events import StreamEvent, TextDelta
from ..values.request import Request
from ..values.response import Response, ResponseBuilder, events_of
from ..values.value import Value


class Call(Value, frozen=True, eq=False):
    """One call, as hooks see it.

    Attributes:
        provider: canonical name.
        stream: whether the caller reads a stream.
        notes: for hooks to remember things between start and end.
    """

    provider: str
    request: Request
    stream: bool
    notes: dict[str, Any] = msgspec.field(default_factory=dict)


class Outcome(Value, frozen=True):
    """How a call ended.

    Attributes:
        response: the answer; what had arrived of it when ``cancelled`` or ``error``.
        cancelled: the reader stopped before the end.
        seconds: from start to end.
    """

    response: Response
    error: BaseException | None
    cancelled: bool
    seconds: float


class CallHooks(Protocol):
    """What a call tells and asks; :class:`~airouter_core.plugins.registry.Plugins` does it."""

    def admit(self, call: Call) -> None: ...

    def started(self, call: Call) -> None: ...

    def answer(self, call: Call) -> Response | None: ...

    def ended(self, call: Call, outcome: Outcome) -> None: ...


class CallRun:
    """One call on its way: what must happen, in the order in which a driver calls these methods.

    Args:
        known: what the response is to hold beside the provider's answer: receipts, warnings, the provider's name.
        finish: a last step on the complete response, such as parsing it.
        clean: hides secrets in what an error is given.
    """

    def __init__(
        self,
        call: Call,
        hooks: CallHooks,
        known: Mapping[str, Any],
        finish: Callable[[Response], Response] | None = None,
        clean: Callable[[Any], Any] = lambda value: value,
    ) -> None:
        self._clean = clean
        self._call = call
        self._hooks = hooks
        self._finish = finish
        self._began: float | None = None
        self.builder = ResponseBuilder(**known)
        self.response: Response | None = None
        self.stopped = False
        """Set from another thread, to end the call at its next event."""

    def begin(self) -> Iterator[StreamEvent] | None:
        """Admit and start the call; the events of an answer in the provider's place, if somebody gives one."""
        self._hooks.admit(self._call)
        self._began = time.monotonic()
        self._hooks.started(self._call)
        answer = self._hooks.answer(self._call)
        return None if answer is None else events_of(answer)

    def complete(self) -> Response:
        """Take the end of the events.

        Raises:
            TruncatedStreamError: it was not the end of the answer.
        """
        response = self.builder.complete()
        self.response = response if self._finish is None else self._finish(response)
        return self.response

    def end(self, error: BaseException | None = None) -> None:
        """Tell how it ended, if it began; give an error what had arrived."""
        if isinstance(error, ExecutionError) and error.partial is None:
            error.partial = self._clean(self.builder.partial())
        if isinstance(error, ProviderError) and error.request_id is None:
            error.request_id = self._clean(self.builder.partial().request_id)
        if self._began is None:
            return
        seconds, self._began = time.monotonic() - self._began, None
        cancelled = error is not None and not isinstance(error, Exception)
        response = self.response or self.builder.partial()
        self._hooks.ended(self._call, Outcome(response, None if cancelled else error, cancelled, seconds))


def events_of_call(run: CallRun, ask: Callable[[], Iterable[StreamEvent]]) -> Generator[StreamEvent, None, Response]:
    """Make a call, handing its events on; the generator's value is the response.

    Args:
        ask: asks the provider; called only when nobody answers in its place.
    """
    try:
        replayed = run.begin()
        events = ask() if replayed is None else replayed
        add = run.builder.add
        try:
            for event in events:
                add(event)
                yield event
                if run.stopped:
                    run.end(GeneratorExit())
                    return run.builder.partial()
        finally:
            close = getattr(events, "close", None)
            if close is not None:
                close()
        response = run.complete()
    except BaseException as error:
        run.end(error)
        raise
    run.end()
    return response


async def async_events_of_call(
    run: CallRun, ask: Callable[[], AsyncIterator[StreamEvent]]
) -> AsyncGenerator[StreamEvent, None]:
    """As :func:`events_of_call`, awaited: the same :class:`CallRun` has the order."""
    try:
        replayed = run.begin()
        add = run.builder.add
        if replayed is not None:
            for event in replayed:
                add(event)
                yield event
        else:
            events = ask()
            try:
                async for event in events:
                    add(event)
                    yield event
            finally:
                await events.aclose()  # type: ignore[attr-defined]  # an async generator, in practice
        run.complete()
    except BaseException as error:
        run.end(error)
        raise
    run.end()


class _StreamState:
    """What both kinds of stream know."""

    def __init__(self, run: CallRun) -> None:
        self._run = run

    @property
    def response(self) -> Response:
        """The whole answer, once the last event was read.

        Raises:
            ExecutionError: it is not complete yet; ``read()`` goes to the end.
        """
        if self._run.response is None:
            raise ExecutionError("the answer is not complete: read the stream to its end first, or call read()")
        return self._run.response

    @property
    def partial(self) -> Response:
        """What has arrived so far."""
        return self._run.response or self._run.builder.partial()


class ResponseStream(_StreamState):
    """A stream of events that adds up to a response. Leaving it early closes its connection at once.

    Iterate it, or use it as a context manager; for one reader.
    """

    def __init__(self, run: CallRun, ask: Callable[[], Iterable[StreamEvent]]) -> None:
        super().__init__(run)
        self._events = events_of_call(run, ask)

    def __iter__(self) -> Iterator[StreamEvent]:
        return self._events

    def __next__(self) -> StreamEvent:
        return next(self._events)

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
        finally:
            self.close()

    def close(self) -> None:
        """Stop here. Called while another thread reads, it stops that reader at the next event."""
        if inspect.getgeneratorstate(self._events) == inspect.GEN_RUNNING:
            self._run.stopped = True
        else:
            self._events.close()


class AsyncResponseStream(_StreamState):
    """A :class:`ResponseStream` that is awaited: ``async for``, ``async with``."""

    def __init__(self, run: CallRun, ask: Callable[[], AsyncIterator[StreamEvent]]) -> None:
        super().__init__(run)
        self._events = async_events_of_call(run, ask)

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self._events

    async def __anext__(self) -> StreamEvent:
        return await anext(self._events)

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
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Stop here."""
        await self._events.aclose()
