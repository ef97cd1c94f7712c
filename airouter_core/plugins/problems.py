"""What can be wrong with a plugin, and what to do about it: it is kept as a problem, and everything else goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import pluggy

from ..errors import PluginLoadError
from ..profile.declarations import INTERFACE_VERSION, Command, ProviderInfo
from ..values.value import Value, hiding
from .finding import PluginSource

DISABLED = "AIROUTER_DISABLED_PLUGINS"


class PluginProblem(Value, frozen=True):
    """A plugin that does not work, or not wholly, and what to do about it."""

    source: PluginSource
    message: str
    cure: str
    names: tuple[str, ...] = ()
    cause: Exception | None = None

    __repr__ = hiding("cause")

    def __str__(self) -> str:
        return f"{self.source.distribution}: {self.message}; {self.cure}"


@contextlib.contextmanager
def loading(failure: str) -> Iterator[None]:
    """Run a stranger's code: whatever it raises is a ``PluginLoadError``, so that others go on."""
    try:
        yield
    except (Exception, SystemExit) as error:  # a plugin may raise anything, and must take nothing down with it
        kind = "" if isinstance(error, pluggy.PluginValidationError) else f"{type(error).__name__}: "
        raise PluginLoadError(f"{failure}: {kind}{' '.join(str(error).split())}") from error


def declared_wrongly(
    source: PluginSource, infos: Sequence[ProviderInfo], commands: Sequence[Command]
) -> PluginProblem | None:
    """What is wrong with what a plugin declares, if anything is."""
    for value, expected in ((infos, ProviderInfo), (commands, Command)):
        for item in value:
            if not isinstance(item, expected):
                return unusable(source, f"declares {item!r}, which is no {expected.__name__}", None)
    for info in infos:
        major, ours = info.interface_version.partition(".")[0], INTERFACE_VERSION.partition(".")[0]
        if major != ours:
            older = major.isdigit() and int(major) < int(ours)
            cure = f"upgrade {source.distribution}" if older else "upgrade airouter-core"
            message = f"provider {info.name!r} was made for version {info.interface_version} of the interface, this is"
            return PluginProblem(source, f"{message} {INTERFACE_VERSION}", cure, (info.name, *info.aliases))
    return None


def without_hooks(source: PluginSource) -> PluginProblem:
    """A plugin that declares nothing and hears of nothing."""
    cure = f"mark functions of {source.target} with hookimpl, or have the entry point name the object that has them"
    return PluginProblem(source, "has no hooks", cure)


def unusable(source: PluginSource, message: str, cause: Exception | None) -> PluginProblem:
    """A plugin that nothing of is used."""
    cure = f"upgrade it, uninstall it, or set {DISABLED}={source.distribution}"
    return PluginProblem(source, message, cure, cause=cause)
