"""What ``provider_options={"ollama": {...}}`` may hold, checked here because the server ignores what it does not know.

Source: Ollama, api/types.go (``ChatRequest``, ``Options``, ``Runner``), fb307609. An option that a newer server has
learnt since goes in ``unchecked_options``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from airouter_core.errors import ParameterError
from airouter_core.values.kinds import Kind, checked

from .keep_alive import check_keep_alive
from .plugin import OLLAMA, PARAMETERS

UNCHECKED = "unchecked_options"

OPTIONS: Mapping[str, Kind] = {
    "num_keep": "integer",
    "seed": "integer",
    "num_predict": "integer",
    "top_k": "integer",
    "top_p": "number",
    "min_p": "number",
    "typical_p": "number",
    "repeat_last_n": "integer",
    "temperature": "number",
    "repeat_penalty": "number",
    "presence_penalty": "number",
    "frequency_penalty": "number",
    "stop": "strings",
    "num_ctx": "integer",
    "num_batch": "integer",
    "num_gpu": "integer",
    "main_gpu": "integer",
    "use_mmap": "boolean",
    "num_thread": "integer",
    "draft_num_predict": "integer",
}

GONE = (
    "mirostat",
    "mirostat_tau",
    "mirostat_eta",
    "tfs_z",
    "penalize_newline",
    "numa",
    "low_vram",
    "f16_kv",
    "logits_all",
    "vocab_only",
    "use_mlock",
    "embedding_only",
)
"""Options that earlier servers and the SDK's types know; the server ignores them now."""

FIELDS = ("options", UNCHECKED, "keep_alive", "think", "format", "truncate", "shift", "logprobs", "top_logprobs")
CLOSE = 0.8
"""How alike two names are when one is taken for a slip of the other."""

BY_THE_CALL = ("model", "messages", "tools", "stream")


def check_own_options(own: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
    """Check what is meant for Ollama alone, against what it knows and against the call's parameters.

    Raises:
        ParameterError: something is unknown, of the wrong type, or given twice with different values.
    """
    for name, value in own.items():
        if not isinstance(name, str):
            raise ParameterError(f"provider_options for ollama: {name!r} is no name of an option")
        if name in BY_THE_CALL:
            raise ParameterError(f"provider_options for ollama: {name!r} is set by the call itself")
        if name in OPTIONS or name in GONE:
            raise ParameterError(
                f"provider_options for ollama: {name!r} is one of its options, which it ignores here: "
                f"give {{'options': {{{name!r}: …}}}}"
            )
        if name not in FIELDS and difflib.get_close_matches(name, (*FIELDS, *OPTIONS), n=1, cutoff=CLOSE):
            raise ParameterError(f"provider_options for ollama: {_unknown(name, (*FIELDS, *OPTIONS))}")
        if name == "keep_alive":
            _check_keep_alive(value)
        if name in ("options", UNCHECKED) and not isinstance(value, Mapping):
            raise ParameterError(f"provider_options for ollama: {name} must be a mapping, not {type(value).__name__}")
    options = own.get("options", {})
    for name, value in options.items():
        _check_option(name, value)
    if "keep_alive" in parameters:
        _check_keep_alive(parameters["keep_alive"])
    _check_twice(own, options, parameters)


def unknown_fields(own: Mapping[str, Any]) -> list[str]:
    """Fields that are sent although Ollama is not known to take them: it may be newer, or something else."""
    return [name for name in own if name not in FIELDS]


def sent_options(own: Mapping[str, Any]) -> dict[str, Any]:
    """The options among them, as they are sent: ``stop`` must be a list."""
    options = {**own.get("options", {}), **own.get(UNCHECKED, {})}
    if isinstance(options.get("stop"), str):
        options["stop"] = [options["stop"]]
    return options


def _check_option(name: str, value: Any) -> None:
    if name in GONE:
        raise ParameterError(f"ollama has no option {name!r} any more, and ignores it; leave it out")
    if name not in OPTIONS:
        raise ParameterError(
            f"option {_unknown(name, OPTIONS)} (the server would ignore it; for a newer server put it in {UNCHECKED!r})"
        )
    try:
        checked(value, OPTIONS[name])
    except ValueError as error:
        raise ParameterError(f"ollama option {name} {error}") from error


def _check_twice(own: Mapping[str, Any], options: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
    for row in PARAMETERS:
        if row.name not in parameters or row.field is None:
            continue
        place, _, last = row.field.rpartition(".")
        beside = options if place else own
        if last in beside and beside[last] != parameters[row.name]:
            raise ParameterError(
                f"{row.name!r} is given as a parameter ({parameters[row.name]!r}) and as {row.field!r} in "
                f"provider_options ({beside[last]!r}); give one of them"
            )


def _check_keep_alive(value: Any) -> None:
    try:
        check_keep_alive(value)
    except ValueError as error:
        raise ParameterError(str(error)) from error


def _unknown(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return f"{name!r} is unknown to {OLLAMA.name}; {hint}"
