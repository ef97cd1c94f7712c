"""``airouter record-provider`` makes recordings that the kit can use."""

from __future__ import annotations

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import test_sample_conformance as sound
from click.testing import CliRunner

from airouter_core.testing.record import command, record_set
from airouter_core.testing.recordings import load_recordings
from airouter_core.testing.samples import CHAT_COMPLETIONS
from airouter_core.testing.server import LoopbackServer
from airouter_core.testing.subject import CANARY

SAMPLES = {recording.id: recording for recording in CHAT_COMPLETIONS}


def _backend(request, connection):
    """Answers as the question demands."""
    body = request.json
    kind = "tools" if body.get("tools") else "text"
    name = "sample-no-model" if body["model"] == "no-such-model-here" else f"sample-{kind}"
    streamed = f"{name}-stream"
    connection.answer(SAMPLES[streamed if body.get("stream") and streamed in SAMPLES else name].answer())


def test_a_set_is_recorded_and_passes(tmp_path) -> None:
    """What is written holds no key, and is read by the checks of the kit as it says."""
    subject = sound.TestSample()
    with LoopbackServer(_backend) as server, subject.provider(server) as provider:
        paths = list(record_set(provider, "sample-model", str(tmp_path)))
    assert {pathlib.Path(path).stem for path in paths} == {
        *("hello", "hello-stream", "length", "length-stream", "tools", "tools-stream"),
        *("schema", "schema-stream", "no-model", "no-model-stream"),
    }
    for path in paths:
        assert CANARY not in pathlib.Path(path).read_text()

    class Recorded(sound.TestSample):
        samples = ()
        recordings = tmp_path

    Recorded().test_each_recording_is_read_as_expected()
    Recorded().test_the_way_bytes_are_cut_does_not_matter()
    (tools,) = (item for item in load_recordings(tmp_path) if item.id == "tools-stream")
    assert tools.stream
    assert tools.expected["tool_calls"][0]["arguments_raw"] == '{"city": "Zürich"}'
    assert json.loads((tmp_path / "no-model.json").read_text())["expected"]["error"]["status"] == 404


def test_a_provider_that_is_not_there_is_told(tmp_path) -> None:
    """The command names what is wrong, without a traceback."""
    done = CliRunner().invoke(command, ["no-such-provider", "--model", "m", "--folder", str(tmp_path)])
    assert done.exit_code == 1
    assert "no provider is called" in done.output
