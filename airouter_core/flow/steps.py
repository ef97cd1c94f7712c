"""Flows: the order of input and output as generators that do none.

A flow yields steps and receives their results, as an authentication flow does in httpx. What happens in which order
(connect, retry, read, parse) is written once; a driver performs the steps, blocking here, awaiting in
:mod:`airouter_core.transports.awaited`. A failed step is raised inside the flow, where it may be caught.
The driver closes what a flow has opened, however it ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from ..errors import AirouterError
from ..values.events import StreamEvent
from ..wire.http import HttpRequest

Result = TypeVar("Result")
Flow = Generator["Step", Any, Result]


class HttpResponse(Protocol):
    """An answer whose head has arrived. Only its driver reads it."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""
        ...


class Open(msgspec.Struct, eq=False):
    """Send a request; the result is an :class:`HttpResponse`. What was open before is closed.

    ``within`` so many seconds the whole answer must be there, however it drips in.
    """

    request: HttpRequest
    connect_timeout: float
    read_timeout: float
    within: float | None = None


class ReadSome(msgspec.Struct, eq=False):
    """Read what has arrived, at least one byte; the result is empty at the end. ``timeout`` in seconds of silence."""

    response: HttpResponse
    timeout: float


class ReadAll(msgspec.Struct, eq=False):
    """Read to the end; more than ``limit`` bytes are a :class:`~airouter_core.errors.ProtocolError`."""

    response: HttpResponse
    timeout: float
    limit: int


class Sleep(msgspec.Struct, eq=False):
    """Wait."""

    seconds: float


class Do(msgspec.Struct, eq=False):
    """Call something that blocks; the result is what it returns."""

    function: Callable[[], Any]


class Emit(msgspec.Struct, eq=False):
    """Hand events on to the reader; an error raised while iterating them is raised inside the flow."""

    events: Iterable[StreamEvent]


Step = Open | ReadSome | ReadAll | Sleep | Do | Emit


class OpenResponse(HttpResponse, Protocol):
    """An answer as the blocking driver sees it."""

    def read_some(self, timeout: float) -> bytes: ...

    def read_all(self, timeout: float, limit: int) -> bytes: ...

    def close(self) -> None:
        """Close the connection, unless the answer was read to its end."""
        ...


class Transport(Protocol):
    """Sends requests, blocking. Safe for use from many threads."""

    def open(
        self, request: HttpRequest, *, connect_timeout: float, read_timeout: float, within: float | None = None
    ) -> OpenResponse:
        """Send, and wait for status and headers.

        Raises:
            TransportError: the network failed.
        """
        ...

    def close(self) -> None: ...


def given(value: Result) -> Flow[Result]:
    """A flow of no steps, whose result is there already."""
    yield from ()
    return value


class _Steps:
    """Performs the steps of one flow."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._open: OpenResponse | None = None

    def perform(self, step: Step) -> Any:
        match step:
            case ReadSome():
                return self._current(step.response).read_some(step.timeout)
            case Open():
                self.close()
                self._open = self._transport.open(
                    step.request,
                    connect_timeout=step.connect_timeout,
                    read_timeout=step.read_timeout,
                    within=step.within,
                )
                return self._open
            case ReadAll():
                return self._current(step.response).read_all(step.timeout, step.limit)
            case Sleep():
                time.sleep(step.seconds)
                return None
            case Do():
                return step.function()
            case Emit():
                raise TypeError("events were emitted by a flow that has no reader")

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _current(self, response: HttpResponse) -> OpenResponse:
        if self._open is None or response is not self._open:
            raise TypeError("a flow reads only the response that it opened last")
        return self._open


def stream(flow: Flow[Result], transport: Transport) -> Generator[StreamEvent, None, Result]:
    """Drive a flow, handing its events on as they come."""
    steps = _Steps(transport)
    outcome: Any = None
    error: AirouterError | None = None
    try:
        while True:
            try:
                step = flow.send(outcome) if error is None else flow.throw(error)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]  # a flow's result is typed by Flow
            outcome = error = None
            try:
                if type(step) is Emit:
                    yield from step.events
                else:
                    outcome = steps.perform(step)
            except AirouterError as failure:
                error = failure
    finally:
        try:
            flow.close()
        finally:
            steps.close()


def run(flow: Flow[Result], transport: Transport) -> Result:
    """Drive a flow that emits no events, to its result."""
    driver = stream(flow, transport)
    try:
        next(driver)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # a flow's result is typed by Flow
    driver.close()
    raise TypeError("events were emitted by a flow that has no reader")
