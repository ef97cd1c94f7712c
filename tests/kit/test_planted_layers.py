"""The kit for layers is tested too: each broken layer is found by the check that is there for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airouter_core import Answer, Ask, Flow, Layer, Response, Slots, delegated, silent
from airouter_core.testing.layers import LayerConformance


def deaf(ask: Ask, answer: Answer) -> Flow[Any]:
    return (yield from delegated(answer(ask), through=silent))


def chats_only(ask: Ask, answer: Answer) -> Flow[Any]:
    response: Response = yield from answer(ask)
    assert response.text is not None
    return response


def swallowing(ask: Ask, answer: Answer) -> Flow[Any]:
    try:
        return (yield from answer(ask))
    except Exception as error:
        raise ValueError("something went wrong") from error


def without_usage(ask: Ask, answer: Answer) -> Flow[Any]:
    result = yield from answer(ask)
    return Response(message=result.message, finish_reason="stop") if isinstance(result, Response) else result


class Losing:
    """A limiter that keeps the slot of whoever does not come to an end."""

    def __init__(self) -> None:
        self._slots = Slots(1)

    def __call__(self, ask: Ask, answer: Answer) -> Flow[Any]:
        if not self._slots.take():
            raise RuntimeError("no slot is left")
        result = yield from answer(ask)
        self._slots.give_back()
        return result


PLANTED: dict[str, tuple[str, Callable[[], Layer]]] = {
    "hands no events on": ("test_a_stream_goes_through", lambda: deaf),
    "knows chats only": ("test_embeddings_and_models_go_through", lambda: chats_only),
    "makes errors of its own": ("test_errors_go_through", lambda: swallowing),
    "loses the usage": ("test_a_chat_goes_through", lambda: without_usage),
    "keeps the slot of who was cancelled": ("test_cancelling_leaves_nothing_behind", Losing),
    "keeps the slot of who failed": ("test_errors_go_through", Losing),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_broken_layer_is_found(fault: str) -> None:
    """By the check that is there for it."""
    check, make = PLANTED[fault]

    class Broken(LayerConformance):
        def layer(self) -> Layer:
            return make()

    subject = Broken()
    with pytest.raises((AssertionError, Exception)) as found:  # a check fails by what the layer raises, too
        _run(subject, check)
    assert not isinstance(found.value, pytest.skip.Exception)


def test_the_check_of_each_planted_fault_passes_without_it() -> None:
    """So that what is found is the fault."""

    class Passing(LayerConformance):
        def layer(self) -> Layer:
            return lambda ask, answer: answer(ask)

    for check in sorted({check for check, _ in PLANTED.values()}):
        _run(Passing(), check)


def _run(subject: LayerConformance, check: str) -> None:
    fixture = LayerConformance._balanced.__wrapped__(subject)  # type: ignore[attr-defined]  # a fixture's function
    next(fixture)
    getattr(subject, check)()
    next(fixture, None)
