"""One run of llama-cli: started under its watchdog, read as it goes, gone when it is no longer wanted."""

from __future__ import annotations

import os
import queue
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable

import attrs

from airouter_core.errors import ExecutionError, ProviderError, ServerError, TransportTimeoutError
from airouter_core.values.request import Request
from airouter_core.wire.failures import Failure

from ..engines.server import telling_lines
from ..programs.background import in_background
from ..programs.process import Process, how_it_ended
from ..programs.program import Program
from ..sayings import understood
from ..settings import EngineSettings
from ..wire import ERRORS
from .arguments import cli_arguments
from .output import Display, Figures, answer_in

BLOCK = 65536
LOADING = "exited before becoming ready"


@attrs.frozen
class Result:
    """What one run came to."""

    answer: str
    figures: Figures


class CliRun:
    """One run.

    Args:
        template: makes the chat template for a word that stands for the conversation.
        timeout: seconds of silence; ``deadline`` for all of it.
    """

    def __init__(
        self,
        request: Request,
        settings: EngineSettings,
        program: Program,
        template: Callable[[str], bytes],
        *,
        timeout: float,
        deadline: float | None,
    ) -> None:
        self._request = request
        self._settings = settings
        self._program = program
        self._template = template
        self._timeout = timeout
        self._end = None if deadline is None else time.monotonic() + deadline
        self._lock = threading.Lock()
        self._left = False
        self._folder: str | None = None
        self._process: Process | None = None
        self._pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.word = f"airouter-{secrets.token_hex(8)}"
        self.display = Display(self.word)

    def start(self) -> None:
        """Write what it needs into a folder of its own, and start it.

        Raises:
            ConfigurationError: this build cannot be told something.
        """
        with self._lock:
            if self._left:
                return
            self._folder = tempfile.mkdtemp(prefix="airouter-llama-cli-")
            try:
                self._process = self._started(self._folder)
            except BaseException:
                shutil.rmtree(self._folder, ignore_errors=True)
                raise
        in_background(self._pump, self._process)

    def read(self) -> bytes:
        """What it has written, at least one byte; empty at its end.

        Raises:
            TransportTimeoutError: it said nothing for too long.
        """
        patience = self._timeout if self._end is None else min(self._timeout, self._end - time.monotonic())
        try:
            return self._pieces.get(timeout=max(patience, 0.0))
        except queue.Empty:
            if self._end is not None and time.monotonic() >= self._end:
                raise TransportTimeoutError(
                    "the call was not complete within its deadline; raise `deadline`, or ask for less"
                ) from None
            raise TransportTimeoutError(
                f"llama-cli said nothing for {self._timeout:g} s; raise `timeout` if the model is that slow"
            ) from None

    def finish(self) -> Result:
        """Take the answer, after the end of what there is to read.

        Raises:
            ExecutionError: there is none; the message says why.
        """
        if self._process is None or self._folder is None:
            raise ExecutionError("the call was given up")
        code = self._process.wait(self._timeout)
        answer = answer_in(self._content("answer"), self.word)
        figures = Figures.read(self._content("log").decode("utf-8", "replace"))
        # Its exit code is 0 after failures too. A model that was asked has figures; a build without them has a text.
        if code == 0 and answer is not None and (figures.answer or (answer.strip() and self.display.error is None)):
            return Result(answer, figures)
        raise self._failure(code)

    def leave(self) -> None:
        """End it now if it runs still, and clean up. Does not wait; a second time does nothing."""
        with self._lock:
            if self._left:
                return
            self._left = True
        process, folder = self._process, self._folder
        if process is not None and folder is not None:
            process.let_go()
            in_background(_cleaned_up, process, folder)

    def _started(self, folder: str) -> Process:
        there = self._program.system.there
        paths = {name: os.path.join(folder, name) for name in ("template", "answer", "grammar", "log")}
        _write(paths["template"], self._template(self.word))
        _write(paths["grammar"], self._request.parameter("grammar", "").encode())
        words = cli_arguments(
            self._request,
            self._settings,
            self._program,
            word=self.word,
            template=there(paths["template"]),
            answer=there(paths["answer"]),
            grammar=there(paths["grammar"]),
        )
        with open(paths["log"], "wb") as log:
            return Process(
                self._program.system.command([*self._program.words, *words]),
                stdout=subprocess.PIPE,
                stderr=log,
                environment=self._program.system.environment(without=self._program.variables),
                grace=0,  # a request to end is not heard while a model is loaded
            )

    def _pump(self, process: Process) -> None:
        # A thread, since no system but POSIX can wait for a pipe with a time limit.
        with process.stdout as output:
            while data := os.read(output.fileno(), BLOCK):
                self._pieces.put(data)
        self._pieces.put(b"")

    def _content(self, name: str) -> bytes:
        try:
            with open(os.path.join(str(self._folder), name), "rb") as file:
                return file.read()
        except OSError:
            return b""

    def _failure(self, code: int | None) -> ExecutionError:
        said = self.display.error
        failure = understood(Failure(message=said)) if said else None
        if failure is not None and failure.codes:
            return ERRORS.error(failure, status=None)
        reasons = telling_lines(os.path.join(str(self._folder), "log"), first=True)
        detail = " | ".join(reason for reason in (said, reasons) if reason) or "it did not say why"
        message = f"llama-cli gave no answer with {self._settings.id!r}: it {how_it_ended(code)}: {detail}"
        if code and said and LOADING in said:
            return ExecutionError(
                f"{message}. Frequent reasons: too little memory (choose a smaller model or default_context), an "
                "architecture that this build does not know, a damaged file"
            )
        error_class = ServerError if code is None or code > 128 else ProviderError
        return error_class(message, provider="llama-cpp")


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


def _cleaned_up(process: Process, folder: str) -> None:
    process.stop()
    shutil.rmtree(folder, ignore_errors=True)
