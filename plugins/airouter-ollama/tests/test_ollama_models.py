"""What the server says of its models, field for field; and what it leaves out, or says as nobody expects."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from airouter_ollama.models import listed_model, moment, parsed_options, running_model, shown_model

AT = datetime.datetime(2026, 11, 30, 12, 0, 0, 123456, datetime.UTC)
DETAILS = {"format": "gguf", "family": "llama", "parameter_size": "8.0B", "quantization_level": "Q4_K_M"}
LISTED = {
    "name": "llama3:latest",
    "model": "llama3:latest",
    "modified_at": "2026-11-30T12:00:00.123456789Z",
    "size": 4661224676,
    "digest": "365c0bd3c000",
    "details": {**DETAILS, "context_length": 8192},
    "capabilities": ["completion", "tools", "thinking", "vision"],
}
LOADED = {
    "name": "llama3:latest",
    "size": 6654289920,
    "size_vram": 6654289000,
    "context_length": 4096,
    "expires_at": "2026-11-30T12:00:00.123456Z",
    "digest": "365c0bd3c000",
    "details": DETAILS,
}
SHOWN = {
    "modelfile": "FROM llama3",
    "parameters": 'num_ctx 4096\nstop "<|a|>"\nstop    "<|b|>"\ntemperature 0.5\n\nname word',
    "template": "{{ .Prompt }}",
    "system": "Be brief.",
    "license": "MIT",
    "modified_at": "2026-11-30T12:00:00.123456Z",
    "details": DETAILS,
    "capabilities": ["embedding"],
    "model_info": {"general.architecture": "llama", "llama.context_length": 8192, "llama.embedding_length": 4096},
}
KIND = {"parameters": "8.0B", "quantization": "Q4_K_M", "family": "llama"}


def fields(value: Any, names: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def test_a_model_of_the_list() -> None:
    """Its usual tag is not part of what people call it; Ollama's words for abilities are ours."""
    wanted = {
        "id": "llama3:latest", "name": "llama3", "provider": "ollama", "context_length": 8192, "created": AT,
        "size": 4661224676, **KIND, "capabilities": ("chat", "tools", "reasoning", "vision"),
        "input_modalities": ("text", "image"), "raw": LISTED,
    }  # fmt: skip
    assert fields(listed_model(LISTED), wanted) == wanted


def test_a_model_that_is_loaded() -> None:
    """Where it is, how much of it, and until when."""
    wanted = {
        "id": "llama3:latest", "name": "llama3:latest", "size": 6654289920, "size_vram": 6654289000,
        "context_length": 4096, "expires_at": AT, "digest": "365c0bd3c000", **KIND, "raw": LOADED,
    }  # fmt: skip
    found = running_model(LOADED)
    assert fields(found, wanted) == wanted
    assert "365c0bd3c000" not in repr(found).partition("raw=")[2]


def test_a_model_that_is_shown() -> None:
    """With what it is run with: the keys of its file, its template, and its options, of which stops are several."""
    wanted = {
        "id": "m", "name": "m", "provider": "ollama", "context_length": 8192, "created": AT, **KIND,
        "capabilities": ("embeddings",), "input_modalities": ("text",), "template": "{{ .Prompt }}",
        "system": "Be brief.", "license": "MIT", "modelfile": "FROM llama3", "architecture": "llama",
        "embedding_length": 4096, "model_info": SHOWN["model_info"], "raw": SHOWN,
        "options": {"num_ctx": 4096, "stop": ("<|a|>", "<|b|>"), "temperature": 0.5, "name": "word"},
    }  # fmt: skip
    assert fields(shown_model("m", SHOWN), wanted) == wanted


@pytest.mark.parametrize("make", [listed_model, running_model, lambda entry: shown_model("m", entry)])
@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"name": None, "model": "m", "size": "big", "details": [], "capabilities": "chat", "modified_at": 5},
        {"model": "m", "size": -1, "context_length": 0, "details": {"context_length": 0, "family": ""},
         "digest": "", "expires_at": "soon", "template": "", "system": "",
         "license": "", "modelfile": "", "parameters": ""},
    ],
)  # fmt: skip
def test_what_is_left_out_or_is_nonsense_is_not_known(make: Any, entry: dict[str, Any]) -> None:
    """Nothing is not zero, and not an empty word."""
    found = make(entry)
    assert found.id == ("m" if entry or make not in (listed_model, running_model) else "")
    told = {name: getattr(found, name) for name in found.__struct_fields__}
    known = {name for name, value in told.items() if value not in (None, (), {}, "")}
    assert known - {"id", "name", "provider", "raw", "capabilities", "input_modalities", "output_modalities"} == set()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-11-30T12:00:00.123456789Z", AT),
        ("2026-11-30T13:00:00.123456+01:00", AT),
        ("2026-11-30T12:00:00Z", AT.replace(microsecond=0)),
        ("now", None),
        ("", None),
        (5, None),
    ],
)
def test_times_of_go(written: Any, read: Any) -> None:
    """Up to nine digits of a second, of which six are kept."""
    assert moment(written) == read


def test_options_in_a_text() -> None:
    """Numbers, words and quoted texts; blank lines say nothing."""
    assert parsed_options("") == {}
    assert parsed_options('  seed   7\n\nstop "a b"\nstop 5\nflag true') == {
        "seed": 7, "stop": ("a b", "5"), "flag": True,
    }  # fmt: skip
