"""How long a model stays loaded, as Ollama takes it: seconds, or a duration as Go writes it."""

from __future__ import annotations

import re

DURATION = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*")
"""https://pkg.go.dev/time#ParseDuration"""


LONGEST = 9e9
"""Seconds: what 64 bits of nanoseconds hold, about 292 years."""


def check_keep_alive(value: object) -> None:
    """Check a value before it is sent.

    Raises:
        ValueError: the server would refuse it; the message says what to give.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LONGEST:
        return
    if isinstance(value, str) and (DURATION.fullmatch(value) or value in ("0", "-0", "+0")):
        return
    hint = f'; for seconds give the number or "{value}s"' if isinstance(value, str) and _is_number(value) else ""
    raise ValueError(
        f'keep_alive must be seconds or a duration such as "10m", "1h30m" or "-1m" (for ever), not {value!r}{hint}'
    )


def duration(value: str | float) -> str:
    """The same as a duration, which is all that the document allows beside chat and generate."""
    return value if isinstance(value, str) else f"{value:g}s"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
