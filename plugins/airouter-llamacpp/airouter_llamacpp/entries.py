"""Models, projectors and adapters as they lie in a folder: one entry for each file, or for all parts of a split one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping

import attrs

from .gguf import GgufHeader, read_header
from .gguf_window import GgufError
from .names import QUANTIZATION, fold

SPLIT = re.compile(r"(?P<stem>.+)-(?P<part>\d{5})-of-(?P<parts>\d{5})", re.DOTALL)

# A file's times and size, and its header or why it has none. The second time notices that a file may now be read.
Row = tuple[tuple[int, int, int], GgufHeader | str]


@attrs.frozen(kw_only=True)
class Entry:
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
        return fold(QUANTIZATION.sub("", self.stem))

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


@attrs.frozen(kw_only=True)
class Part:
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
    def at(cls, path: str, root: str, known: Mapping[str, Row], seen: dict[str, Row]) -> Part:
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


def entry_of(parts: list[Part]) -> Entry:
    """Make one entry of a file, or of the parts of a split model."""
    parts = sorted(parts, key=lambda part: part.number)
    first = parts[0]
    return Entry(
        id=first.stem,
        file=first.file,
        paths=tuple(part.path for part in parts),
        size=sum(part.size for part in parts),
        header=first.header,
        weights=sum(part.header.parameter_count for part in parts if part.header),
        problem=_split_problem(parts) if first.count else first.problem,
    )


def _split_problem(parts: list[Part]) -> str | None:
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


def with_unique_ids(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Give entries that would share an id (``a.gguf`` beside ``a.GGUF`` or a split ``a``) their file's name as id."""
    by_id: dict[str, list[Entry]] = {}
    for entry in entries:
        by_id.setdefault(entry.id, []).append(entry)
    for twins in by_id.values():
        yield from twins if len(twins) == 1 else (attrs.evolve(entry, id=entry.file) for entry in twins)
