"""Tools by name: built-in ones, functions of modules, and all functions of a file."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any

from ...errors import ConfigurationError
from .builtin_tools import BUILT_IN

Function = Callable[..., Any]


def tool_named(name: str) -> Function:
    """A tool that is built in, or ``MODULE:FUNCTION``. A module of the working folder comes last.

    Raises:
        ConfigurationError: there is none of this name, or its module cannot be imported.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    module, colon, attribute = name.partition(":")
    if not (colon and module and attribute):
        raise ConfigurationError(f"there is no tool {name!r}: name one of {', '.join(BUILT_IN)}, or MODULE:FUNCTION")
    found: Any = _imported(module, name)
    for step in attribute.split("."):
        found = getattr(found, step, None)
    if not callable(found):
        raise ConfigurationError(f"{module} has no function {attribute!r}")
    return found  # type: ignore[no-any-return]  # callable() knows no signature


def tools_of_file(path: str) -> list[Function]:
    """The functions that a Python file defines, but those whose names begin with ``_``. The file is run for that.

    Raises:
        ConfigurationError: it cannot be read or run, or defines none.
    """
    spec = importlib.util.spec_from_file_location(f"airouter_functions_{abs(hash(path))}", path)
    if spec is None or spec.loader is None or not os.path.isfile(path):
        raise ConfigurationError(f"{path!r} is no file of Python (.py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # annotations are looked up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a stranger's code
        raise ConfigurationError(f"{path!r} cannot be run ({type(error).__name__}: {error})") from error
    found: list[Function] = [
        member
        for name, member in vars(module).items()
        if inspect.isfunction(member) and member.__module__ == spec.name and not name.startswith("_")
    ]
    if not found:
        raise ConfigurationError(f"{path!r} defines no functions")
    return found


def _imported(module: str, name: str) -> Any:
    here = os.getcwd()
    sys.path.append(here)  # last, so that a file of a stranger's folder stands for no module that is installed
    try:
        return importlib.import_module(module)
    except Exception as error:  # a stranger's code
        raise ConfigurationError(
            f"tool {name!r}: {module} cannot be imported ({type(error).__name__}: {error})"
        ) from error
    finally:
        sys.path.remove(here)
