"""Several models, asked the same, side by side. Answers come as they are said."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from airouter_core.errors import AirouterError, ParameterError
from airouter_core.provider.asking import ask_of
from airouter_core.provider.streams import AsyncResponseStream
from airouter_core.values.events import ReasoningDelta, StreamEvent, TextDelta

from ...admin.api import encode
from ...dialects.refusals import without_keys
from ...serving import Target
from ..guards import Console, Form
from ..rendering import HEADERS, page
from ..sessions import Session

MOST_MODELS = 4
TAGS = {"via": "console"}
NDJSON = "application/x-ndjson"


async def playground(console: Console, request: Request, session: Session) -> Response:
    """The page, with nothing asked."""
    return await _page(console, session, {}, [])


async def compare(console: Console, request: Request, session: Session, form: Form) -> Response:
    """The page with a place for each answer, each of which asks for it."""
    chosen = list(dict.fromkeys(name.strip() for name in form.get("model", "").split("\n") if name.strip()))
    message = None
    if not chosen or len(chosen) > MOST_MODELS:
        message = f"Choose one to {MOST_MODELS} models."
    elif not form.get("prompt", "").strip():
        message = "Say something to them."
    return await _page(console, session, form, [] if message else chosen, message)


async def answer(console: Console, request: Request, session: Session, form: Form) -> Response:
    """One answer, as lines of JSON: what is said, and at the end what it took."""
    target = await console.gateway.serving.resolve(form.get("model", ""))
    messages = [{"role": "user", "content": form.get("prompt", "")}]
    if form.get("system", "").strip():
        messages.insert(0, {"role": "system", "content": form["system"]})
    ask = ask_of(target.model, messages, parameters=_parameters(form), stream=True, tags=TAGS)
    return StreamingResponse(_lines(console, target, ask), media_type=NDJSON, headers=HEADERS)


async def _lines(console: Console, target: Target, ask: Any) -> AsyncIterator[bytes]:
    """Whoever leaves ends it, and with it the provider's work."""
    serving = console.gateway.serving
    serving.in_use += 1
    began = time.monotonic()
    stream = AsyncResponseStream(serving.provider(target).flow_of(ask))
    try:
        async for event in stream:
            if said := _said(event):
                yield encode(said) + b"\n"
        response = stream.response
        yield (
            encode(
                {
                    "done": {
                        "seconds": round(time.monotonic() - began, 2),
                        "input": response.usage.input_tokens,
                        "output": response.usage.output_tokens,
                        "cost": None if response.cost is None else response.cost.amount,
                        "served": response.served_by or target.address,
                        "finish": response.finish_reason,
                    }
                }
            )
            + b"\n"
        )
    except AirouterError as error:
        yield encode({"error": without_keys(str(error))}) + b"\n"
    finally:
        await stream.aclose()
        serving.in_use -= 1


def _said(event: StreamEvent) -> dict[str, str] | None:
    if isinstance(event, TextDelta):
        return {"text": event.text}
    return {"thought": event.text} if isinstance(event, ReasoningDelta) else None


def _parameters(form: Form) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name, kind in (("temperature", float), ("max_tokens", int)):
        if value := form.get(name, "").strip():
            try:
                said[name] = kind(value)
            except ValueError:
                raise ParameterError(f"{name} is a number, not {value!r}") from None
    return said


async def _page(
    console: Console, session: Session, form: Form, chosen: list[str], message: str | None = None
) -> Response:
    return page(
        "playground.html",
        session,
        status=200 if message is None else 400,
        served=[model.id for model in await console.admin.models()],
        asked=form.get("model", "").split("\n"),
        chosen=chosen,
        fields=form or {"max_tokens": "512"},
        message=message,
        most=MOST_MODELS,
    )
