"""What one ask is like, worked out when a strategy or a condition first wants to know it."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airouter_core.profile.declarations import ProviderInfo
from airouter_core.profile.prices import Prices
from airouter_core.values.ask import Ask
from airouter_core.values.canonical import NAMES
from airouter_core.values.catalog import Pricing
from airouter_core.values.messages import FilePart, Message, TextPart, ToolCallPart, ToolResultPart
from airouter_core.values.notes import SharedNotes
from airouter_core.values.texts import as_text
from airouter_core.values.tokens import estimate_tokens
from airouter_core.values.usage import Cost, Usage

from .affinity import Affinity, named_key, opening_key
from .catalog import Catalog
from .cheapness import Cheapness
from .continuity import Origins
from .health import Health
from .hedging import Hedging
from .limits import Leases
from .reading import Limits, limits_for
from .routes import Route, Target
from .sharing import LOGGER, Sharing
from .statistics import Statistics

if TYPE_CHECKING:
    from .strategies import Candidate

FILE_TOKENS = 1000
"""What a picture or a page counts, where nobody has counted it."""
USUAL_ANSWER = 1024
"""Tokens of an answer whose length nobody has limited, for comparing prices."""


class Names:
    """The names that a target's provider goes by, the user's own among them; for prices."""

    def __init__(self, name: str, info: ProviderInfo) -> None:
        self.name = name
        self.aliases = tuple(other for other in (info.name, *info.aliases) if other != name)
        self.kind = info.kind


class Knowledge:
    """What a router knows and learns, for all of its calls.

    Attributes:
        may_share: whether there is, or may be, a place where processes tell each other.

    Args:
        clock: seconds, of no particular beginning.
        chance: a number from 0 to below 1.
        hour: of the day, now.
        wall: seconds since 1970.
        notes: where processes leave notes for each other, if anywhere; may block.
    """

    def __init__(
        self,
        infos: Mapping[str, ProviderInfo],
        settings: Mapping[str, Limits],
        prices: Prices,
        *,
        clock: Callable[[], float],
        chance: Callable[[], float],
        hour: Callable[[], int],
        wall: Callable[[], float] = time.time,
        notes: Callable[[], SharedNotes | None] | None = None,
    ) -> None:
        self.infos = infos
        self.settings = settings
        self.prices = prices
        self.clock = clock
        self.chance = chance
        self.hour = hour
        self.wall = wall
        self._notes = notes
        self.sharing: Sharing | None = None
        self.may_share = notes is not None
        self.health = Health()
        self.leases = Leases(settings)
        self.statistics = Statistics()
        self.affinity = Affinity()
        self.hedging = Hedging()
        self.catalog = Catalog()
        self.origins = Origins()
        self.fixed: dict[str, Sequence[Candidate]] = {}
        self.orders: dict[tuple[str, int, int], list[int]] = {}
        self.cheapness: dict[tuple[str, int], Cheapness] = {}
        self._names = {name: Names(name, info) for name, info in infos.items()}
        self._limits: dict[Target, Limits] = {}
        self.cost = functools.lru_cache(maxsize=50_000)(self.most)

    def is_to_share(self, now: float) -> bool:
        """Whether other processes are to be told something, or heard."""
        return self._notes is not None or (self.sharing is not None and self.sharing.is_due(now))

    def share(self) -> None:
        """Tell other processes, and hear of them; blocks."""
        notes, self._notes = self._notes, None
        if notes is not None:
            try:
                place = notes()
            except Exception as error:  # a stranger's place: it may fail as it likes, and costs no call
                LOGGER.warning("health is not shared with other processes: %s", error)
                place = None
            self.may_share = place is not None
            if place is not None:
                self.sharing = Sharing(place, self.health, self.leases, clock=self.clock, wall=self.wall)
        if self.sharing is not None:
            self.sharing.exchange()

    def limits(self, target: Target) -> Limits:
        """What is said of a target, and of its account where nothing is said of itself."""
        known = self._limits.get(target)
        if known is None:
            known = self._limits[target] = limits_for(self.settings, target)
        return known

    def price_of(self, target: Target, usage: Usage) -> Cost | None:
        """What a call cost; ``None`` where the price is unknown."""
        listed = None if self.catalog.is_empty else self._listed(target)
        return self.prices.cost(self._names[target.provider], target.model, usage, listed)

    def most(self, target: Target, input_tokens: int, output_tokens: int) -> Cost | None:
        """The most that a call of so many tokens can cost."""
        names, listed = self._names[target.provider], self._listed(target)
        return self.prices.most(names, target.model, input_tokens, output_tokens, listed)

    def _listed(self, target: Target) -> Pricing | None:
        model = self.catalog.model(target)
        return None if model is None else model.pricing


class Situation:
    """One ask of one route."""

    def __init__(self, ask: Ask, route: Route, knowledge: Knowledge) -> None:
        self.ask = ask
        self.route = route
        self.knowledge = knowledge
        self.now = knowledge.clock()

    @property
    def tags(self) -> Mapping[str, str]:
        """Of the ask."""
        return self.ask.tags

    @property
    def hour(self) -> int:
        """Of the day."""
        return self.knowledge.hour()

    @functools.cached_property
    def tokens(self) -> int:
        """Of all that is sent, as an estimate."""
        tools = "".join(f"{tool.name}{tool.description}{tool.input_schema}" for tool in self.ask.tools)
        texts = self.ask.arguments.get("text_or_list", ()) if self.ask.kind != "chat" else ()
        given = [texts] if isinstance(texts, str) else list(texts)
        return sum(map(_tokens_of, self.ask.messages)) + sum(map(estimate_tokens, (tools, *given)))

    @functools.cached_property
    def answer_tokens(self) -> int | None:
        """That the answer may have; ``None`` where nobody has said."""
        for name, value in self.ask.parameters.items():
            if NAMES.get(name, name) == "max_tokens" and isinstance(value, int):
                return value
        return None

    def is_plain(self) -> bool:
        """Whether it is text alone, with nothing that not everybody could take."""
        ask = self.ask
        if ask.kind != "chat" or ask.tools or ask.parameters or ask.provider_options or ask.response_format is not None:
            return False
        for message in ask.messages:  # noqa: SIM110  # each call comes by here, and a generator costs as much again
            if not message.is_plain:
                return False
        return True

    @functools.cached_property
    def needs(self) -> frozenset[str]:
        """What whoever answers must be able to do, as capabilities."""
        ask = self.ask
        if ask.kind != "chat":
            return frozenset({"embeddings" if ask.kind == "embedding" else ask.kind})
        found = {"tools"} if ask.tools else set()
        if ask.response_format is not None:
            found.add(ask.response_format.kind)
        if any(NAMES.get(name, name) in ("reasoning_effort", "reasoning_budget") for name in ask.parameters):
            found.add("reasoning")
        for message in ask.messages:
            for part in () if message.is_plain else message.parts:
                found |= _needs_of(part)
        return frozenset(found)

    @functools.cached_property
    def key(self) -> str | None:
        """What the conversation is known by; ``None`` where it is not to count."""
        if self.route.session == "off":
            return None
        return self.named_key or opening_key(self.ask)

    @functools.cached_property
    def named_key(self) -> str | None:
        """The same, where the caller names it."""
        return None if self.route.session == "off" else named_key(self.ask)

    def cost(self, target: Target) -> Cost | None:
        """The most that the call can cost there."""
        return self.knowledge.cost(target, self.tokens, self.answer_tokens or USUAL_ANSWER)


def _needs_of(part: Any) -> set[str]:
    if isinstance(part, FilePart):
        if as_text(part) is not None:  # put in as words where there is no place for documents
            return set()
        kind = part.media_type.partition("/")[0]
        return {"vision" if kind == "image" else "audio_input" if kind == "audio" else "documents"}
    return {"tools"} if isinstance(part, ToolCallPart | ToolResultPart) else set()


def _tokens_of(message: Message) -> int:
    if message.is_plain:
        return estimate_tokens(message.text)
    return sum(map(_tokens_of_part, message.parts))


def _tokens_of_part(part: Any) -> int:
    if isinstance(part, TextPart):
        return estimate_tokens(part.text)
    if isinstance(part, FilePart):
        return FILE_TOKENS
    if isinstance(part, ToolCallPart):
        return estimate_tokens(part.arguments_json)
    return estimate_tokens(getattr(part, "text", None) or "")
