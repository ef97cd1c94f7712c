"""Values that read as mappings, and what becomes of them as plain data."""

from __future__ import annotations

import datetime
import json
import pickle
from collections.abc import Mapping
from decimal import Decimal

import pytest

from airouter_core.profile.declarations import Command, Parameter, ParameterSupport, ProviderInfo
from airouter_core.values.catalog import ModelInfo, Pricing, ProviderStatus
from airouter_core.values.record import Record, plain
from airouter_core.values.response import ParameterReceipt
from airouter_core.values.usage import Cost, Usage, count

RECORDS: tuple[Record, ...] = (
    ModelInfo(id="m", name="M", provider="p", pricing=Pricing(prompt=Decimal("0.1"))),
    Pricing(),
    ProviderStatus(name="p", status="available", kind="local", description="", capabilities=("chat",)),
    Usage(1, 2),
    Cost(Decimal(1), "provider"),
    Parameter("x", "number"),
    ParameterSupport("x"),
    ProviderInfo(name="p", target="a:B"),
    Command(name="c", target="a:b"),
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_reads_as_a_mapping(record: Record) -> None:
    """Every field is a key with the same value; there is no other key; and it is frozen, equal to and as its copy."""
    assert isinstance(record, Mapping)
    fields = list(type(record).__struct_fields__)
    assert list(record) == fields
    assert len(record) == len(fields)
    assert all(record[name] is getattr(record, name) for name in fields)
    assert fields[0] in record
    assert "total" not in record
    assert record.get("keys") is None
    with pytest.raises(KeyError, match="items"):
        record["items"]
    with pytest.raises(AttributeError):
        setattr(record, fields[0], None)
    assert pickle.loads(pickle.dumps(record)) == record


def test_subscripts_go_deep() -> None:
    """``model["pricing"]["prompt"]`` is what users were promised."""
    model = RECORDS[0]
    assert model["pricing"]["prompt"] == Decimal("0.1")


def test_plain_is_json() -> None:
    """Records and what they hold become dicts, lists and scalars; sets are sorted, the rest is said as text."""
    when = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)
    value = {
        "model": ModelInfo(id="m", name="M", provider="p", created=when, pricing=Pricing(prompt=Decimal("0.10"))),
        "receipt": ParameterReceipt("stop", "stop", ("a",), "sent"),
        "set": {"b", "a"},
        3: [1, 2.5, None, True],
    }
    done = json.loads(json.dumps(plain(value)))
    assert done["model"]["pricing"]["prompt"] == "0.10"
    assert done["model"]["created"] == str(when)
    assert done["receipt"]["value"] == ["a"]
    assert done["set"] == ["a", "b"]
    assert done["3"] == [1, 2.5, None, True]


def test_total_tokens_needs_both() -> None:
    """Unknown is not zero: a total is known only when both of its parts are."""
    assert Usage(1, 2).total_tokens == 3
    assert Usage(0, 0).total_tokens == 0
    assert Usage(1, None).total_tokens is None
    assert Usage(None, 1).total_tokens is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (7, 7),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        (-1, None),
        (True, None),
        (1.0, 1),
        (1.5, None),
        (float("nan"), None),
        (1e300, None),
        ("3", None),
        (None, None),
    ],
)
def test_a_count_is_a_whole_number_or_unknown(value: object, expected: int | None) -> None:
    """What is no count is unknown, and never 0."""
    assert count(value) == expected
    assert type(count(value)) in (int, type(None))
