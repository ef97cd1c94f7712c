"""Work that the server does step by step, and tells of line by line: pulling a model, making one.

Source: Ollama, api/types.go (``ProgressResponse``), fb307609, and what a 0.33.0 server was seen to send.
"""

from __future__ import annotations

from collections.abc import Callable

from airouter_core.errors import TransportError, TruncatedStreamError
from airouter_core.flow.exchange import Exchange
from airouter_core.flow.steps import Flow
from airouter_core.values.record import Record
from airouter_core.values.usage import count
from airouter_core.wire.json import decoded_object, text
from airouter_core.wire.ndjson import NdjsonDecoder

from .errors import error_in_answer

SUCCESS = "success"


class Progress(Record, frozen=True):
    """How far the work is.

    Attributes:
        status: the server's words for the step, such as ``"pulling 7cd4618c1faf"``; ``"success"`` at the end.
        digest: the layer that is worked on, if it is one.
        total: bytes of that layer.
        completed: bytes of it that are there. The last report of a layer may stay below ``total``.
    """

    status: str
    digest: str | None = None
    total: int | None = None
    completed: int | None = None

    @property
    def share(self) -> float | None:
        """How much of the layer is there, from 0 to 1; ``None`` while that is unknown."""
        return self.completed / self.total if self.total and self.completed is not None else None


OnProgress = Callable[[Progress], None]


def progress_of(line: str) -> Progress:
    """Read one line.

    Raises:
        ProviderError: it is an error; these come under status 200 too.
    """
    content = decoded_object(line)
    if content.get("error"):
        raise error_in_answer(content["error"], line)
    return Progress(
        text(content.get("status")),
        text(content.get("digest")) or None,
        count(content.get("total")),
        count(content.get("completed")),
    )


def work_flow(exchange: Exchange, on_progress: OnProgress | None, *, what: str, again: str) -> Flow[Progress]:
    """Have the server do something, to the end.

    Args:
        what: a name for the work, for errors.
        again: what to do when it was interrupted.

    Raises:
        ProviderError: the server failed at it.
        TruncatedStreamError: it stopped without saying that it was done.
        TransportError: the connection broke.
    """
    decoder = NdjsonDecoder()
    last = Progress("")
    try:
        response = yield from exchange.open()
        while True:
            data = yield from exchange.read_some(response)
            for line in decoder.feed(data) if data else decoder.close():
                last = progress_of(line)
                if on_progress is not None:
                    on_progress(last)
            if not data:
                break
    except TransportError as error:
        if not last.status:
            raise
        raise type(error)(f"{what} was interrupted at {_place(last)}: {error}; {again}") from error
    if last.status != SUCCESS:
        raise TruncatedStreamError(f"{what} stopped at {_place(last)}, without success; {again}")
    return last


def _place(progress: Progress) -> str:
    share = f" ({progress.share:.0%})" if progress.share is not None else ""
    return f"{progress.status!r}{share}" if progress.status else "its beginning"
