"""Short names for texts that are put into questions again and again: ``fragments.toml``, a line for each."""

from __future__ import annotations

from .names import Names

FRAGMENTS = Names("fragments.toml", "the fragments", "the name of a fragment", "a path or a web address")
