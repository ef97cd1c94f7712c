"""Batches, as Anthropic's clients hand them in and ask for them."""

from __future__ import annotations

from typing import Any

from airouter_core.values.labels import labelled

from ...dialects.anthropic import batches
from ...dialects.anthropic.batches import BatchName
from ...dialects.binding import bound
from ...dialects.refusals import Refusal
from ...dialects.table import MESSAGES
from ...serving import Serving
from ..answering import Answering, parameters_of, taker_of, warn
from ..exchange import Exchange, RefusedError
from .handling import Path, Server, body_of

BATCHES = "/v1/messages/batches"
CREATE, LIST, GET_ONE, CANCEL, RESULTS = "create_batch", "list_batches", "get_batch", "cancel_batch", "batch_results"
LINES = b"application/x-jsonl"


async def several(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    """Hand in a batch, or list all."""
    if exchange.method == "POST":
        await _create(exchange, answering, serving)
    else:
        await _list(exchange, answering, serving)


async def one(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    """How a batch is doing, its results, or an end to it."""
    identity, _, what = exchange.path.removeprefix(f"{BATCHES}/").partition("/")
    known = {("GET", ""): GET_ONE, ("GET", "results"): RESULTS, ("POST", "cancel"): CANCEL}
    operation = known.get((exchange.method, what))
    name = batches.known_id(identity, answering.owner)
    if operation is None or name is None or name.provider not in serving.manager.names:
        raise RefusedError(
            Refusal(kind="no_path", message=f"there is no such batch, or no {what or 'such action'} of it")
        )
    provider = serving.manager.provider(name.provider)
    if operation == RESULTS:
        await _results(exchange, provider, name)
        return
    batch = await exchange.until_left(provider.arun(provider.operation_flow(operation, name.batch)))
    await exchange.whole(batches.batch_body(batch, identity))


async def _create(exchange: Exchange, answering: Answering, serving: Serving) -> None:
    asked: list[dict[str, Any]] = []
    losses: list[str] = []
    names: set[str] = set()
    for name, question in batches.read_batch(await body_of(exchange, serving), exchange.headers):
        target = await answering.target_of(exchange, question.ask.model or "")
        provider = serving.provider(target)
        names.add(target.name)
        if len(names) > 1 or parameters_of(provider, CREATE) is None:
            who = " and ".join(sorted(names))
            message = "a batch is answered by one provider that takes batches" + (
                f", and {who} are several" * (len(names) > 1)
            )
            raise RefusedError(Refusal(kind="unsupported", message=message, should_retry=False))
        ask, lost = bound(question, target.model, taker_of(provider, target.model))
        asked.append(batches.batch_request(name, ask))
        losses += lost
    with labelled(tags=answering.tags):
        flow = provider.operation_flow(CREATE, asked)
    batch = await exchange.until_left(provider.arun(flow))
    warn(exchange, (*losses, *batch.warnings))
    identity = batches.shown_id(BatchName(batch.id, target.name), answering.owner)
    await exchange.whole(batches.batch_body(batch, identity))


async def _list(exchange: Exchange, answering: Answering, serving: Serving) -> None:
    if answering.owner:
        message = "whose batches are whose is known by their ids alone: keep them"
        raise RefusedError(Refusal(kind="forbidden", message=message))
    listed: list[tuple[Any, str]] = []
    for name in serving.manager.names:
        provider = serving.manager.provider(name)
        if parameters_of(provider, LIST) is not None:
            found = await exchange.until_left(provider.arun(provider.operation_flow(LIST)))
            listed += [(batch, batches.shown_id(BatchName(batch.id, name), "")) for batch in found]
    await exchange.whole(batches.batches_body(listed))


async def _results(exchange: Exchange, provider: Any, name: BatchName) -> None:
    begun = False
    async for result in provider.abatch_results(name.batch):
        line = batches.result_line(result.custom_id, result.outcome, result.response, result.error)
        if not begun:
            begun = True
            await exchange.begin(LINES)
        await exchange.more(line)
    if not begun:
        await exchange.begin(LINES)
    await exchange.end()


PATHS = {BATCHES: Path("batches", MESSAGES.refused, ("GET", "POST"), several)}
BELOW = {f"{BATCHES}/": Path("batches", MESSAGES.refused, ("GET", "POST"), one)}
