"""A run as a process of its own, to be killed: ``killed.py URL FOLDER ROWS IN_FLIGHT [BUDGET [WORKERS]]``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from airouter_bulk import arun
from airouter_core import create_provider
from airouter_core.profile.prices import Prices


async def main(url: str, folder: str, rows: str, in_flight: str, budget: str = "", workers: str = "1") -> int:
    """Run, or go on."""
    spec = {"target": "openai/m", "prompt": "{{ q }}", "in_flight": int(in_flight), "parameters": {"max_tokens": 10}}
    spec["workers"] = int(workers)
    if budget:
        spec["budget"] = budget
    prices = Prices.of_settings({"openai/m": {"input": 100, "output": 100}})
    table = [{"n": number, "q": f"question {number}"} for number in range(int(rows))]
    async with create_provider("openai", {"base_url": url, "api_key": "k", "max_retries": 0}) as provider:
        summary = await arun(spec, table, folder, provider=(provider, "m"), prices=prices)
    return summary.exit_code


def telling(number: int, handler: Any, /) -> Any:
    """Have each Ctrl-C told that a run has heard: two that come before one was heard are one."""

    def heard(*given: Any) -> None:
        handler(*given)
        os.write(sys.stdout.fileno(), b"heard\n")  # a stream cannot be written to again while it is written to

    return installed(number, heard if callable(handler) and number in (signal.SIGINT, signal.SIGTERM) else handler)


installed, signal.signal = signal.signal, telling
sys.exit(asyncio.run(main(*sys.argv[1:])))
