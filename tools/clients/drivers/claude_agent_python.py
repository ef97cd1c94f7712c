"""``claude-agent-sdk``: Claude Code as a library. Its tools are its own: the model calls its shell."""

import asyncio
from tempfile import mkdtemp

from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, StreamEvent, query
from driver import KEY, MODEL, QUESTION, URL, run

HOME = mkdtemp(prefix="agent-")
OFF = (
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "DISABLE_TELEMETRY",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_AUTOUPDATER",
)
ENVIRON = {"ANTHROPIC_BASE_URL": URL, "ANTHROPIC_AUTH_TOKEN": KEY, "HOME": HOME, **dict.fromkeys(OFF, "1")}


async def asked(**more):
    options = ClaudeAgentOptions(model=MODEL, env=ENVIRON, cwd=HOME, max_turns=3, **more)
    count = 0
    async for message in query(prompt=QUESTION, options=options):
        if isinstance(message, StreamEvent) and (said := message.event.get("delta", {}).get("text")):
            count += 1
            print(said, end="", flush=True)
        if isinstance(message, ResultMessage):
            if message.is_error:
                raise SystemExit(message.result)
            print(f"\n{message.result}\nPIECES {count}")


def text():
    asyncio.run(asked())


def stream():
    asyncio.run(asked(include_partial_messages=True))


def tool():
    asyncio.run(asked(allowed_tools=["Bash"]))


run(text=text, stream=stream, tool=tool)
