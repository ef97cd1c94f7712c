"""Whatever JSON an endpoint answers with, an operation gives its value or an error of the library's."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import pkgutil
import random
import re
from typing import Any

import pytest

from airouter_core import list_providers
from airouter_core.errors import AirouterError
from airouter_core.wire.http import Operation

HOSTILE: tuple[Any, ...] = (
    None, True, 0, -1, 5, 1e308, float("nan"), float("inf"), 10**400, -(10**30), "", "x", "\ud800", "9" * 5000,
    "2026-13-45", "2026-01-01T00:00:00Z", [], {}, [None], [[]], [{}], [1], ["x"], {"x": 1}, {"id": None}, [{"id": 5}],
)  # fmt: skip
NAMES = re.compile(r'"([a-zA-Z_]{2,30})"')
EACH = 150


def operations() -> dict[str, tuple[Operation[Any], Any]]:
    """Those of all installed plugins, with the module that names the fields they read."""
    found = {}
    for info in list_providers():
        package = importlib.import_module(info.target.partition(".")[0].partition(":")[0])
        for module in _modules(package):
            for name, value in vars(module).items():
                if isinstance(value, Operation):
                    found[f"{module.__name__}.{name}"] = value, module
    return found


def _modules(package: Any) -> list[Any]:
    if not hasattr(package, "__path__"):
        return [package]
    names = [item.name for item in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")]
    return [importlib.import_module(name) for name in names if not name.endswith(("__main__", "cli", "commands"))]


def value(draw: random.Random, depth: int, names: list[str]) -> Any:
    if depth == 0 or draw.random() < 0.3:
        return draw.choice(HOSTILE)
    if draw.random() < 0.4:
        return [value(draw, depth - 1, names) for _ in range(draw.randint(0, 2))]
    return {draw.choice(names): value(draw, depth - 1, names) for _ in range(draw.randint(1, 6))}


@pytest.mark.parametrize(
    ("operation", "module"), [pytest.param(*found, id=name) for name, found in operations().items()]
)
def test_any_json(operation: Operation[Any], module: Any) -> None:
    """Fields of the right names and of every wrong kind, nested three deep."""
    draw = random.Random(5)
    names = sorted({*NAMES.findall(inspect.getsource(module)), "data", "error", "id", "models", "name"})
    for _ in range(EACH):
        answer = {name: value(draw, 3, names) for name in draw.sample(names, draw.randint(1, min(len(names), 8)))}
        with contextlib.suppress(AirouterError):
            operation.parse(json.dumps(answer if draw.random() < 0.9 else value(draw, 2, names)).encode())
