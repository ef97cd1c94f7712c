"""The provider and model that count when nothing is named, written into a settings file that people have written too.

Only the two lines are touched: comments, order and everything else of the file stay as they are.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError
from .files import FILE_NAMES, GENERAL, VARIABLE, first_in
from .folders import config_folder
from .writing import alone, write_whole

WHAT = "the default model"
_HEADER = re.compile(r"^\s*\[")
_OURS = re.compile(rf"^\s*\[\s*(?:{GENERAL}|\"{GENERAL}\"|'{GENERAL}')\s*\]\s*(?:#.*)?$")


def own_file(environ: Mapping[str, str] | None = None) -> str:
    """The settings file that is the user's own: the one that ``AIROUTER_CONFIG`` names, or in the user's folder."""
    environ = os.environ if environ is None else environ
    folder = config_folder(environ)
    return environ.get(VARIABLE) or first_in(folder) or os.path.join(folder, FILE_NAMES[0])


def set_default_model(provider: str, model: str, environ: Mapping[str, str] | None = None) -> str:
    """Write a default into the user's own settings file, which is made if need be.

    Args:
        provider: its name, or that of a table of the file.
        model: as the provider calls it.

    Returns:
        The file's path.

    Raises:
        ConfigurationError: the file cannot be read or written, or is written in a way that cannot be changed safely.
    """
    path = own_file(environ)
    wanted = {"provider": provider, "model": model}
    with alone(os.path.realpath(path), WHAT):
        text = _read(path)
        changed = _json_with(text, path, wanted) if path.endswith(".json") else _toml_with(text, path, wanted)
        write_whole(path, changed, WHAT)
    return path


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path!r}: {getattr(error, 'strerror', None) or error}") from error


def _json_with(text: str, path: str, wanted: Mapping[str, str]) -> str:
    content = _parsed(text or "{}", path)
    return json.dumps({**content, GENERAL: {**content.get(GENERAL, {}), **wanted}}, indent=2, ensure_ascii=False) + "\n"


def _toml_with(text: str, path: str, wanted: Mapping[str, str]) -> str:
    """The file with our lines; a file that would not say exactly what is wanted afterwards is left to its author."""
    before = _parsed(text, path)
    lines = text.splitlines()
    own = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in wanted.items()]
    start = next((at for at, line in enumerate(lines) if _OURS.match(line)), None)
    if start is None:
        first = next((at for at, line in enumerate(lines) if _HEADER.match(line)), len(lines))
        head = lines[:first] + ([""] if first and lines[first - 1].strip() else [])
        changed = [*head, f"[{GENERAL}]", *own, *([""] if first < len(lines) else []), *lines[first:]]
    else:
        end = next((at for at in range(start + 1, len(lines)) if _HEADER.match(lines[at])), len(lines))
        kept = [line for line in lines[start + 1 : end] if not re.match(r"\s*(provider|model)\s*=", line)]
        changed = [*lines[: start + 1], *own, *kept, *lines[end:]]
    made = "\n".join(changed) + "\n"
    if _parsed(made, path, broken_by_us=True) != {**before, GENERAL: {**before.get(GENERAL, {}), **wanted}}:
        raise ConfigurationError(_BY_HAND.format(path=path, lines="; ".join(own)))
    return made


_BY_HAND = f"{{path!r}} is written in a way that cannot be changed safely; write in [{GENERAL}] yourself: {{lines}}"


def _parsed(text: str, path: str, *, broken_by_us: bool = False) -> dict[str, Any]:
    try:
        content = json.loads(text) if path.endswith(".json") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        if broken_by_us:
            return {}
        raise ConfigurationError(f"{path!r} cannot be read, so nothing was changed: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get(GENERAL, {}), dict):
        raise ConfigurationError(f"{path!r} does not hold tables of settings; nothing was changed")
    return content
