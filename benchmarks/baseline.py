"""What the peers cost when they were last measured in full, for runs in which they are not measured.

Taken on 2026-11-23, on a virtual machine with 2 shared x86-64 cores, Python 3.11, against a stub of the same behaviour:
openai 3.54.0, anthropic 2.12.0, ollama 0.6.3, litellm 1.106.2, requests 2.34.2. The ratios carry over to other
machines, the figures do not.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Dated:
    """One figure of a peer, and how it stood to the floor of its own run."""

    peer: str
    figure: str
    ratio: str


TAKEN = "2026-11-23, 2 shared x86-64 cores, Python 3.11"

BASELINE: dict[str, tuple[Dated, ...]] = {
    "install": (Dated("openai", "14 distributions, 20.0 MB", ""), Dated("litellm", "58 distributions, 206.3 MB", "")),
    "import": (
        Dated("openai", "510 ms", "4.40 times requests"),
        Dated("anthropic", "1,263 ms", "10.80 times requests"),
        Dated("litellm", "3,031 ms", "26.18 times requests"),
    ),
    "program": (Dated("openai", "622 ms", "5.17 times requests"), Dated("litellm", "3,850 ms", "32.17 times requests")),
    "call-openai": (
        Dated("openai", "1,143 µs", "2.20 times requests"),
        Dated("litellm", "3,349 µs", "6.7 times requests"),
    ),
    "call-anthropic": (Dated("anthropic", "", "1.71 times requests"),),
    "call-ollama": (Dated("ollama", "", "0.91 times requests"),),
    "stream-openai": (
        Dated("openai", "109 µs", "20.0 times floor"),
        Dated("litellm", "550 µs", "100.7 times floor"),
    ),
    "stream-anthropic": (
        Dated("anthropic", "26.3 µs", "6.3 times floor"),
        Dated("litellm", "600 µs", "142.8 times floor"),
    ),
    "stream-ollama": (Dated("ollama", "12.9 µs", "3.3 times floor"), Dated("litellm", "448 µs", "114.3 times floor")),
    "delay-chunked": (Dated("openai", "0.5 ms added to read1", ""), Dated("litellm", "1.0 ms added to read1", "")),
    "delay-unframed": (Dated("openai", "0.5 ms added to read1", ""),),
    "async-64": (Dated("openai", "1,673 µs", "9.4 times aiohttp"), Dated("litellm", "3,890 µs", "21.9 times aiohttp")),
    "async-256": (
        Dated("openai", "2,072 µs", "11.8 times aiohttp"),
        Dated("litellm", "3,707 µs", "21.2 times aiohttp"),
    ),
    "threads-64": (Dated("openai", "1,964 µs", "3.8 times pool"), Dated("litellm", "5,929 µs", "11.5 times pool")),
    "threads-256": (Dated("openai", "2,603 µs", "5.7 times pool"), Dated("litellm", "5,871 µs", "12.9 times pool")),
    "memory": (Dated("openai", "54.2 MB (+0.23)", ""), Dated("litellm", "185.3 MB (+0.71)", "")),
}
"""By table: what a later run shows for the peers that it did not measure."""
