"""The driver of flows that awaits. It needs no extra: only a transport does."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import sys
from collections.abc import AsyncGenerator, Callable
from typing import Any

from ..wire.bounds import Collected
from .blocking import Driven, in_order
from .endpoints import AsyncTransport
from .layers import See
from .stack import Stack
from .steps import Do, Emit, Flow, Gather, Open, Pull, Race, ReadAll, ReadSome, Sleep, Step, Take
from .threads import Work, loop_of_asyncio

# The same loop as the blocking driver's, and the same stack; only how a step is performed differs. What the two halves
# could get wrong in different ways (who is resumed, what is closed, what is due) stands in the stack, once.


class AsyncDriver(Driven):
    """:class:`~airouter_core.flow.blocking.Driver`, awaited. Cancelling it closes at once what its flows have open."""

    def __init__(self, flow: Flow[Any], transport: AsyncTransport | None = None, around: Stack | None = None) -> None:
        self._stack = Stack(flow, around)
        self._transport = transport
        self._work: Work | None = None

    async def run(self) -> Any:
        """Go to the end; nobody reads the events."""
        stack = self._stack
        outcome: Any = None
        error: Exception | None = None
        try:
            while (step := stack.resume(outcome, error)) is not None:
                outcome = error = None
                try:
                    if type(step) is Emit:
                        stack.passage.consume(step.events)
                    else:
                        outcome = await self._perform(step)
                except Exception as failure:
                    error = stack.told(failure)
            self.complete = True
            return stack.value
        finally:
            outcome = None  # who reports a failure shows its frames, and an answer may repeat a key
            await self._close()

    async def events(self) -> AsyncGenerator[Any, None]:  # every chunk of every stream comes by
        """The events, as they come. Closing it ends the flow."""
        stack = self._stack
        resume = stack.resume
        outcome: Any = None
        error: Exception | None = None
        seeing: See | None = None
        try:
            while (step := resume(outcome, error)) is not None:
                outcome = error = None
                try:
                    if type(step) is ReadSome and stack.deadline is None:
                        outcome = await stack.reading(step.response).read_some(step.timeout)
                    elif type(step) is Emit:
                        taps = stack.passage.taps
                        # As `stack.seen`, without a frame for each event.
                        for event in step.events if taps is not None else stack.passage.passed(step.events):
                            for seeing in taps or ():
                                seeing(event)
                            seeing = None
                            yield event
                    elif (events := self._handed_on(step)) is not None:
                        try:
                            async for event in events:
                                yield event
                        finally:
                            await events.aclose()
                    else:
                        outcome = await self._perform(step)
                except Exception as failure:
                    error, seeing = stack.told(failure, seeing), None
            self.complete = True
        finally:
            outcome = None  # who reports a failure shows its frames, and an answer may repeat a key
            await self._close()

    def _handed_on(self, step: Step) -> AsyncGenerator[Any, None] | None:
        """What of a step the reader sees, if any, beside an ``Emit``."""
        if type(step) is Pull:
            return self._pulled(step)
        if type(step) is Gather and step.each:
            return self._each(step)
        if type(step) is Race:
            return self._raced(step)
        return None

    def _perform(self, step: Any) -> Any:  # one case for each step
        # What is to be awaited, by the caller: while a call waits, each frame it waits in is memory, and many wait.
        stack = self._stack
        match step:
            case ReadSome():
                return stack.reading(step.response).read_some(stack.patience(step.timeout))
            case Open():
                return self._open(stack.sending(step))
            case ReadAll():
                return self._read_all(stack.reading(step.response), step)
            case Sleep():
                loop_of_asyncio()
                return asyncio.sleep(stack.wait(step.seconds))
            case Do():
                return self._do(step.function) if step.awaited is None else step.awaited()
            case Take():
                return self._take(step)
            case Gather():
                return self._gather(step)
            case Pull():
                return _read(self._pulled(step))
            case Race():
                return _read(self._raced(step))
        raise TypeError(f"a flow yields steps, not {step!r}")

    async def _open(self, step: Open) -> Any:
        via = step.via or self._stack.via
        if via is None:
            transport = self._transport
        elif "aiohttp" in sys.modules:
            transport = via.async_transport
        else:  # imported now, which takes longer than an event loop may stand still
            loop_of_asyncio()
            transport = await asyncio.to_thread(getattr, via, "async_transport")
        if transport is None:
            raise TypeError("no flow around this request says whose connections it goes through")
        return self._stack.opened(
            await transport.open(
                step.request,
                connect_timeout=step.connect_timeout,
                read_timeout=step.read_timeout,
                within=step.within,
            )
        )

    def _read_all(self, response: Any, step: ReadAll) -> Any:
        if self._stack.deadline is None:
            return response.read_all(step.timeout, step.limit)
        return self._read_in_time(response, step)

    async def _read_in_time(self, response: Any, step: ReadAll) -> Any:
        pieces = Collected(step.limit)
        while data := await response.read_some(self._stack.patience(step.timeout)):
            pieces.add(data)
        return pieces.whole()

    async def _do(self, function: Callable[[], Any]) -> Any:
        # Hooks and tools run with the context variables of whoever awaits. Python cannot stop a thread: when the task
        # is cancelled the work goes on, and what is due at the end waits for it (see `_due`).
        self._work = work = Work(function)
        loop = loop_of_asyncio()
        value = await loop.run_in_executor(None, contextvars.copy_context().run, work)
        self._work = None
        return await value if inspect.isawaitable(value) else value

    async def _take(self, step: Take) -> None:
        loop = loop_of_asyncio()
        handed_over = loop.create_future()

        # Called by whoever gives a slot back, perhaps in another thread or another event loop.
        def ready() -> None:
            loop.call_soon_threadsafe(_settle, handed_over)

        if step.slots.take(ready):
            return
        deadline = self._stack.deadline
        try:
            async with asyncio.timeout(None if deadline is None else deadline.left()):
                await handed_over
        except BaseException as error:
            # Cancelled or too late: the place in the queue is given up, and a slot handed over meanwhile goes on.
            step.slots.forget(ready)
            if deadline is not None and isinstance(error, TimeoutError):
                raise deadline.too_late() from None
            raise

    async def _pulled(self, step: Pull) -> AsyncGenerator[Any, None]:
        source = step.awaited()
        try:
            async for event in source:
                for seen in self._stack.passage.seen((event,)):
                    yield seen
        finally:
            close: Callable[[], Any] | None = getattr(source, "aclose", None)
            if close is not None:
                await close()

    async def _gather(self, step: Gather) -> Any:
        return in_order(len(step.flows), [found async for found in self._gathered(step)])

    async def _each(self, step: Gather) -> AsyncGenerator[Any, None]:
        gathered = self._gathered(step)
        try:
            async for _, value in gathered:
                yield value
        finally:
            await gathered.aclose()

    async def _gathered(self, step: Gather) -> AsyncGenerator[tuple[int, Any], None]:
        """Each flow's position, and its value or exception, as they come."""
        loop_of_asyncio()
        drivers = [AsyncDriver(flow, self._transport, self._stack) for flow in step.flows]
        positions = {asyncio.ensure_future(driver.run()): position for position, driver in enumerate(drivers)}
        waiting = set(positions)
        missing = step.enough
        try:
            # In the order of positions where several have finished at once, so that a run can be repeated.
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in sorted(done, key=positions.__getitem__):
                    error = task.exception()
                    if error is not None and not isinstance(error, Exception):
                        raise error
                    yield positions[task], task.result() if error is None else error
                    if missing is not None and error is None:
                        missing -= 1
                if missing is not None and missing <= 0:
                    return
        finally:
            # Awaited after they are cancelled: their connections are closed before the flow that gathered goes on.
            for task in positions:
                task.cancel()
            await asyncio.gather(*positions, return_exceptions=True)

    async def _raced(self, step: Race) -> AsyncGenerator[Any, None]:
        from .racing import araced

        events = araced(step, lambda flow: AsyncDriver(flow, self._transport, self._stack), self._stack)
        async with contextlib.aclosing(events):
            async for event in events:
                for seen in self._stack.passage.seen((event,)):
                    yield seen

    async def _close(self) -> None:
        try:
            self._stack.close()
        finally:
            if self._stack.due:
                # Although nobody may wait for it: whoever is cancelled once more leaves it to itself.
                await asyncio.shield(asyncio.ensure_future(self._due()))

    async def _due(self) -> None:
        due = self._stack.due
        work = self._work
        while due:
            function = due.pop(0)
            if function.awaited is not None:
                if work is not None:
                    await asyncio.to_thread(work.wait)
                await function.awaited()
                continue

            # What a thread still does must be over before its end is told: a start is never told after it.
            def after(function: Callable[[], Any] = function) -> Any:
                if work is not None:
                    work.wait()
                return function()

            value = await asyncio.to_thread(after)
            if inspect.isawaitable(value):
                await value


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _read(events: AsyncGenerator[Any, None]) -> None:
    async for _ in events:
        pass
