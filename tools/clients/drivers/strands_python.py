"""Strands' agents over four dialects."""

import asyncio

from driver import KEY, MODEL, QUESTION, URL, VARIANT, place, run, weather
from pydantic import BaseModel
from strands import Agent
from strands import tool as as_tool

OPENAI = {"base_url": f"{URL}/v1", "api_key": KEY, "max_retries": 0}
if VARIANT == "anthropic":
    from strands.models.anthropic import AnthropicModel

    client = {"base_url": URL, "api_key": KEY, "max_retries": 0}
    model = AnthropicModel(client_args=client, model_id=MODEL, max_tokens=200)
elif VARIANT == "ollama":
    from strands.models.ollama import OllamaModel

    model = OllamaModel(URL, model_id=MODEL)
elif VARIANT == "responses":
    from strands.models.openai_responses import OpenAIResponsesModel

    model = OpenAIResponsesModel(client_args=OPENAI, model_id=MODEL)
else:
    from strands.models.openai import OpenAIModel

    model = OpenAIModel(client_args=OPENAI, model_id=MODEL)


class Place(BaseModel):
    """A place."""

    city: str
    degrees: int


@as_tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return weather(city)


def agent(**more):
    return Agent(model=model, callback_handler=None, retry_strategy=None, **more)


def text():
    return str(agent()(QUESTION))


def stream():
    async def streamed():
        count = 0
        async for event in agent().stream_async(QUESTION):
            if piece := event.get("data"):
                count += 1
                print(piece, end="", flush=True)
        print(f"\nPIECES {count}")

    asyncio.run(streamed())


def tool():
    return str(agent(tools=[get_weather])(QUESTION))


def form():
    place(agent()(QUESTION, structured_output_model=Place).structured_output)


run(text=text, stream=stream, tool=tool, form=form)
