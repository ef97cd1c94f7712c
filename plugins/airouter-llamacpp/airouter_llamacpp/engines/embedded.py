"""llama.cpp inside this process: its own HTTP server on a loopback port, behind a random key.

The server speaks the same format as a llama-server elsewhere, so one wire serves both.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import weakref
from collections.abc import Iterable
from typing import Any, ClassVar

from airouter_core.errors import ConfigurationError, ExecutionError

from ..settings import EngineSettings
from .ports import HOST, HTTP_THREADS, check_port

INSTALL = "pip install 'airouter-llamacpp[embedded]'"
GPUS = 128
"""Length of the list of shares that the engine wants."""


class EmbeddedEngine:
    """One model loaded into this process. It lives until :meth:`stop`, or until the process ends.

    A child made by ``fork()`` has the objects of the library without their threads, and whoever takes one apart there
    waits for a thread that is not there, or is aborted. That holds for the engines of the parent, and for new ones too:
    the library keeps a thread for all of them. So an engine made in such a child stays until the child ends.
    """

    _began_in: ClassVar[int | None] = None
    """The process that made the first engine; those forked from it have the library without its threads."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.api_key = secrets.token_urlsafe(32)
        server = _started(settings, self.api_key)
        if EmbeddedEngine._began_in is None:
            EmbeddedEngine._began_in = os.getpid()
            if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork()
                os.register_at_fork(after_in_child=_end_without_destructors)
        self.address: str = server.listening_address
        self._held = [server]
        # Also at the end of a program that forgot to close: the engine's threads must not outlive the interpreter's.
        weakref.finalize(self, _let_go, self._held, EmbeddedEngine._began_in)

    @property
    def alive(self) -> bool:
        return bool(self._held)

    def stop(self) -> None:
        """Unload the model and close the port; in a forked child, only let nobody use it any more."""
        _let_go(self._held, EmbeddedEngine._began_in)

    def forget(self) -> None:
        """Keep the parent's object."""


def _let_go(held: list[Any], process: int | None) -> None:
    if os.getpid() != process:
        for server in held:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(server))  # so that not even the interpreter's end reaches it
    held.clear()


def _end_without_destructors() -> None:
    """Have a forked child end before the library's own end, which would wait for a thread that it has not.

    What is registered last is called first, and gets the exit status (``on_exit`` of glibc; elsewhere nothing is done).
    Python has ended by then and has written what it had to write.
    """
    library = ctypes.CDLL(None)
    if (on_exit := getattr(library, "on_exit", None)) is not None:
        on_exit(library._exit, None)


def is_installed() -> bool:
    """Whether the engine's package is there; does not import it."""
    import importlib.util

    try:
        return importlib.util.find_spec("xllamacpp") is not None
    except ValueError:  # something that calls itself so, and is no module
        return False


def not_installed() -> ConfigurationError:
    """What to say when it is not."""
    return ConfigurationError(
        f"running models inside the process needs an engine that is not installed: {INSTALL} "
        "(or set llama_cpp_path to llama.cpp's programs, or base_url to a running llama-server)"
    )


def has_gpu() -> bool:
    """Whether the engine found a GPU to hold weights on."""
    import xllamacpp

    return any("GPU" in str(device.get("type", "")) for device in xllamacpp.get_device_info())


def _started(settings: EngineSettings, api_key: str) -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise not_installed() from error
    check_port(settings.port)
    if settings.draft_model is not None:
        raise ConfigurationError(
            "draft_model needs llama-server: set llama_cpp_path to llama.cpp's programs and use mode server"
        )
    params = xllamacpp.CommonParams()
    params.model.path = settings.path
    params.model_alias = {settings.alias}
    params.hostnames = [HOST]
    params.port = settings.port
    params.api_keys = [api_key]
    params.n_threads_http = HTTP_THREADS
    # A stream wakes to say that it is alive, and only then sees that the server ends; taking the server apart waits for
    # that, and holds up every thread of this process meanwhile.
    params.sse_ping_interval = 1
    # A closed connection must free its place at once, and nobody else reads these pages.
    params.endpoint_slots = False
    params.endpoint_metrics = False
    params.verbosity = settings.log_level
    _describe(params, settings, xllamacpp)
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise ExecutionError(
            f"llama.cpp could not load {settings.path!r} ({error}); set log_level=1 in the configuration to see why on "
            "stderr. Frequent reasons: too little memory (choose a smaller model or default_context), an architecture "
            "that this version does not know, a damaged file"
        ) from error


def _describe(params: Any, settings: EngineSettings, xllamacpp: Any) -> None:
    params.n_ctx = settings.context
    params.n_parallel = settings.parallel
    for name, value in _fields(settings, xllamacpp):
        if value is not None:
            setattr(params, name, value)
    for threads, value in (
        (params.cpuparams, settings.threads),
        (params.cpuparams_batch, settings.batch_threads or settings.threads),
    ):
        if value is not None:
            threads.n_threads = value
    if settings.lora:
        params.lora_adapters = [_adapter(xllamacpp, path, scale) for path, scale in settings.lora]
    if settings.projector is not None:
        params.mmproj.path = settings.projector
    if settings.ranking:
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
    elif settings.embedding and not settings.pools:
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN


def _fields(settings: EngineSettings, xllamacpp: Any) -> Iterable[tuple[str, Any]]:
    """Fields of the engine's parameters, and what they are to be; ``None`` leaves the engine its own choice."""
    flash = {"on": "enabled", "off": "disabled"}.get(str(settings.flash_attention), settings.flash_attention)
    load = {"dio": "direct_io"}.get(str(settings.load_mode), settings.load_mode)
    shares = [*settings.tensor_split, *[0.0] * (GPUS - len(settings.tensor_split))]
    yield "embedding", settings.embedding or None
    yield "n_gpu_layers", {"auto": -1, "all": -2}.get(str(settings.gpu_layers), settings.gpu_layers)
    yield "main_gpu", settings.main_gpu
    yield "n_batch", settings.batch_size
    yield "n_ubatch", settings.micro_batch_size
    yield "tensor_split", shares if settings.tensor_split else None
    yield "split_mode", _member(xllamacpp.llama_split_mode, "LLAMA_SPLIT_MODE_", settings.split_mode)
    yield "flash_attn_type", _member(xllamacpp.llama_flash_attn_type, "LLAMA_FLASH_ATTN_TYPE_", flash)
    yield "cache_type_k", _member(xllamacpp.ggml_type, "GGML_TYPE_", settings.cache_type_k)
    yield "cache_type_v", _member(xllamacpp.ggml_type, "GGML_TYPE_", settings.cache_type_v)
    yield "load_mode", _member(xllamacpp.llama_load_mode, "LLAMA_LOAD_MODE_", load)


def _member(enumeration: Any, prefix: str, word: str | None) -> Any:
    """The member of an enumeration that a setting's word stands for."""
    if word is None:
        return None
    wanted = f"{prefix}{word.replace('+', '_')}".lower()
    for member in enumeration:
        if member.name.lower() == wanted:
            return member
    raise ConfigurationError(f"the installed engine does not know {word!r}; upgrade it: {INSTALL} --upgrade")


def _adapter(xllamacpp: Any, path: str, scale: float) -> Any:
    adapter = xllamacpp.CommonAdapterLoraInfo()
    adapter.path, adapter.scale = path, scale
    return adapter
