"""What several of these tests need: GGUF files made to measure, and the real engines where there are any."""

from __future__ import annotations

import importlib.util
import os
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_llamacpp.provider import LlamaCppProvider

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
LETTERS = "BbHhIif?..Qqd"
TENSORS = (("token_embd.weight", (8, 4), 1), ("output_norm.weight", (8,), 0))
BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 8: (32, 34), 12: (256, 144), 26: (1, 4)}


def string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def encoded(kind: int, value: Any) -> bytes:
    if kind == STRING:
        return string(value)
    if kind == ARRAY:
        item, values = value
        return struct.pack("<IQ", item, len(values)) + b"".join(encoded(item, one) for one in values)
    return struct.pack("<" + LETTERS[kind], value)


def entry(key: str, value: Any, kind: int | None = None) -> bytes:
    if kind is None:
        kind = STRING if isinstance(value, str) else BOOL if isinstance(value, bool) else U32
    return string(key) + struct.pack("<I", kind) + encoded(kind, value)


def make_gguf(
    metadata: Mapping[str, Any] | None = None,
    tensors: Sequence[tuple[str, tuple[int, ...], int]] = TENSORS,
    *,
    entries: Sequence[bytes] = (),
    version: int = 3,
    alignment: int = 32,
) -> bytes:
    """Write a whole file with data of zeros; ``metadata`` replaces or, with ``None``, removes what a model has."""
    described = {"general.architecture": "llama", "general.name": "Tiny", "llama.context_length": 4096}
    described |= {"llama.embedding_length": 8, "general.file_type": 1, **(metadata or {})}
    rows = [entry(key, value) for key, value in described.items() if value is not None] + list(entries)
    table, offset = b"", 0
    for name, shape, code in tensors:
        table += string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, code, offset)
        block, size = BLOCKS.get(code, (1, 1))
        weights = 1
        for dimension in shape:
            weights *= dimension
        end = offset + weights // block * size
        offset = -(-end // alignment) * alignment
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(rows)) + b"".join(rows) + table
    start = -(-len(head) // alignment) * alignment if tensors else len(head)
    return head.ljust(start, b"\0") + bytes(end if tensors else 0)


def with_entries(file: bytes, *entries: bytes) -> bytes:
    """A whole file with further metadata; it stays aligned, since what is added is filled up."""
    added = b"".join(entries)
    least = len(entry("test.filling", ""))
    added += entry("test.filling", "x" * (-(len(added) + least) % 32))
    tensors, count = struct.unpack_from("<QQ", file, 8)
    return file[:8] + struct.pack("<QQ", tensors, count + len(entries) + 1) + added + file[24:]


REPOSITORY = Path(__file__).resolve().parents[3]
TOY = "airouter-toy"
GREEDY = {"temperature": 0, "seed": 1, "max_tokens": 60}
ENDLESS = {"llama-cpp": {"ignore_eos": True}}
"""Makes the model talk until max_tokens, in the modes that speak HTTP."""

needs_engine = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="no engine: pip install 'airouter-llamacpp[embedded]'"
)


def programs_folder() -> Path | None:
    """Where llama.cpp's programs are: as the environment says, or as tools/engines made them."""
    places = [os.environ.get("AIROUTER_LLAMA_BIN"), REPOSITORY / ".cache/engines/llamacpp/bin"]
    places.append(Path.home() / ".cache/airouter/engines/llamacpp/bin")
    return next((Path(place) for place in places if place and (Path(place) / "llama-server").is_file()), None)


needs_programs = pytest.mark.skipif(
    programs_folder() is None,
    reason="no llama-server: tools/engines/llamacpp.sh .cache/engines/llamacpp, or set AIROUTER_LLAMA_BIN",
)


@pytest.fixture
def models() -> Path:
    """The folder with the toy model."""
    folder = REPOSITORY / "models"
    if not (folder / TOY / f"{TOY}.gguf").is_file():
        pytest.skip("no models/airouter-toy/airouter-toy.gguf: make it with tools/toy_model")
    return folder


@pytest.fixture
def programs() -> Path:
    """The folder with llama.cpp's programs."""
    folder = programs_folder()
    assert folder is not None, "mark the test with needs_programs"
    return folder


MakeProvider = Callable[..., LlamaCppProvider]


@pytest.fixture
def make(models: Path, tmp_path: Path) -> Iterator[MakeProvider]:
    """Make providers for a mode; they are closed at the end."""
    made: list[LlamaCppProvider] = []

    def provider(mode: str, **settings: Any) -> LlamaCppProvider:
        usual = {"mode": mode, "models_dir": models, "log_dir": tmp_path / "state", "timeout": 600}
        if mode in ("server", "cli"):
            usual["llama_cpp_path"] = programs_folder()
        config = {name: value for name, value in {**usual, **settings}.items() if value is not None}
        found = create_provider("llama-cpp", config)
        assert isinstance(found, LlamaCppProvider)
        made.append(found)
        return found

    yield provider
    for one in made:
        one.close()


LOCAL = [
    pytest.param("embedded", marks=[pytest.mark.engine, needs_engine]),
    pytest.param("server", marks=[pytest.mark.engine, needs_programs]),
    pytest.param("cli", marks=[pytest.mark.engine, needs_programs]),
]
OVER_HTTP = LOCAL[:2]


@pytest.fixture(params=LOCAL)
def local(request: pytest.FixtureRequest, make: MakeProvider) -> LlamaCppProvider:
    """A provider in each mode that runs models on this machine."""
    return make(request.param)


@pytest.fixture(params=OVER_HTTP)
def pooled(request: pytest.FixtureRequest, make: MakeProvider) -> LlamaCppProvider:
    """A provider in each mode that keeps models loaded."""
    return make(request.param)


def until(holds: Callable[[], bool], seconds: float = 120.0) -> bool:
    """Wait for something to become true; whether it did."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
