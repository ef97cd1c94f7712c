"""Kinds of values that parameters and settings may have, and the one place that checks them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

Kind = Literal["number", "integer", "boolean", "string", "strings", "mapping", "path", "any"]

DESCRIPTIONS: Mapping[Kind, str] = {
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "string": "a string",
    "strings": "a string or a list of strings",
    "mapping": "a mapping",
    "path": "a path",
    "any": "any value",
}


def checked(value: Any, kind: Kind) -> Any:
    """Return ``value`` in the form that ``kind`` stands for.

    Raises:
        ValueError: it is of another kind; the message says which was expected and what was given.
    """
    accepted = _accept(value, kind)
    if accepted is None:
        raise ValueError(f"must be {DESCRIPTIONS[kind]}, not {_shown(value)}")
    return accepted


def within(
    value: Any,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    choices: Sequence[Any] = (),
) -> None:
    """Check a value that :func:`checked` has passed against a range and a list of choices.

    Raises:
        ValueError: it is outside; the message says what is allowed.
    """
    if choices and value not in choices:
        raise ValueError(f"must be one of {', '.join(map(str, choices))}, not {_shown(value)}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if minimum is not None and value < minimum:
        raise ValueError(f"must be at least {_digits(minimum)}, not {_digits(value)}")
    if above is not None and value <= above:
        raise ValueError(f"must be greater than {_digits(above)}, not {_digits(value)}")
    if maximum is not None and value > maximum:
        raise ValueError(f"must be at most {_digits(maximum)}, not {_digits(value)}")


def parsed(text: str, kind: Kind) -> Any:
    """Read a value of this kind from text, as a command line or the environment has it.

    Raises:
        ValueError: the text does not say such a value.
    """
    if kind == "boolean":
        words = {
            "true": True,
            "yes": True,
            "1": True,
            "on": True,
            "false": False,
            "no": False,
            "0": False,
            "off": False,
        }
        if text.lower() in words:
            return words[text.lower()]
        raise ValueError(f"must be true or false, not {text!r}")
    if kind in ("number", "integer"):
        try:
            return checked(float(text) if kind == "number" else int(text), kind)
        except ValueError:
            raise ValueError(f"must be {DESCRIPTIONS[kind]}, not {text!r}") from None
    if kind in ("mapping", "any"):
        return _parsed_json(text, kind)
    return (text,) if kind == "strings" else text


def _parsed_json(text: str, kind: Kind) -> Any:
    import json

    try:
        return checked(json.loads(text), kind)
    except ValueError:
        if kind == "any":
            return text
        raise ValueError(f"must be a JSON object, not {text!r}") from None


def _accept(value: Any, kind: Kind) -> Any:
    match kind:
        case "number":
            usable = isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
            return value if usable else None
        case "integer":
            if isinstance(value, float) and value.is_integer():
                return int(value)
            return value if isinstance(value, int) and not isinstance(value, bool) else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "string":
            return value if isinstance(value, str) else None
        case "strings":
            items = (value,) if isinstance(value, str) else value
            usable = isinstance(items, list | tuple) and all(isinstance(item, str) for item in items)
            return tuple(items) if usable else None
        case "mapping":
            return value if isinstance(value, Mapping) else None
        case "path":
            return os.fspath(value) if isinstance(value, str | os.PathLike) else None
        case "any":
            return value


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number beyond every float
        return False


def _shown(value: Any) -> str:
    return f"{type(value).__name__} {_short(repr(value))}"


def _digits(number: float) -> str:
    return _short(repr(int(number) if isinstance(number, float) and number.is_integer() else number))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
