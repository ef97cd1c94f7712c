"""What an engine is started with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import attrs

from airouter_core.errors import ConfigurationError, UnsupportedFeatureError
from airouter_core.values.request import Request

from .config import LlamaCppConfig
from .folder import ModelFile, ModelFolder
from .gguf import GgufHeader, read_header
from .gguf_types import DRAFTERS
from .gguf_window import GgufError
from .projectors import fits

LARGEST_DEFAULT_CONTEXT = 8192
"""Tokens. Long contexts cost memory by the token, and models now are trained for a million."""

BLOCK = 256
"""Tokens; llama.cpp rounds a context up to a multiple of this many."""

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
        embedding: whether it makes vectors; ``ranking``, whether it makes scores of them.
        context: tokens, of all answers made at the same time together.
        lora: paths and scales.
        draft_type: how the draft model drafts, as llama.cpp calls it; told by its architecture.
        flags: as they are, for a program.
    """

    id: str
    path: str
    size: int
    context: int
    projector: str | None = None
    pools: bool = False
    embedding: bool = False
    ranking: bool = False
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
    draft_type: str | None = None
    draft_max: int | None = None
    draft_min: int | None = None
    parallel: int = 1
    port: int = 0
    log_level: int = 0
    flags: tuple[str, ...] = ()
    cache_row: int = attrs.field(default=0, eq=False)
    """Weights that the cache holds for each token, keys and values together; 0 when the file does not tell."""

    @property
    def alias(self) -> str:
        """The name for a program, which would take what follows a comma for another one."""
        return self.id.replace(",", ";")


def settings_for(
    found: ModelFile,
    config: LlamaCppConfig,
    folder: ModelFolder,
    request: Request | None = None,
    *,
    embedding: bool = False,
    ranking: bool = False,
) -> EngineSettings:
    """The settings for a model, as configured and as the call has it.

    Raises:
        UnsupportedFeatureError: it is to rank documents, and was not made for that.
        ConfigurationError: a further file is not there.
    """
    parameters: Mapping[str, Any] = request.parameters if request is not None else {}
    if ranking and not found.header.is_ranking_model:
        raise UnsupportedFeatureError(
            f"{found.id} was not made to rank documents; list_models() tells which can (capabilities: 'rerank')"
        )
    embedding = embedding or ranking
    context = context_for(found, config, parameters)
    whole = -(-context // BLOCK) * BLOCK if embedding else None
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
        ranking=ranking,
        threads=config.default_threads or (1 if found.size < SMALL else None),
        batch_threads=config.batch_threads,
        gpu_layers=config.default_gpu_layers,
        split_mode=config.split_mode,
        tensor_split=config.tensor_split or (),
        main_gpu=config.main_gpu,
        flash_attention=config.flash_attention,
        cache_type_k=config.cache_type_k,
        cache_type_v=config.cache_type_v,
        # A text that is embedded must fit into one batch, so there a batch is as large as the context.
        batch_size=whole or config.batch_size,
        micro_batch_size=whole or config.micro_batch_size,
        load_mode=config.load_mode,
        lora=adapters,
        draft_model=draft.path if draft else None,
        draft_type=DRAFTERS.get(draft.header.architecture or "", "draft-simple") if draft else None,
        draft_max=config.draft_max if draft else None,
        draft_min=config.draft_min if draft else None,
        parallel=config.parallel,
        port=config.port,
        log_level=config.log_level,
        flags=(*config.special_flags, *parameters.get("special_flags", ())),
        cache_row=found.header.cache_row,
    )


def context_for(found: ModelFile, config: LlamaCppConfig, parameters: Mapping[str, Any]) -> int:
    """Tokens that prompt and answer share: of the call, else as configured, else the model's own, within reason."""
    trained = found.header.context_length or LARGEST_DEFAULT_CONTEXT
    return int(parameters.get("context") or config.default_context or min(trained, LARGEST_DEFAULT_CONTEXT))


def beyond_training(found: ModelFile, config: LlamaCppConfig, parameters: Mapping[str, Any]) -> str | None:
    """What to say of a context that is longer than the model was trained on; ``None`` when it is not."""
    trained, context = found.header.context_length, context_for(found, config, parameters)
    if trained is None or context <= trained:
        return None
    return (
        f"context: {found.id} was trained on {trained:,} tokens and runs with {context:,}; what it says beyond those "
        "tends to be nonsense (special_flags can set rope scaling, where the model is made for that)"
    )


def _projector(found: ModelFile, config: LlamaCppConfig, folder: ModelFolder) -> str | None:
    if config.mmproj is None:
        return found.mmproj
    if config.mmproj == "none":
        return None
    path = _there("mmproj", folder.here(config.mmproj))
    header = _header("mmproj", path)
    if header.kind != "mmproj":
        raise ConfigurationError(f"mmproj: {path!r} is no projector, but of the kind {header.kind!r}")
    if not fits(found.header, header):
        raise ConfigurationError(
            f"mmproj: {path!r} belongs to another model: {found.id!r} is {found.header.embedding_length} numbers wide, "
            "and it makes others; take the one that came with the model, or 'none'"
        )
    return path


def _draft(config: LlamaCppConfig, folder: ModelFolder) -> ModelFile | None:
    """The draft model: a name in the models folder, or a path, since a configuration may name any file."""
    if config.draft_model is None:
        return None
    path = folder.here(config.draft_model)
    if os.path.isabs(path) and os.path.isfile(path):
        return ModelFolder(os.path.dirname(path), flat=True).find(os.path.basename(path), drafts=True)
    return folder.find(config.draft_model, drafts=True)


def _header(setting: str, path: str) -> GgufHeader:
    try:
        return read_header(path)
    except GgufError as error:
        raise ConfigurationError(f"{setting}: {path!r} cannot be used: {error}") from error


def _there(setting: str, path: str) -> str:
    if not os.path.isfile(path):
        raise ConfigurationError(f"{setting}: there is no file {path!r}")
    return path
