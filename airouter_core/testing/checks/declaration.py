"""What is declared: light to import, found, coherent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import msgspec
import pytest

from ...config.http import HttpConfig
from ...config.loading import load_config
from ...errors import ConfigurationError, MissingApiKeyError
from ...plugins.factory import config_class
from ...plugins.registry import Plugins
from ...profile.declarations import INTERFACE_VERSION
from ...provider.facade import Provider
from ..halves import in_each_half
from ..subject import NotConformingError, Subject, hold, none_of

HEAVY = ("requests", "urllib3", "http.client", "httpx", "aiohttp", "asyncio", "socket", "ssl", "click", "pydantic")
"""What a listing must not import."""
MODULE_BUDGET = 15
"""Modules that a plugin may import beside those of the core's declarations."""
SECONDS_BUDGET = 0.1
"""CPU time that importing them may take beyond that."""

PROBE = """
import json, sys, time
events = []
sys.addaudithook(lambda name, args: events.append(name) if name.startswith(("socket.", "subprocess.", "os.system",
    "os.fork", "os.posix_spawn", "urllib.")) and name != "socket.gethostname" else None)
import airouter_core.profile.declarations, airouter_core.plugins.hookspecs
before, started = set(sys.modules), time.process_time()
__import__(sys.argv[1])
seconds, imported = time.process_time() - started, sorted(set(sys.modules) - before)
import threading
print(json.dumps({"imported": imported, "seconds": seconds, "events": events,
    "threads": threading.active_count(), "loaded": sorted(set(sys.modules))}))
"""


class DeclarationChecks(Subject):
    """What is declared."""

    def test_the_plugin_module_is_light(self) -> None:
        """Importing what the entry point names imports no implementation and no HTTP library, and is quick."""
        plugin = self.plugin_object()
        if not isinstance(plugin, ModuleType):
            pytest.skip("the plugin is given as an object, not as a module")
        found = _probed(plugin.__name__)
        implementation = self.info.target.partition(":")[0]
        heavy = [name for name in found["imported"] if name in HEAVY or name == implementation]
        hold(not heavy, f"importing {plugin.__name__} imports {', '.join(heavy)}: keep values only in that module")
        own = [name for name in found["imported"] if not name.startswith("airouter_core")]
        hold(len(own) <= MODULE_BUDGET, f"importing {plugin.__name__} imports {len(own)} modules: {', '.join(own)}")
        hold(found["seconds"] <= SECONDS_BUDGET, f"importing {plugin.__name__} takes {found['seconds']:.3f} s of CPU")
        hold(not found["events"], f"importing {plugin.__name__} does {', '.join(found['events'])}")

    def test_importing_the_implementation_starts_nothing(self) -> None:
        """No socket, process or thread comes of importing the implementation."""
        found = _probed(self.info.target.partition(":")[0])
        hold(not found["events"], f"importing the implementation does {', '.join(found['events'])}")
        hold(found["threads"] == 1, f"importing the implementation starts {found['threads'] - 1} threads")

    def test_it_is_found_by_its_entry_point(self) -> None:
        """The plugin declares this provider, and an installation finds it under its name and each alias."""
        plugin = self.plugin_object()
        declared = {info.name: info for info in self.plugins().providers()}
        hold(self.info.name in declared, f"the plugin declares {sorted(declared)}, not {self.info.name!r}")
        same = msgspec.structs.replace(declared[self.info.name], distribution=self.info.distribution) == self.info
        hold(same, "the plugin declares another ProviderInfo than the one under test")
        if not isinstance(plugin, ModuleType):
            return
        plugins = Plugins.discover({})
        own = [problem for problem in plugins.problems if problem.source.target.startswith(plugin.__name__)]
        none_of(map(str, own))
        targets = [source.target for source in plugins.sources]
        hold(
            plugin.__name__ in targets,
            f'no entry point of the group "airouter" names {plugin.__name__}: add it to pyproject.toml, install again',
        )
        for name in (self.info.name, *self.info.aliases):
            hold(plugins.provider(name).name == self.info.name, f"{name!r} does not find {self.info.name!r}")

    def test_the_declaration_is_coherent(self) -> None:
        """Names, parameters and capabilities agree with each other and with the interface."""
        none_of(self._incoherent())

    def _incoherent(self) -> list[str]:
        info, problems = self.info, []
        if info.interface_version.partition(".")[0] != INTERFACE_VERSION.partition(".")[0]:
            problems.append(f"made for interface {info.interface_version}, this is {INTERFACE_VERSION}")
        if not issubclass(self.implementation(), Provider):
            problems.append(f"{info.target} is no Provider")
        names = [info.name, *info.aliases]
        problems += [f"the name {name!r} is not lower case" for name in names if name != name.lower()]
        problems += [f"the name {name!r} is declared twice" for name in sorted(set(names)) if names.count(name) > 1]
        if not info.description:
            problems.append("it has no description")
        known = {row.name for row in self.table()}
        rows = [row.name for row in info.parameters]
        problems += [f"parameter {name!r} has two rows" for name in sorted(set(rows)) if rows.count(name) > 1]
        problems += [f"parameter {name!r} is not canonical" for name in rows if name not in known]
        needs = {"stream": "chat", "tool_choice": "tools", "tools": "chat", "json_schema": "chat", "vision": "chat"}
        for capability, needed in needs.items():
            if capability in info.capabilities and needed not in info.capabilities:
                problems.append(f"{capability!r} is declared without {needed!r}")
        return problems

    def test_a_wrong_setting_is_an_error(self) -> None:
        """A setting that is unknown, or of the wrong type, is a ConfigurationError that names it."""
        for setting, value in (("nonexistent_setting", 1), ("log_content", "certainly not")):
            try:
                load_config(
                    config_class(self.info), {**self.settings(), setting: value}, provider=self.info.name, environ={}
                )
            except ConfigurationError as error:
                hold(setting in str(error), f"the error for {setting!r} does not name it: {error}")
            else:
                hold(False, f"the setting {setting}={value!r} is accepted")

    @in_each_half
    def test_a_missing_key_is_named(self) -> None:
        """Without its key the provider sends nothing, and says which variable to set."""
        variable = self.info.api_key_env
        if variable is None or not issubclass(config_class(self.info), HttpConfig):
            pytest.skip("declares no api_key_env")
        if "api_key" not in self.secrets:
            pytest.skip("another setting than api_key proves who asks here")
        nowhere = {"http": "http://127.0.0.1:1", "https": "http://127.0.0.1:1"}
        settings = {**self.settings(proxies=nowhere), "api_key": None, "base_url": None}
        try:
            config = load_config(config_class(self.info), settings, provider=self.info.name, environ={})
            with self.half.of(self.implementation()(config, self.info, self.plugins())) as provider:
                self.ask(provider)
        except MissingApiKeyError as error:
            hold(variable in str(error), f"the error does not name {variable}: {error}")
        except Exception as error:  # whatever comes instead is what is reported
            problem = f"without a key: expected MissingApiKeyError, got {type(error).__name__}: {error}"
            raise NotConformingError(problem) from None


def _probed(module: str) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603  # this interpreter, a fixed program
        [sys.executable, "-c", PROBE, module],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    hold(done.returncode == 0, f"{module} cannot be imported: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
