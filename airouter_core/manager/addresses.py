"""Addresses: who is meant by ``PROVIDER/MODEL``, ``route:NAME`` or the bare name of a model. Only this decides it.

The order is made so that no prompt leaves this machine by a guess:

1. ``route:NAME`` goes to the provider ``router``;
2. what stands before the first slash wins where it is the name of a provider, also of one that is not at hand: that is
   an error, for the rest of the address might be somebody else's model;
3. else a local provider that lists the model;
4. else the patterns of local providers, then of those that are configured.

Several that could be meant, or none, are an error that names them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from ..errors import AirouterError, ConfigurationError, ParameterError, UnknownProviderError
from ..flow.threads import at_once
from ..plugins.registry import Plugins
from ..profile.declarations import ProviderInfo
from ..values.catalog import ModelInfo
from ..values.value import Value

ROUTE = "route:"
ROUTER = "router"
"""Routes are no business of the core: the provider of this name, if there is one, knows them."""
PATHS = (".", "/", "~")
"""How a path begins."""
SHOWN = 6
"""Addresses that an error proposes."""


class Address(NamedTuple):
    """A provider's name and a model of it."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


class Candidate(Value, frozen=True):
    """A provider that may be meant.

    Attributes:
        name: under which it is asked: its own, or the one that a manager or a settings file gives it.
        list_models: asks it for its models.
        wanted: somebody has added it or has written settings for it; it is not merely installed.
        is_configured: whether it could be asked, as far as can be told here: its key is there.
    """

    name: str
    info: ProviderInfo
    list_models: Callable[[], Iterable[ModelInfo]]
    wanted: bool = True
    is_configured: Callable[[], bool] = lambda: True


def resolve(address: str, candidates: Sequence[Candidate], plugins: Plugins) -> Address:
    """Who is meant.

    Raises:
        ParameterError: the address is no text, or names no model.
        UnknownProviderError: it names a provider that is not among the candidates.
        ConfigurationError: several could be meant, or none.
    """
    if not isinstance(address, str) or not address.strip():
        raise ParameterError(f"an address is PROVIDER/MODEL or the name of a model, not {address!r}")
    return named(address, candidates, plugins) or resolved_here(address, candidates) or _by_pattern(address, candidates)


def named(address: str, candidates: Sequence[Candidate], plugins: Plugins) -> Address | None:
    """Who is meant by an address that says so itself; ``None`` for the bare name of a model.

    Raises:
        UnknownProviderError: it names a provider that is not among the candidates.
    """
    if address.startswith(ROUTE):
        head, model = ROUTER, address.removeprefix(ROUTE)
    else:
        head, slash, model = address.partition("/")
        if not slash:
            return None
    name = _called(head, address, candidates, plugins)
    if name is None:
        if address.startswith(ROUTE):
            raise UnknownProviderError(f"{address!r} needs the provider {ROUTER!r} ({_known(candidates)})")
        return None
    if not model:
        raise ParameterError(f"{address!r} names no model: write it behind the provider's name")
    return Address(name, model)


def _called(head: str, address: str, candidates: Sequence[Candidate], plugins: Plugins) -> str | None:
    """The candidate of this name, or the one whose provider has it as name or alias."""
    if any(item.name == head for item in candidates):
        return head
    info = plugins.find(head)
    if info is None:
        return None
    found = [item.name for item in candidates if item.info.name == info.name]
    if info.name in found:
        return info.name
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigurationError(f"{head!r} could be any of {', '.join(found)}: begin the address with one of these")
    raise UnknownProviderError(
        f"{address!r} means the provider {info.name!r}, which is not here ({_known(candidates)}). If the whole is the "
        f"name of a model, write its provider before it: PROVIDER/{address}"
    )


def resolved_here(model: str, candidates: Sequence[Candidate]) -> Address | None:
    """Who of this machine lists the model, or is alone here, or claims its name; ``None`` when nobody does.

    Raises:
        ConfigurationError: several do, or one that might cannot say.
    """
    here = [item for item in candidates if item.info.kind == "local"]
    listed = dict(zip((item.name for item in here), at_once(model_names, here), strict=True))
    found = [item for item in here if model in (listed[item.name] or ())]
    if not found and len(candidates) == len(here) == 1:
        found = here  # nobody else can be meant, and its own error lists what it has
    found = found or [item for item in here if _claims(item, model)]
    if not found:
        _refuse_doubt(model, candidates, listed)
        return None
    if len(found) > 1:
        raise _several(model, found)
    return Address(found[0].name, model)


def _refuse_doubt(model: str, candidates: Sequence[Candidate], listed: Mapping[str, frozenset[str] | None]) -> None:
    """Let those elsewhere be asked, unless this machine may have been meant.

    A pattern such as ``gpt-[0-9]*`` knows whose models these are. One that begins with a wildcard knows nothing: it
    does not count where a local provider cannot say what it has, or where the name of one is all but written.
    """
    others = [item for item in candidates if _claims(item, model)]
    if not others or any(_claims(item, model, surely=True) for item in candidates):
        return
    for item in candidates:
        if listed.get(item.name, ()) is None and item.wanted:
            raise ConfigurationError(
                f"{item.name} cannot list its models now, and {model!r} might be one of them. Start it, or say who is "
                f"meant: {_proposed(model, [item, *others])}"
            )
    here = [item for item in candidates if item.info.kind == "local"]
    if near := _near(model, here):
        raise UnknownProviderError(f"no provider of {model!r} is here; {near}say it whole: {_proposed(model, others)}")


def _by_pattern(model: str, candidates: Sequence[Candidate]) -> Address:
    claiming = [item for item in candidates if _claims(item, model)]
    if len(claiming) > 1:  # one that lacks its key is asked only where nobody else can be: its error says what to do
        claiming = [item for item in claiming if item.is_configured()] or claiming
    if len(claiming) > 1:
        raise _several(model, claiming)
    if claiming:
        return Address(claiming[0].name, model)
    raise UnknownProviderError(
        f"no provider claims the model {model!r} ({_known(candidates)}); {_near(model, candidates)}"
        f"name one before it, as in PROVIDER/{model}"
    )


def _claims(item: Candidate, model: str, *, surely: bool = False) -> bool:
    surely = surely or model.startswith(PATHS)  # a file of this machine is nobody's model elsewhere
    patterns = (pattern for pattern in item.info.model_patterns if not (surely and pattern.startswith("*")))
    return any(fnmatchcase(model, pattern) for pattern in patterns)


def model_names(item: Candidate) -> frozenset[str] | None:
    """All names of a candidate's models; ``None`` when it cannot say."""
    try:
        return frozenset(name for model in item.list_models() for name in (model.id, model.name))
    except AirouterError:
        return None


def _several(model: str, found: Sequence[Candidate]) -> ConfigurationError:
    return ConfigurationError(f"{model!r} could be asked of several; say which: {_proposed(model, found)}")


def _near(model: str, candidates: Sequence[Candidate]) -> str:
    """A proposal, where the head of an address is misspelt."""
    import difflib

    names = {name.lower(): item.name for item in candidates for name in (*item.info.aliases, item.info.name, item.name)}
    head, slash, rest = model.partition("/")
    near = difflib.get_close_matches(head.lower(), names, n=1, cutoff=0.8)
    return f"did you mean {names[near[0]]}/{rest}? Else " if slash and near else ""


def _proposed(model: str, found: Sequence[Candidate]) -> str:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(str(Address(item.name, model)) for item in found[:SHOWN]) + more


def _known(candidates: Sequence[Candidate]) -> str:
    return f"there are: {', '.join(item.name for item in candidates) or 'none'}"
