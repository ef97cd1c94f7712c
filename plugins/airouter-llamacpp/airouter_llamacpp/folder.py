"""The folder with the models: what is in it, and which file a name means.

A model is a ``*.gguf`` file somewhere below the folder, or all parts of one that was split. Headers are read once and
again only when a file's time or size changes. Folders that are symbolic links are not entered, so the search ends and
stays inside; files that are symbolic links are taken, because someone put them there.
"""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping

import attrs

from airouter_core.errors import ConfigurationError, ModelNotFoundError
from airouter_core.values.catalog import ModelInfo

from .gguf import GgufHeader, read_header
from .gguf_types import EMBEDDING_ARCHITECTURES
from .gguf_window import GgufError

PROVIDER = "llama-cpp"
SHOWN = 10  # names in an error message
SPLIT = re.compile(r"(?P<stem>.+)-(?P<part>\d{5})-of-(?P<parts>\d{5})", re.DOTALL)
QUANTIZATION = re.compile(
    r"[-._: ](?:UD-|i1-)?(?:(?:I?Q|TQ)\d(?:_[A-Z0-9]+)*|BF16|FP?(?:16|32)|MXFP4(?:_MOE)?|NVFP4)$", re.IGNORECASE
)
GENERIC = frozenset({"", "model", "ggml-model"})  # stems that say nothing about which model it is
PREFERRED = ("F16", "BF16", "Q8_0", "F32")  # of several projectors: the most exact one at a fair size

# A file's times and size, and its header or why it has none. The second time notices that a file may now be read.
_Row = tuple[tuple[int, int, int], GgufHeader | str]


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


@attrs.frozen(kw_only=True)
class _Entry:
    """A model, projector or adapter as found; ``header`` is ``None`` only where there is a ``problem``."""

    id: str
    file: str  # relative to the folder, with forward slashes
    paths: tuple[str, ...]
    size: int
    header: GgufHeader | None
    weights: int
    problem: str | None

    @property
    def stem(self) -> str:
        return self.id.rpartition("/")[2]

    @property
    def folder(self) -> str:
        return self.id.rpartition("/")[0]

    @property
    def base(self) -> str:
        """The stem without what it says of its quantization."""
        return _fold(QUANTIZATION.sub("", self.stem))

    @property
    def name(self) -> str:
        return (self.header.name if self.header else None) or self.stem

    @property
    def kind(self) -> str:
        return self.header.kind if self.header else "model"

    @property
    def listed(self) -> bool:
        """Whether it is a model, or broken: whoever fetched it would wonder where it is."""
        return self.kind == "model" or self.problem is not None


class ModelFolder:
    """The models in one folder. Nothing is read before it is asked for. May be used by several threads.

    Args:
        here: how a path that people write is called on this side, where there are two (WSL).
    """

    def __init__(self, path: str | os.PathLike[str], here: Callable[[str], str] = str) -> None:
        self._here = here
        self.path = self.here(os.fspath(path))
        self._headers: Mapping[str, _Row] = {}
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
        beside = _projectors(entries)
        return [_info(entry, _projector(entry, beside)) for entry in entries if entry.listed]

    def find(self, name: str) -> ModelFile:
        """Resolve a name as people type it; see :data:`LEVELS` for what is tried, in this order.

        Raises:
            ModelNotFoundError: there is none; the message names what comes close, or what there is.
            ConfigurationError: several models fit, or the one that fits is damaged, or the folder is not there.
        """
        typed = name.strip().removeprefix("./")
        if "\0" in name or _is_absolute(typed) or ".." in re.split(r"[/\\]", typed):
            raise self._not_found(
                f"{_shown(name)} is no name of a model: models are named inside models_dir, which is {self.path!r}"
            )
        entries = self._scan()
        models = [entry for entry in entries if entry.listed]
        chosen = self._only(typed, _matches(typed, models))
        if chosen is None:
            raise self._not_found(self._what_there_is(typed, models, entries))
        if chosen.problem is not None or chosen.header is None:
            raise ConfigurationError(f"the model {chosen.id!r} cannot be used: {chosen.problem} ({chosen.paths[0]})")
        projector = _projector(chosen, _projectors(entries))
        return ModelFile(
            id=chosen.id,
            path=chosen.paths[0],
            header=chosen.header,
            mmproj=projector.paths[0] if projector else None,
            parts=chosen.paths,
            size=chosen.size,
        )

    def _only(self, typed: str, matches: list[_Entry]) -> _Entry | None:
        if len(matches) <= 1:
            return matches[0] if matches else None
        usable = [entry for entry in matches if entry.problem is None] or matches
        files = {os.path.realpath(entry.paths[0]) for entry in usable}  # links to one file are one model
        if len(files) == 1:
            return usable[0]
        raise ConfigurationError(
            f"{_shown(typed)} fits {len(usable)} models in {self.path!r}; name one of: {_listed(e.id for e in usable)}"
        )

    def _what_there_is(self, typed: str, models: list[_Entry], entries: list[_Entry]) -> str:
        start = f"there is no model {_shown(typed)} in models_dir {self.path!r}"
        if self._unreadable:
            start += f" (where {_listed(self._unreadable)} could not be read)"
        other = _matches(typed, [entry for entry in entries if not entry.listed])
        if other:
            return f"{start}: {other[0].file!r} is of the kind {other[0].kind!r}; name a model that goes with it"
        if not models:
            found = f"no GGUF model but {len(entries)} other GGUF files" if entries else "no GGUF file"
            return f"{start}: it holds {found}; put a model there, or set models_dir to the folder that has them"
        spellings = {_squeeze(s[:200]): entry.id for entry in models for s in (entry.id, entry.stem, entry.name)}
        close = difflib.get_close_matches(_squeeze(typed[:200]), spellings, n=3, cutoff=0.6)
        if close:
            return f"{start}; did you mean {_listed(dict.fromkeys(spellings[spelling] for spelling in close))}?"
        return f"{start}; there are: {_listed(entry.id for entry in models)}"

    def _not_found(self, message: str) -> ModelNotFoundError:
        return ModelNotFoundError(message, provider=PROVIDER)

    def _scan(self) -> list[_Entry]:
        """Look at every file below the folder, and read the headers that are not known yet."""
        known = self._headers
        seen: dict[str, _Row] = {}
        groups: dict[tuple[str, int, str], list[_Part]] = {}
        for path in self._files():
            part = _Part.at(path, self.path, known, seen)
            groups.setdefault(part.group, []).append(part)
        self._headers = seen  # one assignment: another thread sees the old ones or the new ones
        entries = [_entry(parts) for parts in groups.values()]
        return sorted(_with_unique_ids(entries), key=lambda entry: (_fold(entry.id), entry.id))

    def _files(self) -> Iterator[str]:
        try:
            os.scandir(self.path).close()
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"models_dir {self.path!r} cannot be read ({getattr(error, 'strerror', None) or error}); "
                "make it a folder with GGUF files, or set models_dir to the one that has them"
            ) from error
        unreadable: list[str] = []
        for folder, _, names in os.walk(self.path, onerror=lambda error: unreadable.append(str(error.filename))):
            # "._" files are what macOS leaves on other file systems; they carry the name and not the model
            for name in names:
                if name.lower().endswith(".gguf") and len(name) > len(".gguf") and not name.startswith("._"):
                    yield os.path.join(folder, name)
        self._unreadable = tuple(unreadable)


@attrs.frozen(kw_only=True)
class _Part:
    """One file: a whole model, or a part of a split one (``number`` of ``count``, from 1; ``count`` is 0 otherwise)."""

    path: str
    file: str
    stem: str
    number: int
    count: int
    size: int
    header: GgufHeader | None
    problem: str | None

    @property
    def group(self) -> tuple[str, int, str]:
        """What the parts of one model have in common."""
        return self.stem, self.count, "" if self.count else self.file

    @classmethod
    def at(cls, path: str, root: str, known: Mapping[str, _Row], seen: dict[str, _Row]) -> _Part:
        """Take the header from ``known`` where the file has not changed, and note it in ``seen``."""
        try:
            status = os.stat(path)
            stamp = status.st_size, status.st_mtime_ns, status.st_ctime_ns
        except OSError:
            stamp = 0, 0, 0  # a link that leads nowhere; reading it gives the reason
        row = known.get(path)
        if row is None or row[0] != stamp:
            row = stamp, _read(path)
        seen[path] = row
        header, problem = (None, row[1]) if isinstance(row[1], str) else (row[1], row[1].problem)
        # a name that is no UTF-8 is shown as far as it can be printed
        file = os.fsencode(os.path.relpath(path, root)).decode("utf-8", "replace").replace(os.sep, "/")
        stem, number, count = file[: -len(".gguf")], 1, 0
        if split := SPLIT.fullmatch(stem):
            stem, number, count = split["stem"], int(split["part"]), int(split["parts"])
        elif problem is None and header is not None and header.split_count > 1:
            problem = _renamed(header)
        return cls(
            path=path,
            file=file,
            stem=stem,
            number=number,
            count=count,
            size=stamp[0],
            header=header,
            problem=problem,
        )


def _read(path: str) -> GgufHeader | str:
    try:
        return read_header(path)
    except GgufError as error:
        return str(error)


def _renamed(header: GgufHeader) -> str:
    return (
        f"it is part {header.split_number + 1} of {header.split_count} of a split model and is not named so; llama.cpp "
        f"finds the parts by their names: NAME-{header.split_number + 1:05}-of-{header.split_count:05}.gguf"
    )


def _entry(parts: list[_Part]) -> _Entry:
    """Make one entry of a file, or of the parts of a split model."""
    parts = sorted(parts, key=lambda part: part.number)
    first = parts[0]
    return _Entry(
        id=first.stem,
        file=first.file,
        paths=tuple(part.path for part in parts),
        size=sum(part.size for part in parts),
        header=first.header,
        weights=sum(part.header.parameter_count for part in parts if part.header),
        problem=_split_problem(parts) if first.count else first.problem,
    )


def _split_problem(parts: list[_Part]) -> str | None:
    """Why the parts of a split model are not one model, or ``None`` when they are."""
    for part in parts:
        if part.problem is not None:
            return f"part {part.number} of {part.count}: {part.problem}"
    first, numbers = parts[0], {part.number for part in parts}
    missing = (number for number in range(1, first.count + 1) if number not in numbers)
    absent = next(missing, None)
    if absent is not None or len(parts) != first.count:
        lack = f"{len(parts)} of {first.count} parts are there" + (f", part {absent} is not" if absent else "")
        return f"{lack}; download the missing parts into the same folder"
    headers = [part.header for part in parts if part.header]
    total = headers[0].split_tensor_count
    if headers[0].split_count != first.count or total not in (None, sum(header.tensor_count for header in headers)):
        return "its parts do not belong together; download them again"
    return None


def _with_unique_ids(entries: Iterable[_Entry]) -> Iterator[_Entry]:
    """Give entries that would share an id (``a.gguf`` beside ``a.GGUF`` or a split ``a``) their file's name as id."""
    by_id: dict[str, list[_Entry]] = {}
    for entry in entries:
        by_id.setdefault(entry.id, []).append(entry)
    for twins in by_id.values():
        yield from twins if len(twins) == 1 else (attrs.evolve(entry, id=entry.file) for entry in twins)


def _info(entry: _Entry, projector: _Entry | None) -> ModelInfo:
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


def _modalities(projector: _Entry | None) -> tuple[str, ...]:
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


@attrs.frozen
class _Projectors:
    """The usable mmproj files of one folder, and whether it holds a single model (in whatever quantizations)."""

    entries: list[_Entry]
    alone: bool


def _projectors(entries: Iterable[_Entry]) -> dict[str, _Projectors]:
    """Find the mmproj files, by folder."""
    bases: dict[str, set[str]] = {}
    usable: dict[str, list[_Entry]] = {}
    for entry in entries:
        if entry.kind == "model":
            bases.setdefault(entry.folder, set()).add(entry.base)
        elif entry.kind == "mmproj" and entry.problem is None:
            usable.setdefault(entry.folder, []).append(entry)
    return {folder: _Projectors(found, len(bases.get(folder, ())) == 1) for folder, found in usable.items()}


def _projector(entry: _Entry, by_folder: Mapping[str, _Projectors]) -> _Entry | None:
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


def _fit(model: _Entry, projector: _Entry, *, alone: bool) -> int | None:
    """How well a projector fits a model, 0 best: named like it, made from the same model, or the only choice there is.

    ``None`` when it does not: a wrong one would keep the engine from starting, so in a folder with several models a
    name must agree.
    """
    core = re.sub(r"[-._ ]*mmproj[-._ ]*", "-", projector.base).strip("-")
    if core == model.base:
        return 0
    if core not in GENERIC and re.match(rf"{re.escape(core)}[-._ ]", model.base):
        return 1
    if model.header and projector.header and projector.header.name and projector.header.name == model.header.name:
        return 2
    return 3 if alone and (core in GENERIC or model.base in GENERIC) else None


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold().replace("\\", "/")


def _squeeze(text: str) -> str:
    """Treat all separators alike: titles have spaces where file names have dashes."""
    return re.sub(r"[-\s_:.]+", "-", _fold(text))


def _exactly(text: str) -> str:
    return text


def _whole(entry: _Entry) -> tuple[str, ...]:
    return entry.id, f"{entry.id}.gguf", entry.file, entry.file[: -len(".gguf")]


def _last(entry: _Entry) -> tuple[str, ...]:
    return tuple(spelling.rpartition("/")[2] for spelling in _whole(entry))


def _titles(entry: _Entry) -> tuple[str, ...]:
    return (entry.name,)


def _bare(entry: _Entry) -> tuple[str, ...]:
    bare = QUANTIZATION.sub("", entry.id)
    return bare, bare.rpartition("/")[2], QUANTIZATION.sub("", entry.name)


def _all(entry: _Entry) -> tuple[str, ...]:
    return (*_whole(entry), *_last(entry), *_titles(entry))


# How a name is looked for, strictest first; the first level that finds anything decides.
LEVELS: tuple[tuple[Callable[[_Entry], tuple[str, ...]], Callable[[str], str]], ...] = (
    (_whole, _exactly),
    (_last, _exactly),
    (_whole, _fold),
    (_last, _fold),
    (_titles, _fold),
    (_bare, _fold),
    (_all, _squeeze),
    (_bare, _squeeze),
)


def _matches(typed: str, entries: Iterable[_Entry]) -> list[_Entry]:
    for spellings, alike in LEVELS:
        wanted = alike(typed)
        found = [entry for entry in entries if wanted in map(alike, spellings(entry))]
        if found:
            return found
    return []


def _is_absolute(name: str) -> bool:
    return name.startswith(("/", "\\", "~/")) or re.match(r"[A-Za-z]:[/\\]", name) is not None


def _shown(name: str) -> str:
    return repr(name if len(name) <= 120 else f"{name[:120]}…")


def _listed(ids: Iterable[str]) -> str:
    names = list(ids)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more
