"""Changing a few lines of a TOML file that people write too: comments, order and all else stay as they are."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from ...errors import ConfigurationError

Simple = str | int | float | bool
"""A value that stands in one line."""

_HEADER = re.compile(r"^\s*\[")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def read_text(path: str) -> str:
    """A file's text; empty when there is none.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path!r}: {getattr(error, 'strerror', None) or error}") from error


def parsed_toml(text: str, path: str) -> dict[str, Any]:
    """What a file says.

    Raises:
        ConfigurationError: it is no TOML; the message names the file and the line.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path!r} is not valid TOML: {error}") from error


def with_lines(text: str, path: str, table: str | None, wanted: Mapping[str, Simple | None]) -> str:
    """A file's text with values set, or with ``None`` taken away, in a table or before the first one.

    The lines are found by their look; what comes out is parsed and compared, so that a file written in a way that is
    not foreseen here is left to its author rather than broken.

    Raises:
        ConfigurationError: the file is no TOML, or cannot be changed safely; the message says what to write by hand.
    """
    before = parsed_toml(text, path)
    lines = text.splitlines()
    own = [f"{toml_key(name)} = {toml_value(value)}" for name, value in wanted.items() if value is not None]
    start = -1 if table is None else next((at for at, line in enumerate(lines) if _opens(line, table)), None)
    if start is None:
        first = next((at for at, line in enumerate(lines) if _HEADER.match(line)), len(lines))
        head = lines[:first] + ([""] if first and lines[first - 1].strip() else [])
        changed = [*head, f"[{table}]", *own, *([""] if first < len(lines) else []), *lines[first:]]
    else:
        end = next((at for at in range(start + 1, len(lines)) if _HEADER.match(lines[at])), len(lines))
        kept = [line for line in lines[start + 1 : end] if not any(_sets(line, name) for name in wanted)]
        # Below what stands there already; an empty line before the next table stays before it.
        blank = next((at for at in range(len(kept), 0, -1) if kept[at - 1].strip()), 0)
        changed = [*lines[: start + 1], *kept[:blank], *own, *kept[blank:], *lines[end:]]
    made = "\n".join(changed) + "\n"
    if _understood(made) != _expected(before, table, wanted):
        where = f" in [{table}]" if table else ""
        said = "; ".join(own) or f"take {', '.join(wanted)} out"
        raise ConfigurationError(f"{path!r} is written in a way that cannot be changed safely; yourself{where}: {said}")
    return made


def toml_key(name: str) -> str:
    """A name as it stands before the equals sign."""
    return name if _BARE.fullmatch(name) else _quoted(name)


def toml_value(value: Simple) -> str:
    """A value as TOML has it."""
    return toml_string(value) if isinstance(value, str) else json.dumps(value)


def toml_string(text: str) -> str:
    """A text as TOML has it: in several lines where it has several, if that says the same."""
    inline = _quoted(text)
    if "\n" not in text:
        return inline
    for quotes in ('"""', "'''"):
        made = f"{quotes}\n{text}{quotes}"
        if _understood(f"x = {made}") == {"x": text}:
            return made
    return inline


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")  # the one character that JSON leaves


def _opens(line: str, table: str) -> bool:
    return bool(re.match(rf"""^\s*\[\s*(["']?){re.escape(table)}\1\s*\]\s*(?:#.*)?$""", line))


def _sets(line: str, name: str) -> bool:
    return bool(re.match(rf"""\s*(["']?){re.escape(name)}\1\s*=""", line))


def _expected(before: dict[str, Any], table: str | None, wanted: Mapping[str, Simple | None]) -> dict[str, Any]:
    inner = before if table is None else before.get(table, {})
    if not isinstance(inner, dict):
        return {}
    values = {name: value for name, value in {**inner, **wanted}.items() if value is not None}
    return values if table is None else {**before, table: values}


def _understood(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None
