"""What the profile shows where a bound is not met: by table, shown beside the bound that fails."""

from __future__ import annotations

FINDINGS: dict[str, str] = {
    "install": (
        "five distributions are requests', two are ours, five are attrs, msgspec, pluggy, platformdirs, filelock, "
        "and three come with importlib-metadata (itself, zipp, lazy-importer). Of the megabytes requests' are 2.0, "
        "ours 1.8, filelock's 0.8, msgspec's 0.6"
    ),
    "program": (
        "importing urllib3, attrs, msgspec and pluggy, and ending with them, alone costs nearly what the whole program "
        "with requests does (105 of 135 ms of CPU). Of the rest, 28 ms import what a call needs of the core (76 "
        "modules), 12 of the plugin, and 10 find the plugins, make the provider and make the first call. asyncio, "
        "requests and what only tools or settings files need are not imported"
    ),
    "call-anthropic": "the vendor's rules (what a model takes, which version to ask for) are looked at in each call",
    "call-ollama": "two further generators read along with each event; the rest is as in OpenAI's format",
    "async-64": (
        "making the request and folding the answer cost 60 µs in a tight loop, and twice that between system calls, "
        "when their code has left the processor's cache; our transport adds nothing to aiohttp"
    ),
    "async-256": (
        "256 requests are made one after the other on one core, by code that runs for the first time; and among them "
        "falls Python's first full garbage collection, 40 to 50 ms, which a program that has imported aiohttp alone "
        "meets only after the burst (with `gc.disable()` the ratio is 1.1 to 1.25)"
    ),
    "threads-64": (
        "making the request and folding the answer cost 55 µs in a tight loop, and twice that between system calls; a "
        "read with a time limit takes two system calls where one without takes one, and each lets another thread in"
    ),
    "threads-256": (
        "as for 64; a thread that waits for the interpreter wakes every 5 ms to ask for it, and 256 of them wait for "
        "longer when each holds it for longer. A busy core makes it worse"
    ),
}
