"""The shipped kit: whole over services of different shapes, and for each other row all that its facts can break.

``AIROUTER_KIT=whole`` runs the whole kit for every row.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from airouter_compatible.plugin import COMPATIBLE
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.testing.conformance import ProviderConformance
from airouter_core.testing.recordings import Recording
from airouter_core.testing.samples import CHAT_COMPLETIONS, assembled_chat_completion

RECORDINGS = Path(__file__).resolve().parents[3].parent / "shared" / "recordings-more"
INFOS: Mapping[str, ProviderInfo] = {info.name: info for info in COMPATIBLE}
PLACES: Mapping[str, Mapping[str, Any]] = {
    "azure": {"endpoint": "https://kit.invalid"},
    "azure-classic": {"endpoint": "https://kit.invalid", "api_version": "2024-10-21"},
    "cloudflare": {"account_id": "kit"},
    "databricks": {"host": "https://kit.invalid"},
}
"""Settings without which a service has no address."""
PIECEWISE = {
    "cloudflare-chat-92f0558cd7bd": "the fragments of its one call are taken for several calls in what is expected",
}


class Row(ProviderConformance):
    """What all rows have in common; its own checks are those of the row that others leave theirs to."""

    info = INFOS["groq"]
    recordings = RECORDINGS
    kinds = ("groq-chat",)
    samples = CHAT_COMPLETIONS

    def body_of(self, recording: Recording) -> bytes | None:
        """The whole answer of a stream that holds text and calls only, in the format."""
        return assembled_chat_completion(recording) if recording.path.endswith("/completions") else None


class TestGroq(Row):
    """Usage in an object of its own, limits in headers, parameters refused."""


class TestCloudflare(Row):
    """Answers of two formats, and objects in place of texts."""

    info = INFOS["cloudflare"]
    kinds = ("cloudflare-chat",)
    config: ClassVar[Mapping[str, Any]] = PLACES["cloudflare"]
    excused: ClassVar[Mapping[str, str]] = PIECEWISE


class TestAzureClassic(Row):
    """An address for each model, with a query."""

    info = INFOS["azure-classic"]
    kinds = ("azure-chat",)
    config: ClassVar[Mapping[str, Any]] = PLACES["azure-classic"]


class TestCompatible(Row):
    """A service that is in no row."""

    info = INFOS["compatible"]
    kinds = ("doubleword-chat", "venice-chat", "xiaomi-chat")


WHOLE = (TestGroq, TestCloudflare, TestAzureClassic, TestCompatible)


def _row(info: ProviderInfo) -> type[Row]:
    content: dict[str, Any] = {
        "__module__": __name__,
        "__doc__": info.description,
        "info": info,
        "kinds": (f"{info.name}-chat",),
        "config": PLACES.get(info.name, {}),
        "like": None if os.environ.get("AIROUTER_KIT") == "whole" else TestGroq,
    }
    return type(f"Test{info.name.title().replace('-', '')}", (Row,), content)


for _info in COMPATIBLE:
    if _info not in [subject.info for subject in WHOLE]:
        globals()[_row(_info).__name__] = _row(_info)
