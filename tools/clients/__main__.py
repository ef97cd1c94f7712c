"""``python -m tools.clients``: install the clients, drive each through all scenarios, and write the table.

The clients and the server run where nothing but loopback can be reached (a network namespace of Linux), if the system
lets us make one: whoever needs more than the server fails there.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .clients import CLIENTS, Client
from .installing import install
from .report import write_report
from .scenarios import Laboratory, Row

ALONE = "AIROUTER_CLIENTS_ALONE"
# No network but loopback; and processes of its own, so that daemons of agents end with this one.
NAMESPACE = ("unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="make clients", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[""], help="clients by parts of their names, or by environment")
    parser.add_argument("--silence", type=float, default=5.0, help="seconds; with 25 as long as clients were measured")
    parser.add_argument("--jobs", type=int, default=2, help="clients at a time")
    parser.add_argument("--report", type=Path, help="the page whose table is written anew")
    given = parser.parse_args()
    chosen = [client for client in CLIENTS if any(_is_meant(client, part) for part in given.only)]
    if os.environ.get(ALONE) is None:
        install({client.environment for client in chosen})
        if _can_be_alone():
            command = [
                *NAMESPACE,
                "sh",
                "-c",
                'ip link set lo up && exec "$@"',
                "sh",
                sys.executable,
                "-m",
                "tools.clients",
            ]
            os.execvpe("unshare", [*command, *sys.argv[1:]], {**os.environ, ALONE: "1"})
        print("no namespace can be made here: clients could reach more than the server")
    rows = _driven(chosen, given.jobs, given.silence)
    wrong = [
        f"{row.client.name}: {name}: {cell.why}" for row in rows for name, cell in row.cells.items() if cell.is_wrong
    ]
    if given.report is not None:
        write_report(given.report, rows, silence=given.silence, alone=os.environ.get(ALONE) is not None)
    print("\n".join(["", *wrong, f"{len(rows)} clients, {len(wrong)} wrong cells"]))
    raise SystemExit(bool(wrong))


def _is_meant(client: Client, part: str) -> bool:
    return part.lower() in client.name.lower() or part == client.environment


def _driven(clients: Sequence[Client], jobs: int, silence: float) -> list[Row]:
    """The rows of all clients, several at a time, each in a laboratory of its own: nobody sees another's calls."""
    free: queue.SimpleQueue[Laboratory] = queue.SimpleQueue()
    with contextlib.ExitStack() as stack:
        for _ in range(max(1, jobs)):
            free.put(stack.enter_context(Laboratory(silence)))

        def drive(client: Client) -> Row:
            laboratory = free.get()
            try:
                return laboratory.drive(client)
            finally:
                free.put(laboratory)

        with ThreadPoolExecutor(max(1, jobs)) as pool:
            return list(pool.map(drive, clients))


def _can_be_alone() -> bool:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    return (
        subprocess.run([*NAMESPACE, "ip", "link", "set", "lo", "up"], capture_output=True, check=False).returncode == 0
    )


main()
