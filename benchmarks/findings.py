"""What the profile shows where a bound is not met: by table, shown beside the bound that fails."""

from __future__ import annotations

FINDINGS: dict[str, str] = {
    "install": (
        "five distributions are requests', four more are attrs, pluggy and ours, and three come with importlib-metadata"
        " (itself, zipp, lazy-importer); the standard library's importlib.metadata would make it nine"
    ),
    "program": (
        "beyond Python's own start, a fifth is importing attrs, a fifth finding and loading the plugins, a fifth "
        "urllib3; about a sixth builds attrs classes, some 70, more than half of it compiling `__repr__`, `__eq__` and "
        "`__hash__`. asyncio, requests and what only tools need are not imported. Left to gain: fewer generated "
        "methods, fewer classes on the way of one call, the standard library's importlib.metadata"
    ),
    "call-anthropic": (
        "the vendor's rules (what a model takes, which version to ask for) are looked at in each call, which is about "
        "a tenth of it; the rest is as in OpenAI's format"
    ),
    "call-ollama": "two further generators read along with each event; the rest is as in OpenAI's format",
    "async-64": (
        "about half of what is added to aiohttp is making the request and folding the answer, as in the blocking half; "
        "the rest is the awaited way there: our transport, and six events passed through three asynchronous "
        "generators. A whole answer could be folded without these"
    ),
    "async-256": (
        "as for 64; a burst is bound by one core, on which 256 requests are made one after the other while the first "
        "answers are due"
    ),
    "threads-64": (
        "as for 256 in flight, less so: one call at a time already takes twice the pool's CPU, about half of what is "
        "added for making the request and folding the answer"
    ),
    "threads-256": (
        "a thread that waits for the interpreter wakes every 5 ms to ask for it, and 256 of them wait for longer when "
        "each holds it for longer: with `sys.setswitchinterval(0.2)` our CPU a call falls by half, to 1.3 times the "
        "pool's, and the pool's own hardly changes. A busy core makes it worse"
    ),
}
