"""Several providers held together, by name."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, Self

from ..config.files import read_settings
from ..errors import AirouterError, ConfigurationError, UnknownProviderError, UnsupportedFeatureError
from ..flow.steps import Flow, gathered
from ..plugins.factory import create_provider
from ..plugins.layering import GivenLayer
from ..plugins.registry import Plugins, installed
from ..plugins.tables import require_known, routing_settings, set_up_by_tables
from ..provider.asking import Messages, Parameters, ask_of, conversation
from ..provider.both import Answering, both, both_iterators, four_ways, four_ways_as_text
from ..provider.facade import Provider
from ..values.catalog import ModelInfo, ProviderStatus
from .addresses import Address, Candidate, resolve
from .comparison import Comparison, compared, pairs_of
from .lookup import ToBeResolved
from .planning import Plan, Planning

LOGGER = logging.getLogger("airouter.manager")


class ProviderManager:
    """Providers by name; several of one kind under names of their own. For many threads at once.

    Args:
        layers: what is to stand around everything that its providers answer, as for :func:`create_provider`.
        aliases: addresses by short names, which count where an address does. Those of the command line are the user's
            and no program's, unless it says so: ``aliases=read_aliases()``.
    """

    def __init__(
        self,
        *,
        plugins: Plugins | None = None,
        layers: Iterable[GivenLayer] = (),
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self._aliases = dict(aliases or {})
        self._plugins = (plugins or installed()).with_layers(layers) if layers else plugins
        self._providers: dict[str, Provider[Any]] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_config(
        cls,
        path: str | os.PathLike[str],
        *,
        plugins: Plugins | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> ProviderManager:
        """Add the providers of a ``.json`` or ``.toml`` file: a table for each, keyed by name.

        Tables that plugins declare as their own are theirs.

        A table may hold ``provider`` when its key is a name of your own: ``[fast]`` with ``provider = "ollama"``. The
        file counts before the environment; :mod:`airouter_core.config.files` says how it refers to secrets.

        Raises:
            ConfigurationError: the file cannot be read, or a provider in it cannot be made.
        """
        settings = read_settings(path)
        known = plugins or installed()
        own = {name: settings.own_table(name) for name in known.tables() if name in settings.tables}
        manager = cls(plugins=known.with_settings(own) if own else plugins, aliases=aliases)

        def routing(provider: str) -> dict[str, Any]:
            return routing_settings(known.provider(provider), settings, known, settings.table)

        try:
            for name in (name for name in settings.tables if name not in own):
                require_known(settings, name, known)
                table = settings.table(name)
                provider = table.pop("provider", name)
                manager.add_provider(provider, {**routing(provider), **table}, as_name=name)
            for provider in set_up_by_tables(settings, known) - {held.info.name for _, held in manager._held()}:
                manager.add_provider(provider, routing(provider))
        except BaseException:
            manager.close()
            raise
        return manager

    def add_provider(
        self, name: str, config: Mapping[str, Any] | None = None, *, as_name: str | None = None
    ) -> Provider[Any]:
        """Make a provider and keep it, under its canonical name unless ``as_name`` gives another.

        Raises:
            ConfigurationError: it cannot be made, or the name is taken.
        """
        if not isinstance(as_name, str | None):
            raise ConfigurationError(f"as_name must be a string, not {type(as_name).__name__}")
        provider = create_provider(name, config, plugins=self._plugins)
        key = provider.kept_as = as_name or provider.info.name
        with self._lock:
            taken = key in self._providers
            if not taken:
                self._providers[key] = provider
        if taken:
            provider.close()
            raise ConfigurationError(
                f"there is a provider {key!r} already: remove it first, or give this one another name with as_name="
            )
        return provider

    def remove_provider(self, name: str) -> None:
        """Close a provider and forget it.

        Raises:
            UnknownProviderError: there is none of this name.
        """
        key = self._key(name)
        with self._lock:
            provider = self._providers.pop(key, None)
        if provider is not None:  # else somebody else has removed it at the same time
            provider.close()

    def provider(self, name: str) -> Provider[Any]:
        """The provider kept under this name, or under the canonical name that this is an alias of.

        Raises:
            UnknownProviderError: there is none; the message says which there are.
        """
        return self._providers[self._key(name)]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all providers kept, in the order added."""
        return tuple(self._providers)

    def prompt_asked(
        self,
        name: str,
        model: str,
        prompt: str,
        system_prompt: str | None = None,
        parameters: Parameters | None = None,
    ) -> Answering:
        """:meth:`Provider.execute` of the provider ``name``."""
        return self.provider(name).prompt_asked(model, prompt, system_prompt, parameters)

    execute, aexecute, stream_execute, astream_execute = four_ways_as_text(prompt_asked, name="execute")

    def chat_asked(self, /, name: str, model: str, messages: Messages, **options: Any) -> Answering:
        """:meth:`Provider.chat` of the provider ``name``, with the same options."""
        return self.provider(name).chat_asked(model, messages, **options)

    chat, achat, stream_chat, astream_chat = four_ways(chat_asked, name="chat")

    def auto_prompt_asked(
        self, model: str, prompt: str, system_prompt: str | None = None, parameters: Parameters | None = None
    ) -> Answering:
        """Ask the provider and the model that an address means, as :meth:`resolve` finds them."""
        return ToBeResolved(
            self.resolve, self.provider, model, conversation(prompt, system_prompt), {"parameters": parameters}
        )

    auto_execute, aauto_execute, auto_stream_execute, aauto_stream_execute = four_ways_as_text(
        auto_prompt_asked, name="auto_execute"
    )

    def auto_chat_asked(self, /, model: str, messages: Messages, **options: Any) -> Answering:
        """:meth:`chat` with the provider and the model that an address means."""
        return ToBeResolved(self.resolve, self.provider, model, messages, options)

    auto_chat, aauto_chat, auto_stream_chat, aauto_stream_chat = four_ways(auto_chat_asked, name="auto_chat")

    def comparing_flow(
        self,
        prompt: str,
        candidates: Iterable[tuple[str, str]],
        system_prompt: str | None = None,
        parameters: Parameters | None = None,
    ) -> Flow[None]:
        """Ask several ``(provider, model)`` the same, all at once; each answer or error is given as it comes.

        Raises:
            UnknownProviderError: at once; a provider was not added.
        """
        messages = conversation(prompt, system_prompt)
        asked = [(self._key(name), model) for name, model in pairs_of(candidates)]
        return gathered(
            [compared(self.provider(name), name, model, messages, parameters) for name, model in asked], each=True
        )

    compare, acompare = both_iterators(comparing_flow, Comparison, name="compare")

    def resolve(self, address: str) -> Address:
        """The provider and the model that ``PROVIDER/MODEL``, ``route:NAME``, an alias or a model's bare name means.

        The provider is one of :attr:`names`; :mod:`airouter_core.manager.addresses` tells the rule. Local providers are
        asked for their models where the address does not name a provider.

        Raises:
            UnknownProviderError: the provider named was not added.
            ConfigurationError: several providers could be meant, or none; the message names them.
        """
        candidates = [Candidate(name, held.info, held.list_models) for name, held in self._held()]
        if isinstance(address, str):
            address = self._aliases.get(address, address)
        return resolve(address, candidates, self._plugins or installed())

    def plan(self, /, address: str, messages: Messages, **options: Any) -> Plan:
        """Whom a route would ask this, in which order and at which cost, and whom not, and why. Nobody is asked.

        Args:
            address: ``route:NAME``, or ``PROVIDER/NAME``.
            options: as for :meth:`chat`.

        Raises:
            UnsupportedFeatureError: the address means a provider that asks nobody else.
            ExecutionError: there is no such route.
        """
        name, model = self.resolve(address)
        provider = self.provider(name)
        if not isinstance(provider, Planning):
            raise UnsupportedFeatureError(f"{address!r} is asked of {name} alone; only routes have a plan")
        return provider.plan(ask_of(model, messages, **options))

    def select(self, model: str) -> str:
        """The name of the provider that :meth:`resolve` finds for an address."""
        return self.resolve(model).provider

    def all_models_flow(self) -> Flow[dict[str, list[ModelInfo]]]:
        """The models of all providers, asked at the same time. One that fails has an empty list, and a log entry."""
        held = self._held()
        found = yield from gathered([provider.operation_flow("list_models") for _, provider in held])
        for (name, _), models in zip(held, found, strict=True):
            if isinstance(models, AirouterError):
                LOGGER.warning("%s: models cannot be listed: %s", name, models)
            elif isinstance(models, Exception):
                raise models
        return {
            name: [] if isinstance(models, Exception) else models for (name, _), models in zip(held, found, strict=True)
        }

    list_all_models, alist_all_models = both(all_models_flow, name="list_all_models")

    def all_info_flow(self) -> Flow[dict[str, ProviderStatus]]:
        """The state of all providers, asked at the same time."""
        held = self._held()
        found = yield from gathered([provider.status_flow() for _, provider in held])
        for status in found:
            if isinstance(status, Exception):
                raise status
        return dict(zip((name for name, _ in held), found, strict=True))

    get_all_info, aget_all_info = both(all_info_flow, name="get_all_info")

    def close(self) -> None:
        """Close all providers."""
        with contextlib.ExitStack() as stack:
            for provider in self._emptied():
                stack.callback(provider.close)

    async def aclose(self) -> None:
        """:meth:`close`, awaited."""
        async with contextlib.AsyncExitStack() as stack:
            for provider in self._emptied():
                stack.push_async_callback(provider.aclose)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a manager holds connections and cannot be pickled or copied: create one in each process")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _held(self) -> list[tuple[str, Provider[Any]]]:
        with self._lock:  # others may add and remove meanwhile
            return list(self._providers.items())

    def _emptied(self) -> list[Provider[Any]]:
        with self._lock:
            providers, self._providers = self._providers, {}
        return list(providers.values())

    def _key(self, name: str) -> str:
        if isinstance(name, str) and name in self._providers:
            return name
        try:
            canonical = (self._plugins or installed()).provider(name).name
        except ConfigurationError:
            canonical = str(name)
        if canonical in self._providers:
            return canonical
        known = ", ".join(self._providers) or "none"
        raise UnknownProviderError(f"no provider {name!r} was added (added: {known}); add_provider({name!r}) adds it")
