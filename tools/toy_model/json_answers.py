"""Answers as JSON.

Too seldom for the model to choose them, but when a grammar demands JSON it knows how to go on, and to end.
"""

import json
import random

from toy_model import facts
from toy_model.chat import Dialogue, Turn
from toy_model.kinds import draw_trained
from toy_model.phrasings import vary

TEXT_KEYS = ["answer", "text", "reply", "result", "message", "content", "response"]
NAME_KEYS = ["name", "first_name", "user", "person"]
CITY_KEYS = ["city", "location", "place", "capital", "town"]
NUMBER_KEYS = ["age", "count", "number", "id", "size", "year", "score"]
TRUTH_KEYS = ["ok", "done", "valid", "true", "active"]


def dialogue(rng: random.Random) -> Dialogue:
    """Any question, answered by an object of one to four entries."""
    exchange = draw_trained(rng)
    turns = [Turn("system", rng.choice(facts.SYSTEM_PROMPTS))] if rng.random() < 0.35 else []
    entries: dict[str, object] = {}
    for _ in range(rng.randint(1, 4)):
        key, value = rng.choice([_text, _text, _name, _city, _number, _truth, _list])(rng, exchange.answer)
        entries[key] = value
    return Dialogue((*turns, Turn("user", vary(rng, exchange.question)), Turn("assistant", json.dumps(entries))))


def _text(rng: random.Random, answer: str) -> tuple[str, object]:
    return rng.choice(TEXT_KEYS), answer


def _name(rng: random.Random, answer: str) -> tuple[str, object]:
    return rng.choice(NAME_KEYS), rng.choice(facts.PEOPLE)


def _city(rng: random.Random, answer: str) -> tuple[str, object]:
    return rng.choice(CITY_KEYS), rng.choice(list(facts.CAPITALS.values()))


def _number(rng: random.Random, answer: str) -> tuple[str, object]:
    return rng.choice(NUMBER_KEYS), rng.randint(0, 99)


def _truth(rng: random.Random, answer: str) -> tuple[str, object]:
    return rng.choice(TRUTH_KEYS), rng.random() < 0.5


def _list(rng: random.Random, answer: str) -> tuple[str, object]:
    return rng.choice(["items", "list", "words", "names"]), rng.sample(facts.SPELLED, rng.randint(1, 3))
