"""Answers that are kept, as ``/v1/responses/{id}`` shows them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from airouter_core.errors import ParameterError

from ..fields import list_in, text_of

Item = dict[str, Any]
PREVIOUS = "previous_response_id"
REFERENCE = "item_reference"
ITEM = re.compile(r"[a-z]+_([0-9a-f]{16,})_\d+")
MOST_ITEMS = 100
USUAL_ITEMS = 20


def wants_keeping(said: Mapping[str, Any]) -> bool:
    """Whether the answer to a body is to be kept: unless told otherwise, as the vendor does.

    Raises:
        ParameterError: it is neither said nor denied.
    """
    store = said.get("store")
    if not isinstance(store, bool | None):
        raise ParameterError(f"store must be true or false, not {type(store).__name__}")
    return store is not False


def input_of(said: Mapping[str, Any]) -> list[Item]:
    """The items of a body: a text is the user's.

    Raises:
        ParameterError: they are none.
    """
    given = said.get("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    return [dict(item) for item in list_in(said, "input")]


def references(said: Mapping[str, Any]) -> list[str]:
    """The ids of items that a body refers to, and does not hold."""
    return [str(item.get("id")) for item in input_of(said) if item.get("type") == REFERENCE]


def answer_of(identity: str) -> str | None:
    """The id of the answer that an item is of; ``None`` where it is no id of ours."""
    found = ITEM.fullmatch(identity)
    return None if found is None else f"resp_{found[1]}"


def referred(said: Mapping[str, Any], known: Iterable[Item]) -> dict[str, Any]:
    """A body with the items that it refers to, as far as they are known."""
    by_id = {item["id"]: item for item in known if item.get("id")}
    items = [by_id.get(item.get("id"), item) if item.get("type") == REFERENCE else item for item in input_of(said)]
    return {**said, "input": items}


def gone_on(said: Mapping[str, Any], before: list[Item]) -> dict[str, Any]:
    """A body with all that came before it."""
    rest = {name: value for name, value in said.items() if name != PREVIOUS}
    return {**rest, "input": [*before, *input_of(said)]}


def counted_body(tokens: int) -> bytes:
    """How many tokens a question has."""
    return msgspec.json.encode({"object": "response.input_tokens", "input_tokens": tokens})


def deleted_body(identity: str) -> bytes:
    """That an answer is forgotten."""
    return msgspec.json.encode({"id": identity, "object": "response", "deleted": True})


def items_body(identity: str, items: list[Item], asked: Mapping[str, str]) -> bytes:
    """What an answer answers, in pages: the newest first unless asked otherwise.

    Args:
        asked: ``limit``, ``order`` and ``after``, as the address has them.

    Raises:
        ParameterError: they cannot be.
    """
    limit, order, after = asked.get("limit", str(USUAL_ITEMS)), asked.get("order", "desc"), asked.get("after")
    if not limit.isdecimal() or not 1 <= int(limit[:9]) <= MOST_ITEMS:
        raise ParameterError(f"limit must be a whole number from 1 to {MOST_ITEMS}")
    if order not in ("asc", "desc"):
        raise ParameterError("order must be asc or desc")
    shown = [_shown(item, f"{identity.replace('resp_', 'msg_in_')}_{place}") for place, item in enumerate(items)]
    if order == "desc":
        shown.reverse()
    if after:
        places = [place for place, item in enumerate(shown) if item["id"] == after]
        shown = shown[places[0] + 1 :] if places else []
    page = shown[: int(limit)]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    return msgspec.json.encode({"object": "list", "data": page, "has_more": len(page) < len(shown), **ends})


def _shown(item: Item, identity: str) -> Item:
    made = {"type": "message", "id": identity, **{name: value for name, value in item.items() if value is not None}}
    if made["type"] == "message" and isinstance(content := made.get("content"), str):
        kind = "output_text" if text_of(item, "role") == "assistant" else "input_text"
        made["content"] = [{"type": kind, "text": content}]
    return made
