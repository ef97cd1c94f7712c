"""Paths of OpenAI's clients."""

from __future__ import annotations

import time
from typing import Any

from ...dialects.anthropic import others as anthropic
from ...dialects.openai import images, moderations
from ...dialects.openai import others as openai
from ...dialects.table import CHAT, COMPLETIONS
from ...serving import Serving
from ..answering import Answering
from ..exchange import Exchange
from .handling import GET, POST, Path, Server, body_of, chat

MODEL = "/v1/models/"
ANTHROPIC = "anthropic-version"


async def _embeddings(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    asked = openai.read_embeddings(await body_of(exchange, serving))
    await exchange.whole(openai.embeddings_body(asked, *await answering.vectors(exchange, asked)))


async def _images(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    asked = images.read_images(await body_of(exchange, serving))
    addresses = await answering.operation(exchange, asked.model, images.OPERATION, asked.arguments, spare="options")
    await exchange.whole(images.images_body(asked, addresses, int(time.time())))


async def _moderations(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    asked = moderations.read_moderations(await body_of(exchange, serving))
    judged: Any = await answering.operation(exchange, asked.model, asked.operation, asked.arguments)
    results = judged if isinstance(judged, list) else [judged]
    await exchange.whole(moderations.moderations_body(exchange.id, asked.model, results))


async def _models(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    models = await answering.models()
    await exchange.whole(_written_for(exchange).models_body(models, int(time.time())))


async def _model(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    model = await answering.model(exchange, exchange.path.removeprefix(MODEL))
    await exchange.whole(_written_for(exchange).model_body(model, int(time.time())))


def _written_for(exchange: Exchange) -> Any:
    """Both vendors list their models under one path: a header tells whose client asks."""
    return anthropic if ANTHROPIC in exchange.headers else openai


PATHS = {
    "/v1/chat/completions": Path(CHAT.name, CHAT.refused, POST, chat(CHAT)),
    "/v1/completions": Path(COMPLETIONS.name, CHAT.refused, POST, chat(COMPLETIONS)),
    "/v1/embeddings": Path("embeddings", CHAT.refused, POST, _embeddings),
    "/v1/images/generations": Path("images", CHAT.refused, POST, _images),
    "/v1/moderations": Path("moderations", CHAT.refused, POST, _moderations),
    "/v1/models": Path("models", CHAT.refused, GET, _models),
}
BELOW = {MODEL: Path("models", CHAT.refused, GET, _model)}
"""By how they begin: what follows is a name."""
