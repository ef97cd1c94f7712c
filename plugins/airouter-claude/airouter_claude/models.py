"""What each model takes, as data: a small table, laid over by what ``GET /v1/models`` says when it was asked.

Sources: context, output limit, effort levels and thinking types up to Claude 5 are from recorded answers of
``GET /v1/models`` (2026-08); those of the 5.5 models, and which models refuse forced tools, from the vendor's model
pages and migration guides (2026-11); prefill and sampling from the migration guide of API version 2026-10-21.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from airouter_core.values.usage import count
from airouter_core.values.value import Value
from airouter_core.wire.json import mapping

EFFORTS = ("low", "medium", "high", "xhigh", "max")
NO_XHIGH = ("low", "medium", "high", "max")
UP_TO_HIGH = ("low", "medium", "high")

ADAPTIVE, ENABLED, DISABLED, BETWEEN_TOOLS = "adaptive", "enabled", "disabled", "between_tools"

MILLION = 1_000_000
DEFAULT_MAX_TOKENS = 32_000
"""For a Claude model that is not in the table: what all models since Claude 4 can answer at least."""
MODEST_MAX_TOKENS = 4_096
"""For other models behind the same format, which are often small."""


class ModelFacts(Value, frozen=True, kw_only=True):
    """What a model takes.

    Attributes:
        line: the model without date or region, by which two names of one model are told to be the same.
        context_length, max_output: tokens; ``None`` when unknown.
        thinking: the values of ``thinking.type`` that it accepts.
        efforts: the values of ``output_config.effort`` that it accepts.
        samples: takes temperature, top_p and top_k, with the API version that has them.
        one_of_both: takes temperature or top_p, not both.
        can_be_forced: accepts a tool choice that leaves it no choice.
        continues: accepts an answer begun by the caller (a last message of the assistant).
        follows_schema: takes a schema for its answer.
    """

    line: str
    context_length: int | None = None
    max_output: int | None = None
    thinking: frozenset[str] = frozenset()
    efforts: tuple[str, ...] = ()
    samples: bool = False
    one_of_both: bool = False
    can_be_forced: bool = True
    continues: bool = True
    follows_schema: bool = True

    @property
    def default_max_tokens(self) -> int:
        """The model's own limit: an answer ends where the model ends it."""
        if self.max_output is not None:
            return self.max_output
        return DEFAULT_MAX_TOKENS if self.line.startswith("claude-") else MODEST_MAX_TOKENS


FactsOf = Callable[[str], ModelFacts]


def _newest(line: str, *thinking: str, can_be_forced: bool = True) -> ModelFacts:
    return ModelFacts(
        line=line,
        context_length=MILLION,
        max_output=128_000,
        thinking=frozenset((ADAPTIVE, *thinking)),
        efforts=EFFORTS,
        can_be_forced=can_be_forced,
        continues=False,
    )


def _older(line: str, context: int, output: int, **known: Any) -> ModelFacts:
    thinking = frozenset(known.pop("thinking", (ENABLED, DISABLED)))
    return ModelFacts(
        line=line, context_length=context, max_output=output, thinking=thinking, **{"samples": True, **known}
    )


def _oldest(line: str, context: int, output: int, **known: Any) -> ModelFacts:
    return _older(line, context, output, follows_schema=False, **known)


TABLE: Mapping[str, ModelFacts] = {
    facts.line: facts
    for facts in (
        _newest("claude-fable-5-2"),
        _newest("claude-fable-5-1", can_be_forced=False),
        _newest("claude-fable-5"),
        _newest("claude-mythos-5-2"),
        _newest("claude-mythos-5-1"),
        _newest("claude-mythos-5"),
        _newest("claude-mythos-preview"),
        _newest("claude-opus-5-5", can_be_forced=False),
        _newest("claude-sonnet-5-5", BETWEEN_TOOLS, can_be_forced=False),
        _newest("claude-haiku-5-5", DISABLED),
        _newest("claude-opus-5", DISABLED),
        _newest("claude-sonnet-5", DISABLED),
        _newest("claude-opus-4-8", DISABLED),
        _newest("claude-opus-4-7", DISABLED),
        *(
            _older(
                line,
                MILLION,
                128_000,
                thinking=(ADAPTIVE, ENABLED, DISABLED),
                efforts=NO_XHIGH,
                one_of_both=True,
                continues=False,
            )
            for line in ("claude-opus-4-6", "claude-sonnet-4-6")
        ),
        _older("claude-opus-4-5", 200_000, 64_000, efforts=UP_TO_HIGH, one_of_both=True),
        _older("claude-sonnet-4-5", MILLION, 64_000, one_of_both=True),
        _older("claude-haiku-4-5", 200_000, 64_000, one_of_both=True),
        _older("claude-opus-4-1", 200_000, 32_000, one_of_both=True),
        _oldest("claude-opus-4", 200_000, 32_000),
        _oldest("claude-sonnet-4", MILLION, 64_000),
        _oldest("claude-3-7-sonnet", 200_000, 64_000),
        _oldest("claude-3-5-sonnet", 200_000, 8_192, thinking=(DISABLED,)),
        _oldest("claude-3-5-haiku", 200_000, 8_192, thinking=(DISABLED,)),
        _oldest("claude-3", 200_000, 4_096, thinking=(DISABLED,)),
        _oldest("claude-2", 100_000, 4_096, thinking=()),
        _oldest("claude-instant", 100_000, 4_096, thinking=()),
    )
}

NAME = re.compile(r"claude-[a-z0-9.@-]+")
DATED = re.compile(r"-(?:\d{8}|latest|v\d).*$")


@functools.lru_cache(maxsize=256)  # asked several times in each call
def line_of(model: str) -> str:
    """A model's name as the table has it: without a gateway's prefix, a date or a region's suffix."""
    found = NAME.search(model.lower())
    if found is None:
        return model
    name = DATED.sub("", found.group().replace(".", "-").replace("@", "-"))
    while name not in TABLE and "-" in name:
        name = name.rpartition("-")[0]
    if name in TABLE and not _is_newer(found.group(), name):
        return name
    return DATED.sub("", found.group())


def is_a_line(line: str) -> bool:
    """Whether this names one Claude model, known or newer, and not whatever a gateway calls so."""
    return line in TABLE or re.match(r"claude-[a-z]+-\d", line) is not None


def known_facts(model: str) -> ModelFacts:
    """What the table says of a model, or what holds for those it does not know.

    A Claude model that is not in it is a newer one, and taken to be like the newest; any other name is that of a
    model behind the same format, which is left to decide for itself.
    """
    line = line_of(model)
    if facts := TABLE.get(line):
        return facts
    if line.startswith("claude-"):
        return ModelFacts(
            line=line, thinking=frozenset((ADAPTIVE, DISABLED)), efforts=EFFORTS, context_length=None, max_output=None
        )
    return ModelFacts(line=line, thinking=frozenset((ADAPTIVE, ENABLED, DISABLED)), efforts=EFFORTS, samples=True)


def told_facts(entry: Mapping[str, Any]) -> ModelFacts:
    """The facts of an entry of ``GET /v1/models``; what it does not say is as the table has it."""
    facts = known_facts(str(entry["id"]))
    capabilities = mapping(entry.get("capabilities"))
    thinking = mapping(mapping(capabilities.get("thinking")).get("types"))
    effort = mapping(capabilities.get("effort"))
    follows = mapping(capabilities.get("structured_outputs")).get("supported")
    return msgspec.structs.replace(
        facts,
        context_length=count(entry.get("max_input_tokens")) or facts.context_length,
        max_output=count(entry.get("max_tokens")) or facts.max_output,
        thinking=frozenset(_told(thinking, (ADAPTIVE, ENABLED, DISABLED, BETWEEN_TOOLS), facts.thinking)),
        efforts=() if effort.get("supported") is False else _told(effort, EFFORTS, facts.efforts),
        follows_schema=follows if isinstance(follows, bool) else facts.follows_schema,
    )


def _told(said: Mapping[str, Any], names: tuple[str, ...], known: Any) -> tuple[str, ...]:
    return tuple(name for name in names if mapping(said.get(name)).get("supported", name in known))


def _is_newer(name: str, line: str) -> bool:
    """Whether a shortened name has lost a version: ``claude-opus-6`` is no ``claude-opus``, ``…-4-9`` is no ``…-4``."""
    rest = DATED.sub("", name.replace(".", "-").replace("@", "-"))[len(line) :]
    version = re.match(r"-(\d+)(?!\d)", rest)
    return (
        version is not None
        and version.group(1) != "0"
        and not line.startswith(("claude-3", "claude-2", "claude-instant"))
    )


RETIRED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"claude-(3-opus|3-5-opus)"), "claude-opus-5-5"),
    (re.compile(r"claude-(3|3-5|3-7)-sonnet|claude-2|claude-v2"), "claude-sonnet-5-5"),
    (re.compile(r"claude-(3|3-5)-haiku|claude-instant"), "claude-haiku-5-5"),
)
"""Generations that the vendor runs no longer (none is in its SDK 2.12.0 of 2026-11), and the same size of today's."""


def successor_of(model: str) -> str | None:
    """The model that takes the place of a retired one; ``None`` for all others."""
    return next((successor for names, successor in RETIRED if names.match(model)), None)
