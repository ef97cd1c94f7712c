"""Record and replay: a cassette is a ledger that answers in the provider's place, for tests of programs.

The same question may be asked several times and be answered differently; the first time it is replayed it gets the
first answer, the second time the second. After the last one the last is given again.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import Counter
from functools import partial
from typing import Any, Literal, Self

from airouter_core.errors import CallVetoedError, ConfigurationError
from airouter_core.flow.layers import Answer, tapped
from airouter_core.flow.steps import Do, Flow, delegated
from airouter_core.values.ask import Ask

from .ledger import Ledger
from .replays import Kept, Watch

Mode = Literal["record", "strict", "auto"]
MODES: tuple[Mode, ...] = ("record", "strict", "auto")
MODE_VARIABLE = "AIROUTER_REPLAY"
FOR_EVER = 100 * 365 * 86400.0
UNLIMITED = 1 << 62


class NotRecordedError(CallVetoedError):
    """The cassette holds no answer to this; nothing was sent."""


class Cassette:
    """A layer that records answers, or gives recorded ones.

    Args:
        path: of the file; in mode ``"strict"`` it must be there.
        mode: ``"record"`` asks and keeps, ``"strict"`` gives what is kept and fails on all else, ``"auto"`` gives
            what is kept and records the rest.
        paced: replay with the times between events that the provider took.

    Raises:
        ConfigurationError: there is no such mode, or nothing to replay.
    """

    def __init__(self, path: str | os.PathLike[str], mode: Mode = "strict", *, paced: bool = False) -> None:
        if mode not in MODES:
            raise ConfigurationError(f"replay is one of {', '.join(MODES)}, not {mode!r}")
        self.path = os.fspath(path)
        if mode == "strict" and not os.path.exists(self.path):
            raise ConfigurationError(
                f"there is no cassette {self.path}: make it with `airouter record {self.path} -- COMMAND`"
            )
        self.mode = mode
        self._paced = paced
        self._ledger = Ledger.open(self.path)
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()

    def __call__(self, ask: Ask, answer: Answer) -> Flow[Any]:
        question = _question(ask, answer)
        with self._lock:
            number = self._asked[question]
            self._asked[question] += 1
        if self.mode != "record":
            kept: Kept | None = yield Do(partial(self._find, question, number))
            if kept is not None:
                return (yield from delegated(kept.given_again(paced=self._paced)))
            if self.mode == "strict":
                raise NotRecordedError(
                    f"{self.path} holds no answer to this {ask.kind} of {answer.provider.name}/{ask.model}; record it "
                    f"with `airouter record {self.path} -- COMMAND`, or replay with mode 'auto'"
                )
        watch = Watch(time.monotonic)
        result = yield from delegated(answer(ask), through=tapped(watch.see))
        if (whole := watch.kept(result)) is not None:
            yield Do(partial(self._keep, question, number, whole))
        return result

    def close(self) -> None:
        """Let go of the file."""
        self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _find(self, question: str, number: int) -> Kept | None:
        for name in (f"{question}:{number}", f"{question}:last"):
            if (found := self._ledger.answers.get(name, now=0)) is not None:
                return Kept.decoded(found.value)
        return None

    def _keep(self, question: str, number: int, kept: Kept) -> None:
        for name in (f"{question}:{number}", f"{question}:last"):
            self._ledger.answers.put(name, "", kept.encoded(), seconds=FOR_EVER, limit=UNLIMITED)


def _question(ask: Ask, answer: Answer) -> str:
    # Where the provider is reached is no part of it: a program is tested on another machine than it was recorded on.
    return hashlib.sha256(f"{ask.fingerprint()}\0{answer.provider.name}".encode()).hexdigest()
