"""One attempt: a target that is asked, and what it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airouter_core.errors import AirouterError
from airouter_core.flow.layers import Gate
from airouter_core.flow.steps import Delegate, Emit, Flow
from airouter_core.provider.facade import Provider
from airouter_core.values.ask import Ask
from airouter_core.values.events import MetadataReported, Warned

from .limits import Lease
from .opening import NAME, SERVED_BY
from .routes import Target
from .strategies import Candidate

DOES_MORE = frozenset(
    {"store", "background", "tools", "container", "conversation", "mcp_servers", "web_search_options"}
)
"""Options of vendors that make a call more than a question: something is kept, or done, at the vendor's."""


class RunningAttempt:
    """One attempt, being made; once it is over, the trail tells of it.

    Args:
        gate: a fresh one for each attempt.
        began: on the router's clock.
        seam: what is told before the first word, where somebody else has begun the answer.

    Attributes:
        target: who is asked.
        asked: what the target is asked.
        error: what it failed with, once it has.
        scope: how it went.
    """

    __slots__ = ("asked", "began", "candidate", "error", "gate", "lease", "scope", "seam", "target")

    def __init__(
        self, candidate: Candidate, lease: Lease, asked: Ask, gate: Gate, began: float, seam: Warned | None
    ) -> None:
        self.candidate = candidate
        self.target: Target = candidate.target
        self.lease = lease
        self.asked = asked
        self.gate = gate
        self.began = began
        self.seam = seam
        self.error: AirouterError | None = None
        self.scope: Delegate | None = None

    def flow(self, provider: Callable[[str], Provider[Any]], patience: float | None) -> Flow[Any]:
        """Ask; nothing is emitted before something was said.

        Args:
            provider: gives the provider of a name; one that cannot be made has failed like any other.
            patience: seconds until something must be said; ``None`` for as long as it takes.
        """
        gate = self.gate
        try:
            flow = provider(self.target.provider).flow_of(self.asked)
            self.scope = Delegate(flow, gate, opens_within=patience)
            value = yield self.scope
        except AirouterError as error:
            self.error = error
            raise
        if not gate.is_open:
            held = gate.open()
            if type(gate) is Gate:
                held = [MetadataReported({NAME: {SERVED_BY: self.target.address}}), *held]
                if self.seam is not None:
                    held.insert(0, self.seam)
            yield Emit(held)
        return value


def is_only_read(ask: Ask) -> bool:
    """Whether asking twice does nothing that asking once does not."""
    given = (ask.parameters, *ask.provider_options.values())
    return not any(options.get(word) for options in given for word in DOES_MORE)
