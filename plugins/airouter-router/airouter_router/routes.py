"""Routes as values: a tree whose leaves are targets, with everything that is wrong with one found when it is made.

::

    Route("chat", First("claude/sonnet", Weighted({"openai/gpt-5.5": 3, "openrouter/x": 1})), deadline=60)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, get_args

import msgspec

from airouter_core.errors import ConfigurationError, FailureClass
from airouter_core.values.value import Value

from .conditions import Condition

REFERENCE = "route:"
Strategy = Literal["first", "weighted", "cheapest", "fastest", "least_busy", "when", "canary"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)[:-1]
"""The words of ``strategy``; a canary has a word of its own."""
STICKY = frozenset({"weighted", "cheapest", "fastest", "least_busy"})
"""Those whose children a conversation goes back to."""
CONTEXT = "context"
"""The word for a prompt that does not fit: it is the caller's fault only where there is no larger model."""
WORDS = (*(item.value for item in FailureClass), CONTEXT)
DEFAULT_ON = frozenset({"transient", "rate_limit", "credential", "model_access", "model_gone", CONTEXT})
"""What makes a route go on to its next target. An allowance that is used up (``quota``) is not among it: going on would
spend money elsewhere, and nobody asked for that."""


SHADOWS_IN_FLIGHT = 4


class Target(Value, frozen=True):
    """One place to ask: a provider as the router knows it, and a model of it.

    Attributes:
        address: ``PROVIDER/MODEL``; made of the two.
    """

    provider: str
    model: str
    address: str = ""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "address", f"{self.provider}/{self.model}")

    def __str__(self) -> str:
        return self.address


class Reference(Value, frozen=True):
    """Another route, by name; put in its place when the routes are linked."""

    name: str


class Choice(Value, frozen=True, eq=False):
    """A node of the tree: in which order its children are asked.

    Attributes:
        weights: of each child; for ``weighted``.
        conditions: for ``when``: of each child, the first that holds decides; ``None`` always does.
        label: what it is called where it is told of; its place in the tree.
    """

    strategy: Strategy
    children: tuple[Target | Reference | Choice, ...]
    weights: tuple[float, ...] = ()
    conditions: tuple[Condition | None, ...] = ()
    label: str = ""


class Shadow(Value, frozen=True):
    """Who is asked the same beside the route, for nobody to be answered.

    Attributes:
        share: of the calls, from 0 to 1.
        in_flight: calls to it at the same time; what comes while there are so many is not asked.
    """

    target: Target
    share: float = 1.0
    in_flight: int = SHADOWS_IN_FLIGHT


class Route(Value, frozen=True, eq=False):
    """A tree with its limits.

    Attributes:
        attempts: how many are made at most, in the whole tree.
        deadline: seconds for all of them together, waits included; ``None`` for as long as it takes.
        first_event_timeout: seconds until a stream begins to answer; the last candidate has as long as it takes.
        on: the failures after which it goes on to another target.
        require: ``"known"``: a target of which it is not known that it fits is not asked.
        session: ``"prefer"`` the target that a conversation was with, or ``"off"``.
        continuity: ``"keep"``: while a tool loop is open, only those who can read their own sealed thoughts are asked;
            ``"drop"``: anybody, without them.
        hedge: seconds after which somebody else is asked beside a target that has said nothing; ``None`` for never.
        resume: ``"prefill"``: an answer of plain text that breaks off is gone on with by a target that can.
        shadow: who is asked the same, for nobody to be answered.
    """

    name: str
    tree: Choice
    attempts: int = 4
    deadline: float | None = None
    first_event_timeout: float | None = None
    on: frozenset[str] = DEFAULT_ON
    require: Literal["any", "known"] = "any"
    session: Literal["off", "prefer"] = "prefer"
    continuity: Literal["keep", "drop"] = "keep"
    hedge: float | None = None
    resume: Literal["off", "prefill"] = "off"
    shadow: Shadow | None = None


def targets_of(node: Target | Reference | Choice) -> Iterator[Target]:
    """The leaves below a node."""
    if isinstance(node, Target):
        yield node
    elif isinstance(node, Choice):
        for child in node.children:
            yield from targets_of(child)


Child = str | Target | Choice


def First(*children: Child) -> Choice:  # noqa: N802  # reads as the value it makes
    """In this order."""
    return Choice("first", tuple(map(child_of, children)))


def Weighted(children: Mapping[str, float]) -> Choice:  # noqa: N802  # as above
    """By lot, the heavier the more often."""
    return Choice("weighted", tuple(map(child_of, children)), weights=checked_weights(children.values()))


def Cheapest(*children: Child) -> Choice:  # noqa: N802  # as above
    """By what the call would cost at most; those of unknown price last."""
    return Choice("cheapest", tuple(map(child_of, children)))


def Fastest(*children: Child) -> Choice:  # noqa: N802  # as above
    """By how soon they began to answer lately."""
    return Choice("fastest", tuple(map(child_of, children)))


def LeastBusy(*children: Child) -> Choice:  # noqa: N802  # as above
    """By how many calls they are at now."""
    return Choice("least_busy", tuple(map(child_of, children)))


def Canary(usual: Child, trial: Child, share: float) -> Choice:  # noqa: N802  # as above
    """A share of the conversations, from 0 to 1, is asked of the trial, each from its beginning to its end."""
    return Choice("canary", (child_of(usual), child_of(trial)), weights=(share,))


def child_of(given: Child) -> Target | Reference | Choice:
    """A child of a node, from its address.

    Raises:
        ConfigurationError: it is none.
    """
    if isinstance(given, Target | Choice | Reference):
        return given
    if isinstance(given, str) and given.startswith(REFERENCE) and given != REFERENCE:
        return Reference(given.removeprefix(REFERENCE))
    provider, _, model = given.partition("/") if isinstance(given, str) else ("", "", "")
    if not (provider.strip() and model.strip()):
        raise ConfigurationError(f"a target is PROVIDER/MODEL or route:NAME, not {given!r}")
    return Target(provider, model)


def checked_weights(weights: Iterable[float]) -> tuple[float, ...]:
    """Weights of which at least one is above 0.

    Raises:
        ConfigurationError: they are not.
    """
    found = tuple(weights)
    numbers = all(isinstance(weight, int | float) and not isinstance(weight, bool) for weight in found)
    if not numbers or any(not 0 <= weight < float("inf") for weight in found) or not any(found):
        raise ConfigurationError(f"weights are numbers of at least 0, and one of them above it, not {list(found)}")
    return found


def linked(routes: Mapping[str, Route]) -> dict[str, Route]:
    """The routes with each ``route:NAME`` replaced by the tree of that name.

    Raises:
        ConfigurationError: there is no route of a name, or one leads back to itself.
    """
    return {
        name: msgspec.structs.replace(route, tree=_linked(route.tree, routes, (name,)))
        for name, route in routes.items()
    }


def _linked(node: Choice, routes: Mapping[str, Route], through: tuple[str, ...], place: str = "") -> Choice:
    label = place or through[-1]
    children: list[Target | Reference | Choice] = []
    for index, child in enumerate(node.children):
        if isinstance(child, Reference):
            if child.name in through:
                raise ConfigurationError(f"routes lead in a circle: {' → '.join((*through, child.name))}")
            if child.name not in routes:
                raise ConfigurationError(
                    f"route {through[-1]!r}: there is no route {child.name!r} (there are: {', '.join(sorted(routes))})"
                )
            children.append(_linked(routes[child.name].tree, routes, (*through, child.name), f"{label}.{index}"))
        elif isinstance(child, Choice):
            children.append(_linked(child, routes, through, f"{label}.{index}"))
        else:
            children.append(child)
    return msgspec.structs.replace(node, children=tuple(children), label=label)
