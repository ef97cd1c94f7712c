"""A server that is in no row, described by settings: the fields of a row, as TOML and JSON can say them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec

from airouter_core.profile.declarations import Capability, ParameterSupport
from airouter_core.values.canonical import CANONICAL
from airouter_core.values.events import FinishReason
from airouter_core.values.kinds import Kind

from .service import ErrorKind, Family, Service

FIELDS: Mapping[str, tuple[Kind, str]] = {
    "capabilities": ("strings", "what it can do: chat, stream, system_prompt, tools, tool_choice, json, vision, …"),
    "parameters": ("mapping", "for a parameter its name there, false, or a table with field, minimum, maximum, …"),
    "families": ("any", "models that take others: tables with names (a regular expression), parameters, body"),
    "no_reasoning": ("any", "how reasoning_effort 'none' is said, where otherwise: as in parameters"),
    "body": ("mapping", "fields that are sent with each chat"),
    "query": ("mapping", "what stands behind the ? of each address"),
    "key_header": ("string", "header of the key; Authorization takes it as Bearer, others bare"),
    "path": ("string", "of chats, below base_url; {model} in it stands for the model"),
    "models_path": ("string", "of the list of models"),
    "embeddings_path": ("string", "of embeddings"),
    "tool_choices": ("mapping", "words for a choice of tool that it says otherwise, such as {required = 'any'}"),
    "forced_tools": ("string", "always, or without_thinking: whether tools can be required of a model that thinks"),
    "message_names": ("boolean", "whether messages may have names"),
    "stream_usage": ("boolean", "whether a stream must be asked for its usage"),
    "reasoning_fields": ("strings", "fields of the answer that hold the reasoning"),
    "reasoning_sent": ("string", "field of a message in which reasoning goes back; empty: it is not sent"),
    "kept_fields": ("strings", "lists in an answer that go back as they came"),
    "growing_fields": ("strings", "fields of their items that a stream brings in pieces"),
    "finish_reasons": ("mapping", "what its reasons to stop mean: stop, length, tool_calls, content_filter, error"),
    "errors": ("mapping", "what its codes, and phrases of its messages, mean: quota, rate_limit, authentication, …"),
    "cost": ("string", "where in the usage the US dollars stand, such as cost.total"),
    "metadata_fields": ("strings", "fields of an answer that are kept"),
    "reset_headers": ("strings", "headers that say when limits are reset"),
    "request_id_headers": ("strings", "headers that hold the request id"),
    "model_fields": ("mapping", "where id, context_length, max_output_tokens stand in the list of models"),
    "models_at": ("string", "the field that holds the list of models"),
    "embeddings": ("string", "what vectors in base64 are: float32 or int8"),
    "page_size": ("integer", "models on a page of the list; 0: no pages"),
}
"""The settings, each with its kind and a line about it."""

WORDS: Mapping[str, tuple[str, ...]] = {
    "forced_tools": ("always", "without_thinking"),
    "embeddings": ("float32", "int8"),
    "capabilities": get_args(Capability),
    "finish_reasons": get_args(FinishReason),
    "errors": get_args(ErrorKind),
    "model_fields": ("id", "context_length", "max_output_tokens"),
}
"""The words that may be given: as value, as items, as values of a mapping (of ``model_fields``, as its keys)."""


def completed(service: Service, given: Mapping[str, Any]) -> Service:
    """The row with the settings in their places; ``None`` is not given.

    Raises:
        TypeError, ValueError: one of them is wrong inside; the message says where, and what there is.
    """
    said = {name: value for name, value in given.items() if value is not None}
    for name, words in WORDS.items():
        if name in said:
            _known(name, _worded(name, said[name]), words)
    if "parameters" in said:
        rows = {row.name: row for row in service.parameters}
        said["parameters"] = tuple({**rows, **_rows(said["parameters"], "parameters")}.values())
    if "no_reasoning" in said:
        said["no_reasoning"] = _row("reasoning_effort", said["no_reasoning"], "no_reasoning")
    if "families" in said:
        said["families"] = tuple(_family(item, f"families[{number}]") for number, item in enumerate(_list(said)))
    return msgspec.structs.replace(service, **said)


def _list(said: Mapping[str, Any]) -> list[Any]:
    families = said["families"]
    if not isinstance(families, list | tuple) or not all(isinstance(item, Mapping) for item in families):
        raise ValueError("families must be a list of tables")
    return list(families)


def _worded(name: str, value: Any) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Mapping):
        return value if name == "model_fields" else map(str, value.values())
    return tuple(value)


def _family(item: Mapping[str, Any], where: str) -> Family:
    _known(where, item, ("names", "parameters", "no_reasoning", "body"))
    if not isinstance(item.get("names"), str):
        raise TypeError(f"{where} needs names, a regular expression of the models that are meant")
    off = item.get("no_reasoning")
    return Family(
        names=item["names"],
        parameters=tuple(_rows(item.get("parameters", {}), f"{where}.parameters").values()),
        no_reasoning=None if off is None else _row("reasoning_effort", off, f"{where}.no_reasoning"),
        body=item.get("body", {}),
    )


def _rows(table: Mapping[str, Any], where: str) -> dict[str, ParameterSupport]:
    _known(where, table, [row.name for row in CANONICAL])
    return {name: _row(name, said, f"{where}.{name}") for name, said in table.items()}


def _row(name: str, said: Any, where: str) -> ParameterSupport:
    if said is False:
        return ParameterSupport(name, reason="the settings say that it is not taken")
    if said is True:
        return ParameterSupport(name, name)
    if isinstance(said, str) and said:
        return ParameterSupport(name, said)
    if not isinstance(said, Mapping):
        raise TypeError(f"{where} must be the name of a field, false, or a table, not {said!r}")
    _known(where, said, [field for field in ParameterSupport.__struct_fields__ if field not in ("name", "words")])
    row: dict[str, Any] = {} if "reason" in said else {"field": name}
    row |= {field: tuple(value) if isinstance(value, list) else value for field, value in said.items()}
    return ParameterSupport(name, **row)


def _known(where: str, given: Iterable[str], known: Iterable[str]) -> None:
    words = sorted(known)
    for name in given:
        if name not in words:
            near = difflib.get_close_matches(str(name), words, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"{where} has {name!r}, which is not known: {hint}there are {', '.join(words)}")
