"""Hooks around a call: asked in a fixed order, whatever becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import pytest

from airouter_core import hookimpl
from airouter_core.config.provider import ProviderConfig
from airouter_core.errors import (
    AirouterError,
    CallVetoedError,
    ProtocolError,
)
from airouter_core.flow.steps import Flow, done
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.provider.facade import Provider
from airouter_core.values.calls import Call, Outcome
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.events import Finish, StreamEvent, TextDelta
from airouter_core.values.messages import Message
from airouter_core.values.request import Request
from airouter_core.values.response import Response


class Local(Provider[ProviderConfig]):
    """A provider without HTTP that writes down when it is asked and when it is left."""

    def __init__(self, plugins: Plugins, log: list[str], error: AirouterError | None = None) -> None:
        super().__init__(ProviderConfig(), ProviderInfo(name="local", target="nowhere:Nothing"), plugins)
        self._log = log
        self._error = error

    def events(self, request: Request, *, stream: bool) -> Any:
        return self._events()

    def _events(self) -> Iterable[StreamEvent]:
        self._log.append("provider asked")
        try:
            yield TextDelta("a")
            if self._error is not None:
                raise self._error
            yield TextDelta("b")
            yield Finish("stop")
        finally:
            self._log.append("provider left")

    def models_flow(self) -> Flow[list[ModelInfo]]:
        return done(self.listed)

    def listed(self) -> list[ModelInfo]:
        return []


def observing(name: str, log: list[str], **behaviour: Any) -> Any:
    """A plugin that writes down what it is told, and behaves as told."""

    class Observer:
        @hookimpl
        def airouter_admit_call(self, call: Call) -> None:
            log.append(f"{name} admits")
            if error := behaviour.get("veto"):
                raise error

        @hookimpl
        def airouter_call_started(self, call: Call) -> None:
            log.append(f"{name} started")
            call.notes[name] = "seen"
            if behaviour.get("fails"):
                raise ValueError(f"{name} is broken")

        @hookimpl
        def airouter_answer_call(self, call: Call) -> Response | None:
            log.append(f"{name} may answer")
            if error := behaviour.get("answer_error"):
                raise error
            answer: Response | None = behaviour.get("answer")
            return answer

        @hookimpl
        def airouter_call_ended(self, call: Call, outcome: Outcome) -> None:
            assert call.notes[name] == "seen"
            how = "cancelled" if outcome.cancelled else type(outcome.error).__name__ if outcome.error else "complete"
            log.append(f"{name} ended: {how} {outcome.response.text!r}")
            if behaviour.get("fails"):
                raise ValueError(f"{name} is broken")

    return Observer()


def local(log: list[str], *plugins: Any, error: AirouterError | None = None) -> Local:
    return Local(Plugins.of(*plugins), log, error)


def test_the_order_of_a_call() -> None:
    """Admitted, started, not answered by a plugin, asked, left, ended; the plugin given last comes first."""
    log: list[str] = []
    provider = local(log, observing("one", log), observing("two", log))
    with provider.stream_chat("m", "hi") as stream:
        for event in stream:
            log.append(f"read {type(event).__name__}")
    assert log == [
        "two admits",
        "one admits",
        "two started",
        "one started",
        "two may answer",
        "one may answer",
        "provider asked",
        "read TextDelta",
        "read TextDelta",
        "read Finish",
        "provider left",
        "two ended: complete 'ab'",
        "one ended: complete 'ab'",
    ]


def test_hooks_may_ask_to_be_first() -> None:
    """``tryfirst`` and ``trylast`` put observers in the same order as all others."""
    log: list[str] = []

    class First:
        @hookimpl(tryfirst=True)
        def airouter_admit_call(self) -> None:
            log.append("first admits")

        @hookimpl(tryfirst=True)
        def airouter_call_started(self) -> None:
            log.append("first started")

    local(log, First(), observing("one", log)).chat("m", "hi")
    assert log[:4] == ["first admits", "one admits", "first started", "one started"]


def test_the_order_when_a_reader_stops() -> None:
    """Leaving early frees the provider, then tells how it ended; once, also when it is left twice."""
    log: list[str] = []
    stream = local(log, observing("one", log)).stream_chat("m", "hi")
    assert log == []
    next(stream)
    stream.close()
    stream.close()
    assert log == [
        "one admits",
        "one started",
        "one may answer",
        "provider asked",
        "provider left",
        "one ended: cancelled 'a'",
    ]
    assert stream.partial.text == "a"


def test_a_stream_that_nobody_reads_has_not_begun() -> None:
    """Closing a stream unread tells nobody, since nothing began."""
    log: list[str] = []
    local(log, observing("one", log)).stream_chat("m", "hi").close()
    assert log == []


def test_the_order_when_the_provider_fails() -> None:
    """An error reaches the caller after everybody was told, with what had come before it."""
    log: list[str] = []
    with pytest.raises(ProtocolError) as caught:
        local(log, observing("one", log), error=ProtocolError("broken")).chat("m", "hi")
    assert caught.value.partial is not None
    assert caught.value.partial.text == "a"
    assert log[-2:] == ["provider left", "one ended: ProtocolError 'a'"]


def test_the_order_when_a_plugin_refuses() -> None:
    """A refused call has not begun: nobody else is asked, and nobody is told of an end."""
    log: list[str] = []
    provider = local(log, observing("one", log), observing("two", log, veto=CallVetoedError("over budget")))
    with pytest.raises(CallVetoedError, match="over budget"):
        provider.chat("m", "hi")
    assert log == ["two admits"]


def test_the_order_when_a_plugin_answers() -> None:
    """The first answer wins, the provider is not asked, and a reader gets the answer as events."""
    log: list[str] = []
    answer = Response(message=Message.assistant("cached"), finish_reason="stop", model="m", warnings=("old",))
    provider = local(log, observing("one", log), observing("two", log, answer=answer))
    response = provider.chat("m", "hi")
    assert (response.text, response.model, response.provider, response.warnings) == ("cached", "m", "local", ("old",))
    assert log == [
        "two admits",
        "one admits",
        "two started",
        "one started",
        "two may answer",
        "two ended: complete 'cached'",
        "one ended: complete 'cached'",
    ]
    assert list(provider.stream_execute("m", "hi")) == ["cached"]


def test_the_order_when_answering_fails() -> None:
    """An exception while answering fails the call, and ends what was started."""
    log: list[str] = []
    provider = local(log, observing("one", log, answer_error=ZeroDivisionError("cache is broken")))
    with pytest.raises(ZeroDivisionError):
        provider.chat("m", "hi")
    assert log == ["one admits", "one started", "one may answer", "one ended: ZeroDivisionError ''"]


def test_an_observer_that_fails_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An observer's exception is logged, loudly and with its plugin; the call and all other observers go on."""
    caplog.set_level(logging.ERROR, logger="airouter.plugins")
    log: list[str] = []
    response = local(log, observing("one", log), observing("two", log, fails=True)).chat("m", "hi")
    assert response.text == "ab"
    assert log[-2:] == ["two ended: complete 'ab'", "one ended: complete 'ab'"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "failed in airouter_call_started" in caplog.text
    assert "ValueError: two is broken" in caplog.text


def test_an_interrupt_ends_the_call_as_cancelled() -> None:
    """Ctrl-C while reading is the reader stopping, and is not swallowed."""
    log: list[str] = []
    provider = local(log, observing("one", log), error=KeyboardInterrupt())  # type: ignore[arg-type]  # the point
    with pytest.raises(KeyboardInterrupt):
        provider.chat("m", "hi")
    assert log[-1] == "one ended: cancelled 'a'"


def test_what_hooks_see_of_a_call() -> None:
    """A call knows its provider, its request with checked parameters, and whether somebody reads along."""
    seen: list[Call] = []
    ended: list[Outcome] = []

    class Plugin:
        @hookimpl
        def airouter_call_started(self, call: Call) -> None:
            seen.append(call)

        @hookimpl
        def airouter_call_ended(self, outcome: Outcome) -> None:
            ended.append(outcome)

    provider = local([], Plugin())
    provider.chat("m", "hi")
    list(provider.stream_chat("m", "hi"))
    assert [(call.provider, call.request.model, call.stream) for call in seen] == [
        ("local", "m", False),
        ("local", "m", True),
    ]
    assert all(outcome.seconds >= 0 and outcome.response.finish_reason == "stop" for outcome in ended)
