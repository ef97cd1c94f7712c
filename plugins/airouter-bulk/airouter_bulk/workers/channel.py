"""What a run and its worker processes say to each other: values, pickled, through a pipe that only they have."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

LENGTH = 4
"""Bytes in front of each value, that say how long it is."""


class Channel:
    """One end of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, value: Any) -> None:
        """Say something; to nobody, where the other end is gone."""
        said = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        self._writer.write(len(said).to_bytes(LENGTH, "big") + said)

    async def receive(self) -> Any:
        """What the other end says next.

        Raises:
            EOFError: it is gone.
        """
        try:
            length = int.from_bytes(await self._reader.readexactly(LENGTH), "big")
            said = await self._reader.readexactly(length)
        except ConnectionError as error:
            raise EOFError from error
        return pickle.loads(said)  # noqa: S301  # of a process that this one began, or that began this one

    def close(self) -> None:
        """Say that nothing more comes."""
        self._writer.close()
