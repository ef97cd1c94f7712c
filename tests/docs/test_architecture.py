"""The map in docs/architecture.md is the house as it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from airouter_core.plugins.registry import installed

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FILE = re.compile(r"`((?:airouter_core|provider|flow|values|plugins|transports|dialects|cli|wire)/[\w./]*)`")


def test_the_map_lists_the_rooms_in_the_order_of_the_contract() -> None:
    """Each room that import-linter knows is on the map once, from the top down, and no other."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = [
        contract
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract.get("containers") == ["airouter_core"]
    ]
    rooms = [room for layer in contract["layers"] for room in re.split(r" [|:] ", layer) if not room.startswith("_")]
    listed = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert listed == rooms
    there = {path.stem for path in (ROOT / "airouter_core").iterdir() if path.suffix in ("", ".py")}
    assert set(listed) == {name for name in there if not name.startswith("_")} - {"py"}


def test_the_files_that_it_names_are_there() -> None:
    """Files and folders, in the core unless they say otherwise."""
    named = set(FILE.findall(PAGE))
    assert len(named) > 15
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "airouter_core" / name).exists(), name


def test_one_role_has_one_file_name_in_every_plugin() -> None:
    """Providers, their settings and the commands of plugins are where the map says."""
    plugins = installed()
    named = [(target, role) for info in plugins.providers() for target, role in ((info.target, "provider"),)]
    named += [(info.config_target or "", "config") for info in plugins.providers()]
    named += [(command.target, "commands") for command in plugins.commands()]
    ours = [(target, role) for target, role in named if target.startswith("airouter_") and "_echo." not in target]
    assert len(ours) > 20
    assert [target for target, role in ours if target.partition(":")[0].split(".")[1].rpartition("_")[2] != role] == []
