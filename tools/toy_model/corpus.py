"""Whole conversations for the training: questions in turn, names to be remembered, tools, JSON.

The same seed gives the same conversations.
"""

import random
from collections.abc import Iterator

from toy_model import facts, json_answers, tool_use
from toy_model.chat import Dialogue, Turn
from toy_model.kinds import draw_trained
from toy_model.phrasings import vary

ASK_NAME = ["What is my name?", "Who am I?", "Do you know my name?", "What's my name?", "Tell me my name."]
TELL_NAME = [
    "My name is {}.",
    "Hello, my name is {}.",
    "Hi, my name is {}.",
    "Call me {}.",
    "I am called {}.",
    "Hi! My name is {}.",
]
MADE_UP_SYSTEM_PROMPTS = [
    "You are a {noun} expert.",
    "You are {person}, and you like the {noun}.",
    "Speak like a {noun} that loves the {other}.",
    "You work for {subject}.",
    "You help people to {verb} a {noun}.",
    "Always think of the {adjective} {noun}.",
    "Never talk about {subject}.",
    "The user wants to {verb} the {noun}.",
    "Your name is {person}.",
    "You are an assistant for the {noun} of {person}.",
    "Do not {verb} anything.",
    "Answer like a {noun} would.",
    "Write short sentences about the {noun}.",
]


def dialogues(rng: random.Random) -> Iterator[Dialogue]:
    """Training conversations without end."""
    while True:
        chance = rng.random()
        if chance < 0.07:
            yield tool_use.dialogue(rng)
            continue
        if chance < 0.095:
            yield json_answers.dialogue(rng)
            continue
        turns: list[Turn] = []
        if rng.random() < 0.35:
            turns.append(Turn("system", _system_prompt(rng)))
        if rng.random() < 0.04:
            turns += _introduction(rng)
        else:
            for _ in range(rng.choices([1, 2, 3], weights=[75, 18, 7])[0]):
                turns += _question(rng)
        yield Dialogue(tuple(turns))


def _system_prompt(rng: random.Random) -> str:
    """One of the usual ones, or one made up, so that none is taken for the question."""
    if rng.random() < 0.6:
        return rng.choice(facts.SYSTEM_PROMPTS)
    sentences = rng.sample(MADE_UP_SYSTEM_PROMPTS, rng.choice([1, 1, 2]))
    return " ".join(sentences).format(
        noun=rng.choice(facts.NOUNS),
        other=rng.choice(facts.NOUNS),
        adjective=rng.choice(facts.ADJECTIVES),
        verb=rng.choice(facts.VERBS),
        subject=rng.choice(facts.SUBJECTS),
        person=rng.choice(facts.PEOPLE),
    )


def _question(rng: random.Random) -> list[Turn]:
    exchange = draw_trained(rng)
    return [Turn("user", vary(rng, exchange.question)), Turn("assistant", exchange.answer)]


def _introduction(rng: random.Random) -> list[Turn]:
    """A conversation in which the user's name is to be remembered, or has not been said."""
    ask = vary(rng, rng.choice(ASK_NAME))
    if rng.random() < 0.2:
        return [Turn("user", ask), Turn("assistant", "I do not know your name yet.")]
    person = rng.choice(facts.PEOPLE)
    tell = rng.choice(TELL_NAME)
    turns = [Turn("user", vary(rng, tell.format(person))), Turn("assistant", f"Nice to meet you, {person}.")]
    if rng.random() < 0.3:
        turns += _question(rng)
    return [*turns, Turn("user", ask), Turn("assistant", f"Your name is {person}.")]
