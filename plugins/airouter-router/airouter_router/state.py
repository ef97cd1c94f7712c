"""How the targets of a router are doing, for people and scripts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from airouter_core.values.record import Record

from .health import EVERY_MODEL, Bench
from .limits import LimitState
from .routes import Route, Target, targets_of
from .sharing import told_by
from .situation import Knowledge


class TargetState(Record, frozen=True):
    """One target, or with ``PROVIDER/*`` one account.

    Attributes:
        routes: whose target it is.
        resting: the class of the failure that it is left alone for; ``None`` while it is well.
        seconds: for how long it still is.
        limits: calls under way and in the last minute, and what was learned of the vendor's limits.
        rpm, tpm, most_in_flight: the limits that the settings name.
        begins_after: seconds until a stream of it begins, half of the time; ``None`` where that is not known here.
    """

    target: str
    routes: tuple[str, ...] = ()
    resting: str | None = None
    seconds: float | None = None
    limits: LimitState = msgspec.field(default_factory=LimitState)
    rpm: int | None = None
    tpm: int | None = None
    most_in_flight: int | None = None
    begins_after: float | None = None


class State(Record, frozen=True):
    """All targets.

    Attributes:
        shared: where processes share what they know; ``None`` where each knows only its own.
        processes: who has made calls in the last minute, and how many seconds ago it told of itself.
    """

    targets: tuple[TargetState, ...]
    shared: str | None = None
    processes: Mapping[str, float] = msgspec.field(default_factory=dict)


def state_of(routes: Iterable[Route], knowledge: Knowledge) -> State:
    """How the targets of these routes are doing; reading what others tell may block."""
    now, sharing = knowledge.clock(), knowledge.sharing
    limits = knowledge.leases.state(now)
    processes = [] if sharing is None else sharing.processes()
    if processes:
        limits = told_by(processes)
    used: dict[str, list[str]] = {}
    for route in routes:
        for target in dict.fromkeys(targets_of(route.tree)):
            used.setdefault(str(target), []).append(route.name)
            account = used.setdefault(f"{target.provider}/{EVERY_MODEL}", [])
            if route.name not in account:
                account.append(route.name)
    benches = knowledge.health.all(now)
    made = (_target(address, names, benches.get(address), limits, knowledge) for address, names in used.items())
    seen = {process.name: max(0.0, knowledge.wall() - process.at) for process in processes}
    return State(
        tuple(item for item in made if not item.target.endswith(f"/{EVERY_MODEL}") or _tells(item)),
        None if sharing is None else sharing.where,
        seen,
    )


def _target(
    address: str, routes: list[str], bench: Bench | None, limits: Mapping[str, LimitState], knowledge: Knowledge
) -> TargetState:
    said = knowledge.settings.get(address)
    provider, _, model = address.partition("/")
    return TargetState(
        address,
        tuple(routes),
        None if bench is None else bench.failure,
        None if bench is None else max(0.0, bench.until - knowledge.clock()),
        limits.get(address, LimitState()),
        None if said is None else said.rpm,
        None if said is None else said.tpm,
        None if said is None else said.in_flight,
        knowledge.statistics.median(Target(provider, model), knowledge.clock(), stream=True),
    )


def _tells(account: TargetState) -> bool:
    """Whether there is anything to say of an account beside its targets."""
    return account.resting is not None or account.limits != LimitState() or account.rpm is not None
