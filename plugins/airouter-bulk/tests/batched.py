"""A run in batches as a process of its own, to be killed: ``batched.py PROVIDER CONFIG FOLDER``."""

from __future__ import annotations

import asyncio
import json
import sys

from airouter_bulk import arun
from airouter_core import create_provider
from airouter_core.profile.prices import Prices


async def main(name: str, config: str, folder: str) -> int:
    """Run, or go on."""
    parameters = {"max_tokens": 10}
    spec = {"target": f"{name}/m", "prompt": "{{ q }}", "parameters": parameters, "lane": "batch"}
    prices = Prices.of_settings({f"{name}/m": {"input": 100, "output": 100}})
    rows = [{"n": number, "q": f"question {number}"} for number in range(6)]
    async with create_provider(name, json.loads(config)) as provider:
        summary = await arun(
            spec, rows, folder, provider=(provider, "m"), prices=prices, wait_to_look=lambda number: 0.01
        )
    return summary.exit_code


sys.exit(asyncio.run(main(*sys.argv[1:])))
