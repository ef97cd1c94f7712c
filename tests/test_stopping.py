"""A stream that another thread stops, and a conversation of which not all can be sent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from airouter_core import hookimpl
from airouter_core.errors import ExecutionError
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.losses import unsent
from airouter_core.values.events import TextDelta
from airouter_core.values.messages import FilePart, Message, ProviderPart, TextPart


def chunk(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"


class Ends:
    """Counts how calls ended."""

    def __init__(self) -> None:
        self.seen: list[bool] = []

    @hookimpl
    def airouter_call_ended(self, outcome: Any) -> None:
        self.seen.append(outcome.cancelled)


def test_another_thread_may_stop_a_reader(serve: Any, make_provider: Any) -> None:
    """The reader ends at the next event, without an error; the call has ended once, as one that was stopped."""
    stopped = threading.Event()

    def script(peer: Any, received: Any) -> bool:
        peer.head(200, Transfer_Encoding="chunked", Content_Type="text/event-stream")
        peer.chunk(chunk("One"))
        stopped.wait(120)
        peer.chunk(chunk(" two"))
        peer.wait_for_end()
        return False

    ends = Ends()
    stream = make_provider(serve(script).url, Plugins.of(ends)).stream_chat("example-1", "hi")
    waiting, read = threading.Event(), []

    def reader() -> None:
        for event in stream:
            if isinstance(event, TextDelta):
                read.append(event.text)
                waiting.set()

    thread = threading.Thread(target=reader)
    thread.start()
    assert waiting.wait(120)
    stream.close()
    stopped.set()
    thread.join(120)
    assert not thread.is_alive()
    assert read in (["One"], ["One", " two"])
    assert ends.seen == [True]
    with pytest.raises(ExecutionError, match="not complete"):
        _ = stream.response


def test_what_is_not_sent_is_said() -> None:
    """Parts of another provider, and fields that nobody here knows, each with its place."""
    unknown = {"*": {"cache_control": {"type": "ephemeral"}}}
    messages = [
        Message("user", (TextPart("hi", unknown), FilePart("image/png", data=b"", provider_metadata=unknown))),
        Message("assistant", (ProviderPart("other", {}), ProviderPart("mine", {}))),
    ]
    notes = list(unsent(messages, "mine", (), takes_field=lambda field: False))
    assert len(notes) == 3
    assert all(note.startswith("messages[0]") for note in notes[:2])
    assert "'other'" in notes[2]
    assert len(list(unsent(messages, "mine", (), takes_field=lambda field: field == "cache_control"))) == 1


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_ends_what_runs_side_by_side(tmp_path: Path) -> None:
    """The interpreter ends at once, though both calls go on for long; each had the caller's context."""
    program = (
        "import contextvars, signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from airouter_core.flow.threads import at_once\n"
        "who = contextvars.ContextVar('who')\n"
        "who.set('me')\n"
        "def wait(path):\n"
        "    with open(path, 'w') as file: file.write(who.get())\n"
        "    time.sleep(300)\n"
        "try: at_once(wait, sys.argv[1:])\n"
        "except KeyboardInterrupt: sys.exit(130)\n"
    )
    paths = [tmp_path / "one", tmp_path / "two"]
    process = subprocess.Popen([sys.executable, "-c", program, *map(str, paths)])
    try:
        end = time.monotonic() + 600
        while time.monotonic() < end and not all(path.exists() and path.read_text() == "me" for path in paths):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(600) == 130
    finally:
        process.kill()
    assert [path.read_text() for path in paths] == ["me", "me"]
