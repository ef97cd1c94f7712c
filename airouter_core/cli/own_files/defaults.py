"""The provider and model that count when nothing is named, written into a settings file that people have written too.

Only the two lines are touched: comments, order and everything else of the file stay as they are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from ...config.files import GENERAL
from ...config.folders import FILE_NAMES, VARIABLE, config_folder, first_in
from ...config.writing import alone, write_whole
from ...errors import ConfigurationError
from .editing import Simple, read_text, with_lines

WHAT = "the default model"


def own_file(environ: Mapping[str, str] | None = None) -> str:
    """The settings file that is the user's own: the one that ``AIROUTER_CONFIG`` names, or in the user's folder."""
    environ = os.environ if environ is None else environ
    folder = config_folder(environ)
    return environ.get(VARIABLE) or first_in(folder) or os.path.join(folder, FILE_NAMES[0])


def set_default_model(
    provider: str,
    model: str,
    environ: Mapping[str, str] | None = None,
    *,
    settings: Mapping[str, Simple] | None = None,
) -> str:
    """Write a default into the user's own settings file, which is made if need be.

    Args:
        provider: its name, or that of a table of the file.
        model: as the provider calls it.
        settings: of the provider, to be written too.

    Returns:
        The file's path.

    Raises:
        ConfigurationError: the file cannot be read or written, or is written in a way that cannot be changed safely.
    """
    path = own_file(environ)
    wanted: dict[str, dict[str, Simple]] = {GENERAL: {"provider": provider, "model": model}}
    if settings:
        wanted[provider] = dict(settings)
    with alone(os.path.realpath(path), WHAT):
        text = read_text(path)
        for table, values in wanted.items():
            change = _json_with if path.endswith(".json") else with_lines
            text = change(text, path, table, values)
        write_whole(path, text, WHAT)
    return path


def _json_with(text: str, path: str, table: str, wanted: Mapping[str, Simple]) -> str:
    content = _parsed(text or "{}", path, table)
    return json.dumps({**content, table: {**content.get(table, {}), **wanted}}, indent=2, ensure_ascii=False) + "\n"


def _parsed(text: str, path: str, table: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path!r} is not valid JSON, so nothing was changed: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get(table, {}), dict):
        raise ConfigurationError(f"{path!r} does not hold tables of settings; nothing was changed")
    return content
