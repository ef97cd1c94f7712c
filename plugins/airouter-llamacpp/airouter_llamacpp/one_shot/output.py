"""What llama-cli writes, and what of it is the answer.

Standard output shows the answer as it is made, between a banner with the prompt and some figures. The file given with
``-o`` holds it exactly, but only when it is complete. So the stream shows what is surely answer, and the file has the
last word.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import Protocol

import attrs

from airouter_core.errors import ProtocolError
from airouter_core.values.events import ReasoningDelta, StreamEvent, TextDelta

TAILS = ("\n\n[ Prompt: ", "\n\n\nExiting...")
"""What may follow the answer."""
ERROR = "Error: "
THINKING, THOUGHT = "[Start thinking]\n\n", "[End thinking]\n\n"
PROMPT_TOKENS = re.compile(r"prompt eval time =.*?/ +(\d+) tokens")
ANSWER_TOKENS = re.compile(r"(?<!prompt) eval time =.*?/ +(\d+) (?:tokens|runs)")


class _Decoder(Protocol):
    def decode(self, data: bytes, /) -> str: ...


class Display:
    """Standard output, read as it comes: :meth:`feed` gives what is surely more of the answer."""

    def __init__(self, word: str) -> None:
        # Where output is text to the system, as on Windows, each line end has two bytes.
        self._marks = (f"\n> {word}\n".encode(), f"\r\n> {word}\r\n".encode())
        self._before = b""
        self._began = False
        self._decoder: _Decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._is_first = True
        self.shown = ""
        self.errors: list[str] = []

    def feed(self, data: bytes) -> str:
        """Take the next bytes."""
        if not self._began:
            self._before += data
            mark = next((mark for mark in self._marks if mark in self._before), None)
            if mark is None:
                return ""
            self._began = True
            self._before, _, data = self._before.partition(mark)
            if mark == self._marks[1]:
                self._decoder = io.IncrementalNewlineDecoder(
                    codecs.getincrementaldecoder("utf-8")("replace"), translate=True
                )
        self._held += self._decoder.decode(data)
        return self._surely()

    @property
    def error(self) -> str | None:
        """The reason of a failure, as it is told among the rest."""
        text = self._before.decode("utf-8", "replace") + self._held
        match = re.search(rf"(?:^|\n|\.\.\. ){ERROR}(.+)", text)
        return match[1].strip() if match else None

    def _surely(self) -> str:
        text = self._held
        if self._is_first:
            opening = "\n" + THINKING
            if opening.startswith(text) or ERROR.startswith(text) or text.startswith(ERROR):
                return ""  # it may turn out to be a failure; the file will tell
            self._held = text = text.removeprefix("\n") if text.startswith(opening) else text
            self._is_first = False
        until = _tail(text)
        self.shown += text[:until]
        self._held = text[until:]
        return text[:until]


class Thoughts:
    """Tells reasoning from answer, in text that comes in pieces."""

    def __init__(self) -> None:
        self._held = ""
        self._state = "opening"

    def feed(self, text: str, *, last: bool = False) -> Iterator[StreamEvent]:
        """Take more text; give the events that it makes."""
        self._held += text
        if self._state == "opening":
            if not last and THINKING.startswith(self._held):
                return
            self._state = "thinking" if self._held.startswith(THINKING) else "answer"
            self._held = self._held.removeprefix(THINKING)
        if self._state == "thinking":
            thought, end, rest = self._held.partition(THOUGHT)
            if end:
                self._state, self._held = "answer", rest
            else:
                keep = 0 if last else _overlap(thought, THOUGHT)
                thought, self._held = thought[: len(thought) - keep], thought[len(thought) - keep :]
            if thought:
                yield ReasoningDelta(thought)
        if self._state == "answer" and self._held:
            yield TextDelta(self._held)
            self._held = ""


@attrs.frozen
class Figures:
    """Tokens that the log tells of; ``None`` where it does not."""

    prompt: int | None
    answer: int | None

    @classmethod
    def read(cls, log: str) -> Figures:
        """Find them in a log."""
        found = (pattern.findall(log) for pattern in (PROMPT_TOKENS, ANSWER_TOKENS))
        prompt, answer = (int(numbers[-1]) if numbers else None for numbers in found)
        return cls(prompt, answer)


def answer_in(file: bytes, word: str) -> str | None:
    """The answer in the file that ``-o`` named; ``None`` when there is none, since no model was asked.

    Raises:
        ProtocolError: the file is not as llama-cli writes it.
    """
    text = file.decode("utf-8", "replace")
    if text.startswith("User:\r\n"):
        text = text.replace("\r\n", "\n")
    # By length, not by searching: an answer may say anything.
    head = f"User:\n{word}\n\n"
    if not text.startswith(head):
        if text.strip():
            raise ProtocolError(f"llama-cli wrote an answer in a form that is not known: {text[:80]!r}")
        return None
    rest = text[len(head) :]
    return rest.removeprefix("Assistant:\n").removesuffix("\n\n") if rest.startswith("Assistant:\n") else None


def _tail(text: str) -> int:
    """Where what follows the answer begins, or may begin."""
    at = text.find("\n")
    while at >= 0:
        rest = text[at:]
        if any(tail.startswith(rest) or rest.startswith(tail) for tail in TAILS):
            return at
        at = text.find("\n", at + 1)
    return len(text)


def _overlap(text: str, mark: str) -> int:
    """How many characters at the end of a text may be the beginning of a mark."""
    return next((size for size in range(min(len(text), len(mark) - 1), 0, -1) if mark.startswith(text[-size:])), 0)
