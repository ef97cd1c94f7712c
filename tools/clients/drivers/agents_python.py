"""``openai-agents`` over Responses and chat completions."""

import asyncio

import agents
from driver import KEY, MODEL, QUESTION, URL, VARIANT, place, run, weather
from openai import AsyncOpenAI
from pydantic import BaseModel

agents.set_tracing_disabled(True)


class Place(BaseModel):
    city: str
    degrees: int


@agents.function_tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return weather(city)


def agent(**more):
    client = AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
    kind = agents.OpenAIResponsesModel if VARIANT == "responses" else agents.OpenAIChatCompletionsModel
    return agents.Agent(name="a", model=kind(MODEL, client), **more)


async def asked(**more):
    return (await agents.Runner.run(agent(**more), QUESTION)).final_output


def text():
    return asyncio.run(asked())


def stream():
    async def streamed():
        count = 0
        result = agents.Runner.run_streamed(agent(), QUESTION)
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                count += 1
                print(event.data.delta, end="", flush=True)
        print(f"\nPIECES {count}")

    asyncio.run(streamed())


def tool():
    return asyncio.run(asked(tools=[get_weather]))


def form():
    place(asyncio.run(asked(output_type=Place)))


run(text=text, stream=stream, tool=tool, form=form)
