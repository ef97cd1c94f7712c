"""What the drivers of Python clients share. They run in the clients' own environment, and import nothing of airouter.

A driver is run as ``python DRIVER SCENARIO``, with ``URL`` of the server, ``MODEL`` and ``VARIANT`` in its environment.
It prints what the client gave it, and ``DONE`` when the client took the answer for complete.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

URL = os.environ["URL"]
MODEL = os.environ["MODEL"]
VARIANT = os.environ.get("VARIANT", "")
KEY = "none"
QUESTION = "What is airouter?"
MESSAGES = [{"role": "user", "content": QUESTION}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PLACE = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
NO_SUCH = 3
"""The exit code that says: this client has no such thing."""


def weather(city: str) -> str:
    """The tool that is called: the weather in a city."""
    return f"rain in {city}"


def weather_of(arguments: str | dict[str, Any]) -> str:
    """The same, with arguments as a model wrote them."""
    given = json.loads(arguments) if isinstance(arguments, str) else arguments
    return weather(**given)


def joined(pieces: Iterable[str | None]) -> None:
    """Print pieces as they come."""
    count = 0
    for piece in pieces:
        if piece:
            count += 1
            sys.stdout.write(piece)
            sys.stdout.flush()
    sys.stdout.write(f"\nPIECES {count}\n")


def handed_on(command: Sequence[str], environ: Mapping[str, str], folder: Path | None = None) -> str:
    """Run a command, print what it says as it says it, and return it. One that fails fails here."""
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **environ}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    pieces = []
    while piece := os.read(process.stdout.fileno(), 65536):
        pieces.append(piece)
        os.write(1, piece)
    if code := process.wait():
        raise SystemExit(code)
    sys.stdout.write(f"\nPIECES {len(pieces)}\n")
    return b"".join(pieces).decode(errors="replace")


def place(given: Any) -> None:
    """Print a structured answer."""
    given = json.loads(given) if isinstance(given, str) else given
    given = given if isinstance(given, dict) else given.model_dump()
    sys.stdout.write(f"{given['city']} {given['degrees']}\n")


def run(**scenarios: Callable[[], object]) -> None:
    """Run the scenario that was asked for."""
    scenario = scenarios.get(sys.argv[1])
    if scenario is None:
        raise SystemExit(NO_SUCH)
    said = scenario()
    if said is not None:
        sys.stdout.write(f"{said}\n")
    sys.stdout.write("DONE\n")
