"""The code blocks of a Markdown text."""

from __future__ import annotations

import re

_BLOCK = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n`]*\n(.*?)(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
"""A fenced code block (CommonMark 0.31, section 4.5); one that is not closed goes to the end."""


def code_blocks(text: str) -> list[str]:
    """The contents of the fenced code blocks of a Markdown text, without the line break at their end."""
    return [match[2].removesuffix("\n") for match in _BLOCK.finditer(text)]
