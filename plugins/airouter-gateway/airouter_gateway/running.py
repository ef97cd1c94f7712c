"""The process: a socket, signals, and an end that lets streams finish."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import uvicorn

from airouter_core.errors import AirouterError, ConfigurationError, UnsupportedParameterWarning

from .access.access import Access
from .admin.authentication import require_usable
from .keys import KeyFile
from .server.app import Gateway
from .server.connections import Connection
from .server.guard import is_local
from .serving import serving_from

KEEP_ALIVE = 75
"""Seconds for which an idle connection stays open: longer than clients and proxies keep theirs."""
THREADS = 64
BACKLOG = 2048
"""Connections that may wait to be accepted."""


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        ConfigurationError: the port is taken, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise ConfigurationError(
            f"cannot listen on {host} port {port} ({error.strerror}): take another with --port"
        ) from error
    return made


def require_keys(host: str, keys: Access) -> bool:
    """Whether only this machine will reach the server; if others will, there must be keys.

    Raises:
        ConfigurationError: there are none.
    """
    loopback = is_local(host)
    if not loopback and keys.is_empty():
        raise ConfigurationError(
            f"{host} is reached from other machines, and whoever reaches this server could use your models and your "
            "money: make a key first with `airouter gateway create NAME`, or serve on 127.0.0.1"
        )
    return loopback


def make_gateway(path: str | None, host: str) -> Gateway:
    """The application that serves what a settings file says.

    Raises:
        ConfigurationError: it must not, or cannot.
    """
    serving = serving_from(path)
    access = Access(KeyFile(serving.settings.keys), serving.books)
    loopback = require_keys(host, access)
    require_usable(serving.settings.admin_key)
    return Gateway(serving, access, loopback=loopback, reload=lambda: serving_from(path))


async def run(gateway: Gateway, listening: socket.socket) -> None:
    """Serve until a signal ends it: streams under way may finish. SIGHUP reads the settings again."""
    config = uvicorn.Config(
        gateway,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=int(gateway.serving.settings.drain),
        http=_connections(gateway.serving.settings.read_timeout),
        ws="none",
    )
    # Who waits for a database waits in a thread, and must not take the last one from those who need none.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "airouter"))
    server = _Server(config, gateway)
    await server.serve(sockets=[listening])


def _connections(seconds: float) -> type[Connection]:
    """Connections whose heads have so many seconds to come."""
    return type("Connection", (Connection,), {"patience": seconds})


class _Server(uvicorn.Server):
    """Says that it is not ready any more, once it is to end."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway
        gateway.stop = self._stop

    def _stop(self) -> None:
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals end the server, and not the process by their number: this end is a good one."""
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()
        given: dict[int, Callable[[], object]] = {
            signal.SIGINT: lambda: self.handle_exit(signal.SIGINT, None),
            signal.SIGTERM: lambda: self.handle_exit(signal.SIGTERM, None),
        }
        if hasattr(signal, "SIGHUP"):
            given[signal.SIGHUP] = lambda: tasks.add(asyncio.create_task(self._gateway.reload()))
        taken: list[int] = []
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # Windows, or no main thread
            for number, handle in given.items():
                loop.add_signal_handler(number, handle)
                taken.append(number)
        try:
            yield
        finally:
            for number in taken:
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._gateway.stopping = True
        await super().shutdown(sockets)


def serve_forever(gateway: Gateway, listening: socket.socket) -> None:
    """:func:`run`, on the fastest loop that is here."""
    _write_of_failures()
    # What was left out is told to the client, in a header.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnsupportedParameterWarning)
        try:
            import uvloop
        except ImportError:
            asyncio.run(run(gateway, listening))
        else:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(run(gateway, listening))


def _write_of_failures() -> None:
    """Let the server under ours tell of failures; of a body that we break off our own log has told."""
    log = logging.getLogger("uvicorn.error")
    log.setLevel(logging.WARNING)
    log.addFilter(lambda record: "without completing response" not in record.getMessage())


def serve_here(handle: str, host: str, quiet: str = "") -> None:
    """Serve as one of several processes.

    Args:
        handle: the number of the socket that this process was given.
    """
    write_log(quiet=bool(quiet))
    try:
        gateway = make_gateway(None, host)
    except AirouterError as error:
        raise SystemExit(str(error)) from error
    serve_forever(gateway, socket.socket(fileno=int(handle)))


def write_log(*, quiet: bool) -> None:
    """Write what there is to tell to where errors go; without ``quiet`` a line for each request too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    for name, level in (
        ("airouter.access", logging.WARNING if quiet else logging.INFO),
        ("airouter.gateway", logging.INFO),
    ):
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(level)


def shown_address(host: str, port: int) -> str:
    """Where clients find the server."""
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).version == 6:
            return f"http://[{host}]:{port}"
    return f"http://{host}:{port}"
