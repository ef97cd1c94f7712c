"""Flows: steps in their order, errors thrown in, everything opened closed however it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from airouter_core.errors import ConnectionFailedError, ProtocolError
from airouter_core.flow.blocking import Driver
from airouter_core.flow.steps import Do, Emit, Flow, Open, ReadAll, ReadSome, Sleep, done, given
from airouter_core.values.events import TextDelta
from airouter_core.wire.http import HttpRequest


class Answer:
    """An answer that writes down what is done to it."""

    def __init__(self, log: list[str], name: str) -> None:
        self.status = 200
        self.headers: Mapping[str, str] = {}
        self._log = log
        self._name = name

    def read_some(self, timeout: float) -> bytes:
        self._log.append(f"read some of {self._name} within {timeout}")
        return b"some"

    def read_all(self, timeout: float, limit: int) -> bytes:
        self._log.append(f"read {limit} bytes of {self._name} within {timeout}")
        return b"all"

    def close(self) -> None:
        self._log.append(f"close {self._name}")


class Transport:
    """A transport that answers everything, unless told to fail."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.log: list[str] = []
        self._failure = failure

    def open(
        self, request: HttpRequest, *, connect_timeout: float, read_timeout: float, within: float | None = None
    ) -> Answer:
        self.log.append(f"open {request.url} within {connect_timeout} and {read_timeout}")
        if self._failure is not None:
            raise self._failure
        return Answer(self.log, request.url)

    def close(self) -> None:
        self.log.append("close the transport")


@pytest.fixture
def transport() -> Transport:
    return Transport()


def opened(name: str) -> Open:
    return Open(HttpRequest("GET", name), 1, 2)


def test_steps_are_performed_in_order(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step has its result, and the flow its value; what was open is closed before the next, and at the end."""
    monkeypatch.setattr("time.sleep", lambda seconds: transport.log.append(f"sleep {seconds}"))

    def flow() -> Flow[list[Any]]:
        first = yield opened("a")
        results = [(yield ReadSome(first, 3)), (yield ReadAll(first, 4, 5))]
        yield Sleep(6)
        results.append((yield Do(lambda: "done")))
        yield opened("b")
        return results

    assert Driver(flow(), transport).run() == [b"some", b"all", "done"]
    assert transport.log == [
        "open a within 1 and 2",
        "read some of a within 3",
        "read 5 bytes of a within 4",
        "sleep 6",
        "close a",
        "open b within 1 and 2",
        "close b",
    ]


def test_a_failed_step_is_raised_in_the_flow() -> None:
    """A flow may catch what a step raises, and go on."""
    failure = ConnectionFailedError("broke")
    transport = Transport(failure)

    def flow() -> Flow[object]:
        try:
            yield opened("a")
        except ConnectionFailedError as error:
            caught = error
            result: object = yield Do(lambda: caught)
            return result
        raise AssertionError("it did not fail")

    assert Driver(flow(), transport).run() is failure


def test_whatever_a_step_raises_is_raised_in_the_flow(transport: Transport) -> None:
    """Errors of others as well: a flow tells them from being left, and its cleaning up is done."""

    def flow() -> Flow[None]:
        try:
            yield opened("a")
            yield Do(lambda: {}["missing"])
        except KeyError:
            transport.log.append("told")
            raise
        finally:
            transport.log.append("cleaned up")

    with pytest.raises(KeyError, match="missing"):
        Driver(flow(), transport).run()
    assert transport.log[-3:] == ["told", "cleaned up", "close a"]


def test_events_are_handed_on_one_by_one(transport: Transport) -> None:
    """The reader sees each event before the next is made, and gets the flow's value."""

    def events() -> Iterator[TextDelta]:
        for text in "ab":
            transport.log.append(f"made {text}")
            yield TextDelta(text)

    def flow() -> Flow[str]:
        yield Emit(events())
        yield Emit((TextDelta("c"),))
        return "value"

    stream = Driver(flow(), transport).events()
    for text in "abc":
        assert next(stream) == TextDelta(text)
        transport.log.append(f"saw {text}")
    with pytest.raises(StopIteration) as end:
        next(stream)
    assert end.value.value == "value"
    assert transport.log == ["made a", "saw a", "made b", "saw b", "saw c"]


def test_an_error_among_events_goes_by_way_of_the_flow_to_the_reader(transport: Transport) -> None:
    """The flow may say it otherwise; it ends, and the connection is closed."""

    def events() -> Iterator[TextDelta]:
        yield TextDelta("a")
        raise ProtocolError("broken")

    def flow() -> Flow[None]:
        try:
            yield opened("a")
            yield Emit(events())
        except ProtocolError as error:
            raise ProtocolError(f"{error}, said otherwise") from error
        finally:
            transport.log.append("cleaned up")

    stream = Driver(flow(), transport).events()
    assert next(stream) == TextDelta("a")
    with pytest.raises(ProtocolError, match="broken, said otherwise"):
        next(stream)
    assert transport.log[-2:] == ["cleaned up", "close a"]


def test_a_reader_that_stops_closes_everything(transport: Transport) -> None:
    """Closing in the middle cleans up in the flow, then closes the connection, before it returns."""

    def flow() -> Flow[None]:
        try:
            yield opened("a")
            yield Emit((TextDelta("a"), TextDelta("b")))
        finally:
            transport.log.append("cleaned up")

    stream = Driver(flow(), transport).events()
    next(stream)
    stream.close()
    assert transport.log[-2:] == ["cleaned up", "close a"]


def test_the_connection_is_closed_although_cleaning_up_fails(transport: Transport) -> None:
    """A flow whose cleaning up raises leaves no connection open."""

    def flow() -> Flow[None]:
        try:
            yield opened("a")
            yield Emit((TextDelta("a"),))
        finally:
            raise RuntimeError("cleaning up failed")

    stream = Driver(flow(), transport).events()
    next(stream)
    with pytest.raises(RuntimeError, match="cleaning up failed"):
        stream.close()
    assert transport.log[-1] == "close a"


def test_only_the_last_response_can_be_read(transport: Transport) -> None:
    """Reading what was closed is a mistake of the flow's author."""

    def flow() -> Flow[None]:
        first = yield opened("a")
        yield opened("b")
        yield ReadSome(first, 1)

    with pytest.raises(TypeError, match="opened last"):
        Driver(flow(), transport).run()

    def unopened() -> Flow[None]:
        yield ReadAll(Answer([], "never"), 1, 1)

    with pytest.raises(TypeError, match="opened last"):
        Driver(unopened(), transport).run()


def test_nobody_need_read_the_events(transport: Transport) -> None:
    """Run for its result alone, a flow makes its events all the same."""
    made = []

    def events() -> Iterator[TextDelta]:
        made.append("a")
        yield TextDelta("a")

    def flow() -> Flow[str]:
        yield Emit(events())
        return "value"

    assert Driver(flow(), transport).run() == "value"
    assert made == ["a"]


def test_a_value_and_a_function_as_a_flow(transport: Transport) -> None:
    """What is there already is a flow of no steps; what blocks is one of one."""
    assert Driver(given(7), transport).run() == 7
    assert Driver(done(sum, [1, 2]), transport).run() == 3
    assert transport.log == []
