"""A llama-server beside this process: started, watched over, asked whether it is ready, stopped."""

from __future__ import annotations

import http.client
import json
import logging
import re
import secrets
import subprocess
import time

from airouter_core.errors import ExecutionError, ServerError

from ..programs.flags import CommandLine, arguments, checked_flags
from ..programs.process import Process, how_it_ended
from ..programs.program import Program
from ..programs.records import add_to_record, listens, new_record
from ..settings import EngineSettings
from .ports import HOST, HTTP_THREADS, check_port
from .progress import LoadProgress, Progress

LOGGER = logging.getLogger("airouter.llama-cpp")

LISTENING = re.compile(rb"listening on http://[\d.]+:(\d+)")
ERROR = re.compile(r"^[\d.]+ E |^error|^Error: ")
TELLING = re.compile(r"error|fail|unable|cannot|abort|out of memory|invalid", re.IGNORECASE)
PREFIX = re.compile(r"^[\d.]+ [A-Z] ")
"""Time and level, which builds since 0.5 put before each line."""
TAIL = 65536
POLL = 0.02
TOLD_AFTER = (1, 2, 5, 10, 20, 30)
"""Seconds after which the log says that a model is still being loaded; then each half minute."""
SHOWN = 300


class ServerEngine:
    """One running llama-server.

    Args:
        folder: for its log and its record.
        patience: seconds that it may take to be ready.
        progress: told how far it is.

    Raises:
        ConfigurationError: a setting or flag that this build does not know, or a port that is taken.
        ExecutionError: it did not become ready.
    """

    def __init__(
        self,
        settings: EngineSettings,
        program: Program,
        *,
        folder: str,
        patience: float,
        progress: Progress | None = None,
    ) -> None:
        self.settings = settings
        self.api_key = secrets.token_urlsafe(32)
        self.address = ""
        command = [*program.words, *server_arguments(settings, program)]
        check_port(settings.port)
        described = {"model": settings.id, "context": settings.context, "program": " ".join(program.words)}
        name = re.sub(r"[^\w.-]+", "_", settings.id)[-60:]
        self._record, self.log = new_record(folder, name, described)
        environment = program.system.environment({"LLAMA_API_KEY": self.api_key}, without=program.variables)
        with open(self.log, "wb") as log:
            self._process = Process(
                program.system.command(command),
                stdout=log,
                stderr=subprocess.STDOUT,
                environment=environment,
                record=self._record,
            )
        self._told: Progress = progress or (lambda told: None)
        self._started = time.monotonic()
        try:
            self._wait_until_ready(patience)
        except BaseException:
            self._process.stop_soon()
            raise

    @property
    def alive(self) -> bool:
        # Asked at its port too: its watchdog takes a moment to notice, and a call in that moment would fail.
        return self._process.exit_code is None and listens(self.address)

    def stop(self) -> None:
        """End it, and wait until it has gone."""
        self._process.stop()

    def forget(self) -> None:
        """Close this process's end of the pipe; the parent's keeps the server running."""
        self._process.let_go()

    def death(self, seconds: float) -> ServerError | None:
        """What to say if it has ended, or ends within some seconds; ``None`` while it runs."""
        code = self._process.wait(seconds)
        if code is None:
            return None
        said = telling_lines(self.log)
        return ServerError(
            f"llama-server {how_it_ended(code)} while {self.settings.id!r} answered"
            + (f": {said}" if said else "")
            + f"; its log is {self.log}, and the next call starts it again",
            provider="llama-cpp",
            retryable=True,
        )

    def _wait_until_ready(self, patience: float) -> None:
        next_told = iter(TOLD_AFTER)
        tell_at: float = next(next_told)
        self._tell("starting")
        port: int | None = None
        with open(self.log, "rb") as log:
            said = b""
            while True:
                if port is None:
                    said = said[-200:] + log.read()
                    if match := LISTENING.search(said):
                        port = int(match[1])
                ready = port is not None and _is_ready(port, self.api_key)
                if self._process.exit_code is not None:
                    raise self._not_ready(how_it_ended(self._process.exit_code))
                if ready:
                    break
                seconds = time.monotonic() - self._started
                if seconds > patience:
                    raise self._not_ready(f"was not ready after {patience:g} s (start_timeout)")
                if seconds >= tell_at:
                    tell_at = next(next_told, tell_at + 30)
                    self._tell("loading")
                time.sleep(POLL)
        self.address = f"http://{HOST}:{port}"
        add_to_record(self._record, address=self.address)
        self._tell("ready")

    def _tell(self, state: str) -> None:
        told = LoadProgress(self.settings.id, state, time.monotonic() - self._started, self.log)
        LOGGER.info("%s: %s after %.1f s (log: %s)", told.model, state, told.seconds, told.log)
        self._told(told)

    def _not_ready(self, what: str) -> ExecutionError:
        said = telling_lines(self.log, first=True)
        return ExecutionError(
            f"llama-server could not load {self.settings.id!r}: it {what}"
            + (f": {said}" if said else "")
            + f"; its whole log is {self.log}. Frequent reasons: too little memory (choose a smaller model or "
            "default_context), an architecture that this build does not know, a damaged file"
        )


def server_arguments(settings: EngineSettings, program: Program) -> list[str]:
    """The words after ``llama-server``.

    Raises:
        ConfigurationError: a setting or flag that this build does not know.
    """
    line = CommandLine(program)
    line.words += arguments(settings, program)
    line.add("host", ("--host",), HOST)
    line.add("port", ("--port",), settings.port)
    line.add("parallel", ("--parallel", "-np"), settings.parallel)
    line.add("model", ("--alias", "-a"), settings.alias)
    # Nobody else is to look at it, and nothing is to be fetched.
    for spellings in (("--no-ui", "--no-webui"), ("--no-slots",), ("--offline",), ("--jinja",)):
        line.add_known(spellings)
    line.add_known(("--log-colors",), "off")
    line.add_known(("--threads-http",), HTTP_THREADS)
    if settings.projector is not None:
        line.add("mmproj", ("--mmproj", "-mm"), program.system.there(settings.projector))
    else:
        line.add_known(("--no-mmproj",))
    if settings.ranking:
        line.add("rerank", ("--reranking", "--rerank"))
    elif settings.embedding:
        line.add("embeddings", ("--embeddings", "--embedding"))
        if not settings.pools:
            line.add("embeddings", ("--pooling",), "mean")
    return [*line.words, *checked_flags(settings.flags, program)]


def telling_lines(log: str, *, first: bool = False, count: int = 2) -> str:
    """Lines of a log that speak of something wrong: the last ones, or the first ones, where the rest only follows."""
    try:
        with open(log, "rb") as file:
            file.seek(0, 2)
            file.seek(0 if first else max(0, file.tell() - TAIL))
            text = file.read(TAIL).decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if ERROR.search(line)] or [line for line in lines if TELLING.search(line)]
    distinct = list(dict.fromkeys(PREFIX.sub("", line) for line in found))
    return " | ".join(line[:SHOWN] for line in (distinct[:count] if first else distinct[-count:]))


def _is_ready(port: int, api_key: str) -> bool:
    """Whether the server answers, and to its key: another program may have taken the port meanwhile."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/health")
        healthy = connection.getresponse()
        healthy.read()
        if healthy.status != 200:
            return False
        connection.close()
        connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {api_key}"})
        listed = connection.getresponse()
        return listed.status == 200 and bool(json.loads(listed.read()).get("data"))
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
