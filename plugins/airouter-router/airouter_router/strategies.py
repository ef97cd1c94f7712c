"""In which order the children of a node are asked. Each order is made as far as it is needed: mostly one child is."""

from __future__ import annotations

import bisect
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping

from airouter_core.errors import ConfigurationError
from airouter_core.values.value import Value

from .affinity import opening_key, share
from .cheapness import Cheapness
from .routes import STICKY, Choice, Reference, Strategy, Target, targets_of
from .situation import USUAL_ANSWER, Knowledge, Situation

MANY = 64
"""Children from which on an order is kept from call to call."""
USUAL_PROMPT = 100_000
"""Tokens up to which prices are taken to be those of a short prompt; some vendors ask more above."""
DRAWS = 4
"""How often a lot is drawn again that has been drawn before; then the rest is ordered at once."""


class Candidate(Value, frozen=True, eq=False):
    """A target, in its place in the order.

    Attributes:
        why: what put it there.
        sticky: the nodes above it to whose children conversations come back, by label, and which child it is in.
    """

    target: Target
    why: str
    sticky: tuple[tuple[str, int], ...] = ()


def candidates(tree: Choice, situation: Situation) -> Iterator[Candidate]:
    """The leaves of a tree, the first to be asked first."""
    fixed = situation.knowledge.fixed.get(tree.label)
    return iter(fixed) if fixed is not None else _candidates(tree, situation)


def _candidates(
    node: Target | Reference | Choice, situation: Situation, sticky: tuple[tuple[str, int], ...] = (), why: str = ""
) -> Iterator[Candidate]:
    if isinstance(node, Target):
        yield Candidate(node, why, sticky)
        return
    assert isinstance(node, Choice)  # references were replaced when the routes were linked
    for index, reason in _ordered(node, situation):
        through = (*sticky, (node.label, index)) if node.strategy in STICKY else sticky
        yield from _candidates(node.children[index], situation, through, reason)


def _ordered(node: Choice, situation: Situation) -> Iterator[tuple[int, str]]:
    order = ORDERS[node.strategy](node, situation)
    affinity = situation.knowledge.affinity
    if node.strategy not in STICKY or affinity.is_empty or situation.key is None:
        yield from order
        return
    known = affinity.child(node.label, situation.key, situation.now)
    if known is None or known >= len(node.children):
        yield from order
        return
    yield known, "it has answered this conversation before"
    yield from ((index, why) for index, why in order if index != known)


def _first(node: Choice, _: Situation) -> Iterator[tuple[int, str]]:
    return ((index, _place(index)) for index in range(len(node.children)))


def _place(index: int) -> str:
    return f"number {index + 1} in order"


def fixed_candidates(node: Target | Reference | Choice, why: str = "") -> tuple[Candidate, ...] | None:
    """The leaves of a tree whose order is the same for every ask; ``None`` where it depends on the ask."""
    if isinstance(node, Target):
        return (Candidate(node, why),)
    if not isinstance(node, Choice) or node.strategy != "first":
        return None
    parts = [fixed_candidates(child, _place(index)) for index, child in enumerate(node.children)]
    return None if None in parts else tuple(itertools.chain.from_iterable(part for part in parts if part is not None))


def _when(node: Choice, situation: Situation) -> Iterator[tuple[int, str]]:
    for index, condition in enumerate(node.conditions):
        if condition is None or condition.holds(situation):
            yield index, "no condition holds" if condition is None else f"condition {index + 1} holds"
            return
    raise ConfigurationError(
        f"route {situation.route.name!r}: no `when` of it holds for this prompt, and it has no `targets` for the rest"
    )


def _canary(node: Choice, situation: Situation) -> Iterator[tuple[int, str]]:
    (trial,) = node.weights
    if share(f"{node.label}\0{situation.named_key or opening_key(situation.ask)}") < trial:
        yield 1, f"this conversation is among the {trial:.1%} that try it"
        yield 0, "the trial has failed"
    else:
        yield 0, f"this conversation is not among the {trial:.1%} that try another"


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


_kept_sums: dict[int, tuple[Choice, list[float]]] = {}


def _sums(node: Choice) -> list[float]:
    """Running sums of many weights, which are the same for each call."""
    known = _kept_sums.get(id(node))
    if known is None or known[0] is not node:
        known = _kept_sums[id(node)] = node, list(itertools.accumulate(node.weights))
    return known[1]


def _cheapest(node: Choice, situation: Situation) -> Iterator[tuple[int, str]]:
    first: int | None = None
    if len(node.children) >= MANY:
        sent = situation.tokens
        first = cheapness(node, situation.knowledge, sent).cheapest(sent, situation.answer_tokens or USUAL_ANSWER)
        if first is not None:
            yield first, _price_of(node.children[first], situation)
    for index in _by_price(node, situation):
        if index != first:
            yield index, _price_of(node.children[index], situation)


def _by_price(node: Choice, situation: Situation) -> list[int]:
    if len(node.children) < MANY:
        return _sorted_by_price(node, situation)
    # Of many, asks of about the same size share one order.
    size = situation.tokens.bit_length(), (situation.answer_tokens or 0).bit_length()
    orders = situation.knowledge.orders
    order = orders.get((node.label, *size))
    if order is None:
        order = orders[node.label, *size] = _sorted_by_price(node, situation)
    return order


def _sorted_by_price(node: Choice, situation: Situation) -> list[int]:
    costs = [_least(child, situation) for child in node.children]
    return sorted(range(len(costs)), key=costs.__getitem__)


def cheapness(node: Choice, knowledge: Knowledge, sent: int = 0) -> Cheapness:
    """Who of a node is cheapest for prompts of about so many tokens; worked out once for those of usual length."""
    size = USUAL_PROMPT if sent <= USUAL_PROMPT else 1 << sent.bit_length()
    known = knowledge.cheapness.get((node.label, size))
    if known is None:
        targets = ((index, target) for index, child in enumerate(node.children) for target in targets_of(child))
        costs = ((index, functools.partial(_most, knowledge, target)) for index, target in targets)
        known = knowledge.cheapness[node.label, size] = Cheapness(costs, size)
    return known


def made_ready(tree: Choice, knowledge: Knowledge) -> None:
    """Work out ahead of all calls what is the same for each, or takes long where there are many targets."""
    if (fixed := fixed_candidates(tree)) is not None:
        knowledge.fixed[tree.label] = fixed
    _make_ready(tree, knowledge)


def _make_ready(node: Target | Reference | Choice, knowledge: Knowledge) -> None:
    if isinstance(node, Choice):
        if len(node.children) >= MANY:
            if node.strategy == "cheapest":
                cheapness(node, knowledge)
            elif node.strategy == "weighted":
                _sums(node)
            elif node.strategy == "fastest":
                for stream in (True, False):
                    _known_order(node, knowledge, knowledge.clock(), stream=stream)
        for child in node.children:
            _make_ready(child, knowledge)


def _most(knowledge: Knowledge, target: Target, sent: int, made: int) -> float:
    cost = knowledge.most(target, sent, made)
    return math.inf if cost is None else float(cost.amount)


def _price_of(node: Target | Reference | Choice, situation: Situation) -> str:
    least = _least(node, situation)
    return "its price is not known" if least == math.inf else f"{least:.6f} dollars at most"


def _least(node: Target | Reference | Choice, situation: Situation) -> float:
    costs = (situation.cost(target) for target in targets_of(node))
    return min((float(cost.amount) for cost in costs if cost is not None), default=math.inf)


def _fastest(node: Choice, situation: Situation) -> Iterator[tuple[int, str]]:
    cold, known = _known_order(node, situation.knowledge, situation.now, stream=situation.ask.stream)
    for index in cold:
        yield index, "it is not known how fast it is"
    for seconds, index in known:
        yield index, f"begins to answer after {seconds:.3f} s"


def _known_order(
    node: Choice, knowledge: Knowledge, now: float, *, stream: bool
) -> tuple[list[int], list[tuple[float, int]]]:
    known = knowledge.statistics.known_order(node.label, now, stream=stream)
    if known is None:
        children = [tuple(targets_of(child)) for child in node.children]
        return knowledge.statistics.order(node.label, children, now, stream=stream)
    return known


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
    "canary": _canary,
    "weighted": _weighted,
    "cheapest": _cheapest,
    "fastest": _fastest,
    "least_busy": _least_busy,
}
