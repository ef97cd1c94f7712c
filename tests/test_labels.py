"""Calls are labelled by the block that they stand in."""

from __future__ import annotations

import asyncio

import pytest

from airouter_core import labelled
from airouter_core.errors import ParameterError
from airouter_core.provider.asking import ask_of
from airouter_core.values.labels import labels


def test_labels_of_a_block() -> None:
    """Inner labels are added to those around, and gone after the block; what a call says itself counts first."""
    with labelled(user="eva", tags={"team": "a", "x": "1"}):
        with labelled(session="s", tags={"team": "b"}):
            ask = ask_of("m", "hi")
            assert (ask.user, ask.session, ask.tags) == ("eva", "s", {"team": "b", "x": "1"})
            assert ask_of("m", "hi", user="max").user == "max"
        assert ask_of("m", "hi").session is None
    assert ask_of("m", "hi").user is None


def test_labels_are_no_part_of_the_question() -> None:
    """Who asks changes nothing of what is asked."""
    plain = ask_of("m", "hi").fingerprint()
    with labelled(user="eva", tags={"a": "b"}):
        assert ask_of("m", "hi").fingerprint() == plain


async def labels_of_a_task() -> object:
    with labelled(user="eva"):
        task = asyncio.create_task(_labels())
    return await task


async def _labels() -> object:
    return labels()


def test_tasks_have_the_labels_they_were_started_with() -> None:
    """A task keeps them when the block has ended."""
    assert asyncio.run(labels_of_a_task()) == {"user": "eva"}


def test_labels_are_texts() -> None:
    """Anything else is refused before a call is made."""
    with pytest.raises(ParameterError, match="labels are texts"), labelled(tags={"a": 1}):  # type: ignore[dict-item]  # what is tried
        pass
    with pytest.raises(ParameterError, match="tags must map"), labelled(tags=["a"]):  # type: ignore[arg-type]  # as above
        pass
