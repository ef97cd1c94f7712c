"""Echo keeps what the interface promises, and repeats what it is told."""

from __future__ import annotations

from airouter_echo.plugin import ECHO

from airouter_core import create_provider
from airouter_core.testing.conformance import ProviderConformance


class TestEcho(ProviderConformance):
    """What holds for every provider."""

    info = ECHO
    model = "echo"


def test_it_repeats_what_it_is_told() -> None:
    """The answer is the question, cut where it was told to stop."""
    with create_provider("echo") as echo:
        assert echo.execute("echo", "one two three") == "one two three"
        response = echo.chat("echo", "one two three", parameters={"max_tokens": 2})
        assert (response.text, response.finish_reason) == ("one two", "length")
