"""The header reader: what it finds, what it refuses, and that no bytes make it stumble."""

from __future__ import annotations

import io
import os
import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_llamacpp import gguf, gguf_window
from airouter_llamacpp.gguf import GgufHeader, parse_header, read_header
from airouter_llamacpp.gguf_window import GgufError, Skipped

from .conftest import (
    ARRAY,
    BOOL,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    STRING,
    U8,
    U16,
    U32,
    U64,
    entry,
    make_gguf,
    string,
)


def parsed(data: bytes, size: int | None = None) -> GgufHeader:
    return parse_header(io.BytesIO(data), len(data) if size is None else size)


def test_a_model_is_described() -> None:
    """The header says what the model is, how large it is, and that nothing is wrong with it."""
    data = make_gguf({"general.size_label": "40", "tokenizer.chat_template": "{{ messages }}"})
    header = parsed(data)
    assert (header.version, header.architecture, header.name, header.size_label) == (3, "llama", "Tiny", "40")
    assert (header.context_length, header.embedding_length, header.quantization) == (4096, 8, "F16")
    assert (header.tensor_count, header.parameter_count) == (2, 40)
    assert header.chat_template == "{{ messages }}"
    assert header.kind == "model"
    assert header.expected_size == header.file_size == len(data)
    assert (header.problem, header.missing_bytes) == (None, 0)
    assert header.tensors[1] == ("output_norm.weight", (8,), "F32", 64, 32)
    header.check()


def test_all_types_of_values_are_read() -> None:
    """Each type of the format becomes the Python value that it stands for."""
    values: dict[int, Any] = {
        U8: 255,
        I8: -1,
        U16: 65535,
        I16: -2,
        U32: 7,
        I32: -3,
        F32: 0.5,
        BOOL: True,
        U64: 1 << 63,
        I64: -4,
    }
    values |= {F64: 0.25, STRING: "é\n", ARRAY: (STRING, ["a", "b"])}
    header = parsed(make_gguf(entries=[entry(f"x.{kind}", value, kind) for kind, value in values.items()]))
    expected = {**values, ARRAY: ("a", "b")}
    assert {kind: header.metadata[f"x.{kind}"] for kind in values} == expected


def test_version_2_is_read() -> None:
    """Version 2 has the layout of version 3."""
    assert parsed(make_gguf(version=2)).version == 2


@pytest.mark.parametrize("item", [U8, I32, F64, BOOL, STRING])
@pytest.mark.parametrize("length", [0, 1, 64, 65, 200_000])
def test_long_arrays_are_stepped_over(item: int, length: int) -> None:
    """A short array is kept, of a long one the length is; what follows is read either way."""
    data = make_gguf(entries=[entry("list", (item, ["a" if item == STRING else 1] * length), ARRAY), entry("last", 5)])
    header = parsed(data)
    kept = header.metadata["list"]
    assert kept == Skipped(length) if length > 64 else isinstance(kept, tuple)
    assert length > 64 or (isinstance(kept, tuple) and len(kept) == length)
    assert header.number("last") == 5
    assert header.problem is None


@pytest.mark.parametrize("window", [8, 9, 31, 64])
def test_strings_may_lie_across_the_window(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the window ends makes no difference to what is read."""
    data = make_gguf(entries=[entry("list", (STRING, ["word" * (n % 30) for n in range(300)]), ARRAY)])
    whole = parsed(data)
    monkeypatch.setattr(gguf_window, "FIRST_READ", window)
    monkeypatch.setattr(gguf_window, "NEXT_READ", window)
    assert parsed(data) == whole


def test_a_string_of_megabytes_is_stepped_over() -> None:
    """A tokenizer that is embedded as one long string is not held."""
    header = parsed(make_gguf(entries=[entry("tokenizer.huggingface.json", "x" * (2 << 20)), entry("last", 5)]))
    assert header.metadata["tokenizer.huggingface.json"] == Skipped(2 << 20)
    assert header.number("last") == 5


def test_the_quantization_is_declared_or_counted() -> None:
    """Without a known declaration the type with most weights counts; a guessed declaration is one."""
    tensors = (("a", (256, 4), 12), ("b", (8,), 0), ("c", (8,), 0))
    assert parsed(make_gguf({"general.file_type": 15}, tensors)).quantization == "Q4_K_M"
    assert parsed(make_gguf({"general.file_type": 1024 + 7}, tensors)).quantization == "Q8_0"
    assert parsed(make_gguf({"general.file_type": None}, tensors)).quantization == "Q4_K"
    assert parsed(make_gguf({"general.file_type": 999}, tensors)).quantization == "Q4_K"
    assert parsed(make_gguf({"general.file_type": None}, ())).quantization is None


def test_the_kind_is_told_apart() -> None:
    """Projectors and adapters are no models."""
    assert parsed(make_gguf({"general.type": "mmproj"})).kind == "mmproj"
    assert parsed(make_gguf({"general.architecture": "clip"})).kind == "mmproj"
    assert parsed(make_gguf({"adapter.type": "lora"})).kind == "adapter"
    assert parsed(make_gguf({"general.type": "adapter"})).kind == "adapter"
    assert parsed(make_gguf({"general.type": "imatrix"})).kind == "imatrix"
    assert parsed(make_gguf({"general.type": "imatrix", "general.architecture": None})).problem is None


def test_embedding_and_ranking_models_are_told_apart() -> None:
    """What pools its tokens makes vectors, unless it pools them into a score."""
    assert parsed(make_gguf({"general.architecture": "bert"})).is_embedding_model
    assert parsed(make_gguf({"llama.pooling_type": 3})).is_embedding_model
    assert not parsed(make_gguf({"llama.pooling_type": 0})).is_embedding_model
    assert not parsed(make_gguf()).is_embedding_model
    ranking = parsed(make_gguf({"general.architecture": "bert", "bert.pooling_type": 4}))
    assert ranking.is_ranking_model
    assert not ranking.is_embedding_model


def test_split_information_is_read() -> None:
    """A part says which one it is; a part after the first describes no model, and nothing is wrong with that."""
    split = {"split.no": 1, "split.count": 3, "split.tensors.count": 9, "general.architecture": None}
    header = parsed(make_gguf(split))
    assert (header.split_number, header.split_count, header.split_tensor_count) == (1, 3, 9)
    assert header.problem is None
    assert (parsed(make_gguf()).split_number, parsed(make_gguf()).split_count) == (0, 1)


def test_names_are_fit_for_a_terminal() -> None:
    """Control characters in a name are not passed on."""
    assert parsed(make_gguf({"general.name": "Ti\x1b[31mny\n model "})).name == "Ti [31mny model"
    assert parsed(make_gguf({"general.name": " "})).name is None


def test_the_alignment_is_followed() -> None:
    """Where the data starts, and so how long the file is, depends on the file's own alignment."""
    data = make_gguf({"general.alignment": 256}, alignment=256)
    assert (parsed(data).alignment, parsed(data).expected_size) == (256, len(data))


@pytest.mark.parametrize("missing", [1, 31, 40])
def test_a_truncated_file_has_a_header(missing: int) -> None:
    """A file that lacks its end is described, and says how much is missing."""
    data = make_gguf()
    header = parsed(data[:-missing])
    assert (header.missing_bytes, header.name) == (missing, "Tiny")
    with pytest.raises(GgufError, match=f"{missing} of {len(data)} bytes are missing.*download"):
        header.check()


def test_every_shorter_file_is_refused_or_has_a_problem() -> None:
    """Wherever a download stopped, it is noticed."""
    data = make_gguf(entries=[entry("list", (STRING, ["abc"] * 70), ARRAY)])
    for length in range(len(data)):
        try:
            assert parsed(data[:length]).problem is not None
        except GgufError:
            continue


def test_more_bytes_than_expected_do_no_harm() -> None:
    """Padding after the last tensor is allowed."""
    assert parsed(make_gguf() + bytes(100)).problem is None


def test_one_dimension_must_be_f32() -> None:
    """A norm in half precision would abort the engine; whole numbers and projectors are not affected."""
    rounded = (("token_embd.weight", (8, 4), 1), ("output_norm.weight", (8,), 1))
    with pytest.raises(GgufError, match=r"output_norm.weight.*F16.*aborts"):
        parsed(make_gguf(tensors=rounded)).check()
    assert parsed(make_gguf({"general.type": "mmproj"}, rounded)).problem is None
    assert "aborts" in (parsed(make_gguf({"split.no": 1, "split.count": 2}, rounded)).problem or "")
    assert parsed(make_gguf(tensors=(("a", (8, 4), 1), ("b", (8,), 26)))).problem is None


def test_what_cannot_be_a_model_is_said() -> None:
    """No weights, or no architecture: described, with the problem."""
    assert "only a vocabulary" in (parsed(make_gguf(tensors=())).problem or "")
    assert "architecture" in (parsed(make_gguf({"general.architecture": None})).problem or "")


def test_a_type_of_the_future_is_no_damage() -> None:
    """A tensor type that is not known yet leaves the size open and the file usable."""
    header = parsed(make_gguf({"general.file_type": None}, (("a", (8, 8), 200),)))
    assert (header.tensors[0].type, header.tensors[0].size, header.problem) == ("type 200", None, None)


HEAD = b"GGUF" + struct.pack("<I", 3)
ONE_ENTRY = HEAD + struct.pack("<QQ", 0, 1)
DAMAGED = {
    b"": "empty",
    b"GG": "no GGUF file",
    b"<!DOCTYPE html>": "no GGUF file: it starts with b'<!DO'",
    b"GGUF": "ends inside its header",
    b"GGUF" + struct.pack("<I", 1): "version is 1",
    b"GGUF" + struct.pack("<I", 4): "version is 4",
    b"GGUF" + struct.pack(">I", 3): "big-endian",
    HEAD + struct.pack("<QQ", 1 << 40, 0): "claims 1,099,511,627,776 tensors",
    HEAD + struct.pack("<QQ", 0, 1 << 63): "metadata entries",
    ONE_ENTRY + struct.pack("<Q", 1 << 60): "string of 1,152,921,504,606,846,976 bytes",
    ONE_ENTRY + struct.pack("<Q", 60_000): "ends inside its header",
    ONE_ENTRY + string("a") + struct.pack("<I", 13): "'a' has the unusable type 13",
    ONE_ENTRY + string("a") + struct.pack("<IIQ", ARRAY, ARRAY, 1): "'a' has the unusable type 9",
    ONE_ENTRY + string("a") + struct.pack("<IIQ", ARRAY, STRING, (1 << 64) - 1): "ends inside its header",
    ONE_ENTRY + string("a") + struct.pack("<IIQ", ARRAY, U64, (1 << 64) - 1): "ends inside its header",
    ONE_ENTRY + string("a") + struct.pack("<IQ", STRING, (1 << 64) - 1): "ends inside its header",
    ONE_ENTRY + string("a") + struct.pack("<IIQ", ARRAY, STRING, 70) + bytes(7) + b"\xff" * 600: "ends inside",
    make_gguf({"general.alignment": 0}): "alignment is 0",
    make_gguf({"general.alignment": 24}): "alignment is 24",
    make_gguf({"general.alignment": "x"}): "alignment is x",
    make_gguf({"general.alignment": True}): "alignment is True",
    make_gguf(entries=[entry("a", 1), entry("a", 2)]): "'a' occurs twice",
    make_gguf(tensors=(("a", (1, 1, 1, 1, 1), 0),)): "'a' has 5 dimensions",
    make_gguf(tensors=(("a", (33,), 2),)): "impossible shape",
    make_gguf(tensors=(("a", (8,), 0), ("a", (8,), 0))): "one name",
    make_gguf(tensors=(("a", (8, 1), 0), ("b", (8,), 0)), alignment=64): "lies at 64 instead of 32",
}


@pytest.mark.parametrize(("data", "message"), DAMAGED.items(), ids=[m[:30] for m in DAMAGED.values()])
def test_damage_is_named(data: bytes, message: str) -> None:
    """The message says what is wrong with the file."""
    with pytest.raises(GgufError) as caught:
        parsed(data)
    assert message in str(caught.value)


def test_an_absurd_shape_is_damage() -> None:
    """More weights than can be counted in 63 bits are refused."""
    row = string("a") + struct.pack("<I4QIQ", 4, *[(1 << 64) - 1] * 4, 0, 0)
    with pytest.raises(GgufError, match="impossible shape"):
        parsed(HEAD + struct.pack("<QQ", 1, 0) + row)


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data: bytes) -> None:
    """Bytes that are no GGUF raise GgufError and nothing else, with the right start too."""
    for start in (b"", b"GGUF", HEAD, HEAD + struct.pack("<QQ", 1, 1), ONE_ENTRY + string("a")):
        use(start + data)


SAMPLE = make_gguf(
    {"tokenizer.chat_template": "x"},
    entries=[entry("list", (STRING, ["abc"] * 66), ARRAY), entry("n", (I32, [1, 2]), ARRAY), entry("f", 0.5, F64)],
)
HOSTILE = st.sampled_from([b"\0", b"\xff", b"\xff" * 8, b"\0" * 8, b"\x09\0\0\0", struct.pack("<Q", 1 << 40)])


@given(st.lists(st.tuples(st.integers(0, len(SAMPLE)), HOSTILE | st.binary(min_size=1, max_size=8)), max_size=4))
def test_mutated_files_are_read_or_refused(changes: list[tuple[int, bytes]]) -> None:
    """A file with any of its bytes changed has a header or raises GgufError, and nothing else."""
    data = bytearray(SAMPLE)
    for at, replacement in changes:
        data[at : at + len(replacement)] = replacement
    use(bytes(data))


def use(data: bytes) -> None:
    """Read, and ask everything that a header can say."""
    for size in (len(data), 1 << 50):
        try:
            header = parsed(data, size)
        except GgufError:
            continue
        for name in dir(header):
            if not name.startswith("_") and name != "check":
                getattr(header, name)


def sparse(path: Path, head: bytes, size: int = 1 << 40) -> Path:
    """Write a file that claims a terabyte."""
    path.write_bytes(head)
    try:
        os.truncate(path, size)
    except OSError:  # pragma: no cover - a file system without holes
        pytest.skip("this file system has no sparse files")
    return path


HOSTILE_HEADS = {
    "strings": ONE_ENTRY + string("a") + struct.pack("<IIQ", ARRAY, STRING, 1 << 36),
    "strings with gaps": ONE_ENTRY + string("a") + struct.pack("<IIQQ", ARRAY, STRING, 1 << 30, 1 << 35),
    "entries": HEAD + struct.pack("<QQ", 0, gguf.ENTRY_LIMIT) + entry("a" * 60_000, "b" * 900_000) * 20,
    "tensors": HEAD + struct.pack("<QQ", gguf.TENSOR_LIMIT, 0),
}


@pytest.mark.parametrize("head", HOSTILE_HEADS.values(), ids=HOSTILE_HEADS)
def test_hostile_counts_cost_little_time(head: bytes, tmp_path: Path) -> None:
    """A sparse file of a terabyte in which every count is possible is given up after a bounded effort."""
    start = time.thread_time()  # of this thread alone, whatever else the machine does
    with pytest.raises(GgufError):
        read_header(sparse(tmp_path / "hostile.gguf", head))
    assert time.thread_time() - start < 20  # 1.2 s measured; the rest is for a slow machine


@pytest.mark.parametrize("head", HOSTILE_HEADS.values(), ids=HOSTILE_HEADS)
def test_hostile_counts_cost_little_memory(head: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held is bounded by what may be read; here that is 4 MiB."""
    monkeypatch.setattr(gguf_window, "READ_LIMIT", 4 << 20)
    path = sparse(tmp_path / "hostile.gguf", head)
    tracemalloc.start()
    with pytest.raises(GgufError):
        read_header(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


def test_a_header_is_read_whatever_the_size_of_the_file(tmp_path: Path) -> None:
    """Only the header is read, from a path of either type."""
    path = sparse(tmp_path / "large.gguf", make_gguf())
    assert read_header(path).name == read_header(str(path)).name == "Tiny"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_cannot_be_opened_is_a_gguf_error(tmp_path: Path) -> None:
    """No file, a folder, a pipe: said, and never waited for."""
    os.mkfifo(tmp_path / "pipe.gguf")
    for path, message in (("absent", "No such file"), ("", "no regular file"), ("pipe.gguf", "no regular file")):
        with pytest.raises(GgufError, match=message):
            read_header(tmp_path / path)


def test_a_file_that_shrinks_is_damage() -> None:
    """The size is asked for first, and the file may be cut after that."""
    with pytest.raises(GgufError, match="ends inside its header"):
        parsed(make_gguf()[:60], 10_000)
