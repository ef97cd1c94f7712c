"""Routes and targets from tables. A word that nothing knows, and an entry nobody can reach, are errors."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from airouter_core.errors import ConfigurationError
from airouter_core.values.kinds import Kind, checked, within
from airouter_core.values.value import Value

from .conditions import Condition, condition_of
from .routes import (
    DEFAULT_ON,
    SHADOWS_IN_FLIGHT,
    STRATEGIES,
    WORDS,
    Choice,
    Route,
    Shadow,
    Strategy,
    Target,
    checked_weights,
    child_of,
    linked,
    targets_of,
)

ROUTE_FIELDS = (
    "strategy", "targets", "weights", "when", "attempts", "deadline", "first_event_timeout", "on", "require", "session",
    "continuity", "hedge", "resume", "canary", "shadow",
)  # fmt: skip
ENTRY_FIELDS = ("if", "strategy", "targets", "weights")
CANARY_FIELDS = ("share", "strategy", "targets", "weights")
SHADOW_FIELDS = ("target", "share", "in_flight")
EVERY_MODEL = "*"


class Limits(Value, frozen=True):
    """What is known of a target, or with ``PROVIDER/*`` of all targets of a provider together.

    Attributes:
        rpm, tpm: requests and tokens in a minute.
        in_flight: calls at the same time.
        cooldown: seconds that it is left alone after a failure.
        context: tokens that prompt and answer share.
        capabilities: what the model can do; all that its provider can, unless given.
        prefill: whether its model goes on with an answer whose beginning it is given.
        max_price: dollars per million tokens above which it is not asked, under ``input`` and ``output``.
    """

    weight: float | None = None
    rpm: int | None = None
    tpm: int | None = None
    in_flight: int | None = None
    cooldown: float | None = None
    context: int | None = None
    capabilities: frozenset[str] | None = None
    prefill: bool | None = None
    max_price: Mapping[str, float] | None = None


NO_LIMITS = Limits()
OF_ITSELF = ("weight", "rpm", "tpm", "in_flight")
"""What counts for the target or the account that it is said of, and is no default of the account's targets."""
WHOLE = ("rpm", "tpm", "in_flight", "context")


def routes_of(tables: Mapping[str, Any], settings: Mapping[str, Limits]) -> dict[str, Route]:
    """All routes, linked.

    Args:
        tables: of each, or the :class:`~airouter_router.routes.Route` itself, or its tree.
        settings: of targets: the weights.

    Raises:
        ConfigurationError: one is wrong; the message says which, and what is allowed.
    """
    routes = linked({name: _route(name, table, settings) for name, table in tables.items()})
    leaves = {target for route in routes.values() for target in targets_of(route.tree)}
    leaves |= {route.shadow.target for route in routes.values() if route.shadow is not None}
    named = {str(target) for target in leaves} | {f"{target.provider}/{EVERY_MODEL}" for target in leaves}
    for address in settings:
        if address not in named:
            raise ConfigurationError(f"[targets] {address!r} is a target of no route{_near(address, named)}")
    return routes


def limits_for(settings: Mapping[str, Limits], target: Target) -> Limits:
    """What is said of one target; of what is not, what is said of all targets of its provider."""
    own, all_of_them = settings.get(target.address), settings.get(f"{target.provider}/{EVERY_MODEL}")
    if own is None or all_of_them is None:
        return own or all_of_them or NO_LIMITS
    missing = {
        name: value
        for name in Limits.__struct_fields__
        if name not in OF_ITSELF and getattr(own, name) is None and (value := getattr(all_of_them, name)) is not None
    }
    return msgspec.structs.replace(own, **missing)


def unknown_provider(target: Target, providers: Collection[str], installed: Collection[str]) -> ConfigurationError:
    """What to say of a target whose provider is neither set up nor installed."""
    return ConfigurationError(
        f"{target.address!r} is a target, and there is no provider {target.provider!r}"
        f"{_near(target.provider, {*providers, *installed})} (set up: {', '.join(sorted(providers)) or 'none'}; "
        "`airouter providers --all` lists those that are installed)"
    )


def limits_of(address: str, table: Any) -> Limits:
    """What is said of one target.

    Raises:
        ConfigurationError: a word is unknown, or a value wrong.
    """
    place = f"[targets] {address!r}"
    _known(table, Limits.__struct_fields__, place)
    if "weight" in table and address.endswith(f"/{EVERY_MODEL}"):
        raise ConfigurationError(f"{place}: weight is of single targets: name each of them, or give a route `weights`")
    said: dict[str, Any] = {}
    for name, value in table.items():
        if name in WHOLE:
            said[name] = _number(value, "integer", f"{place}: {name}", above=0)
        elif name in ("weight", "cooldown"):
            said[name] = _number(value, "number", f"{place}: {name}", minimum=0)
        elif name == "prefill":
            said[name] = _number(value, "boolean", f"{place}: {name}")
        elif name == "capabilities":
            said[name] = frozenset(_number(value, "strings", f"{place}: {name}"))
        else:
            _known(value, ("input", "output"), f"{place}: max_price")
            said[name] = {key: _number(top, "number", f"{place}: max_price", minimum=0) for key, top in value.items()}
    return Limits(**said)


def _route(name: str, table: Any, settings: Mapping[str, Limits]) -> Route:
    place = f"route {name!r}"
    if isinstance(table, Route):
        return msgspec.structs.replace(table, name=name)
    if isinstance(table, Choice):
        return Route(name, table)
    _known(table, ROUTE_FIELDS, place)
    on = table.get("on")
    return Route(
        name,
        _with_canary(_tree(table, settings, place), table.get("canary"), settings, place),
        attempts=_number(table.get("attempts", 4), "integer", f"{place}: attempts", above=0),
        deadline=_number(table.get("deadline"), "number", f"{place}: deadline", above=0),
        first_event_timeout=_number(
            table.get("first_event_timeout"), "number", f"{place}: first_event_timeout", above=0
        ),
        on=DEFAULT_ON if on is None else frozenset(_one_of(word, WORDS, f"{place}: on") for word in _list(on, place)),
        require=_one_of(table.get("require", "any"), ("any", "known"), f"{place}: require"),
        session=_one_of(table.get("session", "prefer"), ("off", "prefer"), f"{place}: session"),
        continuity=_one_of(table.get("continuity", "keep"), ("keep", "drop"), f"{place}: continuity"),
        hedge=_number(table.get("hedge"), "number", f"{place}: hedge", above=0),
        resume=_one_of(table.get("resume", "off"), ("off", "prefill"), f"{place}: resume"),
        shadow=_shadow(table.get("shadow"), f"{place}: shadow"),
    )


def _with_canary(tree: Choice, table: Any, settings: Mapping[str, Limits], place: str) -> Choice:
    if table is None:
        return tree
    where = f"{place}: canary"
    _known(table, CANARY_FIELDS, where)
    trial = _choice(_one_of(table.get("strategy", "first"), STRATEGIES[:-1], where), table, settings, where)
    return Choice("canary", (tree, trial), weights=(_share(table, where, needed=True),))


def _shadow(table: Any, place: str) -> Shadow | None:
    if table is None:
        return None
    _known(table, SHADOW_FIELDS, place)
    target = child_of(table.get("target", ""))
    if not isinstance(target, Target):
        raise ConfigurationError(f"{place} asks one target, PROVIDER/MODEL, not {table.get('target')!r}")
    in_flight = _number(table.get("in_flight", SHADOWS_IN_FLIGHT), "integer", f"{place}: in_flight", above=0)
    return Shadow(target, _share(table, place), in_flight)


def _share(table: Mapping[str, Any], place: str, *, needed: bool = False) -> float:
    given = table.get("share", None if needed else 1.0)
    share = _number(given, "number", f"{place}: share", minimum=0)
    if share is None or share > 1:
        raise ConfigurationError(f"{place}: share is a number from 0 to 1, not {given!r}")
    return float(share)


def _tree(table: Mapping[str, Any], settings: Mapping[str, Limits], place: str) -> Choice:
    strategy = _one_of(table.get("strategy", "first"), STRATEGIES, f"{place}: strategy")
    if "when" not in table:
        if strategy == "when":
            raise ConfigurationError(f"{place}: strategy 'when' needs entries [[routes.NAME.when]]")
        return _choice(strategy, table, settings, place)
    entries = _list(table["when"], place)
    children: list[Choice] = []
    conditions: list[Condition | None] = []
    for number, entry in enumerate(entries, 1):
        where = f"{place}: when {number}"
        _known(entry, ENTRY_FIELDS, where)
        condition = condition_of(entry.get("if"), where)
        for earlier, other in enumerate(conditions, 1):
            if other is not None and other.covers(condition):
                raise ConfigurationError(f"{where} can never be reached: entry {earlier} holds wherever it does")
        conditions.append(condition)
        inner = _one_of(entry.get("strategy", "first"), STRATEGIES[:-1], f"{where}: strategy")
        children.append(_choice(inner, entry, settings, where))
    if "targets" in table:
        conditions.append(None)
        children.append(_choice("first" if strategy == "when" else strategy, table, settings, place))
    return Choice("when", tuple(children), conditions=tuple(conditions))


def _choice(strategy: Strategy, table: Mapping[str, Any], settings: Mapping[str, Limits], place: str) -> Choice:
    targets: Any = table.get("targets")
    weights: Any = table.get("weights")
    if isinstance(targets, Mapping) and weights is None:
        targets, weights = list(targets), list(targets.values())
    if isinstance(weights, Mapping):
        _known(weights, tuple(map(str, targets or ())), f"{place}: weights")
        weights = [weights.get(address, 1) for address in targets or ()]
    addresses = _list(targets or (), place)
    if not addresses:
        raise ConfigurationError(f'{place} has no targets: give it some, such as targets = ["openai/gpt-5"]')
    try:
        children = tuple(map(child_of, addresses))
        if strategy == "weighted":
            given = weights or [_weight(settings, child) for child in children]
            if len(given) != len(children):
                raise ConfigurationError(f"there are {len(given)} weights for {len(children)} targets")
            return Choice(strategy, children, weights=checked_weights(given))
        if weights is not None:
            raise ConfigurationError(f"weights are for the strategy 'weighted', not for {strategy!r}")
    except ConfigurationError as error:
        raise ConfigurationError(f"{place}: {error}") from None
    if len(set(map(str, addresses))) < len(addresses):
        raise ConfigurationError(f"{place} names a target twice: the second is never reached")
    return Choice(strategy, children)


def _weight(settings: Mapping[str, Limits], child: Any) -> float:
    weight = settings.get(str(child), NO_LIMITS).weight if isinstance(child, Target) else None
    return 1 if weight is None else weight


def _known(table: Any, fields: Collection[str], place: str) -> None:
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"{place} is a table of {', '.join(fields)}, not {table!r}")
    for name in table:
        if name not in fields:
            raise ConfigurationError(f"{place} takes no {name!r}{_near(str(name), fields)}: {', '.join(fields)}")


def _list(given: Any, place: str) -> list[Any]:
    if not isinstance(given, list | tuple):
        raise ConfigurationError(f"{place}: a list is needed, not {given!r}")
    return list(given)


def _number(value: Any, kind: Kind, place: str, *, minimum: float | None = None, above: float | None = None) -> Any:
    if value is None:
        return None
    try:
        number = checked(value, kind)
        within(number, minimum=minimum, above=above)
    except ValueError as error:
        raise ConfigurationError(f"{place} {error}") from None
    return number


def _one_of(value: Any, words: Collection[str], place: str) -> Any:
    word = getattr(value, "value", value)
    if word not in words:
        raise ConfigurationError(f"{place} is one of {', '.join(words)}, not {value!r}{_near(str(word), words)}")
    return word


def _near(word: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
