"""OllamaProvider: chat and embeddings on an Ollama server, with what the server keeps silent about."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import attrs
import msgspec

from airouter_core.errors import (
    ContextLengthError,
    ExecutionError,
    ModelNotFoundError,
    ParameterError,
    ProviderError,
)
from airouter_core.flow.layers import tapped
from airouter_core.flow.steps import Do, Emit, Flow, delegated, given
from airouter_core.values.events import MetadataReported, Warned
from airouter_core.values.request import Request
from airouter_core.values.tokens import estimate_tokens

from .address import is_loopback
from .config import OllamaConfig
from .context import (
    LEAST,
    MARGIN,
    SMALLEST,
    Evidence,
    cache_bytes,
    dropped_messages,
    estimated_tokens,
    fitting_context,
    needed_context,
    refuses_to_truncate,
)
from .endpoints import EMBED, EVALUATE, RUNNING, VERSION
from .errors import prompt_and_context
from .images import with_fetched_images
from .management import ModelManagement
from .memory import available_memory
from .models import ModelDetails, full_name
from .observed import Observation
from .request import notes_on

Result = TypeVar("Result")

ATTEMPTS = 3
"""How often a context that is chosen here is enlarged, since a prompt can only be estimated before it is read."""
ASIDE_TIMEOUT = 10.0
"""Seconds; what is asked beside a call must not hold it up."""
NEARLY = 0.9
"""A prompt and answer that fill less than this of the context that was last seen are not looked into."""


class TruncatedInputWarning(UserWarning):
    """A text was longer than the model takes, and was cut before it was embedded."""


class OllamaProvider(ModelManagement):
    """Models on an Ollama server."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._contexts: dict[str, int] = {}
        self._version: str | None = None

    def connect(self, model: str | None, request: Request | None, **options: Any) -> Flow[OllamaConfig]:
        if not options.get("aside"):
            return given(self.config)
        return given(attrs.evolve(self.config, max_retries=0, timeout=min(self.config.timeout, ASIDE_TIMEOUT)))

    # Chat.

    def answer_flow(self, request: Request, *, stream: bool) -> Flow[None]:
        notes = tuple(Warned(note) for note in notes_on(request))
        if notes:
            yield Emit(notes)
        if self.config.fetch_images:
            request = yield from with_fetched_images(request, self.config)
        yield from self._with_model(request.model, lambda: self._answered(request, stream))

    def _answered(self, request: Request, stream: bool) -> Flow[None]:
        """One answer, asked for in such a way that nothing of the prompt is lost in silence."""
        asked_for = request.parameter("context", self.config.context)
        auto = asked_for == "auto" and _option(request, "num_ctx") is None
        context = (yield from self._chosen_context(request)) if auto else None
        strict = self.config.on_truncation != "ignore" or auto
        for attempt in range(ATTEMPTS):
            asked = self._sent(request, context, strict=strict)
            seen = Observation()
            try:
                yield from delegated(super().answer_flow(asked, stream=stream), through=tapped(seen.see))
                break
            except ContextLengthError as error:
                if seen.begun or attempt == ATTEMPTS - 1:
                    raise
                prompt, held = prompt_and_context(error)
                larger = (yield from self._larger_context(request, context, prompt)) if context else None
                if larger is not None:
                    context = larger
                elif self.config.on_truncation == "error" or not strict or "truncate" in request.provider_options:
                    raise
                else:
                    strict = False
                    if self.config.on_truncation == "warn":
                        yield self._warned(dropped_messages(prompt, held))
        if context is not None:
            yield Emit((MetadataReported({self.info.name: {"context": context}}),))
        if self.config.on_truncation != "ignore":
            yield from self._judged(request, asked, seen, told=not strict)

    def _sent(self, request: Request, context: int | None, *, strict: bool) -> Request:
        """The request as it goes out: with the chosen context, and with the wish to be told."""
        own = dict(request.provider_options)
        parameters = dict(request.parameters)
        if context is not None:
            parameters["context"] = context
        elif isinstance(self.config.context, int) and _option(request, "num_ctx") is None:
            parameters.setdefault("context", self.config.context)
        if strict:
            own.setdefault("truncate", False)
        if self.config.on_truncation == "error":
            own.setdefault("shift", False)
        return msgspec.structs.replace(request, parameters=parameters, provider_options=own)

    def _judged(self, request: Request, asked: Request, seen: Observation, *, told: bool) -> Flow[None]:
        """Compare what the server counted with what it holds and with what was sent.

        Args:
            told: the caller knows already that the prompt was cut.
        """
        estimate = estimated_tokens(request)
        usage = seen.usage
        counted = (usage.input_tokens or 0) + (usage.output_tokens or 0)
        given_context = _option(asked, "num_ctx") or asked.parameter("context")
        usual = given_context or self._contexts.get(full_name(request.model), SMALLEST)
        if max(counted, int(estimate * LEAST)) < usual * NEARLY:
            return
        context = yield from self._loaded_context(request.model)
        if context is None:
            context = given_context
        if context is None:
            return
        evidence = Evidence(context, estimate, usage.input_tokens, usage.output_tokens)
        problem = None if told else evidence.prompt_cut
        if problem and asked.provider_options.get("truncate") is False:
            # A newer server would have refused: then the text is of a kind that takes few tokens.
            problem = None if refuses_to_truncate((yield from self._server_version())) else problem
        problem = problem or evidence.overflowed
        if problem is None:
            return
        if self.config.on_truncation == "error":
            raise ContextLengthError(f"{self.info.name}: {problem}", provider=self.info.name, status=200)
        yield self._warned(problem)

    def _warned(self, problem: str) -> Emit:
        # Logged as well: who calls execute() gets a text, and sees no warnings of a response.
        self.logger.warning("%s", problem)
        return Emit((Warned(problem),))

    # The context that is chosen here.

    def _chosen_context(self, request: Request) -> Flow[int]:
        needed = needed_context(int(estimated_tokens(request) * MARGIN), request)
        loaded = yield from self._loaded_context(request.model)
        if loaded is not None and loaded >= needed:
            return loaded  # another one would have the model loaded anew
        details = yield from self.show_flow(request.model)
        context = fitting_context(needed, details.context_length)
        yield from self._require_memory(details, context)
        return context

    def _larger_context(self, request: Request, context: int, prompt_tokens: int | None) -> Flow[int | None]:
        """The context for a prompt that has been counted; ``None`` when the model has no larger one."""
        details = yield from self.show_flow(request.model)
        needed = needed_context(prompt_tokens or context * 2, request)
        larger = fitting_context(needed, details.context_length)
        if larger <= context:
            return None
        yield from self._require_memory(details, larger)
        return larger

    def _require_memory(self, details: ModelDetails, context: int) -> Flow[None]:
        wanted = cache_bytes(details.model_info, context)
        if wanted is None or not is_loopback(self.config.base_url):
            return
        free: int | None = yield Do(available_memory)
        if free is not None and wanted > free:
            raise ContextLengthError(
                f"{self.info.name}: a context of {context} tokens for {details.id} takes {wanted / 2**30:.1f} GiB, and "
                f"{free / 2**30:.1f} GiB of memory are free; shorten the prompt, or give a smaller context than 'auto'",
                provider=self.info.name,
            )

    def _loaded_context(self, model: str) -> Flow[int | None]:
        """The context that a model is loaded with; ``None`` when it is not loaded, or nobody says."""
        try:
            running = yield from self.operate(RUNNING, aside=True)
        except ExecutionError:
            return None
        for loaded in running:
            if full_name(loaded.id) == full_name(model) and loaded.context_length:
                self._contexts[full_name(model)] = loaded.context_length
                return loaded.context_length
        return None

    def _server_version(self) -> Flow[str]:
        if self._version is None:
            try:
                self._version = yield from self.operate(VERSION, aside=True)
            except ExecutionError:
                return ""
        return self._version

    # Embeddings and tokens.

    def embeddings_flow(self, texts: Sequence[str], model: str | None) -> Flow[list[list[float]]]:
        name = model or self.config.embedding_model
        if name is None:
            raise ParameterError("ollama needs a model for embeddings: pass model=, or set embedding_model")
        return (yield from self._with_model(name, lambda: self._embedded(texts, name)))

    def tokens_flow(self, text: str, model: str | None = None) -> Flow[int]:
        """An estimate; with ``count_by_evaluation`` and a model, what that model counts when it reads the text.

        The count includes the token that begins a prompt, in models that have one.
        """
        if model is None or not text or not self.config.count_by_evaluation:
            return given(estimate_tokens(text))
        return self._with_model(model, lambda: self.operate(EVALUATE, text, model))

    def details(self) -> Mapping[str, Any]:
        """Where the server is, and how prompts that are too long are dealt with."""
        return {"base_url": self.config.base_url, "on_truncation": self.config.on_truncation}

    def _embedded(self, texts: Sequence[str], model: str) -> Flow[list[list[float]]]:
        try:
            vectors = yield from self.operate(EMBED, texts, model, self.config.on_truncation == "ignore")
        except ContextLengthError:
            if self.config.on_truncation == "error":
                raise
            warnings.warn(
                f"ollama: a text is longer than {model} takes and was cut before it was embedded; split it",
                TruncatedInputWarning,
                stacklevel=2,
            )
            vectors = yield from self.operate(EMBED, texts, model, True)
        if len(vectors) != len(texts):
            raise ProviderError(
                f"ollama: {len(texts)} texts were sent and {len(vectors)} embeddings came back",
                provider=self.info.name,
            )
        return vectors

    # Both.

    def _with_model(self, model: str, flow: Callable[[], Flow[Result]]) -> Flow[Result]:
        """Do something with a model, and pull it first if it is not there and that is wanted."""
        try:
            return (yield from flow())
        except ModelNotFoundError:
            if not self.config.auto_pull:
                raise
        yield from self.pull_flow(model)
        return (yield from flow())


def _option(request: Request, name: str) -> Any:
    return dict(request.provider_options.get("options", {})).get(name)
