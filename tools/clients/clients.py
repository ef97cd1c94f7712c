"""Which clients, in which versions, and in which environment each of them lives."""

from __future__ import annotations

import attrs

PYTHON: dict[str, tuple[str, ...]] = {
    "sdks": ("openai==3.57.0", "anthropic==2.14.0", "ollama==0.6.3"),
    "frameworks": (
        *("langchain-openai==1.7.4", "langchain-anthropic==1.7.10", "langchain-ollama==1.1.0"),
        *("pydantic-ai-slim[openai,anthropic]==2.38.0", "openai-agents==0.24.0", "instructor==1.17.0", "llm==0.36"),
    ),
    "llamaindex": ("llama-index-llms-openai-like",),
    "litellm": ("litellm==1.110.2",),
}
"""Python packages, by environment: some pin each other's dependencies, and so must live apart."""
NODE: dict[str, tuple[str, ...]] = {
    "node": (
        *("openai@6.49.0", "@anthropic-ai/sdk@1.14.0", "ollama@0.6.4", "ai@6.0.326", "@ai-sdk/openai@3.0.141"),
        *("@ai-sdk/anthropic@3.0.140", "@ai-sdk/openai-compatible@2.0.92", "zod@4.6.7"),
    ),
}
SCENARIOS = ("model", "text", "stream", "tool", "form", "error", "cut", "silence", "killed")


@attrs.frozen
class Client:
    """One client.

    Attributes:
        name: for people.
        environment: where its packages are.
        driver: file in ``drivers/``.
        variant: what the driver is told: a dialect, mostly.
        package: whose version is shown.
        scenarios: those that it has.
    """

    name: str
    environment: str
    driver: str
    variant: str = ""
    package: str = ""
    scenarios: tuple[str, ...] = SCENARIOS


CLIENTS = (
    Client("openai (Python), chat", "sdks", "openai_python.py", "chat", "openai"),
    Client("openai (Python), Responses", "sdks", "openai_python.py", "responses", "openai"),
    Client("anthropic (Python)", "sdks", "anthropic_python.py", "", "anthropic"),
    Client("ollama (Python)", "sdks", "ollama_python.py", "", "ollama"),
    Client("openai (Node), chat", "node", "openai_node.mjs", "chat", "openai"),
    Client("openai (Node), Responses", "node", "openai_node.mjs", "responses", "openai"),
    Client("@anthropic-ai/sdk", "node", "anthropic_node.mjs", "", "@anthropic-ai/sdk"),
    Client("ollama (Node)", "node", "ollama_node.mjs", "", "ollama"),
    Client("Vercel AI SDK, openai", "node", "vercel_node.mjs", "responses", "@ai-sdk/openai"),
    Client("Vercel AI SDK, openai-compatible", "node", "vercel_node.mjs", "chat", "@ai-sdk/openai-compatible"),
    Client("Vercel AI SDK, anthropic", "node", "vercel_node.mjs", "anthropic", "@ai-sdk/anthropic"),
    Client("langchain-openai, chat", "frameworks", "langchain_python.py", "chat", "langchain-openai"),
    Client("langchain-openai, Responses", "frameworks", "langchain_python.py", "responses", "langchain-openai"),
    Client("langchain-anthropic", "frameworks", "langchain_python.py", "anthropic", "langchain-anthropic"),
    Client("langchain-ollama", "frameworks", "langchain_python.py", "ollama", "langchain-ollama"),
    Client("pydantic-ai, chat", "frameworks", "pydantic_ai_python.py", "chat", "pydantic-ai-slim"),
    Client("pydantic-ai, Responses", "frameworks", "pydantic_ai_python.py", "responses", "pydantic-ai-slim"),
    Client("pydantic-ai, Anthropic", "frameworks", "pydantic_ai_python.py", "anthropic", "pydantic-ai-slim"),
    Client("openai-agents, Responses", "frameworks", "agents_python.py", "responses", "openai-agents"),
    Client("openai-agents, chat", "frameworks", "agents_python.py", "chat", "openai-agents"),
    Client("instructor, tools", "frameworks", "instructor_python.py", "tools", "instructor", ("form", "error")),
    Client("instructor, JSON Schema", "frameworks", "instructor_python.py", "schema", "instructor", ("form", "error")),
    Client("instructor, Anthropic", "frameworks", "instructor_python.py", "anthropic", "instructor", ("form", "error")),
    Client("llm (command)", "frameworks", "llm_command.py", "", "llm"),
    Client("LlamaIndex, OpenAILike", "llamaindex", "llamaindex_python.py", "", "llama-index-llms-openai-like"),
    Client("litellm, openai/", "litellm", "litellm_python.py", "openai", "litellm"),
    Client("litellm, anthropic/", "litellm", "litellm_python.py", "anthropic", "litellm"),
    Client("litellm, ollama_chat/", "litellm", "litellm_python.py", "ollama_chat", "litellm"),
)
NOT_RUN = {
    "Claude Code, Codex": "235 and 424 MB; driven by the tests of airouter-gateway where AIROUTER_CLIENTS names them",
    "ollama (command)": "driven by the tests of airouter-gateway where `make engines` has built it",
    "aider": "539 MB, and an own pinned litellm inside, which is driven here",
    "Open WebUI": "some gigabytes with its models",
    "opencode, Continue": "354 and 81 MB of programs of their own",
    "goose": "in no package registry",
}
"""Clients that are not driven here, and why."""
