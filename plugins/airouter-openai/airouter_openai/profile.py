"""Which parameters are taken, by API and model, and why the others are not."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator

import msgspec

from airouter_core.profile.declarations import ParameterSupport
from airouter_core.values.request import Request

from .config import Api, OpenAIConfig
from .families import Family, family_of, possible
from .plugin import CHAT_PARAMETERS, COMPLETIONS_PARAMETERS, RESPONSES_PARAMETERS, SERVICE_TIERS

SAMPLING = frozenset({"temperature", "top_p", "logprobs", "top_logprobs"})
PENALTIES = frozenset({"presence_penalty", "frequency_penalty", "logit_bias"})
ONLY_IN_CHAT = ("stop", "seed", "presence_penalty", "frequency_penalty", "logit_bias")
OF_LOCAL_ENGINES = (
    "top_k",
    "min_p",
    "typical_p",
    "top_a",
    "repeat_penalty",
    "repeat_last_n",
    "grammar",
    "reasoning_budget",
    "keep_alive",
)

NOT_HERE = (
    "OpenAI's API does not have it; for a compatible server that does, put its own field in "
    "provider_options={'openai': {...}}"
)
FIXED_CONTEXT = "the context belongs to the model, or to the start of the server"


def api_of(request: Request, config: OpenAIConfig) -> Api:
    """The API over which to ask."""
    if config.api != "auto":
        return config.api
    if not config.is_vendor:
        return "chat"
    family = family_of(request.model)
    return "chat" if family.api == "responses" and _wants_several(request, family) else family.api


def chat_support(request: Request, config: OpenAIConfig) -> Iterable[ParameterSupport]:
    """What chat completions takes for this model."""
    return _chat_rows(request.model, request.parameter("reasoning_effort"), bool(request.tools), config.is_vendor)


@functools.lru_cache(maxsize=256)
def _chat_rows(model: str, effort: str | None, tools: bool, vendor: bool) -> tuple[ParameterSupport, ...]:
    # Kept, since making them anew at each call would cost a tenth of it.
    family = family_of(model)
    rows = tuple(_chat_row(row, model, effort, family, tools=tools, vendor=vendor) for row in CHAT_PARAMETERS)
    return (*rows, *_refused(OF_LOCAL_ENGINES, NOT_HERE), *_refused(("context",), FIXED_CONTEXT))


def responses_support(request: Request, config: OpenAIConfig) -> Iterable[ParameterSupport]:
    """What the Responses API takes for this model."""
    family = family_of(request.model)
    effort = request.parameter("reasoning_effort")
    rows = tuple(_for_family(row, request.model, effort, family) for row in RESPONSES_PARAMETERS)
    elsewhere = "the Responses API does not have it"
    if not family.reasons:
        elsewhere += '; with api="chat" in the configuration it is sent'
    return (
        *rows,
        *_refused(ONLY_IN_CHAT, elsewhere),
        *_refused(("n",), "the Responses API makes one answer at a time; ask again, or set api to chat"),
        *_refused(OF_LOCAL_ENGINES, NOT_HERE),
        *_refused(("context",), FIXED_CONTEXT),
    )


def completions_support(request: Request, config: OpenAIConfig) -> Iterable[ParameterSupport]:
    """What the API before chat takes."""
    lacking = ("logprobs", "reasoning_effort", "verbosity", "parallel_tool_calls", "service_tier", "prompt_cache_key")
    return (
        *COMPLETIONS_PARAMETERS,
        *_refused(lacking, "models that know no turns do not take it"),
        *_refused(OF_LOCAL_ENGINES, NOT_HERE),
        *_refused(("context",), FIXED_CONTEXT),
    )


def _chat_row(
    row: ParameterSupport, model: str, effort: str | None, family: Family, *, tools: bool, vendor: bool
) -> ParameterSupport:
    if row.name == "max_tokens" and (vendor or family.reasons):
        # max_tokens is deprecated, and an error for models that reason; older compatible servers know only that.
        return msgspec.structs.replace(row, field="max_completion_tokens")
    if row.name == "user" and vendor:
        return msgspec.structs.replace(row, field="safety_identifier")
    if row.name == "service_tier" and vendor:
        return msgspec.structs.replace(row, choices=SERVICE_TIERS)
    if row.name == "parallel_tool_calls" and not tools:
        return _without(row, "it is taken only together with tools")
    if row.name in PENALTIES and family.reasons:
        return _without(row, f"{model} thinks before it answers and takes none")
    if row.name == "stop" and not family.takes_stop:
        return _without(row, f"{model} takes no stop sequences")
    return _for_family(row, model, effort, family)


def _for_family(row: ParameterSupport, model: str, effort: str | None, family: Family) -> ParameterSupport:
    if row.name in SAMPLING and not family.samples(effort):
        cure = "; set reasoning_effort to 'none' to use it" if family.sampling == "effort_none" else ""
        return _without(row, f"{model} thinks before it answers and does not take it{cure}")
    if row.name == "reasoning_effort" and family.known:
        if not family.reasons:
            return _without(row, f"{model} does not think before it answers")
        return msgspec.structs.replace(row, choices=family.efforts)
    if row.name == "verbosity" and not family.takes_verbosity:
        return _without(row, f"{model} does not take it; say in the prompt how long the answer should be")
    return row


def _wants_several(request: Request, family: Family) -> bool:
    several = request.parameter("n")
    if not isinstance(several, int) or several <= 1:
        return False
    return not request.tools or possible(family.chat_tools, request.parameter("reasoning_effort"))


def _without(row: ParameterSupport, reason: str) -> ParameterSupport:
    return ParameterSupport(row.name, reason=reason)


def _refused(names: Iterable[str], reason: str) -> Iterator[ParameterSupport]:
    return (ParameterSupport(name, reason=reason) for name in names)
