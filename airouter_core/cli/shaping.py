"""``--schema`` and ``-x``: the form that an answer must have, and what of it is wanted."""

from __future__ import annotations

import os
from typing import Any

import click

from ..errors import ConfigurationError
from ..values.code_blocks import code_blocks
from .choices import Function
from .output import note

schema_option = click.option(
    "--schema",
    metavar="SCHEMA",
    help="Form of the answer: 'name, age int, tags list', a JSON Schema, or a file of either. Prints JSON that fits.",
)

first_option = click.option("-x", "--extract", "first", is_flag=True, help="Print only the first code block.")
last_option = click.option("--xl", "--extract-last", "last", is_flag=True, help="Print only the last code block.")


def shaping_options(function: Function) -> Function:
    """The options of a command that prints one answer."""
    return schema_option(first_option(last_option(function)))


def extracted(text: str, *, first: bool, last: bool) -> str:
    """Of an answer what is wanted: all of it, or one of its code blocks."""
    if not (first or last):
        return text
    blocks = code_blocks(text)
    if not blocks:
        note("there is no code block in the answer; this is all of it")
        return text
    return blocks[0] if first else blocks[-1]


def chosen_schema(given: str | None) -> dict[str, Any] | None:
    """The JSON Schema that ``--schema`` names.

    Raises:
        ConfigurationError: it is none.
    """
    if given is None:
        return None
    from .questions.short_schemas import schema_from

    path = os.path.expanduser(given)
    if os.path.isfile(path):
        try:
            with open(path, encoding="utf-8-sig") as file:
                given = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"cannot read {path!r}: {getattr(error, 'strerror', None) or error}") from error
    elif path.endswith(".json"):
        raise ConfigurationError(f"there is no file {path!r}")
    return schema_from(given)
