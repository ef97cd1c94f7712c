"""What an import costs, and that the public names are what they seem."""

from __future__ import annotations

import ast
import inspect
import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import airouter_core
from airouter_core import errors

HTTP = ("requests", "urllib3", "aiohttp", "httpx", "http.client", "ssl")


def loaded_by(program: str, home: Path | None = None) -> list[str]:
    """The modules that a fresh interpreter has loaded after running a program, in a home of its own if one is given."""
    program = f"{program}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AIROUTER_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
        cwd=home,
        env=None if home is None else {**environ, "HOME": str(home)},
    )
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return names


def among(names: list[str], *packages: str) -> list[str]:
    return [name for name in names if any(name == package or name.startswith(f"{package}.") for package in packages)]


def plugins_among(names: list[str]) -> list[str]:
    """Modules of plugins: of distributions that are no core."""
    return [name for name in names if name.startswith("airouter_") and name.split(".")[0] != "airouter_core"]


def test_importing_the_core_loads_next_to_nothing() -> None:
    """``import airouter_core`` loads neither requests, nor a plugin, nor anything else of the core."""
    names = loaded_by("import airouter_core")
    assert among(names, *HTTP, "attrs", "attr", "pluggy", "importlib_metadata") == []
    assert plugins_among(names) == []
    assert among(names, "airouter_core") == ["airouter_core"]


def test_listing_providers_loads_no_implementation() -> None:
    """``list_providers()`` loads the modules that the entry points name, and no HTTP library and no configuration."""
    names = loaded_by("import airouter_core; airouter_core.list_providers()")
    assert among(names, *HTTP) == []
    implementations = {name.split(".")[1] for name in plugins_among(names) if "." in name}
    assert implementations <= {"plugin", "parameters", "service", "table"}
    assert among(names, "airouter_core.provider.facade", "airouter_core.transports", "airouter_core.dialects") == []


def test_validating_a_configuration_loads_no_http_library() -> None:
    """``validate_provider_config()`` loads configurations, and nothing that speaks HTTP."""
    names = loaded_by(
        "import airouter_core\n"
        "for info in airouter_core.list_providers():\n"
        "    airouter_core.validate_provider_config(info.name, {})"
    )
    assert among(names, "requests", "urllib3", "aiohttp", "airouter_core.transports") == []


def test_awaiting_is_not_paid_for_by_those_who_block() -> None:
    """A blocking call loads no event loop's HTTP library, and the other way round."""
    names = loaded_by("import airouter_core.provider.http")
    assert among(names, "requests", "urllib3", "aiohttp") == []


def test_locks_and_folders_are_not_paid_for_by_calls() -> None:
    """Only who writes keys loads the lock, and only who looks for the user's folder what knows where it is."""
    names = loaded_by(
        "import airouter_core, airouter_core.keys, airouter_core.manager\n"
        "for info in airouter_core.list_providers():\n"
        "    given = {'api_key': 'sk-0123456'} if info.api_key_env else {}\n"
        "    valid, _ = airouter_core.validate_provider_config(info.name, given)  # some need an address too\n"
        "    valid and airouter_core.create_provider(info.name, given)"
    )
    assert among(names, "filelock", "platformdirs") == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only a library knows the user's folder")
def test_a_settings_file_that_is_not_there_is_not_paid_for(tmp_path: Path) -> None:
    """Layers of plugins ask for their settings at the first call; without a file nothing that reads one is loaded."""
    names = loaded_by(
        "from airouter_core.plugins.registry import installed\n"
        "from airouter_core.testing import fake_provider\n"
        "print(fake_provider('hi', plugins=installed()).execute('m', 'x'))",
        tmp_path,
    )
    assert among(names, "airouter_core.config.files", "airouter_core.config.trust", "platformdirs", "tomllib") == []


# The public names.


def declared() -> dict[str, str]:
    """The public names and where they come from, as type checkers see them."""
    tree = ast.parse(Path(airouter_core.__file__).with_suffix(".pyi").read_text())
    return {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    } | {"__version__": "version:VERSION"}


def test_what_is_promised_is_what_type_checkers_see() -> None:
    """``__all__`` and the stub for type checkers are the same names."""
    assert sorted(airouter_core.__all__) == sorted(declared())
    assert len(airouter_core.__all__) == len(set(airouter_core.__all__))


@pytest.mark.parametrize("name", airouter_core.__all__)
def test_each_public_name(name: str) -> None:
    """Each name can be had, is the one that type checkers see, and says what it is."""
    import importlib

    value: Any = getattr(airouter_core, name)
    module, _, attribute = declared()[name].partition(":")
    assert value is getattr(importlib.import_module(f"airouter_core.{module}"), attribute)
    assert name in dir(airouter_core)
    if callable(value) and not hasattr(errors, name):  # exceptions have no signature
        inspect.signature(value)
        assert inspect.getdoc(value)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__module__ == f"airouter_core.{module}"
        assert value.__doc__
        assert "attrs" not in (value.__doc__ or "").partition("\n")[0]


@pytest.mark.parametrize("name", airouter_core.__all__)
def test_each_public_method_says_what_it_does(name: str) -> None:
    """Public methods and properties of public classes of the core have docstrings, unless a base class has it."""
    value: Any = getattr(airouter_core, name)
    if not inspect.isclass(value):
        return
    for method, member in vars(value).items():
        function = member.fget if isinstance(member, property) else member
        function = getattr(function, "__func__", function)
        if method.startswith("_") or not isinstance(function, types.FunctionType) or not same_home(function):
            continue
        assert inspect.getdoc(getattr(value, method)) or len(inspect.getsource(function).splitlines()) < 5, method


def same_home(function: types.FunctionType) -> bool:
    return function.__module__.startswith("airouter_core")


def test_what_there_is_not() -> None:
    """A name that does not exist is an AttributeError as everywhere."""
    with pytest.raises(AttributeError, match="module 'airouter_core' has no attribute 'Nonsense'"):
        _ = airouter_core.Nonsense


def test_the_version_is_a_version() -> None:
    """The version is that of the installed distribution."""
    import importlib.metadata

    assert airouter_core.__version__ == importlib.metadata.version("airouter-core")
