"""``smolagents``, whose agents call tools until one of them is the answer."""

from driver import KEY, MESSAGES, MODEL, PLACE, QUESTION, URL, joined, place, run, weather_of
from smolagents import ActionStep, OpenAIServerModel, ToolCallingAgent
from smolagents import tool as as_tool
from smolagents.models import ChatMessage

model = OpenAIServerModel(MODEL, api_base=f"{URL}/v1", api_key=KEY, client_kwargs={"max_retries": 0}, retry=False)
ASKED = [ChatMessage.from_dict(message) for message in MESSAGES]


@as_tool
def get_weather(city: str) -> str:
    """The weather in a city.

    Args:
        city: of which.
    """
    return weather_of({"city": city})


def text():
    return model.generate(ASKED).content


def stream():
    joined(delta.content for delta in model.generate_stream(ASKED))


def tool():
    agent = ToolCallingAgent([get_weather], model, max_steps=1, verbosity_level=0)
    agent.run(QUESTION)
    return next(step.observations for step in agent.memory.steps if isinstance(step, ActionStep))


def form():
    wanted = {"type": "json_schema", "json_schema": {"name": "Place", "schema": PLACE}}
    place(model.generate(ASKED, response_format=wanted).content)


run(text=text, stream=stream, tool=tool, form=form)
