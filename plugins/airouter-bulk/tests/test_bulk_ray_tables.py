"""Columns of datasets that go through a run as JSON, and come back as they were."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="pip install 'airouter-bulk[parquet]'")
pytest.importorskip("numpy", reason="comes with ray[data]")
pytest.importorskip("click", reason="runs on Ray need airouter-core[cli]")

import numpy
import pyarrow

from airouter_bulk import parquet
from airouter_bulk.ray import tables
from airouter_bulk.rows import rows_of

DAY = datetime.date(2026, 1, 2)
MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
COLUMNS = {
    "text": ["2026-01-02 03:04:05", None],
    "flag": [True, None],
    "number": pyarrow.array([1, 2], pyarrow.int32()),
    "real": [1.0, None],
    "nothing": pyarrow.array([None, None], pyarrow.string()),
    "bytes": [b"\x00\xff", b""],
    "money": [Decimal("1.10"), None],
    "day": [DAY, None],
    "moment": [MOMENT, None],
    "time": [datetime.time(1, 2, 3), None],
    "span": [datetime.timedelta(seconds=1.5), None],
    "list": [[1, None], []],
    "nested": [{"a": {"b": [DAY]}, "c": None}, {"a": None, "c": "x"}],
}


def _through_a_run(table: Any, folder: Path, answers: list[bytes]) -> Any:
    """As it would be read back."""
    types: dict[str, Any] = {}
    tables.add_types(types, table.schema)
    path = str(folder / "answers-00000.jsonl")
    rows = [{name: tables.plain(value) for name, value in row.items()} for row in table.to_pylist()]
    lines = [
        row.data[:-1] + b', "answer": ' + answer + b"}\n" for row, answer in zip(rows_of(rows), answers, strict=True)
    ]
    Path(path).write_bytes(b"".join(lines))
    schema = tables.typed(parquet.schema_of([tables.lines_in(path)]), types)
    return pyarrow.concat_tables(tables.read({"item": numpy.array([path])}, schema))


def test_columns_keep_their_types_and_values(tmp_path: Path) -> None:
    """Of dates, bytes and sums, nested ones, and those where nothing is."""
    table = pyarrow.table(COLUMNS)
    found = _through_a_run(table, tmp_path, [b'"yes"', b'"no"'])
    assert found.select(table.column_names).equals(table)
    assert found.column("answer").to_pylist() == ["yes", "no"]


def test_a_text_that_looks_like_a_date_stays_a_text(tmp_path: Path) -> None:
    """Readers of JSON that guess make it a moment."""
    found = _through_a_run(pyarrow.table({"q": ["2026-01-02", "x"]}), tmp_path, [b'"2026-01-02"', b'"2026-01-03"'])
    assert found.to_pylist()[0] == {"q": "2026-01-02", "answer": "2026-01-02"}


def test_answers_of_several_kinds_are_json(tmp_path: Path) -> None:
    """Since a column has one type."""
    found = _through_a_run(pyarrow.table({"n": [1, 2, 3]}), tmp_path, [b'{"a":1}', b'"x"', b"null"])
    assert found.column("answer").to_pylist() == ['{"a":1}', '"x"', None]


def test_arrays_go_as_their_numbers() -> None:
    """What numpy holds is said in JSON."""
    assert tables.plain(numpy.array([[1, 2]])) == [[1, 2]]
    assert tables.plain(numpy.int64(3)) == 3
    assert tables.plain("x") == "x"


def test_a_column_of_two_types() -> None:
    """One type that holds both, or none."""
    types: dict[str, Any] = {}
    for column in ([1], [1.5]):
        tables.add_types(types, pyarrow.table({"n": column}).schema)
    assert types == {"n": pyarrow.float64()}
    tables.add_types(types, pyarrow.table({"n": [[1]]}).schema)
    assert types == {"n": tables.STRANGE}
