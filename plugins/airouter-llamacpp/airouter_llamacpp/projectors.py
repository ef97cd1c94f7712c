"""Which projector goes with which model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import attrs

from .entries import Entry
from .gguf import GgufHeader

GENERIC = frozenset({"", "model", "ggml-model"})  # stems that say nothing about which model it is
ORIGINS = ("general.name", "general.base_model.0.repo_url", "general.base_model.0.name")
PROJECTIONS = ("mm.", "resampler.", "v.mm.", "a.mm.")
"""How the names of a projection's tensors begin (llama.cpp, tools/mtmd/clip-impl.h)."""
PREFERRED = ("F16", "BF16", "Q8_0", "F32")  # of several projectors: the most exact one at a fair size


@attrs.frozen
class Projectors:
    """The usable mmproj files of one folder, and whether it holds a single model (in whatever quantizations)."""

    entries: list[Entry]
    alone: bool


def projectors(entries: Iterable[Entry]) -> dict[str, Projectors]:
    """Find the mmproj files, by folder."""
    bases: dict[str, set[str]] = {}
    usable: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.kind == "model":
            bases.setdefault(entry.folder, set()).add(entry.base)
        elif entry.kind == "mmproj" and entry.problem is None:
            usable.setdefault(entry.folder, []).append(entry)
    return {folder: Projectors(found, len(bases.get(folder, ())) == 1) for folder, found in usable.items()}


def projector_of(entry: Entry, by_folder: Mapping[str, Projectors]) -> Entry | None:
    """Choose the mmproj file beside a model: the one that fits best, and of several such the best quantization."""
    beside = by_folder.get(entry.folder)
    if beside is None or entry.kind != "model":
        return None
    ranked = []
    for other in beside.entries:
        fit = _fit(entry, other, alone=beside.alone)
        quantization = other.header.quantization if other.header else None
        exactness = PREFERRED.index(quantization) if quantization in PREFERRED else len(PREFERRED)
        if fit is not None:
            ranked.append((fit, exactness, other.id, other))
    return min(ranked, key=lambda row: row[:3])[3] if ranked else None


def _fit(model: Entry, projector: Entry, *, alone: bool) -> int | None:
    """How well a projector fits a model, 0 best: named like it, made from the same model, or the only choice there is.

    ``None`` when it does not: the headers must not contradict each other, and in a folder with several models a name
    must agree, since the engine does not start with a wrong one.
    """
    if model.header is None or projector.header is None or not fits(model.header, projector.header):
        return None
    core = re.sub(r"[-._ ]*mmproj[-._ ]*", "-", projector.base).strip("-")
    if core == model.base:
        return 0
    if core not in GENERIC and re.match(rf"{re.escape(core)}[-._ ]", model.base):
        return 1
    if any((said := projector.header.text(key)) and said == model.header.text(key) for key in ORIGINS):
        return 2
    return 3 if alone and (core in GENERIC or model.base in GENERIC) else None


def fits(model: GgufHeader, projector: GgufHeader) -> bool:
    """Whether a projector makes vectors as wide as the model's; true where one of the two does not say.

    Old files give the width of the encoder as ``projection_dim``, so the tensors of the projection are asked as well.
    """
    widths = {projector.number(f"clip.{part}projection_dim") for part in ("", "vision.", "audio.")} - {None}
    for tensor in projector.tensors:
        if tensor.name.startswith(PROJECTIONS):
            widths |= set(tensor.shape)
    return not widths or model.embedding_length is None or model.embedding_length in widths
