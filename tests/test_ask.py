"""Asks: values that are bound to nobody."""

from __future__ import annotations

import os
import pickle

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airouter_core.errors import ParameterError
from airouter_core.values.ask import Ask
from airouter_core.values.messages import FilePart, Message, ReasoningPart, TextPart, ToolCallPart
from airouter_core.values.tools import ResponseFormat, Tool, ToolChoice

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text()
)
PLAIN = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=6)
PARTS = st.one_of(
    st.builds(TextPart, st.text()),
    st.builds(ReasoningPart, st.text(), st.fixed_dictionaries({"p": st.dictionaries(st.text(), PLAIN)})),
    st.builds(FilePart, st.just("image/png"), data=st.binary()),
    st.builds(ToolCallPart, st.text(), st.text(), st.text()),
)
MESSAGES = st.builds(Message, st.sampled_from(["user", "assistant"]), st.lists(PARTS, max_size=3).map(tuple))
MAPPINGS = st.dictionaries(st.text(), PLAIN, max_size=3)
ASKS = st.builds(
    Ask,
    kind=st.sampled_from(["chat", "embedding"]),
    model=st.none() | st.text(),
    messages=st.lists(MESSAGES, max_size=3).map(tuple),
    tools=st.lists(st.builds(Tool, st.text(min_size=1), input_schema=MAPPINGS), max_size=2).map(tuple),
    tool_choice=st.none() | st.just(ToolChoice("tool", "x")),
    response_format=st.none() | st.just(ResponseFormat("json_schema", {"type": "object"})),
    parameters=MAPPINGS,
    provider_options=st.dictionaries(st.text(), MAPPINGS, max_size=2),
    stream=st.booleans(),
    deadline=st.none() | st.floats(0, 100),
    tags=st.dictionaries(st.text(), st.text(), max_size=2),
    arguments=MAPPINGS,
)


# On a machine that is busy with other tests, asks take long to be made up.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(ASKS)
def test_an_ask_survives_json_and_pickle(ask: Ask) -> None:
    """Written down and read back it is the same ask, with the same id; its trace stays behind."""
    ask.trace.prepared = (None, "kept")
    for copy in (Ask.from_json(ask.to_json()), pickle.loads(pickle.dumps(ask))):
        assert copy == ask
        assert hash(copy) == hash(ask)
        assert copy.fingerprint() == ask.fingerprint()
        assert copy.trace.prepared is None


def test_each_ask_has_an_id_of_its_own() -> None:
    """Two asks of the same are two asks, in a forked process too; one that is made for another says so."""
    first, second = Ask(model="m"), Ask(model="m")
    assert first != second
    assert first.fingerprint() == second.fingerprint()
    there, here = os.pipe()
    if (child := os.fork()) == 0:
        os.write(here, Ask().id.encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(there, 100).decode() != Ask().id
    os.close(there), os.close(here)
    tried = first.asked_as(attempt=2, model="other")
    assert (tried.parent, tried.attempt, tried.model) == (first.id, 2, "other")
    assert tried.id not in (first.id, second.id)


SENT = Ask(model="m", messages=(Message.user("Hi"),), parameters={"temp": 1, "stop": ("a", "b")})


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": {"stop": ["a", "b"], "temperature": 1.0}},
        {"parameters": {"temp": 1, "stop": ["a", "b"], "seed": None}},
        {"stream": True},
        {"deadline": 3.0, "tags": {"who": "me"}, "session": "s", "user": "u", "attempt": 2},
        {"provider_options": {"p": {}}},
    ],
)
def test_what_is_sent_the_same_has_one_fingerprint(changes: dict[str, object]) -> None:
    """Spelling, order, and all that is for layers only make no difference."""
    assert msgspec.structs.replace(SENT, **changes).fingerprint() == SENT.fingerprint()


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "n"},
        {"kind": "tokens"},
        {"messages": (Message.assistant("Hi"),)},
        {"messages": (Message("user", "Hi", provider_metadata={"p": {"cache_control": {}}}),)},
        {"parameters": {"temp": 1.5, "stop": ["a", "b"]}},
        {"parameters": {"temp": 1, "stop": ["b", "a"]}},
        {"parameters": {"temp": True, "stop": ["a", "b"]}},
        {"tools": (Tool("x"),)},
        {"response_format": ResponseFormat()},
        {"provider_options": {"p": {"x": 1}}},
        {"operation": "create", "arguments": {"x": 1}},
    ],
)
def test_what_is_sent_otherwise_has_another_fingerprint(changes: dict[str, object]) -> None:
    """Everything that somebody might be sent counts."""
    assert msgspec.structs.replace(SENT, **changes).fingerprint() != SENT.fingerprint()


def test_an_ask_stays_what_it_was() -> None:
    """Whoever fills the dict they gave changes nothing; and options, which may hold a secret, are not shown."""
    parameters = {"stop": ["a"]}
    ask = Ask(parameters=parameters, provider_options={"p": {"token": "secret"}})
    parameters["stop"].append("b")
    assert ask.parameters == {"stop": ["a"]}
    assert "secret" not in repr(ask)


def test_what_is_no_ask_is_refused() -> None:
    """The message says where it goes wrong."""
    with pytest.raises(ParameterError, match=r"\$\.messages"):
        Ask.from_json(b'{"messages": "Hi"}')
    with pytest.raises(ParameterError, match="no ask"):
        Ask.from_json(b"{")
