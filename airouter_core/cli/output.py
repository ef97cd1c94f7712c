"""What people see, and what programs read."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import click

from ..errors import (
    AirouterError,
    AuthenticationError,
    ExecutionError,
    MissingApiKeyError,
    ModelNotFoundError,
    ProviderError,
)
from ..values.record import plain
from .streams import drop, harmless, has_our_signs, plainly, styled

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the number of SIGINT, as shells have it."""
SHOWN: list[str] = []
"""What is waited for now; a terminal has room for one such line."""
IN_SHELL = (
    (re.compile(r",? or pass \{'api_key': \.\.\.\}(?: in its configuration)?"), ""),
    (re.compile(r": pass \{'api_key': \.\.\.\}(?: in its configuration)?"), ""),
    (re.compile(r"pass \{'(\w+)': \.\.\.\}(?: in its configuration)?"), r"give --set \1=…"),
    (re.compile(r"pass model="), "name one with -m"),
    (re.compile(r"goes in provider_options"), "is given with --provider-option"),
    (re.compile(r"in provider_options"), "with --provider-option"),
    (re.compile(r" or provider\.\w+\([^()]*\)"), ""),
)
"""Advice in Python, and what it is here."""
WARNED = f"{__name__}.warned"


def complain(message: str) -> None:
    """One line on stderr about what went wrong."""
    _tell(message, "airouter: ", fg="red", bold=True)


def told(error: AirouterError | OSError) -> str:
    """What went wrong, in one line; the error itself speaks to programs, so the command that helps is added."""
    if isinstance(error, OSError) and error.strerror:
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    return in_shell(" ".join(str(error).split())) + _command_for(error)


def in_shell(message: str) -> str:
    """A message of the library, which speaks to programs in Python, in the words of a command line."""
    for pattern, words in IN_SHELL:
        message = pattern.sub(words, message)
    return message


def _command_for(error: Exception) -> str:
    if isinstance(error, MissingApiKeyError):
        return f"; `airouter keys set {error.provider or 'PROVIDER'}` stores one"
    if isinstance(error, ProviderError) and error.provider:
        if isinstance(error, AuthenticationError):
            return f"; `airouter keys set {error.provider}` stores another"
        if isinstance(error, ModelNotFoundError):
            return f"; `airouter models {error.provider}` lists them"
    return ""


def error_record(error: AirouterError) -> dict[str, object]:
    """An error for programs, with what had arrived by then."""
    partial = error.partial if isinstance(error, ExecutionError) else None
    vendor = error if isinstance(error, ProviderError) else None
    return {
        **problem_record(type(error).__name__, told(error)),
        "provider": vendor.provider if vendor else None,
        "status": vendor.status if vendor else None,
        "request_id": vendor.request_id if vendor else None,
        "retryable": error.retryable if isinstance(error, ExecutionError) else False,
        "partial": partial.text if partial else None,
    }


def problem_record(kind: str, message: str) -> dict[str, object]:
    """What went wrong, for programs, where there is no error of a provider."""
    nothing = dict.fromkeys(("provider", "status", "request_id"))
    return {"type": kind, "message": message, **nothing, "retryable": False, "partial": None}


def note(message: str) -> None:
    """One line on stderr beside the answer."""
    _tell(message, dim=True)


def end_line() -> None:
    """Begin a line on stderr, where somebody watches."""
    if sys.stderr.isatty():
        with contextlib.suppress(OSError):
            click.echo(err=True)


def warn(message: str) -> None:
    """One line on stderr about something that should be known; said once."""
    message = in_shell(message)
    context = click.get_current_context(silent=True)
    if context is not None:
        said: set[str] = context.meta.setdefault(WARNED, set())
        if message in said:
            return
        said.add(message)
    _tell(message, "warning: ", fg="yellow")


def write_json(value: Any) -> None:
    """A value on stdout, for programs: what its encoding cannot hold is escaped as JSON has it."""
    unicode = (sys.stdout.encoding or "utf-8").lower().replace("-", "").startswith("utf")
    write(json.dumps(plain(value), indent=2, ensure_ascii=not unicode))


def write(text: str) -> None:
    """A text on stdout, and the end of its line; on a terminal its control characters are shown, not obeyed."""
    click.echo(harmless(text, sys.stdout))


def _tell(message: str, head: str = "", **style: Any) -> None:
    parts = (head, message) if head else (message, "")
    first, second = (plainly(part, sys.stderr) for part in parts)
    try:
        click.echo(styled(first, sys.stderr, **style) + harmless(second, sys.stderr), err=True)
    except OSError:  # nobody's answer depends on it
        drop(sys.stderr)


@contextlib.contextmanager
def waiting(message: str) -> Iterator[None]:
    """A spinner on stderr while something takes its time; nothing where nobody watches."""
    if not sys.stderr.isatty() or SHOWN:
        yield
        return
    from rich.console import Console

    SHOWN.append(message)
    try:
        spinner = "dots" if has_our_signs(sys.stderr) else "line"
        with Console(stderr=True).status(plainly(message, sys.stderr), spinner=spinner):
            yield
    finally:
        SHOWN.clear()
