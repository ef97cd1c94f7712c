"""llama.cpp inside this process: its own HTTP server on a loopback port, behind a random key.

The server speaks the same format as a llama-server elsewhere, so one wire serves both.
"""

from __future__ import annotations

import secrets
import socket
import threading
from collections import OrderedDict
from typing import Any

import attrs

from airouter_core.errors import ConfigurationError, ExecutionError

HOST = "127.0.0.1"
INSTALL = "pip install 'airouter-llamacpp[embedded]'"


@attrs.frozen
class EngineSettings:
    """What an engine is started with; two calls with equal settings share one."""

    path: str
    projector: str | None
    context: int
    threads: int | None
    gpu_layers: int | None
    parallel: int
    port: int
    embedding: bool
    log_level: int


class Engine:
    """One loaded model. It lives until :meth:`stop`, or until the process ends."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.api_key = secrets.token_urlsafe(32)
        self._server = _started(settings, self.api_key)
        self.address: str = self._server.listening_address

    def stop(self) -> None:
        """Unload the model and close the port."""
        self._server = None


@attrs.define(eq=False)
class _Slot:
    """An engine, or its being started, and how many calls use it."""

    ready: threading.Event = attrs.field(factory=threading.Event)
    engine: Engine | None = None
    error: BaseException | None = None
    users: int = 0


class Engines:
    """The engines of one provider, at most ``limit`` at rest; the one used longest ago leaves first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._slots: OrderedDict[EngineSettings, _Slot] = OrderedDict()
        self._closed = False

    def acquire(self, settings: EngineSettings) -> Engine:
        """An engine with these settings, started if need be; give it back with :meth:`release`.

        Raises:
            ConfigurationError: the engine is not installed, or was closed.
            ExecutionError: it could not be started.
        """
        with self._lock:
            if self._closed:
                raise ConfigurationError("this llama-cpp provider was closed; create another one")
            slot = self._slots.get(settings)
            starts_it = slot is None
            if slot is None:
                slot = self._slots[settings] = _Slot()
            slot.users += 1
            self._slots.move_to_end(settings)
            leaving = self._surplus()
        for engine in leaving:
            engine.stop()
        if starts_it:
            self._start(settings, slot)
        slot.ready.wait()
        if slot.engine is None:
            raise slot.error or ExecutionError("the engine was stopped while it was being started")
        return slot.engine

    def release(self, engine: Engine) -> None:
        """Say that a call no longer uses an engine."""
        with self._lock:
            slot = self._slots.get(engine.settings)
            if slot is not None and slot.engine is engine:
                slot.users -= 1
            leaving = self._surplus()
        for surplus in leaving:
            surplus.stop()

    def running(self) -> list[Engine]:
        """The engines that are loaded now, the one used longest ago first."""
        with self._lock:
            return [slot.engine for slot in self._slots.values() if slot.engine is not None]

    def close(self) -> None:
        """Stop all engines; calls that still run fail."""
        with self._lock:
            self._closed = True
            engines = [slot.engine for slot in self._slots.values() if slot.engine is not None]
            self._slots.clear()
        for engine in engines:
            engine.stop()

    def _start(self, settings: EngineSettings, slot: _Slot) -> None:
        try:
            engine = Engine(settings)
        except BaseException as error:
            slot.error = error
            with self._lock:
                self._slots.pop(settings, None)
            slot.ready.set()
            raise
        with self._lock:
            if self._closed:
                engine.stop()
            else:
                slot.engine = engine
        slot.ready.set()

    def _surplus(self) -> list[Engine]:
        leaving = []
        for settings, slot in list(self._slots.items()):
            if len(self._slots) <= self._limit:
                break
            if slot.users == 0 and slot.engine is not None:
                leaving.append(slot.engine)
                del self._slots[settings]
        return leaving


def is_installed() -> bool:
    """Whether the engine's package is there; does not import it."""
    import importlib.util

    return importlib.util.find_spec("xllamacpp") is not None


def _started(settings: EngineSettings, api_key: str) -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise ConfigurationError(
            f"running models inside the process needs an engine that is not installed: {INSTALL} "
            "(or set base_url to a running llama-server)"
        ) from error
    if settings.port:
        _check_port(settings.port)
    params = xllamacpp.CommonParams()
    params.model.path = settings.path
    params.hostnames = [HOST]
    params.port = settings.port
    params.api_keys = [api_key]
    params.n_ctx = settings.context
    params.n_parallel = settings.parallel
    # A closed connection must free its place at once, and nobody else reads these pages.
    params.endpoint_slots = False
    params.endpoint_metrics = False
    params.verbosity = settings.log_level
    if settings.threads is not None:
        params.cpuparams.n_threads = settings.threads
        params.cpuparams_batch.n_threads = settings.threads
    if settings.gpu_layers is not None:
        params.n_gpu_layers = settings.gpu_layers
    if settings.projector is not None:
        params.mmproj.path = settings.projector
    if settings.embedding:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise ExecutionError(
            f"llama.cpp could not load {settings.path!r} ({error}); set log_level=1 in the configuration to see why on "
            "stderr. Frequent reasons: too little memory (choose a smaller model or default_context), an architecture "
            "that this version does not know, a damaged file"
        ) from error


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} cannot be used ({error.strerror}); set port to another one, or leave it out for any free one"
            ) from error
