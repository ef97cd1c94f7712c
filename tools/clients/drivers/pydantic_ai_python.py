"""``pydantic-ai`` over three dialects."""

import asyncio

from driver import KEY, MODEL, QUESTION, URL, VARIANT, place, run, weather
from pydantic import BaseModel
from pydantic_ai import Agent

if VARIANT == "anthropic":
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = AsyncAnthropic(base_url=URL, api_key=KEY, max_retries=0)
    model = AnthropicModel(MODEL, provider=AnthropicProvider(anthropic_client=client))
else:
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    kind = OpenAIResponsesModel if VARIANT == "responses" else OpenAIChatModel
    client = AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
    model = kind(MODEL, provider=OpenAIProvider(openai_client=client))


class Place(BaseModel):
    """A place."""

    city: str
    degrees: int


def text():
    return Agent(model).run_sync(QUESTION).output


def stream():
    async def streamed():
        count = 0
        async with Agent(model).run_stream(QUESTION) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                count += bool(piece)
                print(piece, end="", flush=True)
        print(f"\nPIECES {count}")

    asyncio.run(streamed())


def tool():
    agent = Agent(model)

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return weather(city)

    return agent.run_sync(QUESTION).output


def form():
    place(Agent(model, output_type=Place).run_sync(QUESTION).output)


run(text=text, stream=stream, tool=tool, form=form)
