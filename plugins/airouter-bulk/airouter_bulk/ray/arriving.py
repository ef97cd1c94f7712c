"""Rows that a driver sends to the head, a few batches ahead of their need."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator

from airouter_core.errors import AirouterError

from ..rows import Row
from .messages import SentRow, rows_again

AHEAD = 4
"""Batches of rows that are taken from the driver before they are needed."""


class Arriving:
    """The rows of one life of the journal."""

    def __init__(self) -> None:
        self._rows: queue.SimpleQueue[list[Row] | AirouterError] = queue.SimpleQueue()
        self._batches = 0
        self._room = asyncio.Semaphore(AHEAD)

    async def add(self, number: int, rows: list[SentRow]) -> None:
        """Take the next rows; none are the end. The same may come twice.

        Args:
            number: of these rows, counted from 0.
        """
        if number == self._batches:
            self._batches += 1
            self._rows.put(rows_again(rows))
            await self._room.acquire()

    def fail(self, error: AirouterError) -> None:
        """No more can be had."""
        self._rows.put(error)

    def read(self, loop: asyncio.AbstractEventLoop) -> Iterator[Row]:
        """All of them; this blocks, in the thread of the journal.

        Args:
            loop: on which they are added.

        Raises:
            AirouterError: they have failed.
        """
        while rows := self._rows.get():
            if isinstance(rows, AirouterError):
                raise rows
            loop.call_soon_threadsafe(self._room.release)
            yield from rows
