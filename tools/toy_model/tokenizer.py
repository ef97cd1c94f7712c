"""Word pieces, and a tokenizer that cuts text exactly as llama.cpp's SPM tokenizer does.

The pieces are learned by byte-pair merging, so every piece is reached by a chain of smaller ones: llama.cpp joins two
neighbours whenever the result is in the vocabulary, and a word without such a chain could be written but never read.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

SPACE = "\u2581"  # how SPM writes a space
UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"  # llama.cpp expects them as 0, 1, 2
CONTROL = ("<|im_start|>", "<|im_end|>")
TOOL_MARKS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
_MARKS = re.compile("(" + "|".join(re.escape(mark) for mark in (BEGIN, END, *CONTROL, *TOOL_MARKS)) + ")")
# What may become a piece: a word with the space in front of it, or a run of JSON's own signs. Digits stay single, and
# so does the end of a sentence: `."` in one piece would be something else than `.` and then `"`, and a model that has
# just said the first cannot know how to close the string.
_CHUNK = re.compile(rf"{SPACE}?[A-Za-z]+|[0-9]|{SPACE}?[\"{{}}\[\]:,]+|{SPACE}?[^\sA-Za-z0-9{SPACE}]|.", re.DOTALL)


def learn_pieces(texts: Iterable[str], count: int) -> list[str]:
    """The `count` most useful pieces of two or more characters, best first."""
    chunks: Counter[str] = Counter()
    for text in texts:
        for part in _MARKS.split(text):
            if not _MARKS.fullmatch(part):
                chunks.update(_CHUNK.findall(part.replace(" ", SPACE)))
    words = {chunk: list(chunk) for chunk in chunks if len(chunk) > 1 and chunk.isprintable()}
    pieces: list[str] = []
    while len(pieces) < count:
        found: Counter[tuple[str, str]] = Counter()
        for chunk, parts in words.items():
            for pair in pairwise(parts):
                found[pair] += chunks[chunk]
        if not found:
            break
        left, right = max(found, key=lambda pair: (found[pair], pair))
        pieces.append(left + right)
        for parts in words.values():
            _join(parts, left, right)
    return list(dict.fromkeys(pieces))


def _join(parts: list[str], left: str, right: str) -> None:
    place = 0
    while place < len(parts) - 1:
        if parts[place] == left and parts[place + 1] == right:
            parts[place : place + 2] = [left + right]
        place += 1


@dataclass(frozen=True)
class Tokenizer:
    """The vocabulary of the model, in the order of the file."""

    pieces: tuple[str, ...]
    _known: dict[str, list[int]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def vocabulary(self) -> list[str]:
        """Every token's text."""
        octets = [f"<0x{octet:02X}>" for octet in range(256)]
        signs = [chr(code) for code in range(0x21, 0x7F)]
        return [UNKNOWN, BEGIN, END, *octets, *CONTROL, *TOOL_MARKS, SPACE, *signs, *self.pieces]

    @cached_property
    def ids(self) -> dict[str, int]:
        """The number of each token."""
        return {text: number for number, text in enumerate(self.vocabulary)}

    @cached_property
    def _rank(self) -> dict[str, int]:
        return {piece: rank for rank, piece in enumerate(self.pieces)}

    def encode(self, text: str) -> list[int]:
        """Cut a text into token numbers; no begin token is added."""
        numbers: list[int] = []
        for part in _MARKS.split(text):
            if _MARKS.fullmatch(part):
                numbers.append(self.ids[part])
            elif part:
                # No piece has a space inside, so nothing is ever joined across one: cutting there changes nothing.
                for chunk in re.findall(rf"{SPACE}?[^{SPACE}]*", part.replace(" ", SPACE)):
                    numbers += self._encode_chunk(chunk)
        return numbers

    def _encode_chunk(self, chunk: str) -> list[int]:
        """Join the best pair of neighbours, the leftmost of equals, until none is in the vocabulary."""
        if chunk not in self._known:
            parts = list(chunk)
            while len(parts) > 1:
                ranks = [self._rank.get(a + b, len(self._rank)) for a, b in pairwise(parts)]
                best = min(range(len(ranks)), key=ranks.__getitem__)
                if ranks[best] == len(self._rank):
                    break
                parts[best : best + 2] = [parts[best] + parts[best + 1]]
            self._known[chunk] = [number for part in parts for number in self._number(part)]
        return self._known[chunk]

    def _number(self, part: str) -> list[int]:
        """The token of a part, or the byte tokens of a character that has none."""
        if part in self.ids:
            return [self.ids[part]]
        return [self.ids[f"<0x{octet:02X}>"] for octet in part.encode()]

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of some tokens."""
        octets = b""
        for number in numbers:
            text = self.vocabulary[number]
            octets += bytes([int(text[3:5], 16)]) if re.fullmatch("<0x..>", text) else text.replace(SPACE, " ").encode()
        return octets.decode(errors="replace")
