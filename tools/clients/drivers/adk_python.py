"""Google's Agent Development Kit, by its ``LiteLlm`` over three dialects."""

import asyncio
import os

from driver import KEY, MODEL, QUESTION, URL, VARIANT, place, run, weather
from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import InMemoryRunner
from google.genai import types
from pydantic import BaseModel

os.environ["OPENAI_API_KEY"] = os.environ["ANTHROPIC_API_KEY"] = KEY
address = f"{URL}/v1" if VARIANT == "openai" else URL
model = LiteLlm(model=f"{VARIANT}/{MODEL}", api_base=address, max_retries=0, num_retries=0)
WHOLE, PIECES = RunConfig(streaming_mode=StreamingMode.NONE), RunConfig(streaming_mode=StreamingMode.SSE)


class Place(BaseModel):
    """A place."""

    city: str
    degrees: int


def get_weather(city: str) -> str:
    """The weather in a city."""
    return weather(city)


async def events(config, **more):
    runner = InMemoryRunner(agent=LlmAgent(name="it", model=model, **more), app_name="it")
    session = await runner.session_service.create_session(app_name="it", user_id="u")
    asked = types.Content(role="user", parts=[types.Part(text=QUESTION)])
    async for event in runner.run_async(user_id="u", session_id=session.id, new_message=asked, run_config=config):
        if event.error_code:
            raise SystemExit(f"{event.error_code} {event.error_message}")
        yield event


async def last(**more):
    said = [event.content.parts[-1].text async for event in events(WHOLE, **more) if event.content]
    return said[-1]


def text():
    return asyncio.run(last())


def stream():
    async def streamed():
        count = 0
        async for event in events(PIECES):
            if event.partial and event.content:
                count += 1
                print(event.content.parts[-1].text, end="", flush=True)
        print(f"\nPIECES {count}")

    asyncio.run(streamed())


def tool():
    return asyncio.run(last(tools=[get_weather]))


def form():
    place(asyncio.run(last(output_schema=Place)))


run(text=text, stream=stream, tool=tool, form=form)
