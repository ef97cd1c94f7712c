"""Which mode is used, and why."""

from __future__ import annotations

import attrs

from ..config import LlamaCppConfig
from ..engines.embedded import is_installed
from ..programs.program import CLI, SERVER, Programs
from ..programs.system import system_for
from .base import Mode, Setting
from .cli import Cli
from .embedded import Embedded
from .remote import Remote
from .server import Server


@attrs.frozen
class Choice:
    """A mode, and why it is the one."""

    mode: Mode
    reason: str


def chosen(setting: Setting) -> Choice:
    """The mode that is configured; for ``auto`` the first of remote, server, embedded and cli that can be.

    Raises:
        ConfigurationError: what is configured cannot be.
    """
    config = setting.config
    if config.mode != "auto":
        return Choice(_made(config.mode, setting), "as configured")
    if config.base_url:
        return Choice(Remote(setting), "base_url is set")
    programs = _programs(config)
    server = programs.find(SERVER)
    if server is not None:
        return Choice(Server(setting, programs), f"no base_url, and there is {server}")
    if programs.are_named and programs.find(CLI) is None:
        # What is configured and not there is an error, which the first use raises, and nothing to put another in for.
        return Choice(Server(setting, programs), programs.why_not(SERVER))
    without = f"no base_url, no {SERVER} ({programs.why_not(SERVER)})"
    if is_installed():
        return Choice(Embedded(setting), f"{without}, and xllamacpp is installed")
    if programs.find(CLI) is not None:
        return Choice(Cli(setting, programs), f"{without}, no xllamacpp, and there is {programs.find(CLI)}")
    # None of the four can be: the embedded one is the one that a single command brings.
    return Choice(Embedded(setting), f"{without}, no {CLI}; xllamacpp is not installed either, and easiest to get")


def _made(name: str, setting: Setting) -> Mode:
    match name:
        case "remote":
            return Remote(setting)
        case "embedded":
            return Embedded(setting)
        case "server":
            return Server(setting, _programs(setting.config))
        case _:
            return Cli(setting, _programs(setting.config))


def _programs(config: LlamaCppConfig) -> Programs:
    system = system_for(config.wsl, config.llama_cpp_path, distribution=config.wsl_distribution)
    return Programs(config.llama_cpp_path, system)
