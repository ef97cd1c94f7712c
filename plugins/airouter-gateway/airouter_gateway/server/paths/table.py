"""All paths."""

from __future__ import annotations

from typing import Any

import msgspec

from ...dialects.refusals import Refusal
from ...dialects.table import CHAT, MESSAGES, OLLAMA_CHAT
from ...serving import Serving
from ..answering import Answering
from ..exchange import Exchange, RefusedError
from . import anthropic, batches, health, ollama, openai, responses
from .handling import ANY, GET, Path, Server

OLLAMA = "/api/"
V1 = "/v1"


async def _nowhere(server: Server, exchange: Exchange, answering: Answering, serving: Serving) -> None:
    asked = exchange.path
    message = f"there is no {exchange.method} {asked[:100]}"
    if V1 + asked in PATHS:
        message += f": give this client the address with {V1} at its end"
    elif asked.startswith(V1 + V1):
        message += f": give this client the address without {V1} at its end"
    elif asked.startswith(V1 + OLLAMA):
        message += f": this client speaks Ollama's format; give it the address without {V1} at its end"
    elif "//" in asked:
        message += ": give this client the address without a slash at its end"
    elif (known := _known_at_the_end(asked)) is not None:
        message += f": {known} is here; give this client the address that ends in {V1}, and nothing between"
    raise RefusedError(Refusal(kind="no_path", message=message))


def _known_at_the_end(asked: str) -> str | None:
    """A path of ours that this one ends with: other servers have something of their own before it."""
    return next((path for path in PATHS if path.startswith(V1) and asked.endswith(path.removeprefix(V1))), None)


PATHS: dict[str, Path] = {
    **openai.PATHS,
    **responses.PATHS,
    **anthropic.PATHS,
    **batches.PATHS,
    **ollama.PATHS,
    **health.PATHS,
    "/": Path("root", CHAT.refused, GET, ollama.running_here),
}
BELOW: dict[str, Path] = {**openai.BELOW, **batches.BELOW, **responses.BELOW}
OPEN: frozenset[Any] = frozenset({health.alive, health.ready, ollama.running_here})
"""What is answered without a key: nothing about models, and nothing that costs."""


def path_of(exchange: Exchange) -> Path:
    """What a path is."""
    asked = exchange.path
    found = PATHS.get(asked) or next((path for begin, path in BELOW.items() if asked.startswith(begin)), None)
    if found is None:
        found = Path("none", (OLLAMA_CHAT if asked.startswith(OLLAMA) else CHAT).refused, ANY, _nowhere)
    if openai.ANTHROPIC in exchange.headers and not asked.startswith(OLLAMA):
        return msgspec.structs.replace(found, refused=MESSAGES.refused)
    return found
