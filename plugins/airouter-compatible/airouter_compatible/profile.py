"""What a model of a service takes."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import Any

from airouter_core.errors import UnsupportedFeatureError
from airouter_core.profile.declarations import ParameterSupport
from airouter_core.values.request import Request

from .service import EFFORT, Family, Service, refused

NO_FAMILY = Family(names="")


def family_finder(service: Service) -> Callable[[str], Family]:
    """What looks up the family of a model, by the last part of its name or the whole of it."""
    families = [(re.compile(family.names, re.IGNORECASE), family) for family in service.families]

    @functools.lru_cache(maxsize=256)
    def family_of(model: str) -> Family:
        names = (model, model.rpartition("/")[2])
        return next((family for expression, family in families if any(map(expression.fullmatch, names))), NO_FAMILY)

    return family_of


def support_of(service: Service) -> Callable[[Request, Any], Iterable[ParameterSupport]]:
    """The rows for a request, with the check that its parts go together."""
    family_of = family_finder(service)

    @functools.lru_cache(maxsize=256)
    def rows(model: str, *, off: bool, tools: bool) -> tuple[ParameterSupport, ...]:
        # Kept, since making them anew at each call would cost a tenth of it.
        family = family_of(model)
        known = {row.name: row for row in (*service.parameters, *family.parameters)}
        if off and EFFORT in known:
            known[EFFORT] = _without_reasoning(known[EFFORT], family.no_reasoning or service.no_reasoning)
        if not tools and "parallel_tool_calls" in known:
            known["parallel_tool_calls"] = refused("parallel_tool_calls", "it is taken only together with tools")
        return tuple(known.values())

    def support(request: Request, config: Any) -> Iterable[ParameterSupport]:
        effort = request.parameter(EFFORT)
        if service.forced_tools == "without_thinking" and effort not in (None, "none"):
            _refuse_forced(request, service)
        tools = bool(request.tools) or "tools" in request.provider_options
        return rows(request.model, off=effort == "none", tools=tools)

    return support


def _without_reasoning(row: ParameterSupport, off: ParameterSupport | None) -> ParameterSupport:
    if off is not None:
        return off
    if row.said_as and "none" not in row.said_as:
        return refused(EFFORT, "reasoning cannot be turned off")
    return row


def _refuse_forced(request: Request, service: Service) -> None:
    if request.tool_choice is not None and request.tool_choice.mode in ("required", "tool"):
        raise UnsupportedFeatureError(
            f"{service.name}: a model that thinks cannot be made to call a tool; leave tool_choice at 'auto', or set "
            "reasoning_effort to 'none'"
        )
