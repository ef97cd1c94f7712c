"""Plugins: found, loaded one by one, asked through one typed method per hook.

Nobody else touches pluggy. A plugin that cannot be loaded, or that clashes with another, is kept as a
:class:`PluginProblem`; everything else goes on without it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import pluggy

from ..errors import PluginConflictError, PluginLoadError, UnknownProviderError
from ..profile.declarations import (
    INTERFACE_VERSION,
    Command,
    LayerInfo,
    Parameter,
    Position,
    ProviderInfo,
    SettingsTable,
)
from ..values.value import Value, hiding
from . import hookspecs
from .calling import HookCalls
from .finding import PluginSource, canonical, installed_plugins, own_plugins, squeezed

if TYPE_CHECKING:
    import logging

    from ..flow.layers import Layer
    from ..profile.resolving import ParameterTable
    from ..values.conversation import Conversation
    from ..values.notes import SharedNotes
    from .layering import GivenLayer

Declared = TypeVar("Declared", ProviderInfo, Command, LayerInfo)

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
        self._names, clashes = _assign_names(self._registered)
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
            raise UnknownProviderError(self._unknown(name))
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

            more = [row for item in self._registered for row in self._parameters_of(item.source, provider)]
            self._tables[provider] = ParameterTable(more)
        return self._tables[provider]

    def _parameters_of(self, source: PluginSource, provider: str) -> list[Parameter]:
        rows: list[Parameter] = []
        try:
            with loading("its parameters cannot be had"):
                for implementation in self._manager.hook.airouter_parameters.get_hookimpls():
                    if implementation.plugin_name == _plugin_name(source):
                        found: Any = implementation.function(*(provider for _ in implementation.argnames))
                        rows = list(found or ())
        except PluginLoadError as error:
            return self._without(_unusable(source, str(error), error))
        if wrong := next((row for row in rows if not isinstance(row, Parameter)), None):
            return self._without(_unusable(source, f"declares {wrong!r}, which is no Parameter", None))
        return rows

    def _without(self, problem: PluginProblem) -> list[Parameter]:
        if problem not in self._problems:
            _logger().warning("%s", problem)
            self._problems.append(problem)
        return []

    def tables(self) -> dict[str, SettingsTable]:
        """The tables of a settings file that are plugins' own, by name."""
        if self._own_tables is not None:
            return self._own_tables
        found: dict[str, SettingsTable] = {}
        for item in self._registered:
            for hook in self._asked["airouter_tables"]:
                if hook.plugin_name == _plugin_name(item.source):
                    for table in self._tables_declared(item.source, hook.function):
                        known = msgspec.structs.replace(table, distribution=item.source.distribution)
                        found.setdefault(table.name, known)
            if any(hook.plugin_name == _plugin_name(item.source) for hook in self._asked["airouter_layers"]):
                with contextlib.suppress(ValueError):  # a name that no table can have
                    found.setdefault(item.source.name, SettingsTable(name=item.source.name))
        self._own_tables = found
        return found

    def _tables_declared(self, source: PluginSource, declare: Callable[[], Any]) -> list[SettingsTable]:
        try:
            with loading("its tables of the settings file cannot be had"):
                tables = list(declare() or ())
        except PluginLoadError as error:
            self._without(_unusable(source, str(error), error))
            return []
        if wrong := next((table for table in tables if not isinstance(table, SettingsTable)), None):
            self._without(_unusable(source, f"declares {wrong!r}, which is no SettingsTable", None))
            return []
        return tables

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
            for hook in self._asked["airouter_shared_notes"]:
                if hook.plugin_name == _plugin_name(item.source):
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
        name = _plugin_name(source)
        hooks = [hook for hook in self._asked["airouter_layers"] if hook.plugin_name == name]
        if not hooks:
            return []
        settings = self._settings_of(source)
        infos: list[LayerInfo] = []
        try:
            with loading("its layers cannot be had"):
                for hook in hooks:
                    infos += hook.function(*(settings for _ in hook.argnames)) or ()
        except PluginLoadError as error:
            self._without(_unusable(source, str(error), error))
            return []
        if wrong := next((info for info in infos if not isinstance(info, LayerInfo)), None):
            self._without(_unusable(source, f"declares {wrong!r}, which is no LayerInfo", None))
            return []
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
            problem = _declared_wrongly(source, infos, commands)
        except PluginLoadError as error:
            _logger().debug("plugin %s cannot be loaded", source.distribution, exc_info=True)
            problem = _unusable(source, str(error), error)
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

    def _unknown(self, name: str) -> str:
        import difflib

        known = [info.name for info in self.providers()]
        installed = f"installed are {', '.join(known)}" if known else "none is installed"
        if getattr(sys, "frozen", False):  # nothing can be installed into a program that is one file
            return f"no provider is called {name!r}; {installed}. This program was built without it"
        package, ours = f"airouter-{squeezed(name) or 'NAME'}", own_plugins()
        if package in ours:  # a name like it is no better guess than the name itself
            return f"no provider is called {name!r}; {installed}. It is a package of its own: pip install {package}"
        near = difflib.get_close_matches(name.lower(), [key for key in self._names if ":" not in key], n=1, cutoff=0.7)
        if near:
            return f"no provider is called {name!r}; did you mean {near[0]!r}?"
        more = f" (if there is one; ours are {', '.join(ours)})" if ours else ""
        return (
            f"no provider is called {name!r}; {installed}. A provider is a package of its own: pip install {package}"
            f"{more}"
        )


@contextlib.contextmanager
def loading(failure: str) -> Iterator[None]:
    """Run a stranger's code: whatever it raises is a ``PluginLoadError``, so that others go on."""
    try:
        yield
    except (Exception, SystemExit) as error:  # a plugin may raise anything, and must take nothing down with it
        kind = "" if isinstance(error, pluggy.PluginValidationError) else f"{type(error).__name__}: "
        raise PluginLoadError(f"{failure}: {kind}{' '.join(str(error).split())}") from error


@functools.cache
def installed() -> Plugins:
    """The plugins installed in this environment, discovered once."""
    return Plugins.discover()


def _logger() -> logging.Logger:
    import logging

    return logging.getLogger("airouter.plugins")


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


def _assign_names(
    registered: Iterable[_Registered],
) -> tuple[dict[str, ProviderInfo | str], list[PluginProblem]]:
    """Give each name to the one provider that claims it. A canonical name is stronger than an alias.

    A name with two claims of the same strength goes to nobody: which of the two was meant cannot be told, and a guess
    might send a prompt to the wrong place.
    """
    names: dict[str, ProviderInfo | str] = {}
    problems: list[PluginProblem] = []
    claims = [(item.source, info) for item in registered for info in item.providers]
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


def _declared_wrongly(
    source: PluginSource, infos: Sequence[ProviderInfo], commands: Sequence[Command]
) -> PluginProblem | None:
    for value, expected in ((infos, ProviderInfo), (commands, Command)):
        for item in value:
            if not isinstance(item, expected):
                return _unusable(source, f"declares {item!r}, which is no {expected.__name__}", None)
    for info in infos:
        major, ours = info.interface_version.partition(".")[0], INTERFACE_VERSION.partition(".")[0]
        if major != ours:
            older = major.isdigit() and int(major) < int(ours)
            cure = f"upgrade {source.distribution}" if older else "upgrade airouter-core"
            message = f"provider {info.name!r} was made for version {info.interface_version} of the interface, this is"
            return PluginProblem(source, f"{message} {INTERFACE_VERSION}", cure, (info.name, *info.aliases))
    return None


def _unusable(source: PluginSource, message: str, cause: Exception | None) -> PluginProblem:
    cure = f"upgrade it, uninstall it, or set {DISABLED}={source.distribution}"
    return PluginProblem(source, message, cure, cause=cause)
