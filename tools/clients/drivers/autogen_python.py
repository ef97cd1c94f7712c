"""AutoGen's clients for three vendors, and its agent that calls a tool."""

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_core.models import ModelFamily, UserMessage
from driver import KEY, MODEL, QUESTION, URL, VARIANT, place, run, weather
from pydantic import BaseModel

INFO = {
    "vision": False,
    "function_calling": True,
    "json_output": True,
    "family": ModelFamily.UNKNOWN,
    "structured_output": True,
}
ASKED = [UserMessage(content=QUESTION, source="user")]
if VARIANT == "anthropic":
    from autogen_ext.models.anthropic import AnthropicChatCompletionClient

    client = AnthropicChatCompletionClient(
        model=MODEL, base_url=URL, api_key=KEY, max_retries=0, model_info=INFO, max_tokens=200
    )
elif VARIANT == "ollama":
    from autogen_ext.models.ollama import OllamaChatCompletionClient

    client = OllamaChatCompletionClient(model=MODEL, host=URL, model_info=INFO)
else:
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    client = OpenAIChatCompletionClient(
        model=MODEL, base_url=f"{URL}/v1", api_key=KEY, max_retries=0, model_info=INFO, include_name_in_message=True
    )


class Place(BaseModel):
    city: str
    degrees: int


async def get_weather(city: str) -> str:
    """The weather in a city."""
    return weather(city)


def text():
    return asyncio.run(client.create(ASKED)).content


def stream():
    async def streamed():
        count = 0
        async for piece in client.create_stream(ASKED):
            if isinstance(piece, str):
                count += bool(piece)
                print(piece, end="", flush=True)
        print(f"\nPIECES {count}")

    asyncio.run(streamed())


def tool():
    agent = AssistantAgent("a", client, tools=[get_weather], reflect_on_tool_use=True)
    return asyncio.run(agent.run(task=QUESTION)).messages[-1].content


def form():
    place(asyncio.run(client.create(ASKED, json_output=Place)).content)


run(text=text, stream=stream, tool=tool, form=form)
