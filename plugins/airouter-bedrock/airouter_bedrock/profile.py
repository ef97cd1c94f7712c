"""What each family of models takes beside the fields that all have, and what a call must not hold.

The Converse API passes ``additionalModelRequestFields`` to the model unread, so what stands there has each maker's own
names. Sources: recorded requests (2026-08) for thinking, effort and ``reasoningConfig``; Amazon's page on Nova for
``topK``; the makers' pages for which Claude models think how, and that those since 4.7 take no sampling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from airouter_core.errors import ParameterError
from airouter_core.profile.declarations import ParameterSupport
from airouter_core.values.messages import FilePart, TextPart, ToolResultPart
from airouter_core.values.request import Request
from airouter_core.values.value import Value

from .blocks import require_readable
from .plugin import OWN_FIELD, PARAMETERS

REGIONS = frozenset({"us", "eu", "apac", "global", "us-gov", "ap", "sa", "ca", "me", "af", "il", "au", "jp"})
"""What ids of inference profiles begin with, before the maker."""
FIELDS = "additionalModelRequestFields"
EFFORTS = ("low", "medium", "high", "xhigh", "max")
UP_TO_HIGH = ("low", "medium", "high")
CLAUDE = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:-(\d{1,2}))?(?!\d)")

Said = Mapping[str | bool, Any]


class Family(Value, frozen=True, kw_only=True):
    """What the models of one maker take.

    Attributes:
        top_k: the field of it; ``None`` when it has none.
        effort: the field of ``reasoning_effort``.
        efforts: the words it accepts there.
        off: the field and the word that turn thinking off.
        budget: whether thinking takes a budget of tokens.
        samples: whether it takes temperature and top_p.
        beside: what must stand in the body beside an effort, by path.
    """

    top_k: str | None = None
    effort: str | None = None
    efforts: tuple[str, ...] = UP_TO_HIGH
    off: tuple[str, str] | None = None
    budget: bool = False
    samples: bool = True
    beside: Mapping[str, str] = msgspec.field(default_factory=dict)


OTHER = Family()
NOVA = Family(top_k=f"{FIELDS}.inferenceConfig.topK")
NOVA_2 = Family(
    top_k=f"{FIELDS}.inferenceConfig.topK",
    effort=f"{FIELDS}.reasoningConfig.maxReasoningEffort",
    off=(f"{FIELDS}.reasoningConfig.type", "disabled"),
    beside={f"{FIELDS}.reasoningConfig.type": "enabled"},
)
GPT_OSS = Family(effort=f"{FIELDS}.reasoning_effort")
BY_MAKER: Mapping[str, Family] = {
    "mistral": Family(top_k=f"{FIELDS}.top_k"),
    "cohere": Family(top_k=f"{FIELDS}.k"),
}


def family_of(model: str) -> Family:
    """The family of a model, by its id, the id of an inference profile, or an ARN that ends in one of them."""
    name = model.rpartition("/")[2].lower()
    first, _, rest = name.partition(".")
    maker, _, title = (rest if first in REGIONS else name).partition(".")
    if maker == "anthropic":
        return _claude(title)
    if maker == "amazon":
        return NOVA_2 if title.startswith("nova-2") else NOVA if title.startswith("nova") else OTHER
    if maker == "openai":
        return GPT_OSS if title.startswith("gpt-oss") else OTHER
    return BY_MAKER.get(maker, OTHER)


def _claude(title: str) -> Family:
    found = CLAUDE.match(title)
    version = (int(found.group(1)), int(found.group(2) or 0)) if found else (0, 0)
    adaptive = version >= (4, 6)
    return Family(
        top_k=f"{FIELDS}.top_k" if version < (4, 7) else None,
        effort=f"{FIELDS}.output_config.effort" if adaptive else None,
        efforts=EFFORTS if version >= (4, 7) else (*UP_TO_HIGH, "max"),
        off=(f"{FIELDS}.thinking.type", "disabled") if adaptive else None,
        budget=(3, 7) <= version < (4, 7),
        samples=version < (4, 7),
        beside={f"{FIELDS}.thinking.type": "adaptive"} if adaptive else {},
    )


def support(request: Request) -> Iterable[ParameterSupport]:
    """Which parameters this call can have, and as what.

    Raises:
        ParameterError: the user says nothing.
        UnsupportedFeatureError: a file cannot be read.
    """
    require_contents(request)
    return _rows(request, family_of(request.model))


def require_contents(request: Request) -> None:
    """Refuse messages that the service would refuse.

    Raises:
        ParameterError: the user says nothing.
        UnsupportedFeatureError: a file cannot be read.
    """
    if not request.conversation:
        raise ParameterError("bedrock needs a message of the user beside the system prompt")
    for position, message in enumerate(request.messages):
        blank = all(isinstance(part, TextPart) and not part.text.strip() for part in message.parts)
        if message.role == "user" and blank:
            raise ParameterError(f"messages[{position}] is empty: bedrock takes no message of the user without words")
        for part in message.parts:
            for file in part.content if isinstance(part, ToolResultPart) else (part,):
                if isinstance(file, FilePart):
                    require_readable(file)


def is_forced(request: Request) -> bool:
    """Whether the model must call a tool."""
    return request.tool_choice is not None and request.tool_choice.mode in ("required", "tool")


def thinks(request: Request, family: Family) -> bool:
    """Whether parameters of this call make the model think."""
    if is_forced(request):
        return False
    effort = request.parameter("reasoning_effort")
    return ("reasoning_budget" in request.parameters and family.budget) or (
        effort not in (None, "none") and family.effort is not None
    )


def _rows(request: Request, family: Family) -> Iterator[ParameterSupport]:
    for row in PARAMETERS:
        match row.name:
            case "temperature" | "top_p" | "top_k":
                yield _sampling(row, request, family)
            case "reasoning_effort":
                yield _effort(row, request, family)
            case "reasoning_budget":
                yield _budget(row, request, family)
            case _:
                yield row


def _sampling(row: ParameterSupport, request: Request, family: Family) -> ParameterSupport:
    if row.name == "top_k" and family.top_k is None:
        return _not_taken(row, f"{request.model} has no field for it that is known; {OWN_FIELD}")
    if not family.samples:
        return _not_taken(row, f"{request.model} takes none; say in the prompt how free the answer may be")
    if family.budget and thinks(request, family) and (row.name, request.parameter(row.name)) != ("temperature", 1):
        return _not_taken(row, "a model that is to think takes none")
    return msgspec.structs.replace(row, field=family.top_k) if row.name == "top_k" else row


def _effort(row: ParameterSupport, request: Request, family: Family) -> ParameterSupport:
    if request.parameter("reasoning_effort") == "none":
        if family.off is None:
            return _not_taken(row, f"whether {request.model} thinks cannot be changed here")
        field, word = family.off
        return msgspec.structs.replace(row, field=field, said_as={"none": word})
    if family.effort is None:
        instead = "reasoning_budget makes it think" if family.budget else OWN_FIELD
        return _not_taken(row, f"{request.model} has no effort levels that are known; {instead}")
    said: dict[str | bool, Any] = {word: _nearest(word, family.efforts) for word in ("minimal", *EFFORTS)}
    return msgspec.structs.replace(
        row, field=family.effort, said_as={word: other for word, other in said.items() if word != other}
    )


def _budget(row: ParameterSupport, request: Request, family: Family) -> ParameterSupport:
    if not family.budget:
        return _not_taken(row, f"{request.model} takes no budget; reasoning_effort may govern how much it thinks")
    if is_forced(request):
        return _not_taken(row, "a model that must call a tool does not think about it")
    limit = request.parameter("max_tokens")
    return msgspec.structs.replace(row, maximum=limit - 1) if isinstance(limit, int) else row


def _nearest(word: str, accepted: tuple[str, ...]) -> str:
    below = [name for name in EFFORTS[: EFFORTS.index(word) + 1 if word in EFFORTS else 0] if name in accepted]
    return below[-1] if below else accepted[0]


def _not_taken(row: ParameterSupport, reason: str) -> ParameterSupport:
    return msgspec.structs.replace(row, field=None, reason=reason)
