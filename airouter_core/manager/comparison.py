"""What several models made of the same prompt."""

from __future__ import annotations

from ..errors import AirouterError
from ..values.record import Record
from ..values.response import Response


class Comparison(Record, frozen=True):
    """What one of several models made of a prompt: a response, or an error; and how long it took."""

    provider: str
    model: str
    response: Response | None
    error: AirouterError | None
    seconds: float

    @property
    def text(self) -> str:
        """The answer's text; empty when there is none."""
        return self.response.text if self.response is not None else ""
