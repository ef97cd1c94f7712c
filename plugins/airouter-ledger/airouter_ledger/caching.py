"""The cache: a layer that gives an answer again to whoever asks the same.

The same is the same fingerprint, so that another picture, tool or parameter is another question; the same endpoint;
and the same user with the same key of a server, unless the cache is shared on purpose. Only what is repeatable is kept:
chats with temperature 0 or a seed, and embeddings; everything with ``all``. Only whole answers are kept, with all their
events, so that a reader of a stream sees what the first one saw.
"""

from __future__ import annotations

import hashlib
import logging
import time
import warnings
from decimal import Decimal
from functools import partial
from typing import Any, Literal

import attrs
import msgspec

from airouter_core.flow.layers import Answer, tapped
from airouter_core.flow.steps import Do, Flow, delegated
from airouter_core.profile.prices import Prices
from airouter_core.values.ask import Ask
from airouter_core.values.calls import Identity
from airouter_core.values.canonical import NAMES
from airouter_core.values.response import Response
from airouter_core.values.usage import Cost

from .answers import KEPT, Answers, KeptAnswer
from .budgets import KEY_TAG
from .entries import CACHED
from .errors import LedgerError, LedgerWarning
from .providers import billed
from .replays import Kept, Watch

LOGGER = logging.getLogger("airouter.ledger")

CACHE_TAG = "cache"
"""The tag by which one ask says ``"refresh"`` (ask, and keep the new answer) or ``"off"``."""
FINISHED = frozenset({"stop", "tool_calls"})
"""How an answer must have ended to be worth giving again; one that was cut or filtered may be whole the next time."""


@attrs.frozen(kw_only=True)
class CacheRules:
    """What is kept, for whom and for how long.

    Attributes:
        ttl: seconds for which an answer is given again.
        size: bytes of all answers together.
        what: ``"repeatable"`` asks only, or ``"all"``.
        shared: whether users, and whoever has a key of the server, are given each other's answers.
    """

    ttl: float = 7 * 86400.0
    size: int = KEPT
    what: Literal["repeatable", "all"] = "repeatable"
    shared: bool = False


class Cache:
    """The layer."""

    def __init__(self, answers: Answers, rules: CacheRules, prices: Prices | None = None) -> None:
        self._answers = answers
        self._rules = rules
        self._prices = prices or Prices()

    def __call__(self, ask: Ask, answer: Answer) -> Flow[Any]:
        mode = ask.tags.get(CACHE_TAG)
        if mode == "off" or not self._takes(ask):
            return (yield from delegated(answer(ask)))
        key = key_of(ask, answer.provider, shared=self._rules.shared)
        if mode != "refresh":
            found: tuple[Kept, KeptAnswer] | None = yield Do(partial(self._find, key))
            if found is not None:
                return (yield from delegated(_told(*found).given_again()))
        watch = Watch(time.monotonic)
        result = yield from delegated(answer(ask), through=tapped(watch.see))
        if _is_whole(result) and (kept := watch.kept(result)) is not None:
            yield Do(partial(self._keep, key, ask, answer.provider, kept))
        return result

    def _takes(self, ask: Ask) -> bool:
        if self._rules.what == "all":
            return ask.kind in ("chat", "embedding", "rerank")
        if ask.kind != "chat":
            return ask.kind in ("embedding", "rerank")
        given = {NAMES.get(name, name): value for name, value in ask.parameters.items()}
        return given.get("temperature") == 0 or given.get("seed") is not None

    def _find(self, key: str) -> tuple[Kept, KeptAnswer] | None:
        try:
            found = self._answers.get(key)
            return None if found is None else (Kept.decoded(found.value), found)
        except (LedgerError, msgspec.MsgspecError) as error:
            _missed("a kept answer could not be read", error)
            return None

    def _keep(self, key: str, ask: Ask, provider: Identity, kept: Kept) -> None:
        cost = None
        if kept.response is not None:
            cost = kept.response.cost or self._prices.cost(billed(provider.name), ask.model or "", kept.response.usage)
        try:
            self._answers.put(
                key,
                ask.user or "",
                kept.encoded(),
                seconds=self._rules.ttl,
                amount=None if cost is None else cost.amount,
                limit=self._rules.size,
            )
        except (LedgerError, TypeError, UnicodeEncodeError) as error:
            _missed("an answer was not kept", error)


def key_of(ask: Ask, provider: Identity, *, shared: bool) -> str:
    """Under what an answer is kept: what was asked, of which endpoint, by whom. Keys of accounts are no part of it."""
    # A client of a server writes its user itself, but not whose key it has.
    whose = () if shared else (f"user:{ask.user or ''}", f"key:{ask.tags.get(KEY_TAG, '')}")
    parts = (ask.fingerprint(), provider.name, provider.kept_as, provider.address or "", *whose)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _told(kept: Kept, found: KeptAnswer) -> Kept:
    """The answer, with the word that it is given again and what that saves."""
    if kept.response is None:
        return kept
    hit = {"at": found.at, "saved": None if found.amount is None else str(found.amount)}
    response = msgspec.structs.replace(
        kept.response,
        cost=Cost(Decimal(0), "cache"),
        provider_metadata={**kept.response.provider_metadata, CACHED: hit},
    )
    return msgspec.structs.replace(kept, response=response)


def _is_whole(result: Any) -> bool:
    return not isinstance(result, Response) or (result.finish_reason in FINISHED and not result.alternatives)


def _missed(what: str, error: Exception) -> None:
    LOGGER.warning("%s: %s", what, error)
    warnings.warn(f"{what}: {error}", LedgerWarning, stacklevel=2)
