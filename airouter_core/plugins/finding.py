"""Finding plugins: the entry points of this environment, and what a plugin is called.

Entry points are declared in a format of the Python Packaging Authority: ``entry_points.txt`` in a distribution's folder
of metadata (https://packaging.python.org/specifications/entry-points/). Where everything lies in plain folders, as it
does nearly everywhere, these files are read here: scanning with ``importlib_metadata`` costs a program a tenth of its
start, as ``benchmarks/`` measures. Everything else (zip files, eggs, finders of their own) is asked of that library.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from ..values.value import Value

GROUP = "airouter"
MARK = f"[{GROUP}]".encode()
METADATA = (".dist-info", ".egg-info")
KNOWN_FINDERS = ("_frozen_importlib_external", "importlib_metadata")
"""Modules whose finders of distributions look through plain folders and archives, as is done here."""


class PluginSource(Value, frozen=True):
    """Where a plugin comes from.

    Attributes:
        name: of the entry point.
        distribution: what was installed, as ``pip`` names it.
        target: the module (or object) that the entry point names.
    """

    name: str
    distribution: str
    version: str | None
    target: str


def installed_plugins() -> list[tuple[PluginSource, Callable[[], Any]]]:
    """Each plugin of this environment, and what loads it."""
    found = read_from_folders() if only_plain_folders() else read_by_library()
    # A distribution may be on the path twice (a checkout beside its installed metadata): the first one counts.
    sources: dict[tuple[str, str], PluginSource] = {}
    for source in found:
        sources.setdefault((canonical(source.distribution), source.name), source)
    return [(sources[key], functools.partial(loaded, sources[key].target)) for key in sorted(sources)]


def only_plain_folders() -> bool:
    """Whether all on the path can be read here: no archive, no egg, nobody who finds distributions in other ways."""
    for finder in sys.meta_path:
        kind = finder if isinstance(finder, type) else type(finder)
        if hasattr(kind, "find_distributions") and kind.__module__ not in KNOWN_FINDERS:
            return False
    return not any(folder.endswith(".egg") or os.path.isfile(folder) for folder in sys.path)


def read_from_folders() -> Iterator[PluginSource]:
    """Entry points of our group, from the metadata that lies in the folders of the path.

    Of two distributions of one name the first counts, as with ``importlib_metadata``, also if it has no entry points.
    """
    seen: set[str] = set()
    for folder in dict.fromkeys(sys.path):
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            if name.endswith(METADATA) and (known := _normal(name.rpartition(".")[0].partition("-")[0])) not in seen:
                seen.add(known)
                yield from _read(os.path.join(folder, name))


def read_by_library() -> Iterator[PluginSource]:
    """The same, by ``importlib_metadata``."""
    import importlib_metadata

    for entry_point in importlib_metadata.entry_points(group=GROUP):
        distribution: Any = entry_point.dist
        text = distribution and (distribution.read_text("METADATA") or distribution.read_text("PKG-INFO"))
        yield PluginSource(entry_point.name, *_name_and_version(text or ""), entry_point.value)


def loaded(target: str) -> Any:
    """What an entry point's value names: ``module``, or ``module:object``; extras behind it mean nothing any more.

    Raises:
        Exception: whatever importing a stranger's module raises.
    """
    import importlib

    module, _, attributes = target.partition("[")[0].partition(":")
    found: Any = importlib.import_module(module.strip())
    for attribute in filter(None, attributes.strip().split(".")):
        found = getattr(found, attribute)
    return found


def own_plugins() -> list[str]:
    """The plugins that belong to this core: those that its extra ``all`` brings."""
    from importlib_metadata import PackageNotFoundError, requires

    try:
        wanted = [line.partition(";") for line in requires("airouter-core") or ()]
    except PackageNotFoundError:
        return []
    packages = {package.partition("[")[0].strip() for package, _, extra in wanted if "all" in extra}
    return sorted(package for package in packages if package.startswith("airouter-"))


def canonical(name: str) -> str:
    """A distribution's name as others are compared with it, without our prefix."""
    return name.strip().lower().replace("_", "-").replace(".", "-").removeprefix("airouter-")


def squeezed(name: str) -> str:
    """A name as packages are called by custom: ``airouter-examplename`` brings the provider ``example-name``."""
    return canonical(name).replace("-", "")


def _read(folder: str) -> Iterator[PluginSource]:
    declared = _content(os.path.join(folder, "entry_points.txt"))
    if MARK not in declared:
        return
    distribution = _name_and_version(_head(os.path.join(folder, "METADATA")) or _head(os.path.join(folder, "PKG-INFO")))
    inside = False
    for line in map(str.strip, declared.decode("utf-8", "replace").splitlines()):
        if line.startswith("["):
            inside = line == f"[{GROUP}]"
        elif inside and line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield PluginSource(name.strip(), *distribution, value.strip())


def _content(path: str) -> bytes:
    """What a file holds: without buffers and decoding, since nearly all of these are another's."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except OSError:
        return b""


def _head(path: str) -> str:
    """The fields of metadata, without the page about the distribution that follows them."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return "".join(itertools.takewhile(str.strip, file))
    except OSError:
        return ""


def _name_and_version(metadata: str) -> tuple[str, str | None]:
    """What was installed. Read from the head of its metadata: parsing all of it imports an e-mail parser."""
    found: dict[str, str] = {}
    for line in metadata.splitlines():
        if not line:
            break
        field, _, value = line.partition(": ")
        found.setdefault(field, value)
    return found.get("Name", "unknown"), found.get("Version")


def _normal(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")
