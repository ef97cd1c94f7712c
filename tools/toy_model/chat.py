"""How a conversation is written down: ChatML, with tools in the style of Hermes and Qwen.

There are two tellings of the same format: `TEMPLATE`, which travels inside the model file and is run by llama.cpp, and
`render`, which the training uses. `evaluate.py` asks llama.cpp to apply the template and compares the two.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

TOOLS_BEFORE = "# Tools\n\nYou may call one or more functions.\n<tools>"
TOOLS_AFTER = (
    "\n</tools>\n\nTo call a function, answer with\n<tool_call>\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
)


@dataclass(frozen=True)
class Turn:
    """One message: who speaks (`system`, `user`, `assistant` or `tool`) and what is said."""

    role: str
    text: str


@dataclass(frozen=True)
class Dialogue:
    """A whole conversation, and the tools it could use."""

    turns: tuple[Turn, ...]
    tools: tuple[object, ...] = ()

    def written(self) -> str:
        """The conversation as one text."""
        return "".join(span.text for span in render(self.turns, self.tools))


@dataclass(frozen=True)
class Span:
    """A stretch of the written conversation; the model learns to produce those that are its own."""

    text: str
    learned: bool


def render(turns: Sequence[Turn], tools: Sequence[object] = ()) -> list[Span]:
    """Write a conversation as spans; joined, their texts are what `TEMPLATE` gives."""
    spans: list[Span] = []
    rest = list(turns)
    system = rest.pop(0).text if rest and rest[0].role == "system" else ""
    if tools:
        listed = "".join("\n" + json.dumps(tool) for tool in tools)
        system = (system + "\n\n" if system else "") + TOOLS_BEFORE + listed + TOOLS_AFTER
    if system:
        spans.append(Span(f"<|im_start|>system\n{system}<|im_end|>\n", learned=False))
    for turn in rest:
        if turn.role == "assistant":
            spans += [Span("<|im_start|>assistant\n", False), Span(turn.text + "<|im_end|>", True), Span("\n", False)]
        elif turn.role == "tool":
            spans.append(Span(f"<|im_start|>user\n<tool_response>\n{turn.text}\n</tool_response><|im_end|>\n", False))
        else:
            spans.append(Span(f"<|im_start|>{turn.role}\n{turn.text}<|im_end|>\n", False))
    return spans


def _quoted(text: str) -> str:
    """The text as a Jinja string literal."""
    return "'" + text.replace("\n", "\\n") + "'"


TEMPLATE = (
    "{%- set system = '' %}"
    "{%- if messages and messages[0].role == 'system' %}{%- set system = messages[0].content %}{%- endif %}"
    "{%- if tools %}"
    "{{- '<|im_start|>system\\n' }}{%- if system %}{{- system + '\\n\\n' }}{%- endif %}"
    "{{- " + _quoted(TOOLS_BEFORE) + " }}"
    "{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}"
    "{{- " + _quoted(TOOLS_AFTER) + " }}{{- '<|im_end|>\\n' }}"
    "{%- elif system %}{{- '<|im_start|>system\\n' + system + '<|im_end|>\\n' }}{%- endif %}"
    "{%- for message in messages %}"
    "{%- if message.role == 'assistant' %}"
    "{{- '<|im_start|>assistant\\n' }}{%- if message.content %}{{- message.content }}{%- endif %}"
    "{%- if message.tool_calls %}{%- for tool_call in message.tool_calls %}"
    "{%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}"
    "{%- if message.content or not loop.first %}{{- '\\n' }}{%- endif %}"
    '{{- \'<tool_call>\\n{"name": "\' }}{{- tool_call.name }}{{- \'", "arguments": \' }}'
    "{%- if tool_call.arguments is string %}{{- tool_call.arguments }}"
    "{%- else %}{{- tool_call.arguments | tojson }}{%- endif %}{{- '}\\n</tool_call>' }}"
    "{%- endfor %}{%- endif %}{{- '<|im_end|>\\n' }}"
    "{%- elif message.role == 'tool' %}"
    "{%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}"
    "{{- '\\n<tool_response>\\n' }}{{- message.content }}{{- '\\n</tool_response>' }}"
    "{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}"
    "{%- elif not (loop.first and message.role == 'system') %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
