"""Content blocks of the Messages API to the parts of our messages, under this provider's name.

What a part has no field for is in its ``provider_metadata["claude"]`` under the vendor's own names;
:mod:`~airouter_claude.blocks` lays it over the block again.
"""

from __future__ import annotations

from airouter_core.dialects.content_blocks import PDF, BlockReader

from .plugin import CLAUDE

__all__ = ["KEY", "PDF", "THOUGHT_BY", "messages_of", "metadata_of", "part_of"]

KEY = CLAUDE.name
THOUGHT_BY = "model"
"""Where a thought's metadata names the model that had it; not part of the block."""

_BLOCKS = BlockReader(KEY)
metadata_of, part_of, messages_of = _BLOCKS.metadata_of, _BLOCKS.part_of, _BLOCKS.messages_of
