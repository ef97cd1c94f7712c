"""Parameters: one vocabulary, checked before anything is sent, with a receipt for each one given."""

from __future__ import annotations

import contextlib
import types
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_core.errors import ParameterError, PluginConflictError
from airouter_core.profile.declarations import Parameter, ParameterSupport
from airouter_core.profile.resolving import DEFAULT_TABLE, ParameterTable, Resolved, known_values, place, resolve
from airouter_core.values.canonical import CANONICAL, ELSEWHERE

EVERYTHING = tuple(ParameterSupport(row.name, row.name) for row in CANONICAL)
PROMISED = ["temperature", "top_p", "top_k", "min_p", "max_tokens", "context", "stop", "seed", "presence_penalty"]
PROMISED += ["frequency_penalty", "repeat_penalty", "reasoning_effort"]


def resolved(given_as: dict[str, Any], *support: ParameterSupport, **options: Any) -> Resolved:
    return resolve(given_as, support or EVERYTHING, provider="example", **options)


@pytest.mark.parametrize("name", PROMISED)
def test_promised_names_are_canonical(name: str) -> None:
    """The names that users were promised are the canonical ones."""
    assert DEFAULT_TABLE.find(name).name == name


def test_no_spelling_belongs_to_two_rows() -> None:
    """Each spelling stands in one row once, and is not also something that belongs elsewhere."""
    spellings = [spelling for row in CANONICAL for spelling in (row.name, *row.aliases)]
    assert {spelling: times for spelling, times in Counter(spellings).items() if times > 1} == {}
    assert not set(spellings) & set(ELSEWHERE)
    assert [row.name for row in DEFAULT_TABLE] == [row.name for row in CANONICAL]


@pytest.mark.parametrize("row", CANONICAL, ids=lambda row: row.name)
def test_each_row_is_whole(row: Parameter) -> None:
    """A row says what its parameter does, in a sentence; its range is not empty."""
    assert row.description[0].isupper()
    assert row.description.endswith(".")
    low = row.minimum if row.minimum is not None else row.above
    assert low is None or row.maximum is None or low < row.maximum


@pytest.mark.parametrize("row", CANONICAL, ids=lambda row: row.name)
def test_every_alias_means_its_canonical_name(row: Parameter) -> None:
    """Whichever spelling is given, the same is sent; the receipt says which it was."""
    value = example_of(row)
    by_name = resolved({row.name: value})
    for alias in row.aliases:
        by_alias = resolved({alias: value})
        assert by_alias.values == by_name.values
        (receipt,) = by_alias.receipts
        assert (receipt.name, receipt.given_as, receipt.outcome) == (row.name, alias, "sent")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("best_of", "n"),
        ("frequency_penalty", "repeat_penalty"),
        ("presence_penalty", "frequency_penalty"),
        ("top_logprobs", "logprobs"),
        ("reasoning_effort", "reasoning_budget"),
    ],
)
def test_what_means_something_else_is_no_alias(one: str, other: str) -> None:
    """A parameter is never mapped to one of another meaning."""
    row = DEFAULT_TABLE.find(other)
    assert one not in (row.name, *row.aliases)


def example_of(row: Parameter) -> Any:
    """A value that the row takes."""
    if row.choices:
        return row.choices[0]
    examples = {"boolean": True, "string": "x", "strings": ("x",), "mapping": {"1": 2}, "any": "5m"}
    if row.kind in examples:
        return examples[row.kind]
    low = row.minimum if row.minimum is not None else (row.above or 0) + 1
    return int(max(low, 1)) if row.kind == "integer" else float(low)


def test_the_same_value_twice_is_no_conflict() -> None:
    """An alias beside its canonical name is allowed when both say the same, and each has a receipt."""
    done = resolved({"temperature": 1, "temp": 1.0, "randomness": 1})
    assert done.values == {"temperature": 1}
    assert [receipt.given_as for receipt in done.receipts] == ["temperature", "temp", "randomness"]


@pytest.mark.parametrize("given_as", [{"temperature": 0.1, "temp": 0.2}, {"stop": "a", "until": ["a", "b"]}])
def test_different_values_are_a_conflict(given_as: dict[str, Any]) -> None:
    """Two spellings of one parameter with different values are an error that names both."""
    with pytest.raises(ParameterError, match="same parameter") as caught:
        resolved(given_as)
    assert all(repr(name) in str(caught.value) for name in given_as)


@pytest.mark.parametrize("policy", ["warn", "error"])
def test_a_conflict_is_one_also_where_the_parameter_is_not_taken(policy: Any) -> None:
    """A contradiction is the caller's mistake, whatever the provider takes."""
    with pytest.raises(ParameterError, match="same parameter"):
        resolved({"top_k": 1, "topk": 2}, ParameterSupport("seed", "seed"), unsupported=policy)


@pytest.mark.parametrize(
    ("given_as", "message"),
    [
        ({"temperature": "warm"}, "parameter temperature must be a number, not str 'warm'"),
        ({"temp": -1}, r"parameter temp \(temperature\) must be at least 0, not -1"),
        ({"top_p": 1.5}, "parameter top_p must be at most 1, not 1.5"),
        ({"repeat_penalty": 0}, "parameter repeat_penalty must be greater than 0, not 0"),
        ({"max_tokens": 1.5}, "parameter max_tokens must be a whole number"),
        ({"max_tokens": True}, "parameter max_tokens must be a whole number"),
        ({"stop": [1]}, "parameter stop must be a string or a list of strings"),
        ({"logprobs": 5}, "parameter logprobs must be true or false"),
        ({"reasoning_effort": "hard"}, "parameter reasoning_effort must be one of none, minimal, low"),
        ({"logit_bias": [1]}, "parameter logit_bias must be a mapping"),
        ({"temprature": 1}, "unknown parameter 'temprature'; did you mean 'temperature'"),
        ({"xyzzy": 1}, r"unknown parameter 'xyzzy' \(what only one provider understands goes in provider_options\)"),
        ({7: 1}, "unknown parameter 7"),
        ({"system": "x"}, "'system' is no parameter; it belongs in system_prompt="),
        ({"xyzzy": None}, "unknown parameter 'xyzzy'"),
    ],
)
def test_wrong_parameters(given_as: Any, message: str) -> None:
    """A parameter that is unknown, of the wrong type or out of range is an error that says what to do."""
    with pytest.raises(ParameterError, match=message):
        resolved(given_as)


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_what_belongs_elsewhere_is_sent_there(name: str) -> None:
    """What people give as a parameter although it has a place of its own is told that place."""
    with pytest.raises(ParameterError, match="it belongs in"):
        resolved({name: 1})


def test_a_providers_own_limits_are_narrower() -> None:
    """A value within the widest range, and beyond what this provider takes, is an error too."""
    row = ParameterSupport("temperature", "temperature", maximum=1)
    assert resolved({"temperature": 1}, row).values == {"temperature": 1}
    with pytest.raises(ParameterError, match=r"at most 1, not 1\.5"):
        resolved({"temperature": 1.5}, row)
    with pytest.raises(ParameterError, match="one of low, high"):
        resolved({"reasoning_effort": "max"}, ParameterSupport("reasoning_effort", "effort", choices=("low", "high")))


def test_limits_of_what_is_not_taken_do_not_matter() -> None:
    """A parameter that is left out is checked only against what any provider could take."""
    row = ParameterSupport("temperature", None, maximum=0, reason="fixed at 1")
    assert resolved({"temperature": 1.5}, row).omitted == {"temperature": "fixed at 1"}


def test_left_out_with_a_reason() -> None:
    """A known parameter that is not taken is left out, with the provider's reason or a general one."""
    done = resolved(
        {"top_k": 4, "seed": 1, "min_p": 0.5}, ParameterSupport("seed", "seed"), ParameterSupport("min_p", reason="no")
    )
    assert done.values == {"seed": 1}
    assert done.omitted == {"top_k": "example does not take it", "min_p": "no"}
    assert {receipt.name: (receipt.outcome, receipt.sent_as) for receipt in done.receipts} == {
        "top_k": ("omitted", None),
        "seed": ("sent", "seed"),
        "min_p": ("omitted", None),
    }


def test_left_out_is_an_error_for_those_who_want_it() -> None:
    """With the policy ``error`` nothing is left out: every parameter that is not taken is named."""
    with pytest.raises(ParameterError, match=r"'top_k': .*; parameter 'min_p': no"):
        resolved({"top_k": 4, "min_p": 0.5}, ParameterSupport("min_p", reason="no"), unsupported="error")
    assert resolved({"top_k": None}, ParameterSupport("seed", "seed"), unsupported="error").omitted == {}


def test_words_that_a_provider_says_otherwise() -> None:
    """A value that the provider calls otherwise is translated, and the receipt says so."""
    row = ParameterSupport("reasoning_effort", "think", said_as={"minimal": "low", "none": False})
    (receipt,) = resolved({"effort": "minimal"}, row).receipts
    assert (receipt.outcome, receipt.value, receipt.sent_as, receipt.sent_value) == (
        "translated",
        "minimal",
        "think",
        "low",
    )
    assert receipt.reason == "example says 'low' for 'minimal'"
    assert resolved({"effort": "high"}, row).receipts[0].outcome == "sent"
    body: dict[str, Any] = {}
    place(body, resolved({"effort": "none"}, row).values, [row])
    assert body == {"think": False}


def test_parameters_are_placed_where_their_rows_say() -> None:
    """A path with dots makes objects on the way, beside what is there already; lists and dicts are JSON's own."""
    rows = (
        ParameterSupport("temperature", "options.temperature"),
        ParameterSupport("seed", "options.seed"),
        ParameterSupport("stop", "stop"),
        ParameterSupport("logit_bias", "bias"),
        ParameterSupport("top_k", None),
    )
    body: dict[str, Any] = {"model": "m", "options": {"a": 1}}
    bias = types.MappingProxyType({"1": 2})
    values = resolved({"temperature": 0, "seed": 7, "stop": "x", "logit_bias": bias}, *rows).values
    place(body, {**values, "top_k": 4, "min_p": 0.5}, rows)
    assert body == {
        "model": "m",
        "options": {"a": 1, "temperature": 0, "seed": 7},
        "stop": ["x"],
        "bias": {"1": 2},
    }
    assert type(body["stop"]) is list
    assert type(body["bias"]) is dict


def test_a_plugin_adds_parameters_and_spellings() -> None:
    """A plugin's rows stand beside the core's; a row of a known name adds its spellings to it."""
    table = ParameterTable(
        [Parameter("mirostat", "integer", ("miro",)), Parameter("temperature", "number", ("warmth",))]
    )
    assert table.find("miro").name == "mirostat"
    assert table.find("warmth") == table.find("temperature") == DEFAULT_TABLE.find("temperature")
    assert len(list(table)) == len(CANONICAL) + 1
    with pytest.raises(ParameterError, match="must be at least 0"):
        resolved({"warmth": -1}, table=table)


def test_a_plugins_spelling_may_have_words_of_its_own() -> None:
    """A row that adds a spelling may describe the parameter otherwise; the parameter stays the core's."""
    row = Parameter("temperature", "number", ("warmth",), description="How warm it is.")
    assert ParameterTable([row]).find("warmth") == DEFAULT_TABLE.find("temperature")


@pytest.mark.parametrize(
    "row",
    [
        Parameter("warmth", "number", ("temp",)),
        Parameter("temp", "number"),
        Parameter("temperature", "string"),
        Parameter("temperature", "number", maximum=7),
    ],
    ids=str,
)
def test_one_spelling_with_two_meanings_is_a_conflict(row: Parameter) -> None:
    """A row that gives a known spelling another meaning is a conflict that names both parameters."""
    with pytest.raises(PluginConflictError, match="already belongs to 'temperature'"):
        ParameterTable([row])


VALUES = st.none() | st.booleans() | st.integers(-5, 300) | st.floats(-3, 3) | st.sampled_from(["low", "x", ("a",)])
SPELLINGS = st.sampled_from([spelling for row in CANONICAL for spelling in (row.name, *row.aliases)])
SUPPORT = st.lists(
    st.builds(
        ParameterSupport,
        st.sampled_from([row.name for row in CANONICAL]),
        st.none() | st.just("some.field"),
        reason=st.none() | st.just("because"),
    ),
    unique_by=lambda row: row.name,
)


@given(st.dictionaries(SPELLINGS, VALUES, max_size=5), SUPPORT)
def test_receipts_account_for_everything_given(given_as: dict[str, Any], support: list[ParameterSupport]) -> None:
    """Nothing is dropped silently: each parameter given has a receipt, and is sent, or left out with a reason."""
    try:
        done = resolve(given_as, support, provider="example")
    except ParameterError:
        return
    assert [receipt.given_as for receipt in done.receipts] == list(given_as)
    for receipt in done.receipts:
        assert DEFAULT_TABLE.find(receipt.given_as).name == receipt.name
        if receipt.outcome == "omitted":
            assert receipt.reason
            assert receipt.name not in done.values or receipt.value is None
        else:
            assert receipt.sent_as == "some.field"
            assert done.values[receipt.name] == receipt.value
    assert set(done.values) | set(done.omitted) == {r.name for r in done.receipts if r.value is not None}


@given(st.dictionaries(st.text(max_size=12) | SPELLINGS | st.integers(), VALUES, max_size=3))
def test_nothing_but_a_result_or_a_parameter_error(given_as: dict[Any, Any]) -> None:
    """Whatever is given, it is understood or refused."""
    with contextlib.suppress(ParameterError):
        resolve(given_as, EVERYTHING, provider="example")


def test_words_that_a_provider_takes_beside_values() -> None:
    """A word that the provider declares is taken whatever the parameter's kind, and its receipt says what is done."""
    row = ParameterSupport("max_tokens", "max", words={"auto": "as many as the model allows"})
    (receipt,) = resolved({"max_tokens": "auto"}, row).receipts
    assert (receipt.outcome, receipt.value, receipt.reason) == ("emulated", "auto", "as many as the model allows")
    assert known_values({"max_length": "auto", "seed": None}, DEFAULT_TABLE, [row]) == {"max_tokens": "auto"}
    with pytest.raises(ParameterError, match="whole number"):
        resolved({"max_tokens": "all"}, row)
    with pytest.raises(ParameterError, match="whole number"):
        known_values({"max_tokens": "auto"}, DEFAULT_TABLE)


def test_options_are_laid_over_a_body_without_losing_parameters() -> None:
    """Objects are merged at every depth; anything else is replaced; lists grow where they are named."""
    from airouter_core.profile.resolving import overlaid

    body = {"settings": {"temperature": 0.5, "deep": {"a": 1}}, "stop": ["x"], "tools": [1], "n": 1}
    options = {"settings": {"own": 1, "deep": {"b": 2}}, "stop": ["y"], "tools": [1, 2], "n": {"of": 2}}
    assert overlaid(body, options, joined=("tools",)) == {
        "settings": {"temperature": 0.5, "deep": {"a": 1, "b": 2}, "own": 1},
        "stop": ["y"],
        "tools": [1, 2],
        "n": {"of": 2},
    }
    assert body["settings"] == {"temperature": 0.5, "deep": {"a": 1}}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("max_tokens", -1, "leave it out for no limit"),
        ("num_predict", -1, "leave it out for no limit"),
        ("context", 0, "leave it out"),
        ("top_k", -1, "give 0"),
        ("temperature", -1, "give 0"),
        ("reasoning_effort", True, "'medium'"),
        ("reasoning_effort", False, "give 'none'"),
    ],
)
def test_what_means_something_elsewhere_is_answered_with_the_word_to_use(name: str, value: Any, says: str) -> None:
    """Other programs have -1, 0 and true for what is said otherwise here."""
    rows = [ParameterSupport(parameter.name, parameter.name) for parameter in DEFAULT_TABLE]
    with pytest.raises(ParameterError, match=says):
        resolve({name: value}, rows, provider="x")
