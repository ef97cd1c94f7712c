"""The programs of one llama.cpp installation: where they are, and which flags they know.

Flags come and go between builds, so a program is asked: ``--version`` and ``--help``, once for each state of its file.
"""

from __future__ import annotations

import difflib
import errno
import functools
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence

import attrs

from airouter_core.errors import ConfigurationError

from .system import System

SERVER, CLI = "llama-server", "llama-cli"
UNIFIED = "llama"
SUBCOMMANDS = {SERVER: "serve", CLI: "cli"}
"""One program may do the work of all: ``llama serve`` is llama-server, with the same flags."""
VARIABLE = re.compile(r"\(env: (\w+)\)")
PATIENCE = 60
"""Seconds that a program may take to print its help: the first start reads it, and its libraries, from disk."""
VERSION = re.compile(r"version:\s*(.+)")
BUILD = re.compile(r"build (\d+)|version:\s*(\d+) ")
NAMES = re.compile(r"(--?[A-Za-z][\w.-]*)(?:,\s*|\s+(?=-)|(?= )|$)")
HELP = "llama.cpp's programs come with its releases, or are built from its source"


@attrs.frozen
class Flag:
    """What the help says of a flag.

    Attributes:
        value: what its value is called, such as ``"N"``; empty when it takes none.
        text: the whole entry.
    """

    value: str
    text: str = attrs.field(repr=False)

    @property
    def values(self) -> int:
        """How many words follow it."""
        return len(re.sub(r"<[^>]*>|\{[^}]*\}|\[[^]]*\]", "X", self.value).split())


@attrs.frozen
class Program:
    """A program that has been asked what it can do.

    Attributes:
        path: as the program's side calls it.
        subcommand: the word after it, where one program does the work of several.
        version: what it says of itself, such as ``"0.7.0 (build 11669, commit Debian)"``.
        flags: by every spelling.
    """

    path: str
    system: System
    version: str
    flags: Mapping[str, Flag] = attrs.field(repr=False)
    subcommand: str = ""

    @property
    def words(self) -> list[str]:
        """How a command line with it begins."""
        return [self.path, *filter(None, [self.subcommand])]

    @property
    def serves(self) -> bool:
        """Whether it is the server."""
        return self.subcommand == SUBCOMMANDS[SERVER] or _file_name(self.path).startswith(SERVER)

    @property
    def variables(self) -> frozenset[str]:
        """The variables of the environment that it reads instead of flags, as its help has them."""
        return frozenset(name for flag in self.flags.values() for name in VARIABLE.findall(flag.text))

    @property
    def build(self) -> int | None:
        """The build's number, which grows with time; ``None`` where it is not told."""
        match = BUILD.search(f"version: {self.version}")
        return int(match[1] or match[2]) if match else None

    @property
    def has_gpu(self) -> bool:
        """Whether it finds a GPU to hold weights on; asked each time, since that is only seldom of interest."""
        if self.knows("--list-devices") is None:
            return False
        listed = _said(self.words, self.system, "--list-devices").partition("Available devices:")[2]
        return any(re.match(r"\s+\w+\d*: ", line) for line in listed.splitlines())

    def knows(self, *spellings: str) -> str | None:
        """The first of these flags that the program has."""
        return next((spelling for spelling in spellings if spelling in self.flags), None)

    def closest(self, flag: str) -> str:
        """A hint at the flag that may have been meant; empty when nothing comes close."""
        near = difflib.get_close_matches(flag, self.flags, n=1, cutoff=0.7)
        return f"; did you mean {near[0]}?" if near else ""


class Programs:
    """llama-server and llama-cli, as configured or in ``PATH``.

    Args:
        path: one of them, or the folder that holds them.
    """

    def __init__(self, path: str | None, system: System) -> None:
        self._given = path
        self.system = system

    def find(self, name: str) -> str | None:
        """Where a program is, on its own side; ``None`` when it is not there."""
        found = self._found(name)
        return None if found is None else " ".join(filter(None, found))

    def why_not(self, name: str) -> str:
        """What to say when :meth:`find` finds nothing."""
        if self._path is None:
            return f"there is no {name} in PATH; set llama_cpp_path to it, or to the folder that holds it ({HELP})"
        if not os.path.exists(self._path):
            return f"llama_cpp_path {self._given!r} does not exist; set it to {name}, or to the folder that holds it"
        return f"llama_cpp_path {self._given!r} leads to no {name}; set it to {name}, or to the folder that holds it"

    @property
    def are_named(self) -> bool:
        """Whether the configuration says where they are."""
        return self._path is not None

    def program(self, name: str) -> Program:
        """A program, asked what it can do.

        Raises:
            ConfigurationError: it is not there, or does not start.
        """
        found = self._found(name)
        if found is None:
            raise ConfigurationError(self.why_not(name))
        path, subcommand = found
        return inspected(path, self.system, subcommand)

    def _found(self, name: str) -> tuple[str, str] | None:
        """The path of a program, and the word after it."""
        if self._path is not None and self.system.kind == "through":
            return self._beyond(name)
        paths = map(shutil.which, (name,)) if self._path is None else self._candidates(name)
        path = next((path for path in paths if path and os.path.isfile(path)), None)
        if path is not None:
            return (self.system.there(path) if self._path is None else path), ""
        paths = map(shutil.which, (UNIFIED,)) if self._path is None else self._candidates(UNIFIED)
        unified = (path for path in paths if path and os.path.isfile(path) and self._does_all(path, name))
        return next(((path, SUBCOMMANDS[name]) for path in unified), None)

    def _does_all(self, path: str, name: str) -> bool:
        """Whether a program called ``llama`` is llama.cpp's: others have that name too."""
        try:
            return inspected(path, self.system, SUBCOMMANDS[name]).knows("--model") is not None
        except ConfigurationError:
            return False

    @functools.cached_property
    def _path(self) -> str | None:
        return self._expanded(self._given) if self._given else None

    def _expanded(self, path: str) -> str:
        if self.system.kind == "through":
            there = self.system.there(path)
            return self.system.home() + there[1:] if there.startswith("~") else there
        return os.path.abspath(os.path.expanduser(self.system.here(path)))

    def _candidates(self, name: str) -> Iterable[str]:
        path = str(self._path)
        files = (name, f"{name}.exe")
        if os.path.isdir(path):
            folders: Sequence[str] = (path, os.path.join(path, "bin"), os.path.join(path, "build", "bin"))
            return [os.path.join(folder, file) for folder in folders for file in files]
        if _is_named(path, name):
            return [path]
        folders = [os.path.dirname(path), os.path.dirname(os.path.realpath(path))]
        return [os.path.join(folder, file) for folder in folders for file in files]

    def _beyond(self, name: str) -> tuple[str, str]:
        """The path inside WSL, unseen: whether it is there is noticed when it is asked for its version."""
        path = str(self._path)
        folder, _, file = path.rpartition("/")
        if file == UNIFIED:
            return path, SUBCOMMANDS[name]
        if _is_named(path, name):
            return path, ""
        return (f"{folder}/{name}" if file.startswith("llama-") else f"{path.rstrip('/')}/{name}"), ""


_known: dict[tuple[object, ...], Program] = {}
_lock = threading.Lock()


def inspected(path: str, system: System, subcommand: str = "") -> Program:
    """Ask a program for its version and flags; once for each state of its file.

    Raises:
        ConfigurationError: it does not start; the message says why.
    """
    try:
        status = os.stat(path)
        state: tuple[object, ...] = (path, subcommand, system, status.st_mtime_ns, status.st_size)
    except OSError:
        state = (path, subcommand, system)
    with _lock:
        program = _known.get(state)
        if program is None:
            words = [path, *filter(None, [subcommand])]
            version = VERSION.search(_said(words, system, "--version"))
            flags = flags_in(_said(words, system, "--help"))
            program = Program(path, system, version[1].strip() if version else "unknown", flags, subcommand)
            if not program.flags:
                raise ConfigurationError(f"{path} names no flags when asked with --help; is it a program of llama.cpp?")
            _known[state] = program
    return program


def flags_in(text: str) -> dict[str, Flag]:
    """Every flag in a help text.

    A line that begins with a dash lists spellings, then perhaps what the value is called, one space after the last
    spelling; what follows two spaces, and on indented lines, is prose.
    """
    flags: dict[str, Flag] = {}
    for entry in re.split(r"\n(?=-)", "\n" + text):
        line = entry.partition("\n")[0]
        names: list[str] = []
        at = 0
        while match := NAMES.match(line, at):
            names.append(match[1])
            at = match.end()
        value = re.match(r" (\S.*?)(?:  |$)", line[at:])
        flags.update(dict.fromkeys(names, Flag(value[1] if value else "", entry)))
    return flags


def _said(words: Sequence[str], system: System, flag: str) -> str:
    command, path = system.command([*words, flag]), " ".join(words)
    try:
        done = subprocess.run(  # noqa: S603  # a list of words, no shell
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=system.environment(),
            timeout=PATIENCE,
            check=False,
        )
    except OSError as error:
        raise ConfigurationError(_not_started(path, error)) from error
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(
            f"{path} {flag} did not end within {PATIENCE} s; is it a program of llama.cpp?"
        ) from error
    text = (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")
    if done.returncode:
        lines = [line for line in text.splitlines() if line.strip()]
        said = lines[-1].strip()[:300] if lines else "it said nothing"
        raise ConfigurationError(f"{path} does not run here (exit code {done.returncode}): {said}")
    return text


def _not_started(path: str, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"{path} may not be run: make it executable (chmod +x), or set llama_cpp_path to another one"
    if error.errno == errno.ENOEXEC:
        return f"{path} is no program for this machine; take a build for its system and processor"
    return f"{path} could not be started: {error.strerror or error}; set llama_cpp_path to a llama.cpp program"


def _is_named(path: str, name: str) -> bool:
    """Whether a file is that program; one with a name of its own is taken for llama-cli, as it was in older builds."""
    file = _file_name(path)
    if UNIFIED in (file, name):
        return file == name
    other: Sequence[str] = (SERVER,) if name == CLI else (CLI,)
    if file.startswith("llama-") and file in (SERVER, CLI):
        return file == name
    return not any(word in file for word in other) and (("server" in file) == (name == SERVER))


def _file_name(path: str) -> str:
    return re.split(r"[/\\]", path)[-1].lower().removesuffix(".exe")
