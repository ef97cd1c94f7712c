"""Mode cli: one run of llama-cli for each answer."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from airouter_core.errors import ConfigurationError, ProtocolError, ServerError, UnsupportedFeatureError
from airouter_core.flow.steps import Do, Emit, Flow
from airouter_core.values.events import Finish, StreamEvent, StreamStart, UsageReported, Warned
from airouter_core.values.messages import Message
from airouter_core.values.request import Request
from airouter_core.values.usage import Usage

from ..config import LlamaCppConfig
from ..engines.memory import shortage
from ..folder import ModelFile
from ..gguf import GgufHeader
from ..one_shot.output import Figures, Thoughts
from ..one_shot.run import CliRun, Result
from ..one_shot.template import conversation_template, sent_message, text_template
from ..programs.program import CLI, Program, Programs
from ..settings import EngineSettings, settings_for
from ..wire import lacks_model_name
from .base import Mode, OverHttp, Setting, was_closed

COUNTS = 5
"""How often a text is given to be counted until the log has the figure, which may be lost (see :func:`_end`)."""
BEGINS_BY_CUSTOM = frozenset(
    {"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "tekken"}
)
"""Vocabularies that put a token before every prompt without saying so in the file (llama.cpp, src/llama-vocab.cpp)."""


class Cli(Mode):
    """A program is run for each answer; nothing stays in memory."""

    name = "cli"

    def __init__(self, setting: Setting, programs: Programs) -> None:
        super().__init__(setting)
        self._programs = programs
        self._closed = False

    def connect(self, model: str | None, request: Request | None, **options: Any) -> Flow[LlamaCppConfig]:
        raise UnsupportedFeatureError(
            "mode cli cannot do that, since llama-cli only chats; use mode server or embedded"
        )

    def refuse(self, request: Request) -> None:
        if request.tools:
            raise UnsupportedFeatureError("mode cli cannot offer tools to a model; use mode server or embedded")
        if request.response_format is not None:
            raise UnsupportedFeatureError(
                "mode cli cannot hold an answer to JSON; use mode server or embedded, or the parameter grammar"
            )
        for message in request.messages:
            sent_message(message)

    def answer(self, provider: OverHttp, request: Request, *, stream: bool) -> Flow[None]:
        found, settings, program = yield Do(functools.partial(self._prepared, request.model, request))
        run = self._run(request, settings, program, found.header)
        try:
            yield Do(run.start)
            yield Emit((StreamStart(model=found.id),))
            thoughts = Thoughts()
            while data := (yield Do(run.read)):
                text = run.display.feed(data)
                if stream and text:
                    yield Emit(thoughts.feed(text))
            result: Result = yield Do(run.finish)
            rest = _rest(result.answer, run.display.shown if stream else "")
            yield Emit(thoughts.feed(rest, last=True))
            yield Emit(_end(result.figures, request, settings))
        finally:
            run.leave()

    def tokens(self, provider: OverHttp, text: str, model: str | None) -> Flow[int]:
        """Have llama-cli read the text and nothing else, and tell how many tokens that were."""
        if model is None:
            raise lacks_model_name()
        if not text:
            return 0
        request = Request(model=model, messages=(Message.user(text),), parameters={"max_tokens": 1})
        found, settings, program = yield Do(functools.partial(self._prepared, model, request))
        for _ in range(COUNTS):
            run = self._run(request, settings, program, found.header, text=text)
            try:
                yield Do(run.start)
                while data := (yield Do(run.read)):
                    run.display.feed(data)
                result: Result = yield Do(run.finish)
            finally:
                run.leave()
            if result.figures.prompt is not None:
                return result.figures.prompt - _begins_with_a_token(found.header)
        raise ServerError("this llama-cli does not tell how many tokens it read; use mode server or embedded")

    def check(self) -> None:
        self._programs.program(CLI)

    def details(self) -> Mapping[str, Any]:
        return {"program": self._programs.find(CLI)}

    def close(self) -> None:
        self._closed = True

    def _prepared(self, model: str, request: Request) -> tuple[ModelFile, EngineSettings, Program]:
        if self._closed:
            raise was_closed()
        found = self.setting.find(model)
        settings = settings_for(found, self.config, self.setting.folder_of(model), request)
        program = self._programs.program(CLI)
        problem = shortage(settings) if self.config.check_memory else None
        if problem is not None and not program.has_gpu:
            raise ConfigurationError(problem)
        return found, settings, program

    def _run(
        self, request: Request, settings: EngineSettings, program: Program, header: GgufHeader, text: str | None = None
    ) -> CliRun:
        template = (
            functools.partial(conversation_template, header, request.messages)
            if text is None
            else functools.partial(text_template, text)
        )
        return CliRun(request, settings, program, template, timeout=self.config.timeout, deadline=self.config.deadline)


def _rest(answer: str, shown: str) -> str:
    if not answer.startswith(shown):
        raise ProtocolError(
            "what llama-cli showed is not what it wrote down as its answer; use mode server for streams, or do not "
            f"stream (shown: {shown[-80:]!r})"
        )
    return answer[len(shown) :]


def _end(figures: Figures, request: Request, settings: EngineSettings) -> Iterator[StreamEvent]:
    if figures.prompt is None or figures.answer is None:
        # The program ends without waiting for the thread that writes its log; a build may also write none.
        yield Warned("llama-cli told neither how many tokens were used nor why the answer ended (mode server does)")
        yield Finish("other")
        return
    yield UsageReported(Usage(figures.prompt, figures.answer))
    limit = request.parameter("max_tokens")
    full = figures.prompt + figures.answer >= settings.context
    yield Finish("length" if full or (limit is not None and figures.answer >= limit) else "stop")


def _begins_with_a_token(header: GgufHeader) -> int:
    """1 if the vocabulary puts a token before every prompt, else 0."""
    declared = header.metadata.get("tokenizer.ggml.add_bos_token")
    if isinstance(declared, bool):
        return int(declared)
    return int(
        header.text("tokenizer.ggml.model") in ("llama", "bert")
        or header.text("tokenizer.ggml.pre") in BEGINS_BY_CUSTOM
    )
