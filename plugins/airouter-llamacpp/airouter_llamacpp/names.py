"""Which model a name means: names are typed as people do, without the folder, the ending, the quantization."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

SHOWN = 10  # names in an error message
QUANTIZATION = re.compile(
    r"[-._: ](?:UD-|i1-)?(?:(?:I?Q|TQ)\d(?:_[A-Z0-9]+)*|BF16|FP?(?:16|32)|MXFP4(?:_MOE)?|NVFP4)$", re.IGNORECASE
)


class Named(Protocol):
    """What has names: an id, a file, a title."""

    @property
    def id(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def name(self) -> str: ...


NamedT = TypeVar("NamedT", bound=Named)


def fold(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold().replace("\\", "/")


def squeeze(text: str) -> str:
    """Treat all separators alike: titles have spaces where file names have dashes."""
    return re.sub(r"[-\s_:.]+", "-", fold(text))


def _exactly(text: str) -> str:
    return text


def _whole(entry: Named) -> tuple[str, ...]:
    return entry.id, f"{entry.id}.gguf", entry.file, entry.file[: -len(".gguf")]


def _last(entry: Named) -> tuple[str, ...]:
    return tuple(spelling.rpartition("/")[2] for spelling in _whole(entry))


def _titles(entry: Named) -> tuple[str, ...]:
    return (entry.name,)


def _bare(entry: Named) -> tuple[str, ...]:
    bare = QUANTIZATION.sub("", entry.id)
    return bare, bare.rpartition("/")[2], QUANTIZATION.sub("", entry.name)


def _all(entry: Named) -> tuple[str, ...]:
    return (*_whole(entry), *_last(entry), *_titles(entry))


# How a name is looked for, strictest first; the first level that finds anything decides.
LEVELS: tuple[tuple[Callable[[Named], tuple[str, ...]], Callable[[str], str]], ...] = (
    (_whole, _exactly),
    (_last, _exactly),
    (_whole, fold),
    (_last, fold),
    (_titles, fold),
    (_bare, fold),
    (_all, squeeze),
    (_bare, squeeze),
)


def matches(typed: str, entries: Iterable[NamedT]) -> list[NamedT]:
    for spellings, alike in LEVELS:
        wanted = alike(typed)
        found = [entry for entry in entries if wanted in map(alike, spellings(entry))]
        if found:
            return found
    return []


def is_path(name: str) -> bool:
    return name.startswith(("/", "\\", "~/")) or re.match(r"[A-Za-z]:[/\\]", name) is not None


def shown(name: str) -> str:
    return repr(name if len(name) <= 120 else f"{name[:120]}…")


def listed(ids: Iterable[str]) -> str:
    names = list(ids)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more
