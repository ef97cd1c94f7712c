"""The folder with the models: what is in it, and which file a name means.

A model is a ``*.gguf`` file somewhere below the folder, or all parts of one that was split. Headers are read once and
again only when a file's time or size changes. Symbolic links are followed, since somebody put them there: models have
many gigabytes, and lie where there is room. Each folder is entered once, so loops end, and there is a limit to their
number.
"""

from __future__ import annotations

import collections
import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping

import attrs

from airouter_core.errors import ConfigurationError, ModelNotFoundError
from airouter_core.values.catalog import ModelInfo

from .entries import Entry, Part, Row, entry_of, with_unique_ids
from .gguf import GgufHeader
from .gguf_types import EMBEDDING_ARCHITECTURES
from .names import fold, is_path, listed, matches, shown, squeeze
from .projectors import projector_of, projectors

PROVIDER = "llama-cpp"
FOLDERS = 20_000
"""Folders that are entered; a link to the root of a disk must not take minutes."""


@attrs.frozen(kw_only=True)
class ModelFile:
    """A model that can be run.

    Attributes:
        path: the file for llama.cpp; of a split model the first part.
        mmproj: the file beside it that turns images into tokens, or ``None``.
        size: bytes, of all parts together.
    """

    id: str
    path: str
    header: GgufHeader
    mmproj: str | None = None
    parts: tuple[str, ...] = ()
    size: int = 0


class ModelFolder:
    """The models in one folder. Nothing is read before it is asked for. May be used by several threads.

    Args:
        here: how a path that people write is called on this side, where there are two (WSL).
        flat: leave the folders inside alone.
    """

    def __init__(self, path: str | os.PathLike[str], here: Callable[[str], str] = str, *, flat: bool = False) -> None:
        self._here = here
        self._flat = flat
        self.path = self.here(os.fspath(path))
        self._headers: Mapping[str, Row] = {}
        self._unreadable: tuple[str, ...] = ()

    def here(self, path: str) -> str:
        """A path from the configuration, where it stands; what is relative is so to this folder."""
        return os.path.abspath(os.path.join(getattr(self, "path", ""), os.path.expanduser(self._here(path))))

    def models(self) -> list[ModelInfo]:
        """List the models, sorted by id. What cannot be used is listed too, with its ``problem``.

        Raises:
            ConfigurationError: the folder is not there, or cannot be read.
        """
        entries = self._scan()
        beside = projectors(entries)
        return [info_of(entry, projector_of(entry, beside)) for entry in entries if entry.listed]

    def find(self, name: str, *, drafts: bool = False) -> ModelFile:
        """Resolve a name as people type it, or the path of a file in the folder.

        :data:`~airouter_llamacpp.names.LEVELS` says what is tried, in this order.

        Args:
            drafts: take a model that can only draft for another, too.

        Raises:
            ModelNotFoundError: there is none; the message names what comes close, or what there is.
            ConfigurationError: several models fit, or the one that fits is damaged, or the folder is not there.
        """
        typed = name.strip().removeprefix("./")
        if "\0" in name:
            raise self._not_found(f"{shown(name)} is no name of a model in models_dir {self.path!r}")
        typed = self._inside(typed)
        entries = self._scan()
        models = [entry for entry in entries if entry.listed or (drafts and entry.kind == "draft")]
        chosen = self._only(typed, matches(typed, models))
        if chosen is None:
            raise self._not_found(self._what_there_is(typed, models, entries))
        if chosen.problem is not None or chosen.header is None:
            raise ConfigurationError(f"the model {chosen.id!r} cannot be used: {chosen.problem} ({chosen.paths[0]})")
        projector = projector_of(chosen, projectors(entries))
        return ModelFile(
            id=chosen.id,
            path=chosen.paths[0],
            header=chosen.header,
            mmproj=projector.paths[0] if projector else None,
            parts=chosen.paths,
            size=chosen.size,
        )

    def _inside(self, typed: str) -> str:
        """The name below the folder, for the path of a file that lies there; anything else as it is."""
        path = os.path.abspath(os.path.expanduser(self._here(typed)))
        by_path = is_path(typed) or ".." in re.split(r"[/\\]", typed)
        if not by_path and not (typed.lower().endswith(".gguf") and os.path.isfile(path)):
            return typed
        for root, file in ((self.path, path), (os.path.realpath(self.path), os.path.realpath(path))):
            if file.startswith(os.path.join(root, "")):
                return os.path.relpath(file, root).replace(os.sep, "/")
        if by_path:
            raise self._not_found(
                f"{shown(typed)} is not in models_dir, which is {self.path!r}, and models are named inside it; set "
                "models_dir to the folder of that file, or leave it out to name files by their paths"
            )
        return typed

    def _only(self, typed: str, matches: list[Entry]) -> Entry | None:
        if len(matches) <= 1:
            return matches[0] if matches else None
        usable = [entry for entry in matches if entry.problem is None] or matches
        files = {os.path.realpath(entry.paths[0]) for entry in usable}  # links to one file are one model
        if len(files) == 1:
            return usable[0]
        raise ConfigurationError(
            f"{shown(typed)} fits {len(usable)} models in {self.path!r}; name one of: {listed(e.id for e in usable)}"
        )

    def _what_there_is(self, typed: str, models: list[Entry], entries: list[Entry]) -> str:
        start = f"there is no model {shown(typed)} in models_dir {self.path!r}"
        if self._unreadable:
            start += f" (where {listed(self._unreadable)} could not be read)"
        other = matches(typed, [entry for entry in entries if not entry.listed])
        if other:
            return f"{start}: {other[0].file!r} is of the kind {other[0].kind!r}; name a model that goes with it"
        if not models:
            found = f"no GGUF model but {len(entries)} other GGUF files" if entries else "no GGUF file"
            return f"{start}: it holds {found}; put a model there, or set models_dir to the folder that has them"
        spellings = {squeeze(s[:200]): entry.id for entry in models for s in (entry.id, entry.stem, entry.name)}
        close = difflib.get_close_matches(squeeze(typed[:200]), spellings, n=3, cutoff=0.6)
        if close:
            return f"{start}; did you mean {listed(dict.fromkeys(spellings[spelling] for spelling in close))}?"
        return f"{start}; there are: {listed(entry.id for entry in models)}"

    def _not_found(self, message: str) -> ModelNotFoundError:
        return ModelNotFoundError(message, provider=PROVIDER)

    def _scan(self) -> list[Entry]:
        """Look at every file below the folder, and read the headers that are not known yet."""
        known = self._headers
        seen: dict[str, Row] = {}
        groups: dict[tuple[str, int, str], list[Part]] = {}
        for path in self._files():
            part = Part.at(path, self.path, known, seen)
            groups.setdefault(part.group, []).append(part)
        self._headers = seen  # one assignment: another thread sees the old ones or the new ones
        entries = [entry_of(parts) for parts in groups.values()]
        return sorted(with_unique_ids(entries), key=lambda entry: (fold(entry.id), entry.id))

    def _files(self) -> Iterator[str]:
        try:
            os.scandir(self.path).close()
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"models_dir {self.path!r} cannot be read ({getattr(error, 'strerror', None) or error}); "
                "make it a folder with GGUF files, or set models_dir to the one that has them"
            ) from error
        unreadable: list[str] = []
        for folder, names in self._folders(unreadable):
            # "._" files are what macOS leaves on other file systems; they carry the name and not the model
            for name in names:
                if name.lower().endswith(".gguf") and len(name) > len(".gguf") and not name.startswith("._"):
                    yield os.path.join(folder, name)
        self._unreadable = tuple(unreadable)

    def _folders(self, unreadable: list[str]) -> Iterator[tuple[str, list[str]]]:
        """Each folder with the names in it; one that several links lead to only once."""
        entered: set[tuple[int, int]] = set()
        # Links are followed last, so that a model is called by where it really lies, if that is inside.
        roots = collections.deque([self.path])
        while roots:
            root = roots.popleft()
            for folder, inside, names in os.walk(root, onerror=lambda error: unreadable.append(str(error.filename))):
                if not _is_new(folder, entered):
                    inside.clear()
                    continue
                linked = {name for name in inside if os.path.islink(os.path.join(folder, name))}
                roots += [os.path.join(folder, name) for name in sorted(linked) if not self._flat]
                inside[:] = [] if self._flat else [name for name in inside if name not in linked]
                yield folder, names
                if len(entered) > FOLDERS:
                    unreadable.append(f"what lies beyond {FOLDERS:,} folders")
                    return


def _is_new(folder: str, entered: set[tuple[int, int]]) -> bool:
    try:
        status = os.stat(folder)
    except OSError:
        return True  # looking into it says why
    key = status.st_dev, status.st_ino
    if key in entered:
        return False
    entered.add(key)
    return True


def info_of(entry: Entry, projector: Entry | None) -> ModelInfo:
    header = entry.header
    modalities = _modalities(projector)
    return ModelInfo(
        id=entry.id,
        name=entry.name,
        provider=PROVIDER,
        context_length=header.context_length if header else None,
        size=entry.size,
        parameters=_count(entry.weights) if header else None,
        quantization=header.quantization if header else None,
        family=header.architecture if header else None,
        input_modalities=modalities if header else None,
        capabilities=_capabilities(header, modalities) if header else None,
        problem=entry.problem,
        raw={
            "path": entry.paths[0],
            "parts": len(entry.paths),
            "mmproj": projector.paths[0] if projector else None,
            "kind": entry.kind,
            "chat_template": bool(header and header.chat_template),
            "embedding_length": header.embedding_length if header else None,
            "size_label": header.size_label if header else None,
        },
    )


def _modalities(projector: Entry | None) -> tuple[str, ...]:
    metadata = projector.header.metadata if projector and projector.header else None
    if metadata is None:
        return ("text",)
    audio = metadata.get("clip.has_audio_encoder") is True
    # files from before audio existed say nothing of vision either
    image = metadata.get("clip.has_vision_encoder", not audio) is True
    return ("text", *(["image"] if image else []), *(["audio"] if audio else []))


def _capabilities(header: GgufHeader, modalities: tuple[str, ...]) -> tuple[str, ...]:
    if header.is_ranking_model:
        return ("rerank",)
    if header.is_embedding_model:
        # It pools, and has a chat template and an architecture that generates: made for both, unless its name says no.
        both = header.chat_template and header.architecture not in EMBEDDING_ARCHITECTURES
        return ("chat", "embeddings") if both and "embed" not in (header.name or "").lower() else ("embeddings",)
    return ("chat", "vision") if "image" in modalities else ("chat",)


def _count(weights: int) -> str:
    """Write a number of weights as people do: ``"444.8K"``, ``"1.2B"``."""
    if weights < 1000:
        return str(weights)
    value = float(weights)
    for unit in ("", "K", "M", "B"):
        if value < 999.95:
            return f"{value:.1f}{unit}"
        value /= 1000
    return f"{value:.1f}T"
