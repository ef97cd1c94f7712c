"""The plugins of a process: providers by their names, and one typed method for each hook that is asked."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import PluginConflictError, PluginLoadError, UnknownProviderError
from ..profile.declarations import LayerInfo, Parameter, Position, ProviderInfo, SettingsTable
from .finding import PluginSource, canonical, installed_plugins, squeezed
from .loaded import LoadedPlugins, of_distribution
from .naming import assigned, unknown
from .problems import DISABLED

if TYPE_CHECKING:
    from ..flow.layers import Layer
    from ..profile.resolving import ParameterTable
    from ..values.conversation import Conversation
    from ..values.notes import SharedNotes
    from .layering import GivenLayer


class Plugins(LoadedPlugins):
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
        super().__init__(plugins)
        self._settings = settings
        self._given_layers = tuple(layers)
        self._layers: Sequence[Layer] | None = None
        self._lock = threading.Lock()
        self.disabled = tuple(disabled)
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

    def tables(self) -> dict[str, SettingsTable]:
        """The tables of a settings file that are plugins' own, by name."""
        if self._own_tables is not None:
            return self._own_tables
        found: dict[str, SettingsTable] = {}
        for item in self._registered:
            failure = "its tables of the settings file cannot be had"
            for table in self._asked_of(item.source, "airouter_tables", SettingsTable, failure):
                found.setdefault(table.name, of_distribution(item.source, table))
            if self._of_plugin(item.source, "airouter_layers"):
                with contextlib.suppress(ValueError):  # a name that no table can have
                    found.setdefault(item.source.name, SettingsTable(name=item.source.name))
        self._own_tables = found
        return found

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
        return [(of_distribution(source, info), settings) for info in infos]

    def _settings_of(self, source: PluginSource) -> Mapping[str, Any]:
        """The plugin's own table of the settings file in force."""
        if self._settings is not None:
            return self._settings.get(source.name, {})
        from ..config.folders import settings_in_force

        settings = settings_in_force()
        return {} if settings is None else settings.own_table(source.name)


@functools.cache
def installed() -> Plugins:
    """The plugins installed in this environment, discovered once."""
    return Plugins.discover()


def _same(plugin: Any) -> Any:
    return plugin


def _given(plugins: Sequence[Any]) -> Iterator[tuple[PluginSource, Callable[[], Any]]]:
    names = [getattr(item, "__name__", type(item).__name__) for item in plugins]
    for position, (name, item) in enumerate(zip(names, plugins, strict=True)):
        number = "" if names.count(name) == 1 else f"-{names[:position].count(name) + 1}"
        yield PluginSource(name + number, name + number, None, "given"), functools.partial(_same, item)
