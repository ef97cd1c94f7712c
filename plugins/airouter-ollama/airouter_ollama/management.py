"""The models of a server: listing, showing, pulling, making, removing, unloading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from airouter_core.errors import (
    BadRequestError,
    ExecutionError,
    ParameterError,
    ProviderError,
)
from airouter_core.flow.exchange import Exchange
from airouter_core.flow.steps import Do, Flow, Sleep
from airouter_core.provider.both import both
from airouter_core.provider.http import HttpProvider
from airouter_core.values.catalog import ModelInfo
from airouter_core.wire.http import MEBIBYTE, HttpRequest

from .config import OllamaConfig
from .create import LocalFile, Paths, create_body, local_files, model_options, opened, upload
from .endpoints import BLOB, COPY, DELETE, RUNNING, SHOW, TAGS, UNLOAD, ask
from .models import ModelDetails, RunningModel, full_name, shown_model
from .progress import OnProgress, Progress, work_flow
from .wire import WIRE

LOOKS = 100
BETWEEN_LOOKS = 0.05
"""Seconds."""


class ModelManagement(HttpProvider[OllamaConfig]):
    """What Ollama does with models besides running them."""

    wire = WIRE
    models = TAGS

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._shown: dict[str, ModelDetails | None] = {}

    def models_flow(self) -> Flow[list[ModelInfo]]:
        """The list, with the context length of each model, which older servers tell only one by one."""
        listed = yield from self.operate(self.models)
        models = []
        for model in listed:
            if model.context_length is not None:
                models.append(model)
                continue
            details = yield from self._details_of(model)
            models.append(_completed(model, details))
        return models

    def show_flow(self, name: str) -> Flow[ModelDetails]:
        """All that is known about one model.

        Raises:
            ModelNotFoundError: it is not there; the message says how to pull it.
        """
        answer = yield from self.operate(SHOW, _named(name))
        return shown_model(name, answer)

    show_model, ashow_model = both(show_flow, kind="models", name="show_model")

    def running_flow(self) -> Flow[list[RunningModel]]:
        """The models that are loaded now, with their memory and context."""
        return self.operate(RUNNING)

    list_running_models, alist_running_models = both(running_flow, kind="models", name="list_running_models")

    def pull_flow(self, name: str, on_progress: OnProgress | None = None, *, insecure: bool = False) -> Flow[Progress]:
        """Download a model, or what is missing of it. Returns when it is complete.

        Args:
            on_progress: called with each report, many times a second while a layer is downloaded.
            insecure: let the server take a registry without TLS, or with a certificate nobody vouches for.

        Raises:
            ModelNotFoundError: the registry has no such model.
            ExecutionError: it failed or was interrupted; pulling again goes on where it stopped.
        """
        body = {"model": _named(name), "stream": True, **({"insecure": True} if insecure else {})}
        again = f"pull it again (`airouter ollama pull {name}`): it goes on where it stopped"
        exchange = self._work(ask(self.config, "POST", "api/pull", body))
        return (yield from work_flow(exchange, on_progress, what=f"the pull of {name}", again=again))

    pull_model, apull_model = both(pull_flow, kind="management", name="pull_model")

    def create_flow(
        self,
        name: str,
        gguf_path: Paths | None = None,
        *,
        from_model: str | None = None,
        system: str | None = None,
        template: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        license: str | None = None,  # noqa: A002  # the server's word for it
        quantize: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> Flow[Progress]:
        """Make a model from a GGUF file on this machine, which is sent to the server, or from another model.

        Args:
            gguf_path: the file; several where a model has a projector of its own.
            system: system prompt for conversations that bring none.
            parameters: what to run it with unless a call says otherwise: canonical names, or Ollama's options.
            quantize: such as ``"q4_K_M"``.

        Raises:
            ParameterError: a file cannot be read, or a parameter is wrong.
            ExecutionError: the server could not make it.
        """
        given = {
            "from": from_model,
            "system": system,
            "template": template,
            "license": license,
            "quantize": quantize,
            "parameters": model_options(parameters, self.parameter_table),
        }
        files: list[LocalFile] = [] if gguf_path is None else (yield Do(lambda: local_files(gguf_path)))
        body = create_body(_named(name), files, **given)
        for file in files:
            if on_progress is not None:
                on_progress(Progress(f"sending {file.name}", file.digest, file.size, 0))
            yield from self._upload_flow(file)
            if on_progress is not None:
                on_progress(Progress(f"sending {file.name}", file.digest, file.size, file.size))
        exchange = self._work(ask(self.config, "POST", "api/create", body))
        return (yield from work_flow(exchange, on_progress, what=f"the making of {name}", again="make it again"))

    create_model, acreate_model = both(create_flow, kind="management", name="create_model")

    def copy_flow(self, source: str, target: str) -> Flow[None]:
        """Give a model a second name; its files are shared.

        Raises:
            ModelNotFoundError: there is no ``source``.
        """
        return self.operate(COPY, source, target)

    copy_model, acopy_model = both(copy_flow, kind="management", name="copy_model")

    def delete_flow(self, name: str) -> Flow[None]:
        """Remove a model from the server's disk.

        Raises:
            ModelNotFoundError: it is not there.
        """
        return self.operate(DELETE, name)

    delete_model, adelete_model = both(delete_flow, kind="management", name="delete_model")

    def unload_flow(self, name: str) -> Flow[None]:
        """Free the memory of a model now, instead of when its ``keep_alive`` is over. One that is not loaded stays so.

        Returns when it is gone. One that answers another call at this moment goes after that; it is not waited for
        longer than five seconds.

        Raises:
            ModelNotFoundError: it is not there.
        """
        try:
            yield from self.operate(UNLOAD, _named(name), "api/chat", "messages")
        except BadRequestError as error:
            # A model for embeddings cannot chat, and is unloaded where it can be loaded.
            if "does not support" not in str(error):
                raise
            yield from self.operate(UNLOAD, _named(name), "api/embed", "input")
        # The server says that it is done when it has begun to.
        for _ in range(LOOKS):
            if all(full_name(loaded.id) != full_name(name) for loaded in (yield from self.operate(RUNNING))):
                break
            yield Sleep(BETWEEN_LOOKS)

    unload_model, aunload_model = both(unload_flow, kind="management", name="unload_model")

    def _work(self, request: HttpRequest) -> Exchange:
        # A deadline is for answers; gigabytes take as long as they take.
        return self.exchange(request, attrs.evolve(self.config, deadline=None))

    def _upload_flow(self, file: LocalFile) -> Flow[None]:
        # A blob that is there already is not sent: the server would answer at once and break the connection.
        try:
            yield from self.operate(BLOB, file.digest)
            return
        except ProviderError as error:
            if error.status != 404:
                raise
        content = yield Do(lambda: opened(file))
        try:
            # Once: the file has been read by then.
            yield from self.exchange(upload(self.config, file, content), once=True).fetch(MEBIBYTE)
        finally:
            content.close()

    def _details_of(self, model: ModelInfo) -> Flow[ModelDetails | None]:
        """What a model says when asked alone; asked once for each version of it, and no reason to fail."""
        key = str(model.raw.get("digest") or model.id)
        if key not in self._shown:
            try:
                self._shown[key] = yield from self.show_flow(model.id)
            except ExecutionError:
                self.logger.debug("%s: nothing more is told about it", model.id)
                self._shown[key] = None
        return self._shown[key]


def _completed(model: ModelInfo, details: ModelDetails | None) -> ModelInfo:
    if details is None:
        return model
    return msgspec.structs.replace(
        model,
        context_length=details.context_length,
        capabilities=details.capabilities or model.capabilities,
        input_modalities=details.input_modalities or model.input_modalities,
    )


def _named(name: str) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ParameterError(f"the name of a model must be a string such as 'mistral:7b', not {name!r}")
    return name.strip()
