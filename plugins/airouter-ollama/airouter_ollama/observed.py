"""What is seen of an answer while it is handed on."""

from __future__ import annotations

from airouter_core.values.events import StreamEvent, UsageReported
from airouter_core.values.usage import Usage


class Observation:
    """What was seen.

    Attributes:
        begun: whether anything of it was handed on.
    """

    def __init__(self) -> None:
        self.begun = False
        self.usage = Usage()

    def see(self, event: StreamEvent) -> None:
        """Look at the next event."""
        self.begun = True
        if type(event) is UsageReported:
            self.usage = event.usage
