"""What stands in the place of a transport that cannot be: looking at it does no harm, using it says why."""

from __future__ import annotations

from typing import Any, NoReturn

from ..errors import ConfigurationError


class Unavailable:
    """A transport, blocking and awaited alike, whose every request is refused."""

    def __init__(self, error: ConfigurationError) -> None:
        self._error = error

    def open(self, request: Any, **_: Any) -> NoReturn:
        """Say why.

        Raises:
            ConfigurationError: always.
        """
        raise self._error.with_traceback(None)

    def close(self) -> Any:
        """Nothing is open."""
