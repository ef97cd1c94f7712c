"""Plugins: found, loaded one by one, asked through one typed method per hook.

Nobody else touches pluggy. A plugin that cannot be loaded, or that clashes with another, is kept as a
:class:`PluginProblem`; everything else goes on without it.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import pluggy

from ..errors import PluginConflictError, PluginLoadError, UnknownProviderError
from ..profile.declarations import (
    Command,
    LayerInfo,
    Parameter,
    Position,
    ProviderInfo,
    SettingsTable,
)
from . import hookspecs
from .calling import HookCalls
from .finding import PluginSource, canonical, installed_plugins, squeezed
from .naming import assigned, unknown
from .problems import DISABLED, PluginProblem, declared_wrongly, loading, unusable

if TYPE_CHECKING:
    from ..flow.layers import Layer
    from ..profile.resolving import ParameterTable
    from ..values.conversation import Conversation
    from ..values.notes import SharedNotes
    from .layering import GivenLayer

Declared = TypeVar("Declared", ProviderInfo, Command, LayerInfo, SettingsTable)
LOGGER = logging.getLogger("airouter.plugins")
Late = TypeVar("Late", Parameter, LayerInfo, SettingsTable)


class _Registered(msgspec.Struct):
    source: PluginSource
    providers: tuple[ProviderInfo, ...]
    commands: tuple[Command, ...]


class Plugins(HookCalls):
    """The plugins of one process, or of one test.

    Args:
        plugins: for each its source, and what loads the object with its hook implementations.
        disabled: what is installed and is not to be used, so that errors do not say to install it.
        settings: a table for each plugin by its name; those of the settings file in force, unless given.
        layers: of a program, around every provider.
    """

    def __init__(
        self,
        plugins: Iterable[tuple[PluginSource, Callable[[], Any]]] = (),
        *,
        disabled: Iterable[PluginSource] = (),
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        layers: Iterable[tuple[Position, Layer]] = (),
    ) -> None:
        self._found = tuple(plugins)
        self._settings = settings
        self._given_layers = tuple(layers)
        self._layers: Sequence[Layer] | None = None
        self._lock = threading.Lock()
        self.disabled = tuple(disabled)
        self._manager = _new_manager()
        self._registered: list[_Registered] = []
        self._problems: list[PluginProblem] = []
        for source, load in self._found:
            self._register(source, load)
        hooks = vars(self._manager.hook)
        self._asked = {name: tuple(reversed(caller.get_hookimpls())) for name, caller in hooks.items()}
        self._names, clashes = assigned([(item.source, info) for item in self._registered for info in item.providers])
        self._problems.extend(clashes)
        self._tables: dict[str, ParameterTable] = {}
        self._own_tables: dict[str, SettingsTable] | None = None

    @classmethod
    def of(cls, *plugins: Any) -> Plugins:
        """Plugins given as objects, for tests and for programs that bring their own."""
        return cls(_given(plugins))

    def plus(self, *plugins: Any) -> Plugins:
        """These plugins and further ones, given as objects: how a program adds hooks of its own."""
        found = (*self._found, *_given(plugins))
        return Plugins(found, disabled=self.disabled, settings=self._settings, layers=self._given_layers)

    @classmethod
    def discover(cls, environ: Mapping[str, str] | None = None) -> Plugins:
        """Load what is installed, less what ``AIROUTER_DISABLED_PLUGINS`` names, with commas between."""
        environ = os.environ if environ is None else environ
        named = {canonical(name) for name in environ.get(DISABLED, "").split(",") if name.strip()}
        used, disabled = [], []
        for source, load in installed_plugins():
            if {canonical(source.distribution), canonical(source.name)} & named:
                disabled.append(source)
            else:
                used.append((source, load))
        return cls(used, disabled=disabled)

    @property
    def sources(self) -> tuple[PluginSource, ...]:
        """The plugins in use."""
        return tuple(item.source for item in self._registered)

    @property
    def problems(self) -> tuple[PluginProblem, ...]:
        """Those that are not, or not wholly."""
        return tuple(self._problems)

    def providers(self) -> list[ProviderInfo]:
        """All providers that can be asked for by their names; one whose name is contested is among the problems."""
        named = (info for name, info in self._names.items() if isinstance(info, ProviderInfo) and info.name == name)
        return sorted(named, key=lambda info: info.name)

    def provider(self, name: str) -> ProviderInfo:
        """The provider of this name or alias; ``distribution:name`` where two distributions claim one name.

        Raises:
            UnknownProviderError: there is none; the message says what there is, and what to install.
            PluginConflictError: several distributions claim the name.
            PluginLoadError: the plugin that would bring it is broken.
        """
        found = self.find(name)
        if found is None:
            raise UnknownProviderError(unknown(name, [info.name for info in self.providers()], self._names))
        return found

    def find(self, name: str) -> ProviderInfo | None:
        """:meth:`provider`, or ``None`` for a name that is nobody's.

        Raises:
            UnknownProviderError: the plugin that would bring it is disabled.
            PluginConflictError: as :meth:`provider`.
            PluginLoadError: as :meth:`provider`.
        """
        if not isinstance(name, str):
            raise UnknownProviderError(f"a provider's name is a string, not {type(name).__name__}")
        found = self._names.get(name.strip().lower())
        if isinstance(found, ProviderInfo):
            return found
        if found is not None:
            raise PluginConflictError(found)
        for problem in self._problems:
            # The name of a provider that did not load is not known; those of its entry point and package often are it.
            known = (*problem.names, problem.source.name, problem.source.distribution)
            if squeezed(name) in map(squeezed, known):
                raise PluginLoadError(str(problem)) from problem.cause
        for source in self.disabled:
            if squeezed(name) in (squeezed(source.name), squeezed(source.distribution)):
                raise UnknownProviderError(
                    f"the provider {name!r} is disabled: take {source.distribution} out of the variable {DISABLED}"
                )
        return None

    def parameters(self, provider: str) -> ParameterTable:
        """The parameters that a provider's users may name.

        Raises:
            PluginConflictError: two plugins claim one spelling.
        """
        if provider not in self._tables:
            from ..profile.resolving import ParameterTable

            more: list[Parameter] = []
            for item in self._registered:
                failure = "its parameters cannot be had"
                more += self._asked_of(item.source, "airouter_parameters", Parameter, failure, provider=provider)
            self._tables[provider] = ParameterTable(more)
        return self._tables[provider]

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

    def tables(self) -> dict[str, SettingsTable]:
        """The tables of a settings file that are plugins' own, by name."""
        if self._own_tables is not None:
            return self._own_tables
        found: dict[str, SettingsTable] = {}
        for item in self._registered:
            failure = "its tables of the settings file cannot be had"
            for table in self._asked_of(item.source, "airouter_tables", SettingsTable, failure):
                found.setdefault(table.name, _of(item.source, table))
            if self._of_plugin(item.source, "airouter_layers"):
                with contextlib.suppress(ValueError):  # a name that no table can have
                    found.setdefault(item.source.name, SettingsTable(name=item.source.name))
        self._own_tables = found
        return found

    def commands(self) -> list[Command]:
        """The commands that plugins add, in order of discovery."""
        return [command for item in self._registered for command in item.commands]

    def conversation(self, session: str | None = None) -> Conversation | None:
        """A conversation that a plugin remembers; ``None`` where none does.

        Args:
            session: its id; the last one, unless given.

        Raises:
            PluginLoadError: what a plugin gives is no conversation.
            Exception: whatever the plugin raises.
        """
        for hook in self._asked["airouter_conversation"]:
            found = hook.function(*(session for _ in hook.argnames))
            if found is None:
                continue
            from ..values.conversation import Conversation

            if not isinstance(found, Conversation):
                raise PluginLoadError(f"{hook.plugin_name}: gives {found!r}, which is no Conversation")
            return found
        return None

    def shared_notes(self) -> SharedNotes | None:
        """Where processes leave notes for each other; ``None`` where no plugin is configured to keep any.

        Raises:
            ConfigurationError: its settings are wrong.
            Exception: whatever the plugin raises.
        """
        for item in self._registered:
            for hook in self._of_plugin(item.source, "airouter_shared_notes"):
                settings = self._settings_of(item.source)
                found: SharedNotes | None = hook.function(*(settings for _ in hook.argnames))
                if found is not None:
                    return found
        return None

    def layers(self) -> Sequence[Layer]:
        """The layers around every provider, outermost first; imported now.

        Raises:
            PluginLoadError: one cannot be made.
            ConfigurationError: its settings are wrong.
        """
        if self._layers is None:
            from .layering import in_position, made

            with self._lock:
                found = [(position, "", layer) for position, layer in self._given_layers]
                for item in self._registered:
                    for info, settings in self._layers_of(item.source):
                        found.append((info.position, f"{info.distribution}:{info.name}", made(info, settings)))
                self._layers = in_position(found)
        return self._layers

    def with_layers(self, layers: Iterable[GivenLayer]) -> Plugins:
        """These plugins, and layers of a program's own around every provider.

        Raises:
            ConfigurationError: one is no layer.
        """
        from .layering import checked

        more = (*self._given_layers, *checked(layers))
        return Plugins(self._found, disabled=self.disabled, settings=self._settings, layers=more)

    def with_settings(self, settings: Mapping[str, Mapping[str, Any]]) -> Plugins:
        """These plugins with tables of a settings file that a program names, in place of those of the file in force."""
        return Plugins(self._found, disabled=self.disabled, settings=settings, layers=self._given_layers)

    def _layers_of(self, source: PluginSource) -> list[tuple[LayerInfo, Mapping[str, Any]]]:
        if not self._of_plugin(source, "airouter_layers"):
            return []
        settings = self._settings_of(source)
        failure = "its layers cannot be had"
        infos = self._asked_of(source, "airouter_layers", LayerInfo, failure, settings=settings)
        return [(_of(source, info), settings) for info in infos]

    def _settings_of(self, source: PluginSource) -> Mapping[str, Any]:
        """The plugin's own table of the settings file in force."""
        if self._settings is not None:
            return self._settings.get(source.name, {})
        from ..config.files import settings_in_force

        settings = settings_in_force()
        return {} if settings is None else settings.own_table(source.name)

    def _register(self, source: PluginSource, load: Callable[[], Any]) -> None:
        name = _plugin_name(source)
        taken = self._manager.has_plugin(name)
        infos: list[ProviderInfo] = []
        commands: list[Command] = []
        try:
            with loading("cannot be loaded"):
                self._manager.register(load(), name=name)
                self._manager.check_pending()
                infos += self._declared("airouter_providers", name)
                commands += self._declared("airouter_commands", name)
            problem = declared_wrongly(source, infos, commands)
        except PluginLoadError as error:
            logging.getLogger("airouter.plugins").debug(
                "plugin %s cannot be loaded", source.distribution, exc_info=True
            )
            problem = unusable(source, str(error), error)
        if problem is not None:
            self._problems.append(problem)
            if not taken and self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            return
        known = tuple(_of(source, info) for info in infos), tuple(_of(source, item) for item in commands)
        self._registered.append(_Registered(source, *known))

    def _declared(self, hook: str, plugin: str) -> list[Any]:
        """What one plugin declares."""
        implementations = getattr(self._manager.hook, hook).get_hookimpls()
        found = [item.function() for item in implementations if item.plugin_name == plugin]
        return [value for values in found for value in values or ()]


@functools.cache
def installed() -> Plugins:
    """The plugins installed in this environment, discovered once."""
    return Plugins.discover()


def _new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _same(plugin: Any) -> Any:
    return plugin


def _given(plugins: Sequence[Any]) -> Iterator[tuple[PluginSource, Callable[[], Any]]]:
    names = [getattr(item, "__name__", type(item).__name__) for item in plugins]
    for position, (name, item) in enumerate(zip(names, plugins, strict=True)):
        number = "" if names.count(name) == 1 else f"-{names[:position].count(name) + 1}"
        yield PluginSource(name + number, name + number, None, "given"), functools.partial(_same, item)


def _plugin_name(source: PluginSource) -> str:
    return f"{source.distribution}:{source.name}"


def _of(source: PluginSource, declared: Declared) -> Declared:
    return msgspec.structs.replace(declared, distribution=declared.distribution or source.distribution)
