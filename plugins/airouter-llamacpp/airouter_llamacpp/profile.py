"""Which parameters each mode takes, and why not the others."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from airouter_core.profile.declarations import ParameterSupport

from .config import ModeName
from .plugin import ENGINE_FLAGS, KEEP_ALIVE, PARAMETERS

NO_ENGINE = "a running server has its context from its own start (-c)"
NO_KEEPING = "a running server decides itself how long it keeps its model"
NO_FLAGS = "flags belong to the start of a program; this mode starts none (mode server and cli do)"
ONE_RUN = "llama-cli ends after each answer"
NOT_BY_CLI = "llama-cli cannot do it; mode server and embedded can"

OMITTED: Mapping[ModeName, Mapping[str, str]] = {
    "remote": {"context": NO_ENGINE, ENGINE_FLAGS: NO_FLAGS, KEEP_ALIVE: NO_KEEPING},
    "embedded": {ENGINE_FLAGS: NO_FLAGS},
    "server": {},
    "cli": {
        KEEP_ALIVE: ONE_RUN,
        **dict.fromkeys(("n", "logprobs", "top_logprobs", "parallel_tool_calls"), NOT_BY_CLI),
    },
}


def rows(mode: ModeName) -> tuple[ParameterSupport, ...]:
    """The rows for a mode: as declared, but for what it cannot take."""
    omitted = OMITTED[mode]
    found = [
        msgspec.structs.replace(row, field=None, reason=omitted[row.name]) if row.name in omitted else row
        for row in PARAMETERS
    ]
    return tuple(map(_as_flag, found)) if mode == "cli" else tuple(found)


def _as_flag(row: ParameterSupport) -> ParameterSupport:
    """Name the flag in the receipt, where a parameter goes to a command line."""
    from .one_shot.arguments import FLAGS

    if row.field is None or row.name not in FLAGS:
        return row
    return msgspec.structs.replace(row, field=FLAGS[row.name][0][0])
