"""What an engine is started with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import attrs

from airouter_core.errors import ConfigurationError
from airouter_core.values.request import Request

from ..config import LlamaCppConfig
from ..folder import ModelFile, ModelFolder

LARGEST_DEFAULT_CONTEXT = 8192
"""Tokens. Long contexts cost memory by the token, and models now are trained for a million."""

SMALL = 64 * 1024 * 1024
"""Bytes. A model this small is slower on many threads than on one, since they wait for each other at every layer."""


@attrs.frozen(kw_only=True)
class EngineSettings:
    """What an engine is started with; calls with equal settings share one.

    Attributes:
        id: the model's name, as answers give it.
        path: the file; of a split model the first part.
        size: bytes of the model and of all that is loaded with it.
        projector: path of what turns images and sound into tokens.
        pools: whether the model itself says how its vectors are pooled.
        context: tokens, of all answers made at the same time together.
        lora: paths and scales.
        flags: as they are, for a program.
    """

    id: str
    path: str
    size: int
    context: int
    projector: str | None = None
    pools: bool = False
    embedding: bool = False
    threads: int | None = None
    batch_threads: int | None = None
    gpu_layers: int | str | None = None
    split_mode: str | None = None
    tensor_split: tuple[float, ...] = ()
    main_gpu: int | None = None
    flash_attention: str | None = None
    cache_type_k: str | None = None
    cache_type_v: str | None = None
    batch_size: int | None = None
    micro_batch_size: int | None = None
    load_mode: str | None = None
    lora: tuple[tuple[str, float], ...] = ()
    draft_model: str | None = None
    draft_max: int | None = None
    draft_min: int | None = None
    parallel: int = 1
    port: int = 0
    log_level: int = 0
    flags: tuple[str, ...] = ()
    cache_row: int = attrs.field(default=0, eq=False)
    """Weights that the cache holds for each token, keys and values together; 0 when the file does not tell."""


def settings_for(
    found: ModelFile,
    config: LlamaCppConfig,
    folder: ModelFolder,
    request: Request | None = None,
    *,
    embedding: bool = False,
) -> EngineSettings:
    """The settings for a model, as configured and as the call has it.

    Raises:
        ConfigurationError: a further file is not there.
    """
    parameters: Mapping[str, Any] = request.parameters if request is not None else {}
    trained = found.header.context_length or LARGEST_DEFAULT_CONTEXT
    context = parameters.get("context") or config.default_context or min(trained, LARGEST_DEFAULT_CONTEXT)
    projector = _projector(found, config, folder)
    adapters = tuple((_there("lora", folder.here(path)), scale) for path, scale in config.lora.items())
    draft = None if embedding else _draft(config, folder)
    beside = [projector, draft.path if draft else None, *(path for path, _ in adapters)]
    return EngineSettings(
        id=found.id,
        path=found.path,
        size=found.size + sum(os.path.getsize(path) for path in beside if path),
        context=context * config.parallel,
        projector=projector,
        pools=bool(found.header.pooling_type),
        embedding=embedding,
        threads=config.default_threads or (1 if found.size < SMALL else None),
        batch_threads=config.batch_threads,
        gpu_layers=config.default_gpu_layers,
        split_mode=config.split_mode,
        tensor_split=config.tensor_split or (),
        main_gpu=config.main_gpu,
        flash_attention=config.flash_attention,
        cache_type_k=config.cache_type_k,
        cache_type_v=config.cache_type_v,
        batch_size=config.batch_size,
        micro_batch_size=config.micro_batch_size,
        load_mode=config.load_mode,
        lora=adapters,
        draft_model=draft.path if draft else None,
        draft_max=config.draft_max if draft else None,
        draft_min=config.draft_min if draft else None,
        parallel=config.parallel,
        port=config.port,
        log_level=config.log_level,
        flags=(*config.special_flags, *parameters.get("special_flags", ())),
        cache_row=found.header.cache_row,
    )


def _projector(found: ModelFile, config: LlamaCppConfig, folder: ModelFolder) -> str | None:
    if config.mmproj is None:
        return found.mmproj
    return None if config.mmproj == "none" else _there("mmproj", folder.here(config.mmproj))


def _draft(config: LlamaCppConfig, folder: ModelFolder) -> ModelFile | None:
    """The draft model: a name in the models folder, or a path, since a configuration may name any file."""
    if config.draft_model is None:
        return None
    path = folder.here(config.draft_model)
    if os.path.isabs(path) and os.path.isfile(path):
        return ModelFolder(os.path.dirname(path)).find(os.path.basename(path))
    return folder.find(config.draft_model)


def _there(setting: str, path: str) -> str:
    if not os.path.isfile(path):
        raise ConfigurationError(f"{setting}: there is no file {path!r}")
    return path
