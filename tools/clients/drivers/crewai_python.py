"""CrewAI's model, which it hands to its agents."""

from crewai import LLM
from driver import CITY, KEY, MESSAGES, MODEL, URL, place, run, weather
from pydantic import BaseModel

model = LLM(model=MODEL, custom_openai=True, base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
FUNCTION = {"name": "get_weather", "description": "the weather", "parameters": CITY}


class Place(BaseModel):
    city: str
    degrees: int


def text():
    return model.call(MESSAGES)


def tool():
    tools = [{"type": "function", "function": FUNCTION}]
    return model.call(MESSAGES, tools=tools, available_functions={"get_weather": weather})


def form():
    place(model.call(MESSAGES, response_model=Place))


run(text=text, tool=tool, form=form)
