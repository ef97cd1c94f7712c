"""What a GGUF file says about itself, read from its header alone.

The file is walked through a small window. Long arrays (a vocabulary has 150,000 strings) are stepped over and only
their length is kept; the tensors are never read, only where they lie. What llama.cpp refuses is refused here too, with
the reason, so that a damaged download is noticed in a listing and not by a crash of the engine.

Layout: ``GGUF``, version, number of tensors, number of metadata entries; the entries (key, type, value); a row for each
tensor (name, shape, type, offset); padding to the alignment; the data. Numbers are little endian. Source: the
specification in ``ggml-org/ggml:docs/gguf.md``, and ``ggml-org/llama.cpp:ggml/src/gguf.cpp`` for what is refused.
"""

from __future__ import annotations

import collections
import math
import os
import stat
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import BinaryIO, NamedTuple, cast

import attrs

from .gguf_types import DRAFTERS, EMBEDDING_ARCHITECTURES, EXACT_TYPES, FILE_TYPES, RANKING, TENSOR_TYPES
from .gguf_window import STRING_LIMIT, GgufError, Skipped, Window, damaged, padded

# Bounds for hostile files, as in the window; far above any real one.
ENTRY_LIMIT = 65_536  # metadata entries; real files have fewer than 100
TENSOR_LIMIT = 131_072  # real files have fewer than 10,000
KEY_LIMIT = 65_535  # bytes; the specification's own
KEPT_ITEMS = 64  # items of an array that is kept

SCALARS = {code: struct.Struct("<" + letter) for code, letter in enumerate("BbHhIif?..Qqd") if letter != "."}
STRING, ARRAY = 8, 9
TENSOR_ROWS = tuple(struct.Struct(f"<{dimensions}QIQ") for dimensions in range(5))

Scalar = bool | int | float | str
Value = Scalar | tuple[Scalar, ...] | Skipped


class Tensor(NamedTuple):
    """One row of the tensor table. A tuple, because a file has hundreds and a folder thousands.

    ``size`` is in bytes, ``None`` where the type is too new for :data:`TENSOR_TYPES`; ``offset`` is from the start of
    the data; ``shape`` has the shortest stride first.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    size: int | None


@attrs.frozen(kw_only=True)
class GgufHeader:
    """A header that could be read. The file may still be unusable: see :attr:`problem`.

    Attributes:
        version: 2 or 3.
        metadata: every key of the file; long arrays and strings are :class:`Skipped`.
        parameter_count: weights in this file (of a split model: in this part).
        alignment: bytes.
        expected_size: bytes that the file must have; at least those, where a tensor's type is unknown.
        file_size: bytes that it has.
    """

    version: int
    metadata: Mapping[str, Value] = attrs.field(repr=False)
    tensors: tuple[Tensor, ...] = attrs.field(repr=False)
    parameter_count: int
    alignment: int
    expected_size: int
    file_size: int

    @property
    def tensor_count(self) -> int:
        return len(self.tensors)

    @property
    def architecture(self) -> str | None:
        """Such as ``"llama"``."""
        return self.text("general.architecture")

    @property
    def name(self) -> str | None:
        return self.text("general.name")

    @property
    def size_label(self) -> str | None:
        """Such as ``"8x7B"``, as whoever made the file put it."""
        return self.text("general.size_label")

    @property
    def context_length(self) -> int | None:
        """Tokens that the model was trained on."""
        return self.number(f"{self.architecture}.context_length") or None

    @property
    def embedding_length(self) -> int | None:
        return self.number(f"{self.architecture}.embedding_length")

    @property
    def chat_template(self) -> str | None:
        """The Jinja text; llama.cpp falls back to ChatML where there is none."""
        template = self.metadata.get("tokenizer.chat_template")
        return template if isinstance(template, str) and template else None

    @property
    def quantization(self) -> str | None:
        """Such as ``"Q4_K_M"``: as declared, else the type that holds most of the weights."""
        file_type = self.number("general.file_type")
        if file_type is not None and file_type % 1024 in FILE_TYPES:
            return FILE_TYPES[file_type % 1024]
        weights: collections.Counter[str] = collections.Counter()
        for tensor in self.tensors:
            weights[tensor.type] += math.prod(tensor.shape)
        return weights.most_common(1)[0][0] if weights else None

    @property
    def split_number(self) -> int:
        """Which part of a split model this is, from 0."""
        return self.number("split.no") or 0

    @property
    def split_count(self) -> int:
        """How many files the model consists of."""
        return self.number("split.count") or 1

    @property
    def split_tensor_count(self) -> int | None:
        """Tensors in all parts together."""
        return self.number("split.tensors.count")

    @property
    def kind(self) -> str:
        """``"model"``, ``"mmproj"`` (what turns images into tokens), ``"draft"`` (what only drafts for another model),
        ``"adapter"`` (LoRA), or another declared type.
        """
        declared = self.text("general.type")
        if self.architecture == "clip" or declared == "mmproj":
            return "mmproj"
        if self.architecture in DRAFTERS:
            return "draft"
        return "adapter" if "adapter.type" in self.metadata else declared or "model"

    @property
    def pooling_type(self) -> int | None:
        return self.number(f"{self.architecture}.pooling_type")

    @property
    def is_ranking_model(self) -> bool:
        """Whether it scores texts against a query."""
        return self.pooling_type == RANKING

    @property
    def is_embedding_model(self) -> bool:
        """Whether it makes vectors, by what it pools or by its architecture."""
        return not self.is_ranking_model and (bool(self.pooling_type) or self.architecture in EMBEDDING_ARCHITECTURES)

    @property
    def cache_row(self) -> int:
        """Numbers that the engine keeps for each token of the context, keys and values together; 0 where unknown.

        At most, for models that look back over a window in some layers.
        """
        layers, heads = self.number(f"{self.architecture}.block_count") or 0, self._all("attention.head_count") or 1
        width = (self.embedding_length or 0) // heads
        kept = self.metadata.get(f"{self.architecture}.attention.head_count_kv")
        rows = (
            sum(map(int, kept)) if isinstance(kept, tuple) else layers * (self._all("attention.head_count_kv") or heads)
        )
        return rows * ((self._all("attention.key_length") or width) + (self._all("attention.value_length") or width))

    def _all(self, key: str) -> int | None:
        """A number that holds for all layers."""
        return self.number(f"{self.architecture}.{key}")

    @property
    def missing_bytes(self) -> int:
        """How much of the file is not there; 0 when it is whole."""
        return max(0, self.expected_size - self.file_size)

    @property
    def problem(self) -> str | None:
        """Why llama.cpp cannot use the file, with what to do about it; ``None`` when nothing is known against it."""
        if self.missing_bytes:
            return (
                f"it is truncated: {self.missing_bytes:,} of {self.expected_size:,} bytes are missing; "
                "finish the download, or download it again"
            )
        if self.kind != "model":
            return None
        if self.split_number == 0 and self.architecture is None:  # only the first part describes the model
            return "it does not name its architecture (general.architecture); convert the model again"
        if not self.tensors and self.split_count == 1:
            return "it holds no weights, only a vocabulary; download the model itself"
        rounded = [t for t in self.tensors if len(t.shape) == 1 and t.type not in EXACT_TYPES]
        if rounded:
            return (
                f"{rounded[0].name[:80]!r} has one dimension and is {rounded[0].type} ({len(rounded)} such tensors): "
                "llama.cpp aborts unless these are F32; convert the model again with llama.cpp's own script"
            )
        return None

    def check(self) -> None:
        """Raise :attr:`problem`, if there is one.

        Raises:
            GgufError: the file cannot be used.
        """
        if self.problem is not None:
            raise GgufError(self.problem)

    def text(self, key: str) -> str | None:
        """A metadata value if it is a string with something in it, on one line and without control characters."""
        value = self.metadata.get(key)
        if not isinstance(value, str):
            return None
        return " ".join("".join(letter if letter.isprintable() else " " for letter in value[:500]).split()) or None

    def number(self, key: str) -> int | None:
        """A metadata value if it is a whole number."""
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_header(path: str | os.PathLike[str]) -> GgufHeader:
    """Read the header of a file, whatever the size of the file.

    Raises:
        GgufError: it cannot be read, or is no GGUF file that llama.cpp can read. A file that merely lacks its end, or
            holds what the engine cannot run, has a header: see :attr:`GgufHeader.problem`.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for its writer
            raise GgufError("it is no regular file")
        with open(path, "rb") as file:
            return parse_header(file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise GgufError(f"it cannot be read: {error.strerror or error}") from error


def parse_header(file: BinaryIO, size: int) -> GgufHeader:
    """Read a header from an open file of ``size`` bytes.

    Raises:
        GgufError: as :func:`read_header`.
    """
    window = Window(file, size)
    version = _version(window, size)
    tensor_count, entry_count = window.number(), window.number()
    if tensor_count > TENSOR_LIMIT or entry_count > ENTRY_LIMIT:
        raise damaged(f"it claims {tensor_count:,} tensors and {entry_count:,} metadata entries")
    metadata: dict[str, Value] = {}
    for _ in range(entry_count):
        key = window.string(KEY_LIMIT)
        if key in metadata:
            raise damaged(f"the key {key[:80]!r} occurs twice")
        metadata[key] = _value(window, key)
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or alignment <= 0 or alignment & (alignment - 1):
        raise damaged(f"its alignment is {str(alignment)[:80]}, and must be a power of two")
    tensors = _tensors(window, tensor_count, alignment)
    data_start = padded(window.position, alignment)
    return GgufHeader(
        version=version,
        metadata=MappingProxyType(metadata),
        tensors=tensors,
        parameter_count=sum(math.prod(tensor.shape) for tensor in tensors),
        alignment=alignment,
        expected_size=max((data_start + t.offset + (t.size or 0) for t in tensors), default=window.position),
        file_size=size,
    )


def _version(window: Window, size: int) -> int:
    if size == 0:
        raise GgufError("it is empty; download it again")
    magic = window.take(min(4, size))
    if magic != b"GGUF":
        raise GgufError(f"it is no GGUF file: it starts with {magic!r}; download it again, or convert it to GGUF")
    version = window.scalar(SCALARS[4])
    if version & 0xFFFF == 0:
        raise GgufError("it is a big-endian GGUF file, which is not supported; convert it on this machine")
    if version not in (2, 3):
        raise GgufError(f"its GGUF version is {version}, and only 2 and 3 are supported; convert the model again")
    return int(version)


def _value(window: Window, key: str) -> Value:
    kind = window.scalar(SCALARS[4])
    if kind in SCALARS:
        return cast("Scalar", window.scalar(SCALARS[kind]))
    if kind == STRING:
        return window.string_or_skip()
    if kind == ARRAY:
        item, length = window.scalar(SCALARS[4]), window.number()
        if item in SCALARS and length <= KEPT_ITEMS:
            return tuple(window.scalar(SCALARS[item]) for _ in range(length))
        if item in SCALARS:
            window.skip(length * SCALARS[item].size)
            return Skipped(length)
        if item == STRING and length <= KEPT_ITEMS:
            return tuple(window.string(STRING_LIMIT) for _ in range(length))
        if item == STRING:
            window.skip_strings(length)
            return Skipped(length)
        kind = item  # arrays of arrays among them: llama.cpp reads none, so there is nothing to nest
    raise damaged(f"the value of {key[:80]!r} has the unusable type {kind}")


def _tensors(window: Window, count: int, alignment: int) -> tuple[Tensor, ...]:
    """Read the tensor table, and hold it to what llama.cpp demands: data in the order of the rows, without gaps."""
    tensors: list[Tensor] = []
    position: int | None = 0  # None after a tensor of unknown size
    for _ in range(count):
        name = window.string(KEY_LIMIT)
        dimensions = window.scalar(SCALARS[4])
        if dimensions >= len(TENSOR_ROWS):
            raise damaged(f"the tensor {name[:80]!r} has {dimensions:,} dimensions")
        *shape, code, offset = window.row(TENSOR_ROWS[dimensions])
        type_name, block, block_size = TENSOR_TYPES.get(code, (f"type {code}", 0, 0))
        weights = math.prod(shape)
        if weights >= 1 << 63 or offset % alignment or (block and shape and shape[0] % block):
            raise damaged(f"the tensor {name[:80]!r} has the impossible shape {shape} or offset {offset:,}")
        size = weights // block * block_size if block else None
        if position is not None and offset != position:
            raise damaged(f"the tensor {name[:80]!r} lies at {offset:,} instead of {position:,}")
        position = None if size is None else padded(offset + size, alignment)
        tensors.append(Tensor(name, tuple(shape), type_name, offset, size))
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise damaged("two tensors have one name")
    return tuple(tensors)
