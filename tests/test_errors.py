"""The tree of errors: what is drawn is what there is, and each kind says whose move it is."""

from __future__ import annotations

import pickle
import re

import pytest

from airouter_core import errors
from airouter_core.errors import AirouterError, ExecutionError, FailureClass, ProviderError
from airouter_core.values.messages import Message
from airouter_core.values.response import Response

CLASSES = sorted(
    (value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, AirouterError)),
    key=lambda kind: kind.__name__,
)
EXECUTION = [kind for kind in CLASSES if issubclass(kind, ExecutionError)]

F = FailureClass
FAILURE_CLASSES = {
    "ExecutionError": F.UNKNOWN,
    "TransportError": F.TRANSIENT,
    "ConnectionFailedError": F.TRANSIENT,
    "TransportTimeoutError": F.TRANSIENT,
    "ProviderError": F.UNKNOWN,
    "AuthenticationError": F.CREDENTIAL,
    "PermissionDeniedError": F.MODEL_ACCESS,
    "ModelNotFoundError": F.MODEL_GONE,
    "BadRequestError": F.CALLER_FAULT,
    "ContextLengthError": F.CALLER_FAULT,
    "RateLimitedError": F.RATE_LIMIT,
    "QuotaExceededError": F.QUOTA,
    "ContentFilteredError": F.CONTENT,
    "OverloadedError": F.TRANSIENT,
    "ServerError": F.TRANSIENT,
    "ProtocolError": F.UNKNOWN,
    "TruncatedStreamError": F.UNKNOWN,
    "CallVetoedError": F.UNKNOWN,
    "BudgetExceededError": F.UNKNOWN,
}


def drawn_tree() -> list[tuple[str, str | None]]:
    """Each class drawn in the module's docstring, with the class it hangs from."""
    found: list[tuple[str, str | None]] = []
    above: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"^ {4}([│ ]*(?:[├└]── )?)(\w+Error)\b", line):
            depth = len(match[1]) // 4
            above[depth] = match[2]
            found.append((match[2], above.get(depth - 1)))
    return found


def test_tree_drawn_is_the_tree() -> None:
    """The drawing on top of the module names every class, below the class that it derives from."""
    bases = {kind.__name__: kind.__mro__[1].__name__ for kind in CLASSES}
    drawn = drawn_tree()
    assert sorted(name for name, _ in drawn) == sorted(bases)
    assert {name: parent for name, parent in drawn if parent} == {
        name: parent for name, parent in bases.items() if name != "AirouterError"
    }


def test_callers_split_them_as_value_and_runtime_errors() -> None:
    """A wrong call is a ValueError, a failed one a RuntimeError, and nothing is both."""
    for kind in CLASSES:
        if kind is AirouterError:
            continue
        assert issubclass(kind, ValueError) == issubclass(kind, errors.ConfigurationError)
        assert issubclass(kind, RuntimeError) == issubclass(kind, ExecutionError)
        assert issubclass(kind, ValueError) != issubclass(kind, RuntimeError)


@pytest.mark.parametrize("kind", EXECUTION, ids=lambda kind: kind.__name__)
def test_each_failure_has_its_class(kind: type[ExecutionError]) -> None:
    """Each failure says which class of failures it is of, and only passing ones and rate limits are retryable."""
    assert kind.failure_class is FAILURE_CLASSES[kind.__name__]
    retryable = kind.failure_class in (F.TRANSIENT, F.RATE_LIMIT)
    if kind is errors.TransportTimeoutError:
        retryable = False  # a silent provider may still be at work
    assert kind("it failed").retryable is retryable


def test_only_a_connection_that_never_came_up_is_tried_again() -> None:
    """A timeout is retryable while connecting, and not afterwards."""
    assert errors.TransportTimeoutError("late", while_connecting=True).retryable
    assert not errors.TransportTimeoutError("late").retryable


def test_the_provider_has_the_last_word_on_retrying() -> None:
    """What the provider says about retrying outweighs the class of the failure, in both directions."""
    assert errors.BadRequestError("no", retryable=True).retryable
    assert not errors.ServerError("no", retryable=False).retryable
    error = errors.ServerError("no")
    error.retryable = False
    assert not error.retryable


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_survives_pickling(kind: type[AirouterError]) -> None:
    """An error sent to another process keeps its type, its message and all it knows."""
    error = kind("what to do next")
    if isinstance(error, ProviderError):
        error = type(error)(
            "what to do next", provider="p", status=418, error_type="t", request_id="r", retry_after=1.5, body="b"
        )
        error.retryable = True
    if isinstance(error, errors.TransportTimeoutError):
        error.while_connecting = True
    if isinstance(error, ExecutionError):
        error.partial = Response(message=Message.assistant("half"))
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == "what to do next"
    assert vars(copy) == vars(error)


def test_warnings_are_the_users() -> None:
    """What is warned of is a UserWarning, so that it is shown unless somebody filters it."""
    assert issubclass(errors.UnsupportedParameterWarning, UserWarning)
    assert issubclass(errors.InsecureConnectionWarning, UserWarning)
