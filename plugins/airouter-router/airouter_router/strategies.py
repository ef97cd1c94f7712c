"""In which order the children of a node are asked. Each order is made as far as it is needed: mostly one child is."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Iterator, Mapping

from airouter_core.errors import ConfigurationError
from airouter_core.values.value import Value

from .affinity import share
from .routes import Choice, Reference, Strategy, Target, targets_of
from .situation import Situation

DRAWS = 4
"""How often a lot is drawn again that has been drawn before; then the rest is ordered at once."""


class Candidate(Value, frozen=True, eq=False):
    """A target, in its place in the order.

    Attributes:
        path: the nodes above it, and which child of each it is in.
        why: what put it there.
    """

    target: Target
    path: tuple[tuple[Choice, int], ...]
    why: str


def candidates(
    node: Target | Reference | Choice, situation: Situation, path: tuple[tuple[Choice, int], ...] = (), why: str = ""
) -> Iterator[Candidate]:
    """The leaves of a tree, the first to be asked first."""
    if isinstance(node, Target):
        yield Candidate(node, path, why)
        return
    assert isinstance(node, Choice)  # references were replaced when the routes were linked
    for index, reason in _ordered(node, situation):
        yield from candidates(node.children[index], situation, (*path, (node, index)), reason)


def _ordered(node: Choice, situation: Situation) -> Iterator[tuple[int, str]]:
    order = ORDERS[node.strategy](node, situation)
    affinity = situation.knowledge.affinity
    if node.strategy in ("first", "when") or affinity.is_empty or situation.key is None:
        yield from order
        return
    known = affinity.child(node.label, situation.key, situation.now)
    if known is None or known >= len(node.children):
        yield from order
        return
    yield known, "it has answered this conversation before"
    yield from ((index, why) for index, why in order if index != known)


def _first(node: Choice, _: Situation) -> Iterator[tuple[int, str]]:
    return ((index, f"number {index + 1} in order") for index in range(len(node.children)))


def _when(node: Choice, situation: Situation) -> Iterator[tuple[int, str]]:
    for index, condition in enumerate(node.conditions):
        if condition is None or condition.holds(situation):
            yield index, "no condition holds" if condition is None else f"condition {index + 1} holds"
            return
    raise ConfigurationError(
        f"route {situation.route.name!r}: no `when` of it holds for this prompt, and it has no `targets` for the rest"
    )


def _weighted(node: Choice, situation: Situation) -> Iterator[tuple[int, str]]:
    sums = list(itertools.accumulate(node.weights)) if len(node.weights) < MANY else _sums(node)
    named = situation.named_key
    # A conversation stays in its arm: its first lot is its own.
    lot = situation.knowledge.chance() if named is None else share(f"{node.label}\0{named}")
    drawn: set[int] = set()
    for _ in range(DRAWS):
        index = min(bisect.bisect_right(sums, lot * sums[-1]), len(sums) - 1)
        if index not in drawn:
            drawn.add(index)
            yield index, f"drawn with weight {node.weights[index]:g} of {sums[-1]:g}"
        if len(drawn) == len(sums):
            return
        lot = situation.knowledge.chance()
    left = [index for index in range(len(sums)) if index not in drawn and node.weights[index] > 0]
    keys = {index: -math.log(1.0 - situation.knowledge.chance()) / node.weights[index] for index in left}
    for index in sorted(left, key=keys.__getitem__):
        yield index, f"drawn with weight {node.weights[index]:g} of {sums[-1]:g}"


MANY = 64
_kept_sums: dict[int, tuple[Choice, list[float]]] = {}


def _sums(node: Choice) -> list[float]:
    """Running sums of many weights, which are the same for each call."""
    known = _kept_sums.get(id(node))
    if known is None or known[0] is not node:
        known = _kept_sums[id(node)] = node, list(itertools.accumulate(node.weights))
    return known[1]


def _cheapest(node: Choice, situation: Situation) -> Iterator[tuple[int, str]]:
    # Prices depend on the number of tokens; asks of about the same size share one order.
    size = situation.tokens.bit_length(), (situation.answer_tokens or 0).bit_length()
    orders = situation.knowledge.orders
    order = orders.get((node.label, *size))
    if order is None:
        costs = [_least(node.children[index], situation) for index in range(len(node.children))]
        order = orders[node.label, *size] = sorted(range(len(costs)), key=costs.__getitem__)
    for index in order:
        least = _least(node.children[index], situation)
        yield index, "its price is not known" if least == math.inf else f"{least:.6f} dollars at most"


def _least(node: Target | Reference | Choice, situation: Situation) -> float:
    costs = (situation.cost(target) for target in targets_of(node))
    return min((float(cost.amount) for cost in costs if cost is not None), default=math.inf)


def _fastest(node: Choice, situation: Situation) -> Iterator[tuple[int, str]]:
    ranked: list[tuple[float, int]] = []
    for index, child in enumerate(node.children):
        seconds = _soonest(child, situation)
        if seconds is None:
            yield index, "it is not known how fast it is"
        else:
            ranked.append((seconds, index))
    for seconds, index in sorted(ranked):
        yield index, f"begins to answer after {seconds:.3f} s"


def _soonest(node: Target | Reference | Choice, situation: Situation) -> float | None:
    known = situation.knowledge.statistics
    found: list[float] = []
    for target in targets_of(node):
        median = known.median(target, situation.now, stream=situation.ask.stream)
        if median is not None:
            found.append(median)
    return min(found, default=None)


def _least_busy(node: Choice, situation: Situation) -> Iterator[tuple[int, str]]:
    busy = situation.knowledge.leases.busy
    count = len(node.children)
    begin = int(situation.knowledge.chance() * count)  # so that those equally idle take turns
    rest: list[tuple[int, int]] = []
    for step in range(count):
        index = (begin + step) % count
        calls = sum(busy.get(target, 0) for target in targets_of(node.children[index]))
        if calls:
            rest.append((calls, index))
        else:
            yield index, "it is idle"
    for calls, index in sorted(rest, key=lambda found: found[0]):
        yield index, f"it is at {calls} calls"


ORDERS: Mapping[Strategy, Callable[[Choice, Situation], Iterator[tuple[int, str]]]] = {
    "first": _first,
    "when": _when,
    "weighted": _weighted,
    "cheapest": _cheapest,
    "fastest": _fastest,
    "least_busy": _least_busy,
}
