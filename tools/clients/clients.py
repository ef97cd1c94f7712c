"""Which clients, in which versions, and in which environment each of them lives."""

from __future__ import annotations

import attrs

PYTHON: dict[str, tuple[str, ...]] = {
    "sdks": ("openai==3.57.0", "anthropic==2.14.0", "ollama==0.6.3"),
    "langchain": ("langchain-openai==1.7.4", "langchain-anthropic==1.7.10", "langchain-ollama==1.1.0"),
    "pydantic-ai": ("pydantic-ai-slim[openai,anthropic]==2.68.0",),
    "agents": ("openai-agents==0.24.0",),
    "instructor": ("instructor==1.17.0", "anthropic==2.14.0"),
    "llm": ("llm==0.36", "llm-ollama==0.19.1", "llm-anthropic==0.30"),
    "llamaindex": ("llama-index-llms-openai-like==0.8.1",),
    "litellm": ("litellm==1.110.2",),
    "openai1": ("openai==1.109.1",),
    "smolagents": ("smolagents[openai]==1.26.0",),
    "haystack": ("haystack-ai==3.4.1",),
    "semantic-kernel": ("semantic-kernel==1.45.0",),
    "dspy": ("dspy==3.4.1",),
    "autogen": ("autogen-agentchat==0.7.5", "autogen-ext[openai,anthropic,ollama]==0.7.5", "anthropic==0.125.0"),
    "mistral": ("mistralai==3.7.0",),
    "agno": ("agno==3.1.10", "openai==3.57.0"),
    "strands": ("strands-agents[openai,anthropic,ollama]==1.62.0",),
    "shell-gpt": ("shell-gpt==1.5.1", "click"),
    "crewai": ("crewai==1.15.30",),
    "aider": ("aider-chat==0.86.2",),
    "adk": ("google-adk==2.13.0", "litellm==1.110.2"),
    "claude-agent": ("claude-agent-sdk==0.2.189",),
    "outlines": ("outlines==1.3.3", "openai==3.57.0", "anthropic==2.14.0", "ollama==0.6.3"),
    "guidance": ("guidance==0.3.1", "openai==3.57.0"),
    "anthropic0": ("anthropic==0.39.0", "httpx==0.27.2"),
}
"""Python packages, by environment: each client in one of its own, with what its own requirements bring."""
NEWER_NODE = "node@24.21.0"
NODE: dict[str, tuple[str, ...]] = {
    "node": (
        *("openai@6.49.0", "@anthropic-ai/sdk@1.14.0", "ollama@0.6.4", "ai@6.0.326", "@ai-sdk/openai@3.0.141"),
        *("@ai-sdk/anthropic@3.0.140", "@ai-sdk/openai-compatible@2.0.92", "zod@4.6.7"),
    ),
    "node24": (
        *(NEWER_NODE, "openai@7.59.0", "ai@7.0.173", "@ai-sdk/openai@4.0.118", "@ai-sdk/anthropic@4.0.105"),
        *("@ai-sdk/openai-compatible@3.0.92", "ollama-ai-provider-v2@4.0.1", "@mistralai/mistralai@2.7.0"),
        *("@langchain/openai@1.6.0", "@langchain/anthropic@1.5.11", "@langchain/ollama@1.3.0"),
        *("@openai/agents@0.20.0", "zod@4.6.7"),
    ),
    "claude-code": (NEWER_NODE, "@anthropic-ai/claude-code@2.1.332"),
    "codex": ("@openai/codex@0.171.0",),
    "opencode": ("opencode-ai@1.18.33",),
    "qwen-code": (NEWER_NODE, "@qwen-code/qwen-code@0.24.4"),
    "continue": ("@continuedev/cli@1.5.47",),
    "pi": (NEWER_NODE, "@mariozechner/pi-coding-agent@0.73.1"),
    "cline": (NEWER_NODE, "cline@3.0.65"),
    "copilot": (NEWER_NODE, "@github/copilot@1.0.102"),
    "mastra": (NEWER_NODE, "@mastra/core@0.24.9", "zod@4.6.7"),
    "llamaindex-ts": (
        *(NEWER_NODE, "llamaindex@0.12.1", "@llamaindex/openai@0.4.22", "@llamaindex/ollama@0.1.23"),
        *("@llamaindex/workflow@1.1.24", "zod@4.6.7"),
    ),
    "node-old": ("openai@4.104.0", "@anthropic-ai/sdk@0.39.0"),
    "ai5": (
        *(NEWER_NODE, "ai@5.0.277", "@ai-sdk/openai@2.0.130", "@ai-sdk/anthropic@2.0.112"),
        *("@ai-sdk/openai-compatible@1.0.61", "zod@4.6.7"),
    ),
}
"""Packages of npm, by environment; some need a Node that is newer than the system's."""
BUILT = {"ollama": ".cache/engines/ollama/bin"}
"""Programs that ``make engines`` builds, by environment."""
SCENARIOS = ("model", "text", "stream", "tool", "form", "error", "cut", "silence", "killed")
NO_FORM = tuple(name for name in SCENARIOS if name != "form")
NO_TOOL = tuple(name for name in SCENARIOS if name != "tool")
TALK = ("text", "stream", "error", "cut", "silence", "killed")
WHOLE = ("model", "text", "error", "cut", "silence", "killed")
OF_AGENTS = ("text", "tool", "error", "cut", "silence", "killed")
"""Agents show an answer when it is whole, have no place for a form, and ask more than the toy model holds."""


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
        is_agent: whether its tools are its own, so that the model calls its shell.
    """

    name: str
    environment: str
    driver: str
    variant: str = ""
    package: str = ""
    scenarios: tuple[str, ...] = SCENARIOS
    is_agent: bool = False


def _agent(name: str, environment: str, variant: str, package: str) -> Client:
    return Client(name, environment, "agent_command.py", variant, package, OF_AGENTS, is_agent=True)


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
    Client("langchain-openai, chat", "langchain", "langchain_python.py", "chat", "langchain-openai"),
    Client("langchain-openai, Responses", "langchain", "langchain_python.py", "responses", "langchain-openai"),
    Client("langchain-anthropic", "langchain", "langchain_python.py", "anthropic", "langchain-anthropic"),
    Client("langchain-ollama", "langchain", "langchain_python.py", "ollama", "langchain-ollama"),
    Client("pydantic-ai, chat", "pydantic-ai", "pydantic_ai_python.py", "chat", "pydantic-ai-slim"),
    Client("pydantic-ai, Responses", "pydantic-ai", "pydantic_ai_python.py", "responses", "pydantic-ai-slim"),
    Client("pydantic-ai, Anthropic", "pydantic-ai", "pydantic_ai_python.py", "anthropic", "pydantic-ai-slim"),
    Client("openai-agents, Responses", "agents", "agents_python.py", "responses", "openai-agents"),
    Client("openai-agents, chat", "agents", "agents_python.py", "chat", "openai-agents"),
    Client("instructor, tools", "instructor", "instructor_python.py", "tools", "instructor", ("form", "error")),
    Client("instructor, JSON Schema", "instructor", "instructor_python.py", "schema", "instructor", ("form", "error")),
    Client("instructor, Anthropic", "instructor", "instructor_python.py", "anthropic", "instructor", ("form", "error")),
    Client("llm (command)", "llm", "llm_command.py", "", "llm"),
    Client("LlamaIndex, OpenAILike", "llamaindex", "llamaindex_python.py", "", "llama-index-llms-openai-like"),
    Client("litellm, openai/", "litellm", "litellm_python.py", "openai", "litellm"),
    Client("litellm, anthropic/", "litellm", "litellm_python.py", "anthropic", "litellm"),
    Client("litellm, ollama_chat/", "litellm", "litellm_python.py", "ollama_chat", "litellm"),
    Client("openai (Python) 1.x, chat", "openai1", "openai_python.py", "chat", "openai"),
    Client("openai (Python) 1.x, Responses", "openai1", "openai_python.py", "responses", "openai"),
    Client("openai (Node) 7.x, chat", "node24", "openai_node.mjs", "chat", "openai"),
    Client("openai (Node) 7.x, Responses", "node24", "openai_node.mjs", "responses", "openai"),
    Client("Vercel AI SDK 7, openai", "node24", "vercel_node.mjs", "responses", "@ai-sdk/openai"),
    Client("Vercel AI SDK 7, openai-compatible", "node24", "vercel_node.mjs", "chat", "@ai-sdk/openai-compatible"),
    Client("Vercel AI SDK 7, anthropic", "node24", "vercel_node.mjs", "anthropic", "@ai-sdk/anthropic"),
    Client("Vercel AI SDK 7, ollama", "node24", "vercel_node.mjs", "ollama", "ollama-ai-provider-v2"),
    Client("@langchain/openai, chat", "node24", "langchain_node.mjs", "chat", "@langchain/openai"),
    Client("@langchain/openai, Responses", "node24", "langchain_node.mjs", "responses", "@langchain/openai"),
    Client("@langchain/anthropic", "node24", "langchain_node.mjs", "anthropic", "@langchain/anthropic"),
    Client("@langchain/ollama", "node24", "langchain_node.mjs", "ollama", "@langchain/ollama"),
    Client("@mistralai/mistralai", "node24", "mistral_node.mjs", "", "@mistralai/mistralai"),
    Client("@openai/agents", "node24", "agents_node.mjs", "", "@openai/agents"),
    Client("mistralai (Python)", "mistral", "mistral_python.py", "", "mistralai"),
    Client("smolagents", "smolagents", "smolagents_python.py", "", "smolagents"),
    Client("Haystack, chat", "haystack", "haystack_python.py", "chat", "haystack-ai"),
    Client("Haystack, Responses", "haystack", "haystack_python.py", "responses", "haystack-ai"),
    Client("Semantic Kernel", "semantic-kernel", "semantic_kernel_python.py", "", "semantic-kernel"),
    Client("DSPy, chat", "dspy", "dspy_python.py", "chat", "dspy", ("model", "text", "error")),
    Client("DSPy, Responses", "dspy", "dspy_python.py", "responses", "dspy", ("model", "text", "form", "error")),
    Client("AutoGen, chat", "autogen", "autogen_python.py", "chat", "autogen-ext"),
    Client("AutoGen, Anthropic", "autogen", "autogen_python.py", "anthropic", "autogen-ext", NO_FORM),
    Client("AutoGen, Ollama", "autogen", "autogen_python.py", "ollama", "autogen-ext"),
    Client("Agno, chat", "agno", "agno_python.py", "chat", "agno"),
    Client("Agno, Responses", "agno", "agno_python.py", "responses", "agno"),
    Client("Strands, chat", "strands", "strands_python.py", "chat", "strands-agents"),
    Client("Strands, Responses", "strands", "strands_python.py", "responses", "strands-agents"),
    Client("Strands, Anthropic", "strands", "strands_python.py", "anthropic", "strands-agents"),
    Client("Strands, Ollama", "strands", "strands_python.py", "ollama", "strands-agents"),
    Client("CrewAI", "crewai", "crewai_python.py", "", "crewai", ("model", "text", "tool", "form", "error")),
    Client("anthropic (Python) 0.x", "anthropic0", "anthropic_python.py", "", "anthropic", NO_FORM),
    Client("@anthropic-ai/sdk 0.x", "node-old", "anthropic_node.mjs", "", "@anthropic-ai/sdk", NO_FORM),
    Client("openai (Node) 4.x, chat", "node-old", "openai_node.mjs", "chat", "openai"),
    Client("openai (Node) 4.x, Responses", "node-old", "openai_node.mjs", "responses", "openai"),
    Client("Vercel AI SDK 5, openai", "ai5", "vercel_node.mjs", "responses", "@ai-sdk/openai"),
    Client("Vercel AI SDK 5, openai-compatible", "ai5", "vercel_node.mjs", "chat", "@ai-sdk/openai-compatible"),
    Client("Vercel AI SDK 5, anthropic", "ai5", "vercel_node.mjs", "anthropic", "@ai-sdk/anthropic"),
    Client("Mastra", "mastra", "mastra_node.mjs", "", "@mastra/core"),
    Client("LlamaIndex.TS, OpenAI", "llamaindex-ts", "llamaindex_node.mjs", "openai", "@llamaindex/openai"),
    Client("LlamaIndex.TS, Ollama", "llamaindex-ts", "llamaindex_node.mjs", "ollama", "@llamaindex/ollama"),
    Client("Google ADK, openai/", "adk", "adk_python.py", "openai", "google-adk"),
    Client("Google ADK, anthropic/", "adk", "adk_python.py", "anthropic", "google-adk", NO_FORM),
    Client("Google ADK, ollama_chat/", "adk", "adk_python.py", "ollama_chat", "google-adk"),
    Client("outlines, OpenAI", "outlines", "outlines_python.py", "openai", "outlines", NO_TOOL),
    Client("outlines, Anthropic", "outlines", "outlines_python.py", "anthropic", "outlines", ("model", *TALK)),
    Client("outlines, Ollama", "outlines", "outlines_python.py", "ollama", "outlines", NO_TOOL),
    Client("guidance", "guidance", "guidance_python.py", "", "guidance", ("model", "text", "form", "error")),
    _agent("Claude Code", "claude-code", "claude", "@anthropic-ai/claude-code"),
    Client("Claude Agent SDK", "claude-agent", "claude_agent_python.py", "", "claude-agent-sdk", ("tool", *TALK), True),
    _agent("Codex", "codex", "codex", "@openai/codex"),
    _agent("opencode", "opencode", "opencode", "opencode-ai"),
    _agent("Qwen Code", "qwen-code", "qwen", "@qwen-code/qwen-code"),
    _agent("Continue", "continue", "continue", "@continuedev/cli"),
    _agent("Cline", "cline", "cline", "cline"),
    _agent("GitHub Copilot CLI, chat", "copilot", "copilot/chat", "@github/copilot"),
    _agent("GitHub Copilot CLI, Responses", "copilot", "copilot/responses", "@github/copilot"),
    _agent("GitHub Copilot CLI, Anthropic", "copilot", "copilot/anthropic", "@github/copilot"),
    _agent("pi, chat", "pi", "pi/chat", "@mariozechner/pi-coding-agent"),
    _agent("pi, Responses", "pi", "pi/responses", "@mariozechner/pi-coding-agent"),
    _agent("pi, Anthropic", "pi", "pi/anthropic", "@mariozechner/pi-coding-agent"),
    Client("aider, openai/", "aider", "agent_command.py", "aider/openai", "aider-chat", TALK, is_agent=True),
    Client("aider, anthropic/", "aider", "agent_command.py", "aider/anthropic", "aider-chat", TALK, is_agent=True),
    Client("shell-gpt", "shell-gpt", "agent_command.py", "sgpt", "shell-gpt", WHOLE),
    Client("ollama (command)", "ollama", "agent_command.py", "ollama", "ollama", ("model", *TALK)),
)
NOT_RUN = {
    "Open WebUI": (
        "1.7 GB even without PyTorch. 0.12.4 was tried by hand on 2026-12-01 over both of its connections: lists of "
        "models, answers whole and in pieces, vectors, refusals, an answer that breaks off"
    ),
    "goose": "in no package registry",
    "gemini-cli": "speaks Gemini's dialect alone",
}
"""Clients that are not driven here, and why."""
