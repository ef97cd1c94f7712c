"""Several providers held together, by name."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Self

from .addresses import Address, Candidate, resolve
from .config.files import read_settings
from .errors import AirouterError, ConfigurationError, ParameterError, UnknownProviderError
from .flow.threads import all_awaited, at_once, awaited, awaited_in_order_of_arrival, in_order_of_arrival
from .plugins.factory import create_provider
from .plugins.registry import Plugins, installed
from .provider.calls import AsyncResponseStream, ResponseStream
from .provider.facade import Provider
from .provider.preparation import Messages, Parameters, conversation
from .values.catalog import ModelInfo, ProviderStatus
from .values.record import Record
from .values.response import Response

LOGGER = logging.getLogger("airouter.manager")


class Comparison(Record, frozen=True):
    """What one of several models made of a prompt: a response, or an error; and how long it took."""

    provider: str
    model: str
    response: Response | None
    error: AirouterError | None
    seconds: float

    @property
    def text(self) -> str:
        """The answer's text; empty when there is none."""
        return self.response.text if self.response is not None else ""


class ProviderManager:
    """Providers by name; several of one kind under names of their own. For many threads at once."""

    def __init__(self, *, plugins: Plugins | None = None) -> None:
        self._plugins = plugins
        self._providers: dict[str, Provider[Any]] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_config(cls, path: str | os.PathLike[str], *, plugins: Plugins | None = None) -> ProviderManager:
        """Add the providers of a ``.json`` or ``.toml`` file: a table for each, keyed by name.

        A table may hold ``provider`` when its key is a name of your own: ``[fast]`` with ``provider = "ollama"``. The
        file counts before the environment; :mod:`airouter_core.config.files` says how it refers to secrets.

        Raises:
            ConfigurationError: the file cannot be read, or a provider in it cannot be made.
        """
        settings = read_settings(path)
        manager = cls(plugins=plugins)
        try:
            for name in settings.tables:
                table = settings.table(name)
                manager.add_provider(table.pop("provider", name), table, as_name=name)
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
        key = as_name or provider.info.name
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

    def execute(
        self,
        name: str,
        model: str,
        prompt: str,
        system_prompt: str | None = None,
        parameters: Parameters | None = None,
    ) -> str:
        """:meth:`Provider.execute` of the provider ``name``."""
        return self.provider(name).execute(model, prompt, system_prompt, parameters)

    def stream_execute(
        self,
        name: str,
        model: str,
        prompt: str,
        system_prompt: str | None = None,
        parameters: Parameters | None = None,
    ) -> Iterator[str]:
        """:meth:`Provider.stream_execute` of the provider ``name``."""
        return self.provider(name).stream_execute(model, prompt, system_prompt, parameters)

    def chat(self, name: str, model: str, messages: Messages, **options: Any) -> Response:
        """:meth:`Provider.chat` of the provider ``name``, with the same options."""
        return self.provider(name).chat(model, messages, **options)

    def stream_chat(self, name: str, model: str, messages: Messages, **options: Any) -> ResponseStream:
        """:meth:`Provider.stream_chat` of the provider ``name``, with the same options."""
        return self.provider(name).stream_chat(model, messages, **options)

    def auto_execute(
        self, model: str, prompt: str, system_prompt: str | None = None, parameters: Parameters | None = None
    ) -> str:
        """Ask the provider and the model that an address means, as :meth:`resolve` finds them."""
        name, model = self.resolve(model)
        return self.provider(name).execute(model, prompt, system_prompt, parameters)

    def auto_chat(self, model: str, messages: Messages, **options: Any) -> Response:
        """:meth:`chat` with the provider and the model that an address means."""
        return self.chat(*self.resolve(model), messages, **options)

    def auto_stream_chat(self, model: str, messages: Messages, **options: Any) -> ResponseStream:
        """:meth:`stream_chat` with the provider and the model that an address means."""
        return self.stream_chat(*self.resolve(model), messages, **options)

    async def aexecute(
        self,
        name: str,
        model: str,
        prompt: str,
        system_prompt: str | None = None,
        parameters: Parameters | None = None,
    ) -> str:
        """:meth:`execute`, awaited."""
        return await self.provider(name).aexecute(model, prompt, system_prompt, parameters)

    def astream_execute(
        self,
        name: str,
        model: str,
        prompt: str,
        system_prompt: str | None = None,
        parameters: Parameters | None = None,
    ) -> AsyncIterator[str]:
        """:meth:`stream_execute`, awaited."""
        return self.provider(name).astream_execute(model, prompt, system_prompt, parameters)

    async def achat(self, name: str, model: str, messages: Messages, **options: Any) -> Response:
        """:meth:`chat`, awaited."""
        return await self.provider(name).achat(model, messages, **options)

    def astream_chat(self, name: str, model: str, messages: Messages, **options: Any) -> AsyncResponseStream:
        """:meth:`stream_chat`, awaited."""
        return self.provider(name).astream_chat(model, messages, **options)

    async def aauto_execute(
        self, model: str, prompt: str, system_prompt: str | None = None, parameters: Parameters | None = None
    ) -> str:
        """:meth:`auto_execute`, awaited."""
        name, model = await awaited(self.resolve, model)
        return await self.provider(name).aexecute(model, prompt, system_prompt, parameters)

    async def aauto_chat(self, model: str, messages: Messages, **options: Any) -> Response:
        """:meth:`auto_chat`, awaited."""
        return await self.achat(*await awaited(self.resolve, model), messages, **options)

    def compare(
        self,
        prompt: str,
        candidates: Iterable[tuple[str, str]],
        system_prompt: str | None = None,
        parameters: Parameters | None = None,
    ) -> Iterator[Comparison]:
        """Ask several ``(provider, model)`` the same, all at once; each answer or error is given as it comes.

        Raises:
            UnknownProviderError: at once; a provider was not added.
        """
        pairs = self._pairs(candidates)
        messages = conversation(prompt, system_prompt)
        return in_order_of_arrival(
            functools.partial(self._compared, name, model, messages, parameters) for name, model in pairs
        )

    def acompare(
        self,
        prompt: str,
        candidates: Iterable[tuple[str, str]],
        system_prompt: str | None = None,
        parameters: Parameters | None = None,
    ) -> AsyncIterator[Comparison]:
        """:meth:`compare`, awaited: ``async for comparison in manager.acompare(...)``."""
        pairs = self._pairs(candidates)
        messages = conversation(prompt, system_prompt)
        return awaited_in_order_of_arrival(self._acompared(name, model, messages, parameters) for name, model in pairs)

    def resolve(self, address: str) -> Address:
        """The provider and the model that ``PROVIDER/MODEL``, ``route:NAME`` or the bare name of a model means.

        The provider is one of :attr:`names`; :mod:`airouter_core.addresses` tells the rule. Local providers are asked
        for their models where the address does not name a provider.

        Raises:
            UnknownProviderError: the provider named was not added.
            ConfigurationError: several providers could be meant, or none; the message names them.
        """
        candidates = [Candidate(name, held.info, held.list_models) for name, held in self._held()]
        return resolve(address, candidates, self._plugins or installed())

    def select(self, model: str) -> str:
        """The name of the provider that :meth:`resolve` finds for an address."""
        return self.resolve(model).provider

    def list_all_models(self) -> dict[str, list[ModelInfo]]:
        """The models of all providers, asked at the same time. One that fails has an empty list, and a log entry."""
        names, providers = self._each()
        return dict(zip(names, at_once(_listed, zip(names, providers, strict=True)), strict=True))

    async def alist_all_models(self) -> dict[str, list[ModelInfo]]:
        """:meth:`list_all_models`, awaited."""
        names, providers = self._each()
        found = await all_awaited(_alisted(name, provider) for name, provider in zip(names, providers, strict=True))
        return dict(zip(names, found, strict=True))

    def get_all_info(self) -> dict[str, ProviderStatus]:
        """The state of all providers, asked at the same time."""
        names, providers = self._each()
        return dict(zip(names, at_once(lambda provider: provider.get_info(), providers), strict=True))

    async def aget_all_info(self) -> dict[str, ProviderStatus]:
        """:meth:`get_all_info`, awaited."""
        names, providers = self._each()
        return dict(zip(names, await all_awaited(provider.aget_info() for provider in providers), strict=True))

    def close(self) -> None:
        """Close all providers."""
        with contextlib.ExitStack() as stack:
            for provider in self._emptied():
                stack.callback(provider.close)

    async def aclose(self) -> None:
        """:meth:`close`, awaited."""
        await all_awaited(provider.aclose() for provider in self._emptied())

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

    def _each(self) -> tuple[list[str], list[Provider[Any]]]:
        providers = dict(self._providers)
        return list(providers), list(providers.values())

    def _emptied(self) -> list[Provider[Any]]:
        with self._lock:
            providers, self._providers = self._providers, {}
        return list(providers.values())

    def _pairs(self, candidates: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        pairs = list(candidates) if isinstance(candidates, Iterable) else [candidates]
        for pair in pairs:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise ParameterError(f"candidates are pairs of a provider and a model, not {pair!r}")
        return [(self._key(name), model) for name, model in pairs]

    def _compared(self, name: str, model: str, messages: Messages, parameters: Parameters | None) -> Comparison:
        with _Asking(name, model) as asking:
            asking.response = self.provider(name).chat(model, messages, parameters=parameters)
        return asking.comparison

    async def _acompared(self, name: str, model: str, messages: Messages, parameters: Parameters | None) -> Comparison:
        with _Asking(name, model) as asking:
            asking.response = await self.provider(name).achat(model, messages, parameters=parameters)
        return asking.comparison

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


def _listed(named: tuple[str, Provider[Any]]) -> list[ModelInfo]:
    name, provider = named
    with _listing(name) as found:
        found.extend(provider.list_models())
    return found


async def _alisted(name: str, provider: Provider[Any]) -> list[ModelInfo]:
    with _listing(name) as found:
        found.extend(await provider.alist_models())
    return found


@contextlib.contextmanager
def _listing(name: str) -> Iterator[list[ModelInfo]]:
    """A list for the models of one provider; it stays empty if they cannot be listed."""
    try:
        yield []
    except AirouterError as error:
        LOGGER.warning("%s: models cannot be listed: %s", name, error)


class _Asking:
    """Asks one candidate within a ``with``; whatever comes of it is then a comparison."""

    comparison: Comparison
    response: Response | None = None

    def __init__(self, name: str, model: str) -> None:
        self._name = name
        self._model = model
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        told = error if isinstance(error, AirouterError) else None
        self.comparison = Comparison(self._name, self._model, self.response, told, time.monotonic() - self._began)
        return told is not None
