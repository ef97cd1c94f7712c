"""``claude-agent-sdk``: Claude Code as a library, with a tool of the program's own."""

import asyncio
from tempfile import mkdtemp

from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, StreamEvent, create_sdk_mcp_server, query
from claude_agent_sdk import tool as as_tool
from driver import KEY, MODEL, QUESTION, URL, run, weather_of

HOME = mkdtemp(prefix="agent-")
OFF = (
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "DISABLE_TELEMETRY",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_AUTOUPDATER",
)
ENVIRON = {"ANTHROPIC_BASE_URL": URL, "ANTHROPIC_AUTH_TOKEN": KEY, "HOME": HOME, **dict.fromkeys(OFF, "1")}


@as_tool("get_weather", "the weather in a city", {"city": str})
async def get_weather(given):
    return {"content": [{"type": "text", "text": weather_of(given)}]}


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
    server = create_sdk_mcp_server("ours", tools=[get_weather])
    asyncio.run(asked(mcp_servers={"ours": server}, allowed_tools=["mcp__ours__get_weather"]))


run(text=text, stream=stream, tool=tool)
