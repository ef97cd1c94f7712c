"""The core's dialect and HttpProvider, with nothing added, pass the kit."""

from __future__ import annotations

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from sample_plugin import SAMPLE, SamplePlugin

from airouter_core.testing.conformance import ProviderConformance
from airouter_core.testing.halves import AWAITED, BLOCKING, ON_UVLOOP
from airouter_core.testing.samples import CHAT_COMPLETIONS, assembled_chat_completion


class TestSample(ProviderConformance):
    """The made-up provider."""

    info = SAMPLE
    plugin = SamplePlugin()
    samples = CHAT_COMPLETIONS
    # Event loops are the core's business: here each is tried, for the plugins one.
    halves = (BLOCKING, AWAITED, ON_UVLOOP)

    def schema_problems(self):
        return lambda body: [] if {"model", "messages"} <= set(body) else ["model or messages are missing"]

    def body_of(self, recording):
        return assembled_chat_completion(recording)
