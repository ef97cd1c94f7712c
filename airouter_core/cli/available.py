"""Which distributions of airouter there are: a list in this package, written from the projects themselves."""

from __future__ import annotations

import functools
import os
import re
import tomllib

import attrs

from ..plugins.finding import squeezed
from ..plugins.registry import installed

FILE = os.path.join(os.path.dirname(__file__), "available.toml")
_NAME = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(\[[A-Za-z0-9._, -]*\])?")


@attrs.frozen
class Available:
    """A distribution that can be installed.

    Attributes:
        brings: names of its providers and commands, by which it is found too.
    """

    name: str
    description: str
    brings: tuple[str, ...] = ()


@functools.cache
def available() -> tuple[Available, ...]:
    """All of ours, by name."""
    with open(FILE, "rb") as file:
        content = tomllib.load(file)
    return tuple(Available(name, table["description"], tuple(table["brings"])) for name, table in content.items())


def distribution_of(name: str) -> tuple[str, bool] | None:
    """The distribution that somebody means, with the extras given, and whether it is one of ours.

    A name alone is found by what it brings; one that nobody of ours has must be said whole. ``None`` for what is no
    name of a distribution.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    word, extras = match[1], match[2] or ""
    wanted = squeezed(word)
    for one in available():
        names = (one.name, one.name.removeprefix("airouter-"), *one.brings)
        if wanted in map(squeezed, names):
            return one.name + extras, True
    found = installed().find(word) if not extras else None
    if found is not None and found.distribution:
        return found.distribution, False
    return name, False


def not_installed(word: str) -> str | None:
    """The distribution that brings a provider or command of this name and is not here, if there is one."""
    found = next((one.name for one in available() if word in one.brings), None)
    return found if found is not None and installed_version(found) is None else None


def installed_version(name: str) -> str | None:
    """The version of a distribution that is installed; ``None`` where it is not."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None
