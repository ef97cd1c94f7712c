"""From a request to the JSON of generateContent, and the headers that go with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from airouter_core.config.loading import require_api_key
from airouter_core.errors import AuthenticationError
from airouter_core.profile.losses import Loss
from airouter_core.profile.resolving import overlaid, place
from airouter_core.values.arguments import has_object
from airouter_core.values.messages import FilePart, Part, ToolCallPart, ToolResultPart
from airouter_core.values.request import Request
from airouter_core.values.tools import ResponseFormat, Tool

from .config import GeminiConfig
from .parts import KEY, Json, Sending, is_foreign_thought, is_step
from .plugin import GEMINI
from .profile import family_of

LACKS = frozenset({Loss.NAMES, Loss.TOOL_NAMES, Loss.RESULT_NAMES})
"""What this API has no place for."""
NO_RESOLUTION = frozenset({Loss.PICTURE_DETAIL, Loss.FILE_DETAIL})
"""What it has no place for with models before Gemini 3."""
MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "tool": "ANY"}
OWN_OPTIONS = frozenset({"api", "include_thoughts"})
"""Options that decide how the body is made, and are no fields of it."""


def content_body(request: Request, config: GeminiConfig) -> Json:
    """The body of a call, with ``provider_options`` laid over it; tools are added to those of the call."""
    body = contents(request, config)
    place(body, request.parameters, request.rows)
    if request.response_format is not None:
        body.setdefault("generationConfig", {}).update(_form(request.response_format))
    if request.provider_options.get("include_thoughts", config.include_thoughts):
        body.setdefault("generationConfig", {}).setdefault("thinkingConfig", {})["includeThoughts"] = True
    options = {name: value for name, value in request.provider_options.items() if name not in OWN_OPTIONS}
    return overlaid(body, options, joined=("tools",))


def contents(request: Request, config: GeminiConfig) -> Json:
    """What is said and which tools there are: what also ``countTokens`` and caches take."""
    sending = Sending(family_of(request.model), config)
    body: Json = {"contents": _conversation(request, sending)}
    system = [part for message in request.messages if message.role == "system" for part in message.parts]
    if system:
        body["systemInstruction"] = {"parts": sending.parts(tuple(system), "system"), "role": "user"}
    if request.tools:
        body["tools"] = [{"functionDeclarations": list(map(_declaration, request.tools))}]
        if calling := _calling(request):
            body["toolConfig"] = {"functionCallingConfig": calling}
    return body


def credentials(config: GeminiConfig) -> dict[str, str]:
    """The headers that say who asks: one credential, never two.

    Raises:
        MissingApiKeyError: Google is asked without one.
    """
    if config.own_credential:
        return {}
    if config.uses_token:
        if config.access_token is None:
            raise AuthenticationError("there is no token for Vertex AI", provider=KEY)
        return {"Authorization": f"Bearer {config.access_token}"}
    if config.needs_api_key:
        require_api_key(config.api_key, provider=KEY, variable=GEMINI.api_key_env)
    return {"x-goog-api-key": config.api_key} if config.api_key else {}


def notes(request: Request, config: GeminiConfig) -> Iterator[str]:
    """What the caller should know about how this request is said."""
    if all(message.is_plain for message in request.messages):
        parts: list[Part] = []
    else:
        parts = [part for message in request.messages for part in message.parts]
    yield from late_system_note(request)
    if any(map(is_foreign_thought, parts)):
        yield "thoughts of another model in the history were left out, as models take only their own"
    if not config.vertex and any(map(_is_named_document, parts)):
        yield "names of documents were not sent: this API has no place for that"
    if any(map(is_step, parts)):
        yield f"{Loss.OWN_PARTS.value}: this one has no place for them"
    yield from unread_arguments(parts)


def late_system_note(request: Request) -> Iterator[str]:
    """What to say where the system's words stand elsewhere than before all others."""
    roles = [message.role for message in request.messages]
    if "system" in roles[roles.count("system") :]:
        yield "system messages inside the conversation were put at its beginning, where this API takes them"


def unread_arguments(parts: Iterable[Part]) -> Iterator[str]:
    """What to say of calls whose arguments are no object, as they must be."""
    for part in parts:
        if isinstance(part, ToolCallPart) and not has_object(part):
            yield f"arguments of the call {part.id} in the history are no JSON object and were sent wrapped in one"


def _conversation(request: Request, sending: Sending) -> list[Json]:
    sent: list[Json] = []
    after_results = False
    for message in request.conversation:
        parts = sending.parts(message.parts, message.role)
        is_result = message.role == "tool"
        if is_result and after_results:
            # The results of parallel calls are one turn.
            sent[-1]["parts"] += parts
        elif parts:
            sent.append({"parts": parts, "role": "model" if message.role == "assistant" else "user"})
            after_results = is_result
    return sent


def _declaration(tool: Tool) -> Json:
    made: Json = {"name": tool.name}
    if tool.description is not None:
        made["description"] = tool.description
    made["parametersJsonSchema"] = dict(tool.input_schema)
    return made


def _calling(request: Request) -> Json:
    choice = request.tool_choice
    mode = None if choice is None else MODES[choice.mode]
    if mode in (None, "AUTO") and any(tool.strict for tool in request.tools):
        mode = "VALIDATED"  # calls must fit their schemas; a call that is forced always must
    made: Json = {} if mode is None else {"mode": mode}
    if choice is not None and choice.name is not None:
        made["allowedFunctionNames"] = [choice.name]
    return made


def _form(wanted: ResponseFormat) -> Json:
    made: Json = {"responseMimeType": "application/json"}
    if wanted.schema is not None:
        told = {} if wanted.description is None else {"description": wanted.description}
        made["responseJsonSchema"] = {**told, **wanted.schema}
    return made


def _is_named_document(part: Part) -> bool:
    if isinstance(part, ToolResultPart):
        return False  # files in results have a place for their names
    kind = part.media_type.partition("/")[0] if isinstance(part, FilePart) and part.name else ""
    return bool(kind) and kind not in ("image", "audio", "video")
