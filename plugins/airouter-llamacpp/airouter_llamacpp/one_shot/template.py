"""The conversation, brought to llama-cli inside the chat template.

llama-cli runs a prompt that begins with ``/read``, ``/exit`` … as a command, takes one user's turn only, and shows the
prompt in its output. So it is given a random word as prompt, and a template that puts the real conversation in that
word's place before the model's own template goes on. The model sees, token by token, what it would see from a server;
no text of the conversation is ever looked at as a command, an argument or a path.

For any other conversation the template is the model's own: llama.cpp tries it out on examples to learn its format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from airouter_core.errors import ParameterError, UnsupportedFeatureError
from airouter_core.values.messages import FilePart, Message, ReasoningPart, RefusalPart, TextPart

from ..gguf import GgufHeader

CHATML = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
"""What llama.cpp falls back to for a model without a template."""

ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def conversation_template(header: GgufHeader, messages: Iterable[Message], word: str) -> bytes:
    """The model's template, with a conversation in place of the one whose last message is ``word``.

    Raises:
        UnsupportedFeatureError: a message holds what llama-cli cannot be given.
        ParameterError: it holds half a character.
    """
    said = ", ".join(_object(sent_message(message)) for message in messages)
    head = f'{{%- if messages and messages[-1].content == "{word}" %}}{{%- set messages = [{said}] %}}{{%- endif %}}'
    return _encoded(head + (header.chat_template or CHATML))


def text_template(text: str, word: str) -> bytes:
    """A template that makes nothing but this text of a conversation: for counting its tokens."""
    other = "{%- else -%}" + CHATML
    head = f'{{%- if messages and messages[-1].content == "{word}" -%}}{{{{- {literal(text)} -}}}}'
    return _encoded(head + other + "{%- endif -%}")


def sent_message(message: Message) -> Mapping[str, str]:
    """A message as templates see it.

    Raises:
        UnsupportedFeatureError: it is about tools, or holds a file.
    """
    if message.role == "tool" or message.tool_calls:
        raise UnsupportedFeatureError("mode cli cannot tell a model about tools; use mode server or embedded")
    if any(isinstance(part, FilePart) for part in message.parts):
        raise UnsupportedFeatureError("mode cli cannot show a model images or sound; use mode server or embedded")
    # Several texts of one message are put on lines of their own, as the server does.
    content = "\n".join(part.text for part in message.parts if isinstance(part, TextPart | RefusalPart))
    reasoning = "".join(part.text for part in message.parts if isinstance(part, ReasoningPart))
    sent = {"role": message.role, "content": content}
    if message.name:
        sent["name"] = message.name
    return {**sent, "reasoning_content": reasoning} if reasoning else sent


def literal(text: str) -> str:
    """A text as Jinja writes one."""
    return '"' + "".join(ESCAPES.get(character, character) for character in text) + '"'


def _object(fields: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{literal(name)}: {literal(value)}" for name, value in fields.items()) + "}"


def _encoded(template: str) -> bytes:
    try:
        return template.encode()
    except UnicodeEncodeError as error:
        raise ParameterError(f"the conversation holds half a character, which has no bytes: {error}") from error
