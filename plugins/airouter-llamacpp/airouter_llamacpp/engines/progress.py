"""How far an engine is that is being started."""

from __future__ import annotations

from collections.abc import Callable

import attrs


@attrs.frozen
class LoadProgress:
    """How far a server is.

    Attributes:
        state: ``"starting"``, ``"loading"`` or ``"ready"``.
        seconds: since it was started.
        log: path of its log.
    """

    model: str
    state: str
    seconds: float
    log: str


Progress = Callable[[LoadProgress], None]
