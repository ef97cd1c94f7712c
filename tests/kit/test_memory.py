"""However much a server sends, what is kept of it is bounded."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from airouter_core.testing.halves import AWAITED, BLOCKING

MEBIBYTES = 250
"""What a process may grow by; one answer may have 64 MiB, and is joined once."""
PROGRAM = """
import resource, sys
import test_sample_conformance as sound
from airouter_core.testing.faults import FAULTS, outcome_of
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
(fault,) = (fault for fault in FAULTS if fault.id == sys.argv[1])
(half,) = (half for half in sound.TestSample.halves if half.name == sys.argv[2])
outcome = outcome_of(fault, sound.TestSample().by(half))
assert outcome.right, outcome
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss counts otherwise elsewhere")
@pytest.mark.parametrize(
    "fault", ["a gzip bomb (whole)", "a gzip bomb (stream)", "a body without end (whole)", "a huge line (stream)"]
)
@pytest.mark.parametrize("half", [BLOCKING, AWAITED], ids=lambda half: half.name)
def test_memory_stays_bounded(fault, half) -> None:
    """An endless answer ends in an error before it has filled the memory."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, fault, half.name],
        capture_output=True,
        text=True,
        check=False,
        cwd=pathlib.Path(__file__).parent,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) / 1024 < MEBIBYTES
