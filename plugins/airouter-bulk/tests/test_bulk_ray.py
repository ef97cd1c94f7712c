"""Runs on a real Ray cluster of three nodes on this machine, whose processes are killed; a server that counts watches.

A cluster takes half a minute to come up, and some 900 MB. So these tests run where real engines do (``make engines``).
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Bulk

ROOT = Path(__file__).parents[3]
PROGRAMS = ROOT / ".cache" / "engines" / "llamacpp" / "bin"
KEY = "sk-planted-0123456789abcdef0123456789"
STORE = 80 << 20
"""Bytes of each node's object store; Ray takes no less than 75 MiB."""
LOOPBACK = "127.0.0.1"
IN_FLIGHT = 8
PRICE = '[prices]\n"openai/m" = { input = 100, output = 100 }\n'
SAID = (0, 2, 3, 4)
"""Exit codes with which a run says how it stands."""
BILLED = 0.003
"""Dollars of a call at that price."""

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the processes of a cluster in /proc"),
    pytest.mark.skipif(
        not ((ROOT / ".cache" / "engines").is_dir() or os.environ.get("AIROUTER_RAY")),
        reason="a cluster is started where real engines are: make engines, or AIROUTER_RAY=1",
    ),
    # Ray's own processes and sockets are not ours to close.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class RayCluster:
    """A head without processors, and two nodes with one each."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster

        self.folder = folder
        head = {"num_cpus": 0, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args={**head, **self._node()})
        self.nodes = [self.add_node() for _ in range(2)]

    @property
    def address(self) -> str:
        """Where drivers connect."""
        return str(self._cluster.address)

    def add_node(self, **more: Any) -> Any:
        """One node more."""
        for _ in range(2):
            try:
                return self._cluster.add_node(num_cpus=1, wait=True, **self._node(), **more)
            except Exception:  # it was not up in the time that Ray gives it: the machine has other things to do
                time.sleep(1)
        return self._cluster.add_node(num_cpus=1, wait=True, **self._node(), **more)

    def remove_node(self, node: Any) -> None:
        """One node less."""
        self._cluster.remove_node(node, allow_graceful=False)

    def actors(self, kind: str) -> list[int]:
        """Processes of all actors of a class."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                title = (path / "cmdline").read_bytes()
                ours = str(self.folder).encode() in (path / "environ").read_bytes()
            except OSError:
                continue
            if ours and title.startswith(f"ray::{kind}".encode()):
                found.append(int(path.name))
        return found

    def kill_raylet(self) -> None:
        """A node dies: the process by which the others know it. A worker there may live on for a while."""
        node = self.nodes.pop(0)
        os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)

    def kill_head(self) -> None:
        """The head dies with everything on it."""
        for actor in self.actors("Head"):
            os.kill(actor, signal.SIGKILL)
        for processes in self._cluster.head_node.all_processes.values():
            for one in processes:
                os.kill(one.process.pid, signal.SIGKILL)

    def down(self) -> None:
        """The end, also of what is left of it."""
        self._cluster.shutdown()
        for kind in ("Head", "Worker"):
            for actor in self.actors(kind):
                os.kill(actor, signal.SIGKILL)

    def _node(self) -> dict[str, Any]:
        return {"object_store_memory": STORE, "node_ip_address": LOOPBACK}


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the processes of a cluster find in their environment: a key, and that there is no network."""
    pytest.importorskip("ray", reason="pip install 'airouter-bulk[ray]'")
    pytest.importorskip("click", reason="airouter-core[cli] is not installed")
    with pytest.MonkeyPatch.context() as patch:
        # Sockets of Ray lie there, and the path of a socket is short.
        folder = Path(os.path.realpath("/tmp")) / f"airouter-ray-{os.getpid()}"
        (folder / "ray").mkdir(parents=True)
        patch.setenv("RAY_TMPDIR", str(folder))
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # else it looks for another address than loopback's
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_raylet_start_wait_time_s", "120")  # the machine may have other things to do
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        patch.setenv("OPENAI_API_KEY", KEY)
        patch.setenv("AIROUTER_NODE", "1")
        yield folder
    subprocess.run(["rm", "-rf", str(folder)], check=False)


@pytest.fixture(scope="module")
def cluster(surroundings: Path) -> Iterator[RayCluster]:
    """A cluster, for all tests of this file."""
    made = None
    for _ in range(3):  # on a machine with other things to do, a node may not be up in the time that Ray gives it
        try:
            made = RayCluster(surroundings)
            break
        except Exception as error:
            told = error
    if made is None:
        pytest.skip(f"Ray brings up no cluster on this machine, not at the third time either: {told}")
    yield made
    made.down()


class Command:
    """``airouter bulk run … --engine ray`` as a process."""

    def __init__(
        self,
        bulk: Bulk,
        cluster: RayCluster | None,
        *more: str,
        engine: str = "ray",
        out: str = "out",
        first: str = "",
    ) -> None:
        self.bulk = bulk
        self.folder = bulk.folder.with_name(out)
        where = ["--ray-address", "local" if cluster is None else cluster.address] if engine == "ray" else []
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", f"{first}\nfrom airouter_core.cli import main\nmain()"),
                *("bulk", "run", "spec.toml", "--config", "airouter.toml"),
                *("-i", "rows.jsonl", "-o", out, "--yes", "--json", "--engine", engine, *where, *more),
            ],
            cwd=bulk.folder.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def called(self, count: int) -> None:
        """Wait until the server has seen so many calls."""
        while len(self.bulk.witness.calls) < count:
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.01)

    def ended(self, seconds: float = 900) -> tuple[int, dict[str, Any], str]:
        """Its exit code, what it says, and what it says besides."""
        try:
            out, told = self.process.communicate(timeout=seconds)
        finally:
            self.process.kill()
        return self.process.returncode, json.loads(out) if self.process.returncode in SAID else {}, f"{out}\n{told}"

    def states(self) -> dict[str, int]:
        """Attempts by their state."""
        with closing(sqlite3.connect(self.folder / "journal.db")) as journal:
            assert journal.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            return dict(journal.execute("SELECT state, count(*) FROM attempts GROUP BY state").fetchall())

    def answered(self) -> set[int]:
        """Questions whose answers are kept."""
        with closing(sqlite3.connect(self.folder / "journal.db")) as journal:
            return {item for (item,) in journal.execute("SELECT item FROM attempts WHERE state = 'answered'")}

    def ended_rows(self) -> int:
        """How many answers the journal has, while the run goes on."""
        try:
            return self.states().get("answered", 0)
        except sqlite3.OperationalError:  # not there yet
            return 0

    def files(self) -> dict[str, bytes]:
        """What came out."""
        return {path.name: path.read_bytes() for path in self.folder.glob("*.jsonl")}


@pytest.fixture
def command(bulk: Bulk) -> Iterator[Callable[..., Command]]:
    """Starts commands, none of which outlives its test."""
    started: list[Command] = []

    def start(*where: Any, **how: Any) -> Command:
        started.append(Command(bulk, *where, **how))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


@pytest.fixture
def table(bulk: Bulk) -> Callable[..., None]:
    """Writes a specification, settings and rows."""

    def written(rows: int, **spec: Any) -> None:
        folder = bulk.folder.parent
        (folder / "airouter.toml").write_text(f'[openai]\nbase_url = "{bulk.witness.server.url}"\n{PRICE}')
        lines = {"target": "openai/m", "prompt": "{{ q }}", "in_flight": IN_FLIGHT, **spec}
        told = "".join(f"{name} = {json.dumps(value)}\n" for name, value in lines.items())
        (folder / "spec.toml").write_text(f"{told}[parameters]\nmax_tokens = 10\ntemperature = 0\n")
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in bulk.numbered(rows)))

    return written


def _most(times: list[float], seconds: float) -> int:
    """Calls of the fullest window."""
    ordered = sorted(times)
    return max(bisect_left(ordered, begin + seconds) - index for index, begin in enumerate(ordered))


def test_workers_nodes_and_the_journal_may_die(
    bulk: Bulk, cluster: RayCluster, command: Callable[..., Command], table: Callable[..., None], surroundings: Path
) -> None:
    """Each in mid-run: no answer is lost, no more is asked twice than was under way, and limits hold in every window.
    What comes out is what one process makes of the same rows. Nowhere in what Ray writes is the key.
    """
    rows, per_minute = 300, 1200
    table(rows, requests_per_minute=per_minute)
    bulk.witness.pause = 0.1
    run = command(cluster)
    run.called(40)
    os.kill(cluster.actors("Worker")[-1], signal.SIGKILL)
    run.called(100)
    kept = run.answered()
    os.kill(cluster.actors("Head")[0], signal.SIGKILL)
    run.called(170)
    assert kept <= run.answered()
    cluster.kill_raylet()
    cluster.nodes.append(cluster.add_node())
    code, summary, told = run.ended()
    assert (code, summary.get("valid")) == (0, rows), told
    witness, states = bulk.witness, run.states()
    assert states["answered"] == rows
    assert len(set(witness.calls)) == rows
    assert len(witness.calls) <= rows + states.get("uncertain", 0)
    assert states.get("uncertain", 0) <= 3 * IN_FLIGHT
    assert witness.most <= IN_FLIGHT
    # Permits flow at 95 in a hundred of the limit, the rest may be saved up, and a call may begin two seconds late.
    for seconds in (5, 10, 60):
        assert _most(witness.times, seconds) <= per_minute * (0.05 + 0.95 * (seconds + 2) / 60)
    here = command(None, engine="local", out="alone")
    assert here.ended()[0] == 0
    assert here.files() == run.files()
    written = [path for path in surroundings.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if KEY.encode() in path.read_bytes()]


def test_a_budget_holds_on_a_cluster(
    bulk: Bulk, cluster: RayCluster, command: Callable[..., Command], table: Callable[..., None]
) -> None:
    """Also where a worker dies: what it had stays booked. What is spent is never told for less."""
    table(100, budget="0.2")
    bulk.witness.pause = 0.1
    run = command(cluster)
    run.called(15)
    os.kill(cluster.actors("Worker")[0], signal.SIGKILL)
    code, summary, told = run.ended()
    assert code == 3, told
    billed = BILLED * len(bulk.witness.calls)
    assert billed <= 0.2 + 1e-9
    assert float(summary["spent"]) <= billed + 1e-9
    assert billed <= float(summary["spent"]) + float(summary["reserved"]) + 1e-9


def test_ctrl_c_ends_what_is_under_way(
    bulk: Bulk, cluster: RayCluster, command: Callable[..., Command], table: Callable[..., None]
) -> None:
    """Once: no call is given up, and the run says how to go on. Twice: at once, and only what was under way is asked
    again. One process goes on with it. The provider is one of two of its kind, with its key in a variable.
    """
    table(60, target="mine/m")
    settings = bulk.folder.parent / "airouter.toml"
    mine = f'[mine]\nprovider = "openai"\nbase_url = "{bulk.witness.server.url}"\napi_key = "${{OPENAI_API_KEY}}"\n'
    settings.write_text(f'[openai]\nbase_url = "http://127.0.0.1:9"\n{mine}')
    bulk.witness.pause = 0.3
    run = command(cluster)
    run.called(IN_FLIGHT + 2)
    run.process.send_signal(signal.SIGINT)
    code, summary, told = run.ended()
    assert (code, summary.get("state")) == (4, "paused"), told
    assert set(run.states()) <= {"answered", "unsent"}
    answered = run.states()["answered"]
    bulk.witness.may_answer.clear()
    run = command(cluster)
    run.called(answered + IN_FLIGHT)
    for _ in range(2):
        run.process.send_signal(signal.SIGINT)
        time.sleep(0.5)  # two signals at once are one
    code, summary, told = run.ended(300)
    assert (code, summary.get("state")) == (4, "paused"), told
    bulk.witness.may_answer.set()
    bulk.witness.pause = 0.0
    assert command(None, engine="local").ended()[0] == 0
    assert run.states()["uncertain"] == IN_FLIGHT
    assert len(bulk.witness.calls) == 60 + IN_FLIGHT


def test_a_worker_that_stands_still_is_ended(
    bulk: Bulk, cluster: RayCluster, command: Callable[..., Command], table: Callable[..., None]
) -> None:
    """Ray sees a process and is content. What the worker had is asked again, and the run comes to its end; nothing of
    that worker is left.
    """
    table(100)
    bulk.witness.pause = 0.1
    run = command(cluster, first="import airouter_bulk.ray.crew as crew\ncrew.SILENT = 8.0")
    run.called(20)
    stopped = cluster.actors("Worker")[0]
    os.kill(stopped, signal.SIGSTOP)
    code, summary, told = run.ended()
    assert (code, summary.get("valid")) == (0, 100), told
    assert "has said nothing for 8 seconds, and is ended" in told
    while stopped in cluster.actors("Worker"):
        time.sleep(0.1)
    assert len(bulk.witness.calls) <= 100 + run.states().get("uncertain", 0)
    assert run.states().get("uncertain", 0) <= IN_FLIGHT
    assert bulk.witness.most <= IN_FLIGHT


def test_a_node_on_which_no_worker_can_begin_is_left_out(
    bulk: Bulk, cluster: RayCluster, command: Callable[..., Command], table: Callable[..., None], surroundings: Path
) -> None:
    """Also one that comes late: the others go on, and it is told what is missing there."""
    without, met = surroundings / "without" / "airouter_openai", surroundings / "met"
    without.mkdir(parents=True)
    (without / "__init__.py").write_text(f"open({str(met)!r}, 'w').close()\nraise ImportError('not on this node')\n")
    table(150)
    bulk.witness.pause = 0.1
    bulk.witness.may_answer.clear()
    run = command(cluster)
    run.called(1)
    node = cluster.add_node(env_vars={"PYTHONPATH": str(without.parent)})
    try:
        while not met.exists():
            assert run.process.poll() is None, run.process.communicate()
            time.sleep(0.01)
        bulk.witness.may_answer.set()
        code, summary, told = run.ended()
    finally:
        cluster.remove_node(node)
    assert (code, summary.get("valid")) == (0, 150), told
    assert "not on this node" in told
    assert "the run goes on without this node" in told
    assert len(bulk.witness.calls) == 150


def test_where_no_node_has_room_nobody_is_waited_for(
    bulk: Bulk, cluster: RayCluster, command: Callable[..., Command], table: Callable[..., None]
) -> None:
    """It is told what is missing. Of several workers those begin for whom there is room, with all calls in flight."""
    table(30)
    code, _, told = command(
        cluster, "--gpus", "1", first="import airouter_bulk.ray.crew as crew\ncrew.PLACED = 1.0"
    ).ended()
    assert code == 1
    assert "no node of the cluster has room for a worker: a worker takes 1 CPU and 1 GPU of its node" in told
    assert not bulk.witness.calls
    bulk.witness.may_answer.clear()
    run = command(cluster, "--workers", "5")
    run.called(IN_FLIGHT)
    bulk.witness.may_answer.set()
    code, _, told = run.ended()
    assert code == 0, told
    assert "there is room for 2 workers of 5: a worker takes 1 CPU of its node" in told


DATA = """
import asyncio, datetime, os, sys, ray
from airouter_bulk import ray as bulk

address, folder = sys.argv[1:]
ray.init(address=address, _node_ip_address="127.0.0.1", log_to_driver=False)


def row(given):
    n = given["id"]
    if n == 25 and not os.path.exists(folder + ".mended"):
        raise ValueError("a batch is broken")
    day = datetime.date(2026, 1, 1 + n)
    return {"n": n, "q": f"question {n}", "day": day, "text": str(day), "raw": bytes([n]), "in": {"a": [n, None]}}


table = ray.data.range(30, override_num_blocks=6).map(row)
spec = {"target": "openai/m", "prompt": "{{ q }}", "in_flight": 4}


def asked():
    return bulk.map_batches(table, spec, folder, batch_size=5, settings="airouter.toml").take_all()


async def asked_in_a_notebook():
    return asked()


try:
    asked()
except Exception as error:
    assert "a batch is broken" in str(error), error
else:
    raise AssertionError("it is not told")
open(folder + ".mended", "w").close()
for found in (asked(), asyncio.run(asked_in_a_notebook())):
    found.sort(key=lambda row: row["n"])
    assert [row.pop("airouter")["finish_reason"] for row in found] == ["stop"] * 30
    assert [row.pop("answer") for row in found] == [f"answer to question {n}" for n in range(30)]
    assert found == sorted((row({"id": n}) for n in range(30)), key=lambda row: row["n"]), found
"""


def test_a_dataset_goes_through_a_run(bulk: Bulk, cluster: RayCluster, table: Callable[..., None]) -> None:
    """Its rows come back with their answers and their types; the second time nobody is asked. A batch that is broken
    is told, and costs no answer.
    """
    pytest.importorskip("ray.data", reason="pip install 'ray[data]'")
    table(1)
    arguments = [sys.executable, "-c", DATA, cluster.address, str(bulk.folder)]
    told = subprocess.run(arguments, cwd=bulk.folder.parent, capture_output=True, text=True, timeout=900, check=False)
    assert told.returncode == 0, told.stderr[-3000:]
    assert len(bulk.witness.calls) == 30


def test_a_model_runs_in_the_workers_themselves(
    bulk: Bulk, cluster: RayCluster, command: Callable[..., Command], table: Callable[..., None]
) -> None:
    """One on each node; what comes out is what one process makes."""
    pytest.importorskip("xllamacpp", reason="runs a real model: pip install 'airouter-llamacpp[embedded]'")
    _of_a_model(bulk, table, 30)
    run, here = command(cluster), command(None, engine="local", out="alone")
    code, summary, told = run.ended()
    assert (code, summary.get("valid")) == (0, 30), told
    assert here.ended()[0] == 0
    assert here.files() == run.files()


def test_each_worker_has_a_server_of_its_own(
    bulk: Bulk, cluster: RayCluster, command: Callable[..., Command], table: Callable[..., None]
) -> None:
    """That ends with it, also where it is killed; another one begins another."""
    if not (PROGRAMS / "llama-server").exists():
        pytest.skip("llama.cpp's own programs are needed: make engines")
    _of_a_model(bulk, table, 200, mode="server", llama_cpp_path=str(PROGRAMS))
    run = command(cluster)
    while len(servers := _servers()) < 2 or run.ended_rows() < 10:
        assert run.process.poll() is None, run.process.communicate()
        time.sleep(0.02)
    assert len(servers) == 2
    os.kill(cluster.actors("Worker")[0], signal.SIGKILL)
    code, summary, told = run.ended()
    assert (code, summary.get("valid")) == (0, 200), told
    while _servers():
        time.sleep(0.1)
    here = command(None, engine="local", out="alone")
    assert here.ended()[0] == 0
    assert here.files() == run.files()


def _of_a_model(bulk: Bulk, table: Callable[..., None], rows: int, **settings: str) -> None:
    """A table that the toy model is asked."""
    if not (ROOT / "models").is_dir():
        pytest.skip("the models of the repository are needed")
    table(rows, target="llama-cpp/airouter-toy", prompt="What is {{ n }} + 3?", in_flight=4)
    told = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    folder = json.dumps(str(ROOT / "models"))
    (bulk.folder.parent / "airouter.toml").write_text(f"[llama-cpp]\nmodels_dir = {folder}\n{told}")


def _servers() -> list[str]:
    """The llama-servers that work with the models of this repository for a cluster of this process."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            title = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if title[0] == str(PROGRAMS / "llama-server").encode() and str(ROOT / "models").encode() in b" ".join(title):
            found.append(path.name)
    return found


def test_the_head_dies_and_the_run_goes_on_with_its_journal(
    bulk: Bulk, cluster: RayCluster, command: Callable[..., Command], table: Callable[..., None]
) -> None:
    """The command ends and says so. Given again, on a cluster that it starts itself, it asks only what is left."""
    table(80)
    bulk.witness.pause = 0.2
    run = command(cluster)
    run.called(30)
    cluster.kill_head()
    code, summary, told = run.ended()
    assert (code, summary.get("state")) == (4, "paused"), told
    assert "start it again, then run this again" in summary["reason"]
    kept = run.answered()
    for worker in cluster.actors("Worker"):
        os.kill(worker, signal.SIGKILL)
    bulk.witness.pause = 0.0
    for _ in range(3):  # on a machine with other things to do, Ray may not be up in the time that it gives itself
        again = command(None)
        code, summary, told = again.ended()
        if "Ray does not start on this machine" not in told:
            break
    assert (code, summary.get("valid")) == (0, 80), told
    assert kept <= again.answered()
    assert len(bulk.witness.calls) <= 80 + again.states().get("uncertain", 0)
    assert again.states().get("uncertain", 0) <= IN_FLIGHT
