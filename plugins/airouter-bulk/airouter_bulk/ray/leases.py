"""Calls on their way to workers. A connection may break in between, and nobody else would make them: they are kept."""

from __future__ import annotations

from typing import NamedTuple

from ..workers.pool import Given


class _Sent(NamedTuple):
    number: int
    given: list[Given]
    since: float


class Leases:
    """What was given to each worker, until that says that it has it."""

    def __init__(self) -> None:
        self._sent: dict[str, list[_Sent]] = {}

    def add(self, worker: str, got: int, given: list[Given], now: float) -> None:
        """Calls are given to a worker.

        Args:
            got: number of the last ones that it has.
        """
        if given:
            sent = self._sent.setdefault(worker, [])
            sent.append(_Sent(max([got, *(one.number for one in sent)]) + 1, given, now))

    def unheard(self, worker: str, got: int, now: float) -> tuple[int, list[Given]]:
        """The calls that a worker does not have yet, and the number of the last of them."""
        sent = self._sent[worker] = [one for one in self._sent.get(worker, ()) if one.number > got]
        given = [call._replace(age=call.age + now - since) for _, calls, since in sent for call in calls]
        return sent[-1].number if sent else got, given

    def forget(self, worker: str) -> None:
        """A worker is gone."""
        self._sent.pop(worker, None)
