r"""Where programs run: here, or inside WSL; and what a path is called on the other side.

WSL shows the drives of Windows below ``/mnt``, and Windows shows the files of a distribution below
``\\wsl.localhost``.
``wsl.exe --exec`` starts a program without a shell in between, so nothing is quoted and nothing expanded.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import attrs

from airouter_core.errors import ConfigurationError

DRIVE = re.compile(r"([A-Za-z]):[\\/]*(.*)", re.DOTALL)
MOUNTED = re.compile(r"/mnt/([A-Za-z])(?:/(.*))?", re.DOTALL)
SHARED = re.compile(r"[\\/]{2}(?:wsl\.localhost|wsl\$)[\\/]([^\\/]+)(?:[\\/](.*))?", re.DOTALL | re.IGNORECASE)
FOREIGN = re.compile(r"LLAMA_(ARG|LOG)_\w+|LLAMA_API_KEY|LLAMA_CHAT_TEMPLATE_KWARGS|LLAMA_OFFLINE|HF_TOKEN")
"""Variables that stand for flags of llama.cpp's programs. They are meant for a server that somebody runs by hand."""
PATIENCE = 30
"""Seconds for wsl.exe to answer: it may have to start a virtual machine."""


@attrs.frozen
class System:
    """How this Python and the programs see files.

    Attributes:
        kind: ``"native"``; ``"inside"`` WSL, together with the programs; or ``"through"`` wsl.exe.
        launcher: what stands before the command, for ``"through"``.
    """

    kind: Literal["native", "inside", "through"] = "native"
    launcher: tuple[str, ...] = ()
    distribution: str | None = None

    def here(self, path: str) -> str:
        """A path as people write it, for this Python."""
        if self.kind == "inside":
            return to_linux(path)
        if self.kind == "through" and os.name == "nt":
            return to_windows(path, self.distribution)
        return path

    def there(self, path: str) -> str:
        """A path of this Python, for a program."""
        return path if self.kind == "native" else to_linux(path)

    def command(self, words: Sequence[str]) -> list[str]:
        """The command that starts a program."""
        return [*self.launcher, *words]

    def environment(self, more: Mapping[str, str] | None = None, without: Iterable[str] = ()) -> dict[str, str]:
        """What a program gets to see: this process's environment and more, but nothing that stands for a flag.

        What is started here is governed by the settings alone. Through wsl.exe, what crosses is named in ``WSLENV``.

        Args:
            without: further variables that stand for flags, as the program's help names them.
        """
        kept = {
            name: value for name, value in os.environ.items() if not FOREIGN.fullmatch(name) and name not in without
        }
        environment = {**kept, **(more or {})}
        if self.kind == "through":
            crossing = [
                word for word in kept.get("WSLENV", "").split(":") if not FOREIGN.fullmatch(word.partition("/")[0])
            ]
            environment["WSLENV"] = ":".join(filter(None, [*crossing, *(f"{name}/u" for name in more or ())]))
        return environment

    def home(self) -> str:
        """The home folder on the programs' side."""
        if self.kind != "through":
            return os.path.expanduser("~")
        try:
            told = subprocess.run(  # noqa: S603  # a list of words, no shell
                self.command(["printenv", "HOME"]), capture_output=True, timeout=PATIENCE, check=True, text=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ConfigurationError(
                f"{self.launcher[0]} could not be asked for the home folder ({error}); write llama_cpp_path without '~'"
            ) from error
        return told.stdout.strip()


def system_for(
    wsl: bool | None,
    path: str | None,
    *,
    distribution: str | None = None,
    windows: bool | None = None,
    proc_version: str | None = None,
) -> System:
    """Find out how the programs are reached.

    Args:
        wsl: as configured; ``None`` decides by ``path`` and by where this runs.
        windows, proc_version: whether this is Windows, and the text of ``/proc/version``; looked up unless given.

    Raises:
        ConfigurationError: WSL was asked for, and is not there.
    """
    windows = os.name == "nt" if windows is None else windows
    if not windows and wsl is not False and is_wsl(_proc_version() if proc_version is None else proc_version):
        return System("inside")
    through = windows and path is not None and is_linux_path(path) if wsl is None else wsl
    if not through:
        return System()
    launcher = shutil.which("wsl.exe") or shutil.which("wsl")
    if launcher is None:
        raise ConfigurationError(
            "programs were to run inside WSL, and there is no wsl.exe: install it (wsl --install), or set wsl to false"
        )
    chosen = ("--distribution", distribution) if distribution else ()
    return System("through", (launcher, *chosen, "--exec"), distribution)


def is_wsl(proc_version: str) -> bool:
    """Whether this is what ``/proc/version`` says inside WSL."""
    return "microsoft" in proc_version.lower()


def is_linux_path(path: str) -> bool:
    """Whether a path on Windows means a file inside WSL."""
    return path.startswith(("/", "~/")) or SHARED.fullmatch(path) is not None


def to_linux(path: str) -> str:
    r"""``D:\models`` as WSL sees it: ``/mnt/d/models``; other paths as they are."""
    if match := DRIVE.fullmatch(path):
        return f"/mnt/{match[1].lower()}/{_forward(match[2])}".rstrip("/")
    if match := SHARED.fullmatch(path):
        return f"/{_forward(match[2] or '')}"
    return path


def to_windows(path: str, distribution: str | None = None) -> str:
    r"""``/mnt/d/models`` as Windows sees it: ``D:\models``; a distribution's own files below its share."""
    if SHARED.fullmatch(path):
        return _backward(path)
    if match := MOUNTED.fullmatch(path):
        return f"{match[1].upper()}:\\{_backward(match[2] or '')}"
    if path.startswith("/") and distribution:
        return f"\\\\wsl.localhost\\{distribution}{_backward(path)}"
    return path


def _forward(path: str) -> str:
    return path.replace("\\", "/")


def _backward(path: str) -> str:
    return path.replace("/", "\\")


def _proc_version() -> str:
    try:
        with open("/proc/version", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
