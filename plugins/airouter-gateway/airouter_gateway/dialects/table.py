"""The dialects in which chats are asked."""

from __future__ import annotations

from .anthropic.messages import read_messages
from .anthropic.messages_writer import PING, MessagesWriter
from .anthropic.refused import refused as refused_by_anthropic
from .beside import CITATIONS, SOUND, SOURCES
from .dialect import NDJSON, Dialect
from .ollama.chat import read_chat as read_ollama_chat
from .ollama.chat import read_generate
from .ollama.chat_writer import ChatWriter as OllamaChatWriter
from .ollama.chat_writer import GenerateWriter
from .ollama.refused import refused as refused_by_ollama
from .openai.chat import read_chat
from .openai.chat_writer import ChatWriter
from .openai.completions import CompletionsWriter, read_completions
from .openai.refused import refused as refused_by_openai
from .openai.responses import read_responses
from .openai.responses_writer import ResponsesWriter

KEEP_ALIVE = b": keep-alive\n\n"

CHAT = Dialect(
    name="chat",
    read=read_chat,
    writer=ChatWriter,
    refused=refused_by_openai,
    ping=KEEP_ALIVE,
    places=frozenset({SOURCES, SOUND}),
)
COMPLETIONS = Dialect(
    name="completions", read=read_completions, writer=CompletionsWriter, refused=refused_by_openai, ping=KEEP_ALIVE
)
RESPONSES = Dialect(
    name="responses",
    read=read_responses,
    writer=ResponsesWriter,
    refused=refused_by_openai,
    ping=KEEP_ALIVE,
    places=frozenset({SOURCES}),
)
MESSAGES = Dialect(
    name="messages",
    read=read_messages,
    writer=MessagesWriter,
    refused=refused_by_anthropic,
    ping=PING,
    places=frozenset({CITATIONS}),
)
OLLAMA_CHAT = Dialect(
    name="ollama chat",
    read=read_ollama_chat,
    writer=OllamaChatWriter,
    refused=refused_by_ollama,
    stream_type=NDJSON,
    cuts_failures=True,
)
OLLAMA_GENERATE = Dialect(
    name="ollama generate",
    read=read_generate,
    writer=GenerateWriter,
    refused=refused_by_ollama,
    stream_type=NDJSON,
    cuts_failures=True,
)
