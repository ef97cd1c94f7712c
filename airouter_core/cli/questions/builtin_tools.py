"""Tools that are there already: reading files of the working folder and public web addresses, and arithmetic."""

from __future__ import annotations

import ast
import math
import operator
import os
from collections.abc import Callable
from typing import Any

from ...errors import ParameterError

MOST_READ = 1 << 20
"""Bytes of a file or an address; no model reads more at once."""
MOST_BITS = 10_000
"""Of a whole number: larger ones say nothing, and take for ever to write."""
LONGEST = 1000
"""Characters of an expression."""

BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(math, name) for name in ("sqrt", "exp", "log", "log2", "log10", "sin", "cos", "tan", "asin")},
    **{name: getattr(math, name) for name in ("acos", "atan", "atan2", "degrees", "radians", "floor", "ceil", "hypot")},
    "abs": abs,
    "min": min,
    "max": max,
    "round": round,
    "gcd": math.gcd,
}


def calculate(expression: str) -> str:
    """Calculate an arithmetic expression, such as "(3 + 4) * 2 ** 10 / sqrt(2)".

    Takes + - * / // % ** with parentheses, pi, e, and functions such as sqrt, log, sin, floor, min and max.
    """
    if len(expression) > LONGEST:
        raise ParameterError(f"an expression has at most {LONGEST} characters")
    try:
        return str(_value(ast.parse(expression.strip(), mode="eval").body))
    except ParameterError:
        raise
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ParameterError(f"{expression!r} is no arithmetic expression") from error
    except (ArithmeticError, ValueError, TypeError) as error:
        raise ParameterError(f"{expression!r} has no value: {error}") from error


def read_file(path: str) -> str:
    """Read a text file of the working folder or below it, by its path relative to that folder.

    What is hidden (names that begin with a dot, where keys are kept) is not read.
    """
    from ...values.messages import FilePart
    from ...values.texts import text_of

    folder = os.path.realpath(os.getcwd())
    meant = os.path.realpath(os.path.join(folder, path))
    if os.path.commonpath([folder, meant]) != folder:
        raise ParameterError(f"{path!r} is outside of the working folder")
    if any(part.startswith(".") for part in os.path.relpath(meant, folder).split(os.sep)):
        raise ParameterError(f"{path!r} is hidden, and such files are not read")
    if os.path.isfile(meant) and os.path.getsize(meant) > MOST_READ:
        raise ParameterError(f"{path!r} is longer than {MOST_READ} bytes")
    text = text_of(FilePart.from_path(meant).data or b"")
    if text is None:
        raise ParameterError(f"{path!r} is no text in UTF-8")
    return text


def http_get(url: str) -> str:
    """Read a page of the public web: the text of an http or https address, as the server gives it."""
    from ...values.texts import text_of
    from .fetching import fetch

    got = fetch(url, limit=MOST_READ)
    text = text_of(got.data, got.charset)
    if text is None:
        raise ParameterError(f"{url!r} is no text ({got.media_type or 'of no known kind'})")
    return text


BUILT_IN = {function.__name__: function for function in (calculate, read_file, http_get)}


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.UnaryOp(op=sign, operand=inner) if type(sign) in UNARY:
            return UNARY[type(sign)](_value(inner))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in BINARY:
            return _combined(type(sign), _value(left), _value(right))
        case ast.Call(func=ast.Name(id=name), args=given, keywords=[]) if name in FUNCTIONS:
            return _bounded(FUNCTIONS[name](*map(_value, given)))
    raise ParameterError(f"{ast.unparse(node)!r} is no arithmetic; there are {', '.join((*CONSTANTS, *FUNCTIONS))}")


def _combined(sign: type[ast.operator], left: Any, right: Any) -> Any:
    whole = isinstance(left, int) and isinstance(right, int)
    if sign is ast.Pow and whole and left.bit_length() * right > MOST_BITS:  # before it is tried
        raise ParameterError("the number is too large")
    value = BINARY[sign](left, right)
    if isinstance(value, complex):
        raise ParameterError("the value is no real number")
    return _bounded(value)


def _bounded(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise ParameterError("the number is too large")
    return value
