"""What every mode is: how a call gets to a model, and what can be said about it."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Protocol, TypeVar

import attrs

from airouter_core.errors import ConfigurationError, ExecutionError, ModelNotFoundError
from airouter_core.flow.steps import Do, Flow, given
from airouter_core.profile.declarations import ParameterSupport
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.request import Request
from airouter_core.wire.http import Operation

from ..config import LlamaCppConfig, ModeName
from ..folder import ModelFile, ModelFolder
from ..plugin import LLAMACPP
from ..profile import rows

Result = TypeVar("Result")

FRESH = 1.0
"""Seconds."""
KEPT = 1000
"""Names."""


@attrs.frozen
class Setting:
    """What modes are made from."""

    config: LlamaCppConfig
    folder: ModelFolder | None
    here: Callable[[str], str] = str
    _found: dict[str, tuple[float, ModelFile]] = attrs.field(factory=dict, init=False, repr=False)

    @property
    def models(self) -> ModelFolder:
        """The models folder.

        Raises:
            ConfigurationError: none is configured.
        """
        if self.folder is None:
            raise ConfigurationError(
                "llama-cpp needs models_dir, the folder with your GGUF files: pass {'models_dir': ...}, or set "
                "AIROUTER_MODELS_DIR (or name a model by the path of its file, or set base_url to a running server)"
            )
        return self.folder

    def folder_of(self, model: str) -> ModelFolder:
        """Where a model is looked for: in the models folder; where none is configured, beside the file that is named.

        With a folder, nothing outside of it can be named: names may come from strangers, and a file is run as it is.

        Raises:
            ConfigurationError: there is no folder, and this is no path.
            ModelNotFoundError: there is no folder, and this is no path of a file.
        """
        path = os.path.abspath(os.path.expanduser(self.here(model.strip())))
        if self.folder is not None or not path.lower().endswith(".gguf") or "\0" in path:
            return self.models
        if not os.path.isfile(path):
            raise ModelNotFoundError(
                f"there is no file {path!r}, and models_dir is not set: check the path, or set models_dir to the "
                "folder with your GGUF files",
                provider=LLAMACPP.name,
            )
        return ModelFolder(os.path.dirname(path), flat=True)

    def find(self, model: str) -> ModelFile:
        """The file that a name means. One that was found a moment ago is not looked for again: folders are large.

        Raises:
            ConfigurationError: no folder is configured, or the name is ambiguous.
            ModelNotFoundError: there is none.
        """
        known = self._found.get(model)
        now = time.monotonic()
        if known is not None and now - known[0] < FRESH and os.path.exists(known[1].path):
            return known[1]
        found = self.folder_of(model).find(model)
        if len(self._found) >= KEPT:
            self._found.clear()
        self._found[model] = (now, found)
        return found


class OverHttp(Protocol):
    """What modes ask of the provider: its calls over HTTP."""

    @property
    def models(self) -> Operation[list[ModelInfo]]:
        """Lists the models of a server."""
        ...

    def http_answer_flow(self, request: Request, *, stream: bool) -> Flow[None]:
        """Answer a request."""
        ...

    def http_tokens_flow(self, text: str, model: str | None) -> Flow[int]:
        """Count tokens."""
        ...

    def operate(self, operation: Operation[Result], *arguments: Any, model: str | None = None) -> Flow[Result]:
        """Ask one endpoint."""
        ...


class Mode(ABC):
    """One way to run a model. Flows are as in :mod:`airouter_core.flow.steps`."""

    name: ClassVar[ModeName]

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.config = setting.config

    @abstractmethod
    def connect(self, model: str | None, request: Request | None, **options: Any) -> Flow[LlamaCppConfig]:
        """As :meth:`~airouter_core.provider.http.HttpProvider.connect`."""

    def disconnect(self, config: LlamaCppConfig) -> None:  # noqa: B027  # most modes have nothing to give back
        """As :meth:`~airouter_core.provider.http.HttpProvider.disconnect`."""

    def support(self) -> Iterable[ParameterSupport]:
        """Which parameters are taken."""
        return rows(self.name)

    def refuse(self, request: Request) -> None:  # noqa: B027  # most modes take all that the provider declares
        """Refuse what this mode lacks, before anything is started.

        Raises:
            UnsupportedFeatureError: the request needs it.
        """

    def notes(self, request: Request) -> Iterable[str]:
        """What the caller should know beside the answer."""
        choice = request.tool_choice
        if choice is not None and choice.mode == "tool":
            yield (
                f"tool_choice: llama.cpp takes no named tool; {choice.name!r} was sent as the only tool, and a call "
                "of it was required"
            )

    def explained(self, error: ExecutionError, config: LlamaCppConfig) -> Flow[ExecutionError]:
        """The error to raise in place of one that a call with ``config`` met."""
        return given(error)

    def models(self, provider: OverHttp) -> Flow[list[ModelInfo]]:
        """List the models: those in the folder."""
        folder = self.setting.models
        listed: list[ModelInfo] = yield Do(folder.models)
        return listed

    def answer(self, provider: OverHttp, request: Request, *, stream: bool) -> Flow[None]:
        """Answer a request: over HTTP."""
        return provider.http_answer_flow(request, stream=stream)

    def tokens(self, provider: OverHttp, text: str, model: str | None) -> Flow[int]:
        """Count tokens: over HTTP."""
        return provider.http_tokens_flow(text, model)

    def check(self) -> None:  # noqa: B027  # a mode may have nothing to check
        """Refuse what cannot work, before models are listed.

        Raises:
            ConfigurationError: something is missing.
        """

    def details(self) -> Mapping[str, Any]:
        """What there is to say about its state. Must not block."""
        return {}

    def close(self) -> None:  # noqa: B027  # as above
        """Free what it holds."""


def was_closed() -> ConfigurationError:
    """What to say to a call that comes too late."""
    return ConfigurationError("this llama-cpp provider was closed; create another one")
