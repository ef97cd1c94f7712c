"""``/v1/messages/batches``: many questions at once, for providers that take them so.

A batch is known by an id of ours: the vendor's, the provider that has it, and a mark that only its owner's ids bear.
So nothing is kept here, and one client's batch is nobody else's to read, though the vendor sees one account.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from airouter_core.errors import AirouterError, ParameterError
from airouter_core.values.ask import Ask
from airouter_core.values.batches import Batch
from airouter_core.values.response import Response
from airouter_core.values.value import Value

from ..fields import list_in, object_in, object_of, text_of
from ..question import Naming, Question
from ..refusals import refusal_of
from .messages import read_messages
from .messages_writer import MessagesWriter
from .refused import error_of

encode = msgspec.json.encode
ASKED = ("model", "messages", "parameters", "tools", "tool_choice", "response_format", "provider_options")
"""Fields of an ask that a question of a batch has."""
MARK = 24
KIND = "message_batch"


class BatchName(Value, frozen=True):
    """Which batch: the vendor's id of it, and the provider that has it."""

    batch: str
    provider: str


def read_batch(body: bytes, headers: Mapping[str, str]) -> list[tuple[str, Question]]:
    """The questions of a body, by their names.

    Raises:
        ParameterError: one of them is none; the message says which.
    """
    entries = list_in(object_of(body), "requests")
    if not entries:
        raise ParameterError("requests is empty: give at least one")
    return [_question(entry, f"requests[{place}]", headers) for place, entry in enumerate(entries)]


def batch_request(name: str, ask: Ask) -> dict[str, Any]:
    """A question as the operation takes it that hands a batch in."""
    return {"custom_id": name, **{field: getattr(ask, field) for field in ASKED}}


def shown_id(name: BatchName, owner: str) -> str:
    """The id by which a client knows a batch.

    Args:
        owner: what nobody but its owner and this server has, such as the hash of a key.
    """
    return f"{name.batch}.{name.provider}.{_mark(name, owner)}"


def known_id(identity: str, owner: str) -> BatchName | None:
    """Which batch an id means; ``None`` where it is no id of this owner's."""
    rest, _, mark = identity.rpartition(".")
    batch, _, provider = rest.partition(".")
    name = BatchName(batch, provider)
    return name if hmac.compare_digest(mark.encode(), _mark(name, owner).encode()) else None


def batch_body(batch: Batch, identity: str) -> bytes:
    """A batch, under its id of ours. Its results lie below this server, wherever clients find that."""
    return encode(_batch(batch, identity))


def batches_body(listed: Iterable[tuple[Batch, str]]) -> bytes:
    """A list of batches, on one page."""
    data = [_batch(batch, identity) for batch, identity in listed]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return encode({"data": data, "has_more": False, **ends})


def result_line(name: str, outcome: str, response: Response | None, error: AirouterError | None) -> bytes:
    """What became of one question."""
    told: dict[str, Any] = {"type": outcome}
    if response is not None:
        question = Question(ask=Ask())
        naming = Naming((response.id or name).removeprefix("msg_"), 0, response.model or "")
        told["message"] = msgspec.Raw(MessagesWriter(question, naming).whole(response, 0.0))
    if error is not None:
        told["error"] = {"type": "error", "error": error_of(refusal_of(error))}
    return encode({"custom_id": name, "result": told}) + b"\n"


def _question(entry: Mapping[str, Any], where: str, headers: Mapping[str, str]) -> tuple[str, Question]:
    name = text_of(entry, "custom_id")
    if name is None:
        raise ParameterError(f"{where} needs a custom_id")
    try:
        return name, read_messages(encode(object_in(entry, "params")), headers)
    except ParameterError as error:
        raise ParameterError(f"{where}: {error}") from error


def _batch(batch: Batch, identity: str) -> dict[str, Any]:
    results = f"/v1/messages/batches/{identity}/results" if batch.ended else None
    if batch.raw.get("type") == KIND:
        return {**batch.raw, "id": identity, "results_url": results}
    # Another vendor's: in this dialect's words.
    state = "ended" if batch.ended else "canceling" if batch.status.startswith("cancel") else "in_progress"
    times = {name: getattr(batch, name) for name in ("created_at", "expires_at", "ended_at")}
    unknown = dict.fromkeys(("archived_at", "cancel_initiated_at"))
    counts = {name: getattr(batch.counts, name) for name in batch.counts.__struct_fields__}
    told = {"id": identity, "type": KIND, "processing_status": state, "request_counts": counts}
    return {**told, **times, **unknown, "results_url": results}


def _mark(name: BatchName, owner: str) -> str:
    said = f"{name.batch}.{name.provider}"
    return hmac.new(owner.encode(), said.encode(), hashlib.sha256).hexdigest()[:MARK]
