"""Agno's agents, with its class for servers that speak as OpenAI's."""

from agno.agent import Agent
from agno.models.openai import OpenAIResponses
from agno.models.openai.like import OpenAILike
from driver import KEY, MODEL, QUESTION, URL, VARIANT, joined, place, run, weather
from pydantic import BaseModel

kind = OpenAIResponses if VARIANT == "responses" else OpenAILike
model = kind(id=MODEL, base_url=f"{URL}/v1", api_key=KEY, max_retries=0)


class Place(BaseModel):
    city: str
    degrees: int


def get_weather(city: str) -> str:
    """The weather in a city."""
    return weather(city)


def whole(answer):
    """Agno hands errors on as an answer."""
    if "ERROR" in str(answer.status).upper():
        raise SystemExit(str(answer.content))
    return answer.content


def agent(**more):
    return Agent(model=model, telemetry=False, retries=0, **more)


def text():
    return whole(agent().run(QUESTION))


def stream():
    def pieces():
        for event in agent().run(QUESTION, stream=True):
            if event.event == "RunError":
                raise SystemExit(event.content)
            if event.event == "RunContent":
                yield event.content

    joined(pieces())


def tool():
    return whole(agent(tools=[get_weather]).run(QUESTION))


def form():
    place(whole(agent(output_schema=Place).run(QUESTION)))


run(text=text, stream=stream, tool=tool, form=form)
