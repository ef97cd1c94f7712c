"""Reading along while a flow hands its events on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from airouter_core.errors import AirouterError
from airouter_core.flow.steps import Emit, Flow
from airouter_core.values.events import StreamEvent, UsageReported
from airouter_core.values.usage import Usage


class Observation:
    """What was seen of an answer.

    Attributes:
        begun: whether anything of it was handed on.
    """

    def __init__(self) -> None:
        self.begun = False
        self.usage = Usage()

    def noting(self, events: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
        """The same events."""
        for event in events:
            self.begun = True
            if type(event) is UsageReported:
                self.usage = event.usage
            yield event


def observed(flow: Flow[None], observation: Observation) -> Flow[None]:
    """The same flow, with what it hands on noted."""
    outcome = None
    failure: AirouterError | None = None
    try:
        while True:
            try:
                step = flow.send(outcome) if failure is None else flow.throw(failure)
            except StopIteration:
                return
            outcome = failure = None
            try:
                outcome = yield Emit(observation.noting(step.events)) if type(step) is Emit else step
            except AirouterError as error:
                failure = error
    finally:
        flow.close()
