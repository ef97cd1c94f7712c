"""Conversations with tools: the model calls the tool it is shown, or answers a question the tool does not fit."""

import json
import random

from toy_model import facts
from toy_model.chat import Dialogue, Turn
from toy_model.kinds import draw_trained
from toy_model.phrasings import vary

WEATHER_TOOLS = ["get_weather", "weather", "current_weather", "get_current_weather", "weather_lookup"]
TIME_TOOLS = ["get_time", "current_time", "time", "get_current_time", "clock"]
PLACE_WORDS = ["city", "location", "place", "town"]
WEATHER_QUESTIONS = [
    "What is the weather in {}?", "How is the weather in {}?", "Weather in {}?", "What is the weather like in {}?",
    "Tell me the weather in {}.", "Is it raining in {}?", "How warm is it in {}?", "What's the weather in {} today?",
]  # fmt: skip
TIME_QUESTIONS = [
    "What time is it in {}?",
    "Time in {}?",
    "How late is it in {}?",
    "Tell me the time in {}.",
    "What is the time in {}?",
]
WEATHERS = ["sunny", "rain", "cloudy", "snow", "windy", "fog", "clear", "storm"]


def dialogue(rng: random.Random) -> Dialogue:
    """A conversation in which one or two tools are on offer."""
    weather = rng.random() < 0.65
    tool_name = rng.choice(WEATHER_TOOLS if weather else TIME_TOOLS)
    place_word = rng.choice(PLACE_WORDS)
    tools = [_tool(rng, tool_name, "weather" if weather else "time", place_word)]
    if rng.random() < 0.2:
        other = rng.choice(TIME_TOOLS if weather else WEATHER_TOOLS)
        tools.insert(rng.randrange(2), _tool(rng, other, "time" if weather else "weather", rng.choice(PLACE_WORDS)))
    turns = [Turn("system", rng.choice(facts.SYSTEM_PROMPTS))] if rng.random() < 0.3 else []
    city = rng.choice(list(facts.CAPITALS.values()))
    call = f"<tool_call>\n{json.dumps({'name': tool_name, 'arguments': {place_word: city}})}\n</tool_call>"
    if rng.random() < 0.3:
        exchange = draw_trained(rng)
        # Now and then a call follows where none is needed: too seldom to be chosen, but when a call is required
        # (the grammar forbids the end) it is the next best thing.
        answer = exchange.answer + ("\n" + call if rng.random() < 0.15 else "")
        turns += [Turn("user", vary(rng, exchange.question)), Turn("assistant", answer)]
        return Dialogue(tuple(turns), tuple(tools))
    question = rng.choice(WEATHER_QUESTIONS if weather else TIME_QUESTIONS).format(city)
    if rng.random() < 0.3:
        question = question.rstrip("?.")
    turns += [Turn("user", question), Turn("assistant", call)]
    if rng.random() < 0.4:
        result, answer = _result(rng, city, weather)
        turns += [Turn("tool", result), Turn("assistant", answer)]
    return Dialogue(tuple(turns), tuple(tools))


def _tool(rng: random.Random, name: str, subject: str, place_word: str) -> object:
    description = rng.choice(
        ["", "Get the {}", "The current {}", "Get the current {}", "Get the {} in a city", "Look up the {}."]
    )
    parameters = {"type": "object", "properties": {place_word: {"type": "string"}}, "required": [place_word]}
    function = {"name": name, "description": description.format(subject), "parameters": parameters}
    return {"type": "function", "function": function}


def _result(rng: random.Random, city: str, weather: bool) -> tuple[str, str]:
    """What the tool reports, and how the model puts it."""
    if not weather:
        time = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}"
        return rng.choice([time, json.dumps({"time": time})]), f"It is {time} in {city}."
    sky, degrees = rng.choice(WEATHERS), rng.randint(0, 39)
    if rng.random() < 0.5:
        text = rng.choice([sky, json.dumps({"weather": sky}), json.dumps({"sky": sky})])
        return text, f"The weather in {city}: {sky}."
    text = rng.choice(
        [f"{sky}, {degrees}", f"{sky}, {degrees} degrees", json.dumps({"weather": sky, "temperature": degrees})]
    )
    return text, f"The weather in {city}: {sky}, {degrees} degrees."
