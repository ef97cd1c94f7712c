"""Paths of Responses: answers, and those that are kept."""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from airouter_core.errors import ExecutionError

from ...dialects.dialect import Writer
from ...dialects.fields import object_of, text_of
from ...dialects.openai.responses import question_of
from ...dialects.openai.responses_kept import (
    PREVIOUS,
    answer_of,
    counted_body,
    deleted_body,
    gone_on,
    input_of,
    items_body,
    references,
    referred,
    wants_keeping,
)
from ...dialects.openai.responses_writer import ResponsesWriter
from ...dialects.question import Question
from ...dialects.refusals import Refusal
from ...dialects.table import RESPONSES
from ...serving import Serving
from ..answering import Answering
from ..exchange import Exchange, RefusedError
from .handling import POST, Path, Server, body_of

LOGGER = logging.getLogger("airouter.gateway")
BASE = "/v1/responses"


async def answer(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    """Answer, and keep the answer where that is wanted."""
    said = object_of(await body_of(exchange, serving))
    keeps = wants_keeping(said) and serving.kept.days > 0
    question, before, said = await _asked(said, exchange, answering, serving)
    losses = question.losses
    if said.get("store") and not keeps:
        losses = (*losses, "store: this server keeps no answers")
    repeated = {**question.said, PREVIOUS: before, "store": keeps}
    question = msgspec.structs.replace(question, said=repeated, losses=losses)
    keep = functools.partial(_keep, answering.owner, before, said, serving) if keeps else None
    await answering.chat(exchange, RESPONSES, question, keep)


async def count(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    """How many tokens a question has, with what came before it."""
    question, *_ = await _asked(object_of(await body_of(exchange, serving)), exchange, answering, serving)
    await exchange.whole(counted_body(await answering.tokens(exchange, question)))


async def one(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    """An answer that is kept: itself, what it answers, or an end to it."""
    identity, _, what = exchange.path.removeprefix(f"{BASE}/").partition("/")
    kept, owner = serving.kept, answering.owner
    if exchange.method == "DELETE" and not what:
        if await asyncio.to_thread(kept.forget, owner, identity):
            await exchange.whole(deleted_body(identity))
            return
    elif (turn := await asyncio.to_thread(kept.turn, owner, identity)) is not None:
        query = dict(parse_qsl(exchange.scope.get("query_string", b"").decode("latin-1")))
        if exchange.method == "GET" and not what:
            if query.get("stream", "false") != "false":
                message = "an answer that is kept is given whole: ask without stream"
                raise RefusedError(Refusal(kind="invalid", message=message, param="stream", should_retry=False))
            await exchange.whole(msgspec.json.encode(turn.response))
            return
        if exchange.method == "GET" and what == "input_items":
            await exchange.whole(items_body(identity, [*turn.before, *turn.input], query))
            return
        if exchange.method == "POST" and what == "cancel":
            message = "only an answer that is made in the background can be cancelled, and none here is"
            raise RefusedError(Refusal(kind="invalid", message=message, should_retry=False))
    asked = f"there is no POST {exchange.path[:100]}" if exchange.method == "POST" and not what else ""
    message = asked or f"response {identity[:80]!r} is not found"
    raise RefusedError(Refusal(kind="no_path", message=message, should_retry=False))


async def _asked(
    said: dict[str, Any], exchange: Exchange, answering: Answering, serving: Serving
) -> tuple[Question, str | None, dict[str, Any]]:
    """The question of a body; the id of the answer that it goes on from; the body, with the items it refers to.

    Raises:
        RefusedError: that answer is not kept, or not this key's.
    """
    before = text_of(said, PREVIOUS)
    earlier: list[Any] = []
    if before is not None:
        turn = await asyncio.to_thread(serving.kept.turn, answering.owner, before)
        if turn is None:
            message = f"previous response {before!r} is not found: send the whole conversation"
            raise RefusedError(Refusal(kind="invalid", message=message, param=PREVIOUS, should_retry=False))
        earlier = turn.items
    if wanted := references(said):
        known = list(earlier)
        # Clients refer to what was answered also without saying which answer they go on from.
        for identity in sorted({answer for item in wanted if (answer := answer_of(item)) is not None}):
            if (turn := await asyncio.to_thread(serving.kept.turn, answering.owner, identity)) is not None:
                known += turn.response["output"]
        said = referred(said, known)
    asked = said if before is None else gone_on(said, earlier)
    return question_of(asked, exchange.headers), before, said


async def _keep(owner: str, before: str | None, said: dict[str, Any], serving: Serving, writer: Writer) -> None:
    """Keep an answer. One that cannot be kept is answered all the same."""
    assert isinstance(writer, ResponsesWriter)
    try:
        await asyncio.to_thread(serving.kept.keep, owner, before, input_of(said), writer.response())
    except ExecutionError as error:
        LOGGER.warning("an answer was not kept: %s", error)


PATHS = {
    BASE: Path(RESPONSES.name, RESPONSES.refused, POST, answer),
    f"{BASE}/input_tokens": Path("count", RESPONSES.refused, POST, count),
}
BELOW = {f"{BASE}/": Path("responses kept", RESPONSES.refused, ("GET", "POST", "DELETE"), one)}
