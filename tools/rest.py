"""A pytest plugin for two runs in two places: what the first one skipped is what the second one is about.

``--note-skipped=FILE`` writes down which tests were skipped, and ``--rest-of=FILE`` runs those, and the tests that ask
a real engine, and no others. So nothing is run twice for nothing, and nothing that was skipped is forgotten.
"""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--note-skipped", type=Path, help="file for the ids of the tests that were skipped")
    parser.addoption("--rest-of", type=Path, help="run what is in such a file, and what asks an engine")


def pytest_configure(config: pytest.Config) -> None:
    noted = config.getoption("--note-skipped")
    if noted is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Notes(noted))


class _Notes:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._skipped: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._skipped.add(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._skipped.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self._path.write_text("\n".join(sorted(self._skipped)), encoding="utf-8")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    path = config.getoption("--rest-of")
    if path is None:
        return
    rest = set(path.read_text(encoding="utf-8").splitlines())
    kept = [item for item in items if {item.nodeid, item.nodeid.partition("::")[0]} & rest or _asks_an_engine(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def _asks_an_engine(item: pytest.Item) -> bool:
    return item.get_closest_marker("engine") is not None
