"""Who is meant by a provider's name: each goes to the one that claims it, or to nobody."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from ..profile.declarations import ProviderInfo
from .finding import PluginSource, own_plugins, squeezed
from .problems import DISABLED, PluginProblem

Claim = tuple[PluginSource, ProviderInfo]
"""A provider, and the plugin that declares it."""


def assigned(claims: Sequence[Claim]) -> tuple[dict[str, ProviderInfo | str], list[PluginProblem]]:
    """Give each name to the one provider that claims it. A canonical name is stronger than an alias.

    A name with two claims of the same strength goes to nobody: which of the two was meant cannot be told, and a guess
    might send a prompt to the wrong place.
    """
    names: dict[str, ProviderInfo | str] = {}
    problems: list[PluginProblem] = []
    for strength in ("name", "alias"):
        taken = dict(names)
        for source, info in claims:
            for name in (info.name,) if strength == "name" else {alias.lower(): None for alias in info.aliases}:
                rival = names.get(name)
                if rival is None:
                    names[name] = info
                elif rival != info:
                    other = rival.distribution if isinstance(rival, ProviderInfo) else "another plugin"
                    problems.append(_clash(source, name, str(other), info))
                    if name not in taken:
                        names[name] = str(problems[-1])
    for source, info in claims:
        names.setdefault(f"{source.distribution}:{info.name}".lower(), info)
    return names, problems


def _clash(source: PluginSource, name: str, other: str, info: ProviderInfo) -> PluginProblem:
    return PluginProblem(
        source,
        f"declares the provider name {name!r}, which {other} declares too",
        f"uninstall one of them, name it in {DISABLED}, or ask for '{source.distribution}:{info.name}'",
        (name,),
    )


def unknown(name: str, known: Sequence[str], names: Iterable[str]) -> str:
    """What is said of a name that is nobody's.

    Args:
        known: the names of all providers.
        names: by which they can be asked for.
    """
    import difflib

    installed = f"installed are {', '.join(known)}" if known else "none is installed"
    if getattr(sys, "frozen", False):  # nothing can be installed into a program that is one file
        return f"no provider is called {name!r}; {installed}. This program was built without it"
    head, slash, model = name.partition("/")
    if slash and model and head in names:
        return f"{name!r} is the address of a model, no provider: the provider is {head!r}, its model {model!r}"
    package, ours = f"airouter-{squeezed(name) or 'NAME'}", own_plugins()
    if package in ours:  # a name like it is no better guess than the name itself
        return f"the provider {name!r} is not installed. It is a package of its own: pip install {package}"
    near = difflib.get_close_matches(name.lower(), [key for key in names if ":" not in key], n=1, cutoff=0.7)
    if near:
        return f"no provider is called {name!r}; did you mean {near[0]!r}?"
    more = f" (if there is one; ours are {', '.join(ours)})" if ours else ""
    return (
        f"no provider is called {name!r}; {installed}. A provider is a package of its own: pip install {package}{more}"
    )
