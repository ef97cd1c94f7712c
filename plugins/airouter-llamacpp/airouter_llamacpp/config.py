"""What the llama.cpp provider can be told."""

from __future__ import annotations

from typing import Literal

import attrs

from airouter_core.config import HttpConfig, setting

Mode = Literal["auto", "embedded", "remote"]


@attrs.frozen(kw_only=True)
class LlamaCppConfig(HttpConfig):
    """Settings; see the README for what each mode uses."""

    base_url: str = setting(
        "string", default="", env=("LLAMA_CPP_BASE_URL",), description="a running llama-server, for mode remote"
    )
    api_key: str | None = setting(
        "string", secret=True, env=("LLAMA_API_KEY",), description="its key, if it was started with one"
    )
    mode: Mode = setting(
        "string",
        default="auto",
        choices=("auto", "embedded", "remote"),
        description="auto: remote if there is a base_url, else embedded",
    )
    models_dir: str | None = setting(
        "path", env=("AIROUTER_MODELS_DIR",), description="folder with GGUF files, searched with its subfolders"
    )
    default_threads: int | None = setting(
        "integer", minimum=1, maximum=1024, description="threads to compute with; the engine's choice unless set"
    )
    default_gpu_layers: int | None = setting(
        "integer", minimum=0, description="layers to hold on the GPU; more than the model has means all"
    )
    default_context: int | None = setting(
        "integer",
        minimum=1,
        description="tokens that prompt and answer share; the model's own context, at most 8192, unless set",
    )
    parallel: int = setting(
        "integer", default=1, minimum=1, maximum=64, description="answers an engine makes at the same time"
    )
    max_engines: int = setting(
        "integer", default=2, minimum=1, description="models held in memory; the one used longest ago leaves first"
    )
    port: int = setting(
        "integer", default=0, minimum=0, maximum=65535, description="loopback port of the engine; 0: any free one"
    )
    log_level: int = setting(
        "integer",
        default=0,
        minimum=0,
        maximum=5,
        description="what the engine writes to stderr; 0: nothing, 1: errors",
    )

    @property
    def effective_mode(self) -> Literal["embedded", "remote"]:
        """The mode that ``auto`` stands for."""
        if self.mode == "auto":
            return "remote" if self.base_url else "embedded"
        return self.mode
