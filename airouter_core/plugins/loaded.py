"""Loading plugins one by one with pluggy, which nobody else touches, and what each of them declares.

One that cannot be loaded, or declares what is none, is kept as a problem; everything else goes on without it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from types import FunctionType, MethodType, ModuleType
from typing import Any, TypeVar

import msgspec
import pluggy

from ..errors import PluginLoadError
from ..profile.declarations import Command, LayerInfo, Parameter, ProviderInfo, SettingsTable
from . import hookspecs
from .calling import HookCalls
from .finding import PluginSource
from .problems import PluginProblem, declared_wrongly, loading, unusable, without_hooks

Declared = TypeVar("Declared", ProviderInfo, Command, LayerInfo, SettingsTable)
Late = TypeVar("Late", Parameter, LayerInfo, SettingsTable)
LOGGER = logging.getLogger("airouter.plugins")


class _Registered(msgspec.Struct):
    source: PluginSource
    providers: tuple[ProviderInfo, ...]
    commands: tuple[Command, ...]


class LoadedPlugins(HookCalls):
    """Plugins that were loaded.

    Args:
        plugins: for each its source, and what loads the object with its hook implementations.
    """

    def __init__(self, plugins: Iterable[tuple[PluginSource, Callable[[], Any]]]) -> None:
        self._found = tuple(plugins)
        self._manager = _new_manager()
        self._registered: list[_Registered] = []
        self._problems: list[PluginProblem] = []
        for source, load in self._found:
            self._register(source, load)
        hooks = vars(self._manager.hook)
        self._asked = {name: tuple(reversed(caller.get_hookimpls())) for name, caller in hooks.items()}

    @property
    def sources(self) -> tuple[PluginSource, ...]:
        """The plugins in use."""
        return tuple(item.source for item in self._registered)

    @property
    def problems(self) -> tuple[PluginProblem, ...]:
        """Those that are not, or not wholly."""
        return tuple(self._problems)

    def commands(self) -> list[Command]:
        """The commands that plugins add, in order of discovery."""
        return [command for item in self._registered for command in item.commands]

    def _asked_of(
        self, source: PluginSource, hook: str, expected: type[Late], failure: str, **given: Any
    ) -> list[Late]:
        """What one plugin declares by a hook that is asked late. One that fails is a problem, and declares nothing."""
        found: list[Any] = []
        try:
            with loading(failure):
                for implementation in self._of_plugin(source, hook):
                    found += implementation.function(*(given[name] for name in implementation.argnames)) or ()
        except PluginLoadError as error:
            return self._without(unusable(source, str(error), error))
        wrong = [value for value in found if not isinstance(value, expected)]
        if wrong:
            return self._without(unusable(source, f"declares {wrong[0]!r}, which is no {expected.__name__}", None))
        return found

    def _of_plugin(self, source: PluginSource, hook: str) -> list[Any]:
        name = _plugin_name(source)
        return [implementation for implementation in self._asked[hook] if implementation.plugin_name == name]

    def _without(self, problem: PluginProblem) -> list[Any]:
        if problem not in self._problems:
            LOGGER.warning("%s", problem)
            self._problems.append(problem)
        return []

    def _register(self, source: PluginSource, load: Callable[[], Any]) -> None:
        name = _plugin_name(source)
        taken = self._manager.has_plugin(name)
        infos: list[ProviderInfo] = []
        commands: list[Command] = []
        try:
            with loading("cannot be loaded"):
                plugin = load()
                self._manager.register(plugin, name=name)
                self._manager.check_pending()
                infos += self._declared("airouter_providers", name)
                commands += self._declared("airouter_commands", name)
            # One that would do nothing is no plugin, and nobody would know why: most often its hooks stand in a class.
            known = self._manager.get_hookcallers(plugin)
            problem = declared_wrongly(source, infos, commands) if known else without_hooks(source)
        except PluginLoadError as error:
            LOGGER.debug("plugin %s cannot be loaded", source.distribution, exc_info=True)
            problem = unusable(source, str(error), error)
        if problem is not None:
            self._problems.append(problem)
            if not taken and self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            return
        declared = (
            tuple(of_distribution(source, info) for info in infos),
            tuple(of_distribution(source, item) for item in commands),
        )
        self._registered.append(_Registered(source, *declared))

    def _declared(self, hook: str, plugin: str) -> list[Any]:
        """What one plugin declares."""
        implementations = getattr(self._manager.hook, hook).get_hookimpls()
        found = [item.function() for item in implementations if item.plugin_name == plugin]
        return [value for values in found for value in values or ()]


class _Manager(pluggy.PluginManager):
    """Looks for hooks among the functions of a module alone.

    A module that declares holds far more values than functions, and pluggy takes a long look at each of its names.
    """

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        if isinstance(plugin, ModuleType) and not isinstance(vars(plugin).get(name), FunctionType | MethodType):
            return None
        return super().parse_hookimpl_opts(plugin, name)


def _new_manager() -> pluggy.PluginManager:
    manager = _Manager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _plugin_name(source: PluginSource) -> str:
    return f"{source.distribution}:{source.name}"


def of_distribution(source: PluginSource, declared: Declared) -> Declared:
    """What a plugin declares, with the distribution that it is of."""
    return msgspec.structs.replace(declared, distribution=declared.distribution or source.distribution)
