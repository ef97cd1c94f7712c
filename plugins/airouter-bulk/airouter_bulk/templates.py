r"""Prompts with the fields of a row in them: ``{{ field }}``. A closed language, in which no code can be written.

``{{ a.b.0 }}`` goes into objects and lists, ``{{ "First Name" }}`` is a field with blanks or dots in its name,
``{{ field | json }}`` writes a value as JSON, ``\{{`` is two braces. A value
that is no text is written as JSON too. A field that a row does not have is that row's error, never an empty text.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from .errors import SpecError

TOKEN = re.compile(r"\\\{\{|\{\{(.*?)\}\}|\{\{", re.DOTALL)
STEP = r"""(?:"[^"]+"|'[^']+'|[^\s.|{}"'][^\s.|{}]*)"""
PLACE = re.compile(rf"\s*({STEP}(?:\.{STEP})*)\s*(?:\|\s*(\w+)\s*)?")
SHOWN = 20
"""Fields of a row that an error names."""
FILTERS = ("json",)


class MissingFieldError(ValueError):
    """A row lacks a field that the template names."""


class Place(NamedTuple):
    """Where a value of the row goes."""

    path: tuple[str, ...]
    as_json: bool

    def filled(self, row: Mapping[str, Any]) -> str:
        """The value as text.

        Raises:
            MissingFieldError: the row has none, or it is null.
        """
        value: Any = row
        for index, name in enumerate(self.path):
            value = _inside(value, name)
            if value is None and not (self.as_json and index == len(self.path) - 1):
                known = ", ".join(itertools.islice(row, SHOWN)) + (", …" if len(row) > SHOWN else "") or "none"
                raise MissingFieldError(f"the row has no {'.'.join(self.path[: index + 1])!r} (its fields: {known})")
        if isinstance(value, str) and not self.as_json:
            return value
        return msgspec.json.encode(value).decode()


class Template:
    """A text with places for the values of a row.

    Raises:
        SpecError: it is no template; the message says where.
    """

    def __init__(self, text: str) -> None:
        self._parts: list[str | Place] = []
        end = 0
        for match in TOKEN.finditer(text):
            self._parts.append(text[end : match.start()])
            self._parts.append(_part(match, text))
            end = match.end()
        self._parts.append(text[end:])

    def filled(self, row: Mapping[str, Any]) -> str:
        """The text for one row.

        Raises:
            MissingFieldError: the row lacks a field.
        """
        return "".join(part if isinstance(part, str) else part.filled(row) for part in self._parts)


def _part(match: re.Match[str], text: str) -> str | Place:
    if match.group().startswith("\\"):
        return "{{"
    line = text.count("\n", 0, match.start()) + 1
    if match.group(1) is None:
        raise SpecError(f"line {line} of the prompt opens {{{{ and does not close it; write \\{{{{ for two braces")
    found = PLACE.fullmatch(match.group(1))
    if found is None:
        raise SpecError(
            f"line {line} of the prompt: {match.group()} is no field; write {{{{ field }}}}, {{{{ a.b }}}} or "
            '{{ "a field" }}'
        )
    if found.group(2) not in (None, *FILTERS):
        raise SpecError(f"line {line} of the prompt: the filter {found.group(2)!r} is not known; there is json")
    steps = re.findall(STEP, found.group(1))
    return Place(tuple(step[1:-1] if step[0] in "\"'" else step for step in steps), found.group(2) is not None)


def _inside(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, Sequence) and not isinstance(value, str) and name.isdecimal() and int(name) < len(value):
        return value[int(name)]
    return None
