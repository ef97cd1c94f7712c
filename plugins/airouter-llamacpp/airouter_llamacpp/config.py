"""What the llama.cpp provider can be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from airouter_core.config.fields import setting
from airouter_core.config.http import HttpConfig

from .address import address_of

ModeName = Literal["remote", "server", "embedded", "cli"]

CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")
"""Types of the key and value cache; llama.cpp 0.7.0, ``--cache-type-k``."""
WHOLE_CACHE_TYPES = ("f32", "f16", "bf16")
LOAD_MODES = ("auto", "none", "mmap", "mlock", "mmap+mlock", "dio")
"""How a model is brought into memory; llama.cpp 0.7.0, ``--load-mode``."""
LEAST_CONTEXT = 2
"""Tokens: one to read and one to write."""
GPU_WORDS = ("auto", "all")
ENGINES_CHOICE = -1
"""What llama.cpp's programs take for "as many threads as are good"."""
PROJECTOR: Mapping[object, str | None] = {True: None, False: "none"}
SWITCH: Mapping[object, str] = {True: "on", False: "off"}


@attrs.frozen(kw_only=True)
class LlamaCppConfig(HttpConfig):
    """Settings; see the README for what each mode uses."""

    base_url: str = setting(
        "string", default="", env=("LLAMA_CPP_BASE_URL",), description="a running llama-server, for mode remote"
    )
    api_key: str | None = setting(
        "string", secret=True, env=("LLAMA_API_KEY",), description="its key, if it was started with one"
    )
    mode: Literal["auto", "remote", "server", "embedded", "cli"] = setting(
        "string",
        default="auto",
        choices=("auto", "remote", "server", "embedded", "cli"),
        description="auto: remote if there is a base_url, else server if llama-server is there, else embedded if "
        "installed, else cli",
    )

    # Where things are.
    models_dir: str | None = setting(
        "path",
        env=("AIROUTER_MODELS_DIR",),
        description="folder with GGUF files, searched with its subfolders",
        question="Which folder holds your GGUF files?",
    )
    llama_cpp_path: str | None = setting(
        "path",
        env=("AIROUTER_LLAMA_BIN",),
        description="llama-server, llama-cli, or the folder that holds them; looked for in PATH unless set",
    )
    log_dir: str | None = setting(
        "path",
        env=("AIROUTER_LLAMACPP_DIR",),
        description="folder for the logs of servers and the records of which run; in the user's cache unless set",
    )
    wsl: bool | None = setting(
        "boolean", description="run programs inside WSL, through wsl.exe; found out by the paths unless set"
    )
    wsl_distribution: str | None = setting("string", description="which one; WSL's default unless set")

    # How a model is run.
    default_threads: int | None = setting(
        "integer", minimum=-1, maximum=1024, description="threads to compute with; the engine's choice unless set"
    )
    batch_threads: int | None = setting(
        "integer", minimum=-1, maximum=1024, description="threads to read prompts with; as default_threads unless set"
    )
    default_gpu_layers: int | str | None = setting(
        "integer",
        also=("string",),
        description="layers to hold on the GPU, 'auto' or 'all'; more than the model has means all",
    )
    split_mode: str | None = setting(
        "string", choices=("none", "layer", "row", "tensor"), description="how to share a model between GPUs"
    )
    tensor_split: tuple[float, ...] | None = setting("any", description="shares of the GPUs, such as [3, 1]")
    main_gpu: int | None = setting("integer", minimum=0, maximum=127, description="the GPU to use, counted from 0")
    flash_attention: str | None = setting(
        "string",
        also=("boolean",),
        choices=("on", "off", "auto", True, False),
        description="the engine's choice unless set",
    )
    cache_type_k: str | None = setting("string", choices=CACHE_TYPES, description="type of the cache of keys")
    cache_type_v: str | None = setting(
        "string", choices=CACHE_TYPES, description="type of the cache of values; a quantized one needs flash attention"
    )
    default_context: int | None = setting(
        "integer",
        minimum=LEAST_CONTEXT,
        description="tokens that prompt and answer share; the model's own context, at most 8192, unless set",
    )
    batch_size: int | None = setting("integer", minimum=1, description="tokens of a prompt handed over at a time")
    micro_batch_size: int | None = setting("integer", minimum=1, description="tokens computed at a time")
    load_mode: str | None = setting("string", choices=LOAD_MODES, description="how the model is brought into memory")
    lora: Mapping[str, float] = setting(
        "mapping", factory=dict, also=("strings",), description="LoRA adapters: paths, or a mapping of paths to scales"
    )
    mmproj: str | None = setting(
        "path",
        also=("boolean",),
        description="projector for images or sound; the one beside the model unless set; 'none' for none",
    )
    draft_model: str | None = setting("path", description="small model that drafts for the large one: name or path")
    draft_max: int | None = setting("integer", minimum=1, maximum=64, description="tokens to draft at most")
    draft_min: int | None = setting("integer", minimum=0, maximum=64, description="tokens to draft at least")
    parallel: int = setting(
        "integer", default=1, minimum=1, maximum=64, description="answers an engine makes at the same time"
    )
    special_flags: tuple[str, ...] = setting(
        "strings", default=(), description="flags for llama-server or llama-cli, as they are"
    )

    # How long it lives.
    max_engines: int = setting(
        "integer", default=2, minimum=1, description="models held in memory by mode embedded; see max_servers"
    )
    max_servers: int = setting(
        "integer", default=2, minimum=1, description="servers run by mode server; the one used longest ago leaves first"
    )
    keep_alive: float = setting(
        "number", default=900.0, description="seconds that an unused model stays loaded; negative: for good"
    )
    start_timeout: float = setting(
        "number", default=600.0, above=0, description="seconds that a server may take to load its model"
    )
    check_memory: bool = setting(
        "boolean", default=True, description="refuse a model that does not fit into the memory that is free"
    )
    port: int = setting(
        "integer", default=0, minimum=0, maximum=65535, description="loopback port of the engine; 0: any free one"
    )
    log_level: int = setting(
        "integer",
        default=0,
        minimum=0,
        maximum=5,
        description="what the embedded engine writes to stderr; 0: nothing, 1: errors",
    )

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "base_url", address_of(self.base_url))
        super().__attrs_post_init__()
        layers = self.default_gpu_layers
        if layers is not None and layers not in GPU_WORDS and not (isinstance(layers, int) and layers >= 0):
            raise ValueError(
                f"default_gpu_layers must be a whole number, 'auto' or 'all', not {layers!r} (what stands for "
                "'all' in one program and for 'auto' in another has to be said as a word)"
            )
        for name in ("default_threads", "batch_threads"):
            threads = getattr(self, name)
            if threads == ENGINES_CHOICE:
                object.__setattr__(self, name, None)
            elif threads is not None and threads < 1:
                raise ValueError(f"{name} must be at least 1, not {threads}; leave it out for the engine's choice")
        object.__setattr__(self, "mmproj", PROJECTOR.get(self.mmproj, self.mmproj))
        object.__setattr__(self, "flash_attention", SWITCH.get(self.flash_attention, self.flash_attention))
        if self.cache_type_v not in (None, *WHOLE_CACHE_TYPES) and self.flash_attention == "off":
            raise ValueError(
                f"cache_type_v {self.cache_type_v!r} needs flash attention; leave flash_attention out, or make it 'on'"
            )
        object.__setattr__(self, "tensor_split", _shares(self.tensor_split))
        object.__setattr__(self, "lora", _scales(self.lora))


def _shares(value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    shares = value if isinstance(value, list | tuple) else (value,)
    usable = all(isinstance(share, int | float) and not isinstance(share, bool) and share >= 0 for share in shares)
    if not (usable and shares and sum(shares) > 0):
        raise ValueError(f"tensor_split must be a list of shares such as [3, 1], not {value!r}")
    return tuple(float(share) for share in shares)


def _scales(value: Any) -> Mapping[str, float]:
    adapters = dict(value) if isinstance(value, Mapping) else dict.fromkeys(value, 1.0)
    for path, scale in adapters.items():
        if not isinstance(path, str) or isinstance(scale, bool) or not isinstance(scale, int | float):
            raise ValueError("lora must be a list of paths, or a mapping of paths to scales")  # noqa: TRY004  # as all settings
    return adapters
