"""Model families: what is known of a model from its name. Data, and the one function that looks it up.

Sources, where no other is named beside a row:

* which models reason, and that theirs is the system role ``developer``: vercel/ai@ed857f50,
  ``openai-language-model-capabilities.ts``;
* which API and which parameters: developers.openai.com, guides "migrate to responses" and "deployment checklist"
  (seen 2026-11); ``completion_create_params.py`` of the vendor's SDK 3.54.0.

A name that no row knows is a model of a compatible server, or newer than this page: it is spoken to over chat
completions, and no parameter is withheld.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Literal

from airouter_core.values.value import Value

from .config import Api

Condition = Literal["always", "effort_none", "never"]
"""When something is possible: with any reasoning effort, only with ``"none"``, or not at all."""


class Family(Value, frozen=True, kw_only=True):
    """What models of one family have in common.

    Attributes:
        api: the API that they are best spoken to over.
        known: whether this is a row of the table.
        reasons: whether they think before they answer.
        sampling: when they take temperature, top_p and log probabilities.
        chat_tools: when they call tools over chat completions.
        efforts: the reasoning efforts they take; empty where the vendor is the one to say.
        takes_stop: whether they take stop sequences.
        takes_verbosity: whether they take a verbosity.
    """

    names: re.Pattern[str]
    api: Api = "responses"
    known: bool = True
    reasons: bool = True
    sampling: Condition = "never"
    chat_tools: Condition = "always"
    efforts: tuple[str, ...] = ()
    takes_stop: bool = True
    takes_verbosity: bool = True

    def samples(self, effort: object) -> bool:
        """Whether temperature and its like are taken with this reasoning effort."""
        return possible(self.sampling, effort)


def possible(condition: Condition, effort: object) -> bool:
    """Whether a condition holds with this reasoning effort; ``None`` is the model's own choice."""
    return condition == "always" or (condition == "effort_none" and effort == "none")


def _names(expression: str) -> re.Pattern[str]:
    return re.compile(expression)


FAMILIES: tuple[Family, ...] = (
    Family(names=_names(r"gpt-5-chat"), api="chat", reasons=False, sampling="always", takes_verbosity=False),
    # Efforts: apidog.com/blog/gpt-6-astra-api (2026-09), after the vendor's model page; tools: deployment checklist.
    Family(
        names=_names(r"gpt-6-astra|gpt-6\.1-sol"),
        chat_tools="never",
        efforts=("low", "medium", "high", "xhigh", "max"),
    ),
    # "temperature only applies with reasoning_effort none" and chat tools likewise: deployment checklist.
    Family(names=_names(r"gpt-([6-9]|\d\d)"), sampling="effort_none", chat_tools="effort_none"),
    # The same of chat tools is a recorded error of gpt-5.6-luna (github.com/ItzCrazyKns/Vane/issues/1173).
    Family(names=_names(r"gpt-5\.[6-9]"), sampling="effort_none", chat_tools="effort_none"),
    Family(names=_names(r"gpt-5\.[1-5]"), sampling="effort_none"),
    Family(names=_names(r"gpt-5"), sampling="never"),
    # Efforts: a recorded error of o4-mini ("Supported values are: 'low', 'medium', and 'high'").
    Family(names=_names(r"o[34]"), efforts=("low", "medium", "high"), takes_stop=False, takes_verbosity=False),
    Family(names=_names(r"o\d"), efforts=("low", "medium", "high"), takes_verbosity=False),
    Family(
        names=_names(r"gpt-3\.5-turbo-instruct|(davinci|babbage)-002"),
        api="completions",
        reasons=False,
        sampling="always",
        chat_tools="never",
        takes_verbosity=False,
    ),
    Family(
        names=_names(r"gpt-4|gpt-3\.5|chatgpt-4o"),
        api="chat",
        reasons=False,
        sampling="always",
        takes_verbosity=False,
    ),
)

RETIRED: Mapping[str, str] = {
    "gpt-3.5-turbo": "gpt-5.4-mini",
    "gpt-4": "gpt-5.5",
    "gpt-4-turbo": "gpt-5.5",
    "o1": "gpt-5.5",
    "o3-mini": "gpt-5.4-mini",
    "o4-mini": "gpt-5.4-mini",
}
"""Models that OpenAI shut down on 2026-10-23, and the current ones that we take for their successors."""

UNKNOWN = Family(names=_names(r""), api="chat", known=False, reasons=False, sampling="always")


def base_name(model: str) -> str:
    """The name that tells the family: without what fine-tuning (``ft:…:acme``) and proxies (``openai/…``) add."""
    return model.removeprefix("ft:").partition(":")[0].rpartition("/")[2]


@functools.lru_cache(maxsize=256)
def family_of(model: str) -> Family:
    """The family of a model."""
    name = base_name(model)
    return next((family for family in FAMILIES if family.names.match(name)), UNKNOWN)
