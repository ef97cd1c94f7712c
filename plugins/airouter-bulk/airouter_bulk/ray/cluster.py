"""The cluster: how it is reached, which nodes it has, and where workers are placed on them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import attrs

from airouter_core.errors import ConfigurationError, ExecutionError

INSTALL = "pip install 'airouter-bulk[ray]'"
HEAD = "node:__internal_head__"
"""A resource that Ray gives to the head alone."""
MANY = 1000
"""Workers on a node where they take nothing of it."""
CLOSED = 10.0
"""Seconds for which a connection may take to close; that to a head that is gone takes minutes."""
LOOPBACK = ("127.", "localhost")


class GoneError(ExecutionError):
    """The head of the cluster is gone. Start it again, then the run: it goes on."""


class StoppedError(ExecutionError):
    """A run was told to end at once, and its journal has not said in time that it has."""


class Node(NamedTuple):
    """A node that lives."""

    id: str
    host: str
    resources: Mapping[str, float]


@attrs.frozen
class Staff:
    """How many workers there are to be, and what each takes of its node.

    Attributes:
        workers: in all; ``None`` for one on each node, or for each GPU where they take one.
        cpus, gpus: what Ray reserves for each.
    """

    workers: int | None = None
    cpus: float = 1
    gpus: float = 0

    def wanted(self, nodes: Iterable[Node]) -> int:
        """Workers in all, as far as there is room for them."""
        if self.workers is not None:
            return min(self.workers, sum(map(self._fit, nodes)))
        return sum(min(self._fit(node), self._usual(node)) for node in nodes)

    def __str__(self) -> str:
        gpus = f" and {self.gpus:g} GPU" if self.gpus else ""
        return f"a worker takes {self.cpus:g} CPU{gpus} of its node"

    def missing(self, nodes: list[Node], there: Counter[str]) -> list[Node]:
        """Where workers are to be started.

        Args:
            there: workers by the id of their node.
        """
        room = {node.id: self._fit(node) - there[node.id] for node in nodes}
        if self.workers is None:
            return [
                node for node in nodes for _ in range(max(0, min(self._usual(node), self._fit(node)) - there[node.id]))
            ]
        chosen: list[Node] = []
        by_id = {node.id: node for node in nodes}
        while len(chosen) + there.total() < self.workers and any(left > 0 for left in room.values()):
            node = max(by_id.values(), key=lambda node: room[node.id])  # the one with the most room
            room[node.id] -= 1
            chosen.append(node)
        return chosen

    def _usual(self, node: Node) -> int:
        return int(node.resources.get("GPU", 0) // self.gpus) if self.gpus else 1

    def _fit(self, node: Node) -> int:
        """How many the node has room for, were it empty."""
        if not node.resources.get("CPU"):
            return 0  # a head that is to compute nothing
        needed = {"CPU": self.cpus, "GPU": self.gpus}
        return int(
            min((node.resources.get(name, 0) // amount for name, amount in needed.items() if amount), default=MANY)
        )


def ray_module() -> Any:
    """Ray.

    Raises:
        ConfigurationError: it is not installed.
    """
    # Ray tells its makers how it is used unless told not to; whoever wants that says so.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise ConfigurationError(f"runs on a cluster need Ray: {INSTALL}") from error
    return ray


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Ray, connected to a cluster; a program that is connected already stays so.

    Args:
        address: of its head; ``"local"`` starts one on this machine. Unless given, it is that of ``RAY_ADDRESS``, or
            of a cluster that runs on this machine, or else one is started.

    Raises:
        ConfigurationError: Ray is not installed, there is no cluster there, or none can be started.
    """
    ray = ray_module()
    if ray.is_initialized():
        yield ray
        return
    given: dict[str, Any] = {}
    address = address or os.environ.get("RAY_ADDRESS")
    _require(address)
    if address and address.startswith(LOOPBACK):
        given["_node_ip_address"] = "127.0.0.1"  # else it looks for a node of this cluster by another address
    try:
        with _interruptible():
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", include_dashboard=None, **given)
    except Exception as error:  # Ray raises what it likes
        if address in (None, "local"):
            raise ConfigurationError(f"Ray does not start on this machine: {error}") from error
        raise ConfigurationError(f"there is no Ray cluster at {address}: {error}") from error
    try:
        yield ray
    finally:
        closing = threading.Thread(target=ray.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSED)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends what blocks here at once; an event loop would wait for it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, earlier)


def _require(address: str | None) -> None:
    """Somebody listens there; Ray itself would look for minutes."""
    host, _, port = (address or "").rpartition(":")
    if not (host and port.isdigit()) or "://" in host:
        return
    try:
        socket.create_connection((host, int(port)), timeout=CLOSED).close()
    except OSError as error:
        raise ConfigurationError(f"there is no Ray cluster at {address}: {error}") from error


async def nodes_of(ray: Any, seconds: float) -> list[Node]:
    """The nodes that live.

    Raises:
        GoneError: the head does not answer within so many seconds.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Any] = loop.create_future()

    def told(result: Any) -> None:
        if not found.done():
            found.set_result(result)

    def ask() -> None:
        try:
            result = ray.nodes()
        except Exception as error:  # of Ray's own, in several shapes
            result = error
        with contextlib.suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(told, result)

    # It blocks for minutes where the head is gone, and nothing that ends may wait for it then.
    threading.Thread(target=ask, daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            answer = await found
    except TimeoutError:
        answer = TimeoutError(f"nothing for {seconds:g} seconds")
    if isinstance(answer, Exception):
        raise GoneError(f"the head of the cluster does not answer: {answer}")
    return _alive(answer)


def _alive(found: list[Mapping[str, Any]]) -> list[Node]:
    return [Node(one["NodeID"], one["NodeManagerHostname"], one["Resources"]) for one in found if one["Alive"]]
