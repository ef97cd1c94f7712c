"""Specifications, templates, rows: what is asked, and what cannot be."""

from __future__ import annotations

import datetime
import decimal
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_bulk.errors import SpecError
from airouter_bulk.questions import Questions
from airouter_bulk.rows import Row, rows_of
from airouter_bulk.spec import Spec
from airouter_bulk.templates import MissingFieldError, Template
from airouter_core.errors import ConfigurationError

ROW = {"name": "Ada", "n": 3, "tags": ["a", "b"], "at": {"city": "London"}, "none": None}
ROW |= {"First Name": "Ada", "a.b": 1, "it's": "!"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Hello {{ name }}, {{name}}!", "Hello Ada, Ada!"),
        ("{{ n }} {{ tags.1 }} {{ at.city }}", "3 b London"),
        ("{{ tags | json }} {{ at }} {{ name | json }} {{ none | json }}", '["a","b"] {"city":"London"} "Ada" null'),
        (r"\{{ name }} and }} and {", "{{ name }} and }} and {"),
        ('{{ "First Name" }}, {{ \'a.b\' | json }} {{ at."city" }} {{ it\'s }}', "Ada, 1 London !"),
    ],
)
def test_a_template_is_filled_with_fields_of_the_row(template: str, text: str) -> None:
    """By name, by path, as JSON; braces can be written."""
    assert Template(template).filled(ROW) == text


@pytest.mark.parametrize(
    "template",
    ["{{ a", "{{ }}", "{{ a + b }}", "{{ a | upper }}", "{{ f(x y) }}", "a\n{{ a..b }}", '{{ "a }}', '{{ "" }}'],
)
def test_what_is_no_field_is_an_error_of_the_specification(template: str) -> None:
    """The language is closed: there is nothing to call and nothing to add."""
    with pytest.raises(SpecError, match="line"):
        Template(template)


@pytest.mark.parametrize("template", ["{{ nam }}", "{{ tags.9 }}", "{{ none }}", "{{ name.first }}", "{{ __class__ }}"])
def test_a_field_that_the_row_lacks_is_that_rows_error(template: str) -> None:
    """It names the field, and never becomes an empty text."""
    with pytest.raises(MissingFieldError, match="the row has no"):
        Template(template).filled(ROW)


@given(st.text().filter(lambda text: "{{" not in text))
def test_text_without_braces_stays_as_it_is(text: str) -> None:
    """Whatever it holds."""
    assert Template(text).filled({}) == text


@given(st.text())
def test_what_a_row_holds_is_never_read_as_a_template(value: str) -> None:
    """A value with braces in it goes in as it is."""
    assert Template("<{{ a }}>").filled({"a": value}) == f"<{value}>"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"prompt": "x"}, "target"),
        ({"target": "a/b", "promt": "x"}, "did you mean 'prompt'"),
        ({"target": "a/b", "prompt": "x", "in_flight": 0}, "in_flight must be at least 1"),
        ({"target": "a/b", "prompt": "x", "budget": -1}, "budget must be more than 0"),
        ({"target": "a/b", "prompt": "{{ x"}, "does not close"),
        ({"target": " ", "prompt": "x"}, "address"),
        ({"target": "a/b", "prompt": "x", "workers": 0}, "workers must be at least 1"),
        ({"target": "a/b", "prompt": "x", "batch_price": 2}, "batch_price must be a part of the price"),
        ({"target": "a/b", "prompt": "x", "retries": "two"}, "retries"),
        ({"target": "a/b", "prompt": "x", "shard": 10**30}, "shard must be at least 1 and at most"),
        ({"target": "a/b", "prompt": "x", "budget": float("nan")}, "budget must be more than 0"),
        ({"target": "a/b", "prompt": "x", "budget": float("inf")}, "budget must be more than 0"),
        ({"target": "a/b", "prompt": "x", "requests_per_minute": float("inf")}, "requests_per_minute must be more"),
        ({"target": "a/b", "prompt": "x", "parameters": {"temperature": float("nan")}}, "JSON has no nan"),
        (
            {"target": "a/b", "prompt": "x", "schema": {"enum": [datetime.date(2026, 1, 2)]}},
            "no '2026-01-02'.*in quotes",
        ),
        ({"target": "a/b", "prompt": "x", "answer": ""}, "answer and details name two fields"),
        ({"target": "a/b", "prompt": "x", "answer": "airouter"}, "answer and details name two fields"),
    ],
)
def test_a_wrong_specification_says_what_is_wrong(given: dict[str, Any], told: str) -> None:
    """Before anything is asked."""
    with pytest.raises(SpecError, match=told):
        Spec.of(given)


def test_a_specification_is_read_from_toml(tmp_path: Path) -> None:
    """With its budget to the cent; and what is no TOML is said to be none."""
    path = tmp_path / "spec.toml"
    # As editors of Windows write it.
    path.write_bytes(
        b'\xef\xbb\xbftarget = "a/b"\r\nprompt = "{{ q }}"\r\nbudget = 0.1\r\n[parameters]\r\ntemperature = 0\r\n'
    )
    spec = Spec.of(path)
    assert (str(spec.budget), spec.parameters) == ("0.1", {"temperature": 0})
    path.write_text("target = ")
    with pytest.raises(SpecError, match="is no TOML"):
        Spec.of(path)
    with pytest.raises(SpecError, match="No such file"):
        Spec.of(tmp_path / "other.toml")


BASE: dict[str, Any] = {"target": "a/b", "prompt": "{{ q }}"}
ROW_OF_QUESTION = Row(b'{"q":"x"}', {"q": "x"})


def _key(position: int = 0, **changes: Any) -> bytes:
    spec = Spec.of(BASE | changes)
    asked = Questions(spec, "b").asked(ROW_OF_QUESTION, position)
    assert asked.problem is None
    assert asked.key is not None
    return asked.key


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "{{ q }}?"},
        {"target": "c/b"},
        {"system": "Be brief."},
        {"parameters": {"temperature": 0}},
        {"schema": {"type": "object"}},
        {"provider_options": {"a": {"x": 1}}},
        {"dedupe": False},
    ],
)
def test_what_changes_the_question_changes_its_key(changes: dict[str, Any]) -> None:
    """And the hash of the run, so that another question is never taken for an answered one."""
    assert _key() != _key(**changes)
    assert Spec.of(BASE).hash != Spec.of(BASE | changes).hash


@pytest.mark.parametrize(
    "changes", [{"in_flight": 3}, {"budget": 5}, {"shard": 7}, {"retries": 0}, {"answer": "a"}, {"workers": 2}]
)
def test_bounds_change_no_key(changes: dict[str, Any]) -> None:
    """Nor does the place of the row, unless equal rows are to be asked each."""
    assert _key() == _key(9, **changes)
    assert Spec.of(BASE).hash == Spec.of(BASE | changes).hash
    assert _key(0, dedupe=False) != _key(9, dedupe=False)


def test_lines_that_are_no_rows_are_told_with_their_number(tmp_path: Path) -> None:
    """And the others go on."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\n\n[1]\n{"a": \xff}\n{"a": 2}\n{"a"')
    found = list(rows_of(path))
    assert [row.value for row in found] == [{"a": 1}, None, None, {"a": 2}, None]
    assert [row.problem.split(" is ")[0] for row in found if row.problem] == ["line 3", "line 4", "line 6"]


def test_a_csv_has_rows_of_its_columns(tmp_path: Path) -> None:
    """Cells may hold line breaks and long texts; a line of another length, or with other bytes, is told."""
    path = tmp_path / "rows.csv"
    long = "x" * 200_000
    path.write_bytes(b'\xef\xbb\xbfa,b\r\n1,"x\ny"\r\n2\r\n3,\xff\r\n\r\n4,%s\r\n' % long.encode())
    first, second, third, fourth = rows_of(path)
    assert first.value == {"a": "1", "b": "x\ny"}
    assert second.problem == "line 4 has 1 cells for 2 columns"
    assert third.problem == "line 5 is no UTF-8: invalid start byte"
    assert third.data == b"3,\xff"
    assert fourth.value == {"a": "4", "b": long}


def test_a_quote_that_is_not_closed_swallows_no_row_in_silence(tmp_path: Path) -> None:
    """All that it has swallowed is in the row that is told of, as it stands in the file."""
    path = tmp_path / "rows.csv"
    path.write_text('a,b\n1,"he said "no" to me"\n2,x\n3,"y\n4,z\n')
    first, second, third = rows_of(path)
    assert str(first.problem).startswith("line 2 is no CSV")
    assert second.value == {"a": "2", "b": "x"}
    assert str(third.problem).startswith("line 4 is no CSV")
    assert third.data == b'3,"y\n4,z'


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "names its columns"),
        (b"a,a\n1,2\n", "names its columns"),
        (b"a\xff,b\n1,2\n", "no UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "no UTF-8"),
        (b'"a\n', "no CSV"),
    ],
)
def test_a_csv_without_a_head_is_no_table(tmp_path: Path, data: bytes, told: str) -> None:
    """Before anything is asked."""
    path = tmp_path / "rows.csv"
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=told):
        list(rows_of(path))


@pytest.mark.parametrize("name", ["-", "pipe", "folder", "none"])
def test_rows_are_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A run that goes on reads them again, which a pipe cannot give."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    os.mkfifo("pipe")
    with pytest.raises(ConfigurationError, match="only once" if name in ("-", "pipe") else "no file of rows"):
        rows_of(name)


def test_an_iterator_gives_rows_and_what_is_none_is_told() -> None:
    """Values that JSON cannot say are a row's error too."""
    good, number, strange = rows_of(iter([{"a": 1}, 7, {"a": object()}]))  # type: ignore[list-item]  # on purpose
    assert good.value == {"a": 1}
    assert "a row is a mapping, not int" in str(number.problem)
    assert "cannot be said in JSON" in str(strange.problem)


class _Scalar(float):
    """As numpy's are."""

    def tolist(self) -> float:
        return float(self)


class NaTType:
    """As pandas has it."""


class _Timestamp(datetime.datetime):
    """As pandas has it: no type that an encoder knows."""


class _Timedelta(datetime.timedelta):
    """The same."""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (_Scalar(1.5), 1.5),
        (NaTType(), None),
        (float("nan"), None),
        (_Timestamp(2026, 1, 2, 3), "2026-01-02T03:00:00"),
        (_Timedelta(days=1), "P1D"),
        (decimal.Decimal("1.50"), "1.50"),
        (b"\xff", "/w=="),
        (10**30, 10**30),
    ],
)
def test_values_of_tables_in_memory_are_said_in_json(value: object, said: object) -> None:
    """Those that numpy and pandas have of their own too."""
    (row,) = rows_of([{"a": value}])
    assert (row.value, row.problem) == ({"a": said}, None)


def test_a_schema_that_is_none_is_an_error_of_the_specification() -> None:
    """Before anything is asked."""
    with pytest.raises(SpecError, match="no JSON Schema"):
        Questions(Spec.of(BASE | {"schema": {"type": "nothing"}}), "b")
