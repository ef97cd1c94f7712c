"""The kinds of question, made by rule from `facts.py`, each with its only right answer.

A question is a phrasing filled with an item ("What is the capital of {item}?" with "France"). About one combination
in twelve is held back: never trained, only asked at the end, so that the examination says something about what was
not seen.
"""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from toy_model import facts
from toy_model.phrasings import PHRASINGS, UNKNOWN_PHRASINGS

HELD_BACK_ONE_IN = 12
LARGEST = 49  # the largest number that is added and subtracted


@dataclass(frozen=True)
class Exchange:
    """One question with its only right answer; `key` is what decides whether it is held back."""

    kind: str
    key: str
    question: str
    answer: str

    @property
    def held_back(self) -> bool:
        """Whether the training never sees this one. Decided by a hash, so it does not depend on the seed."""
        if self.kind == "talk":  # greetings have one wording each; to hold one back is to not know it
            return False
        digest = hashlib.sha256(f"{self.kind}|{self.key}".encode()).digest()
        return digest[0] % HELD_BACK_ONE_IN == 0


def _exchange(rng: random.Random, kind: str, answer: str, key: str | None = None, **slots: object) -> Exchange:
    """Fill one of the kind's phrasings. With `key` the item alone is held back, otherwise the item in this phrasing."""
    phrasing = rng.choice(PHRASINGS[kind])
    question = phrasing.format(**slots)
    return Exchange(kind, key or question, question, answer)


def _article(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def capital(rng: random.Random) -> Exchange:
    """The capital of a country."""
    place, city = rng.choice(list(facts.CAPITALS.items()))
    return _exchange(rng, "capital", f"The capital of {place} is {city}.", item=place)


def opposite(rng: random.Random) -> Exchange:
    """The opposite of a word."""
    word, other = rng.choice(list(facts.OPPOSITES.items()))
    return _exchange(rng, "opposite", f"The opposite of {word} is {other}.", item=word)


def plural(rng: random.Random) -> Exchange:
    """More than one of something."""
    one, many = rng.choice(list(facts.PLURALS.items()))
    return _exchange(rng, "plural", f"The plural of {one} is {many}.", item=one)


def colour(rng: random.Random) -> Exchange:
    """The colour that a thing mostly has."""
    thing, shade = rng.choice(list(facts.COLOURS.items()))
    item = "the " + thing if thing in facts.WITH_THE else _article(thing)
    if thing in facts.WITHOUT_ARTICLE:
        item = thing
    return _exchange(rng, "colour", f"{item[0].upper()}{item[1:]} is {shade}.", item=item)


def sound(rng: random.Random) -> Exchange:
    """What an animal says."""
    animal, noise = rng.choice(list(facts.SOUNDS.items()))
    return _exchange(rng, "sound", f"{_article(animal).capitalize()} says {noise}.", item=_article(animal), bare=animal)


def young(rng: random.Random) -> Exchange:
    """What an animal's child is called."""
    animal, child = rng.choice(list(facts.YOUNG.items()))
    return _exchange(rng, "young", f"A young {animal} is called a {child}.", item=animal)


def legs(rng: random.Random) -> Exchange:
    """How many legs an animal has."""
    animal, count = rng.choice(list(facts.LEGS.items()))
    return _exchange(
        rng, "legs", f"{_article(animal).capitalize()} has {count} legs.", item=_article(animal), bare=animal
    )


def spelling(rng: random.Random) -> Exchange:
    """The letters of a word, one by one."""
    word = rng.choice(facts.SPELLED)
    return _exchange(rng, "spelling", f"The word {word} is spelled {'-'.join(word)}.", item=word)


def first_letter(rng: random.Random) -> Exchange:
    """The letter a word begins with."""
    word = rng.choice(facts.SPELLED)
    return _exchange(rng, "first_letter", f"The first letter of {word} is {word[0]}.", item=word)


def last_letter(rng: random.Random) -> Exchange:
    """The letter a word ends with."""
    word = rng.choice(facts.SPELLED)
    return _exchange(rng, "last_letter", f"The last letter of {word} is {word[-1]}.", item=word)


def letters(rng: random.Random) -> Exchange:
    """How many letters a word has."""
    word = rng.choice(facts.SPELLED)
    return _exchange(rng, "letters", f"The word {word} has {facts.NUMBER_WORDS[len(word)]} letters.", item=word)


def small_sum(rng: random.Random) -> Exchange:
    """A sum of one-digit numbers; every pair is trained, in other words."""
    a, b = rng.randint(0, 9), rng.randint(0, 9)
    return _exchange(rng, "small_sum", f"{a} + {b} = {a + b}.", a=a, b=b)


def large_sum(rng: random.Random) -> Exchange:
    """A sum of numbers up to `LARGEST`; some pairs are never trained."""
    a, b = rng.randint(0, LARGEST), rng.randint(0, LARGEST)
    return _exchange(rng, "large_sum", f"{a} + {b} = {a + b}.", key=f"{a}+{b}", a=a, b=b)


def small_difference(rng: random.Random) -> Exchange:
    """A difference of small numbers, which may be below zero."""
    a, b = rng.randint(0, 10), rng.randint(0, 10)
    return _exchange(rng, "small_difference", f"{a} - {b} = {a - b}.", a=a, b=b)


def large_difference(rng: random.Random) -> Exchange:
    """A difference of numbers up to `LARGEST`, not below zero; some pairs are never trained."""
    b, a = sorted((rng.randint(0, LARGEST), rng.randint(0, LARGEST)))
    return _exchange(rng, "large_difference", f"{a} - {b} = {a - b}.", key=f"{a}-{b}", a=a, b=b)


def too_large(rng: random.Random) -> Exchange:
    """Sums and differences beyond what is taught: better no answer than a wrong one."""
    a, b = rng.randint(LARGEST + 1, 99), rng.randint(0, 99)
    if rng.random() < 0.5:
        a, b = b, a
    return _exchange(rng, rng.choice(["large_sum", "large_sum", "large_difference"]), facts.UNKNOWN, a=a, b=b)


def product(rng: random.Random) -> Exchange:
    """The multiplication table."""
    a, b = rng.randint(0, 10), rng.randint(0, 10)
    return _exchange(rng, "product", f"{a} x {b} = {a * b}.", a=a, b=b)


def counting(rng: random.Random) -> Exchange:
    """The numbers of a range; some ranges are never trained."""
    first = rng.randint(0, 20)
    last = first + rng.randint(2, 9)
    numbers = [str(number) for number in range(first, last + 1)]
    return _exchange(rng, "counting", ", ".join(numbers) + ".", key=f"{first}..{last}", a=first, b=last)


def counting_up(rng: random.Random) -> Exchange:
    """The numbers from one."""
    last = rng.randint(2, 20)
    return _exchange(rng, "counting_up", ", ".join(str(number) for number in range(1, last + 1)) + ".", b=last)


def counting_down(rng: random.Random) -> Exchange:
    """The numbers backwards to one."""
    first = rng.randint(2, 12)
    return _exchange(rng, "counting_down", ", ".join(str(number) for number in range(first, 0, -1)) + ".", a=first)


def day(rng: random.Random) -> Exchange:
    """The day before or after."""
    return _in_order(rng, "day", facts.DAYS)


def month(rng: random.Random) -> Exchange:
    """The month before or after."""
    return _in_order(rng, "month", facts.MONTHS)


def _in_order(rng: random.Random, kind: str, order: list[str]) -> Exchange:
    """What comes before or after, round the circle."""
    place = rng.randrange(len(order))
    relation = rng.choice(["before", "after"])
    other = order[(place + (1 if relation == "after" else -1)) % len(order)]
    return _exchange(rng, kind, f"{other} comes {relation} {order[place]}.", item=order[place], relation=relation)


def next_number(rng: random.Random) -> Exchange:
    """The number before or after; some are never trained."""
    number = rng.randint(1, 98)
    relation = rng.choice(["before", "after"])
    other = number + (1 if relation == "after" else -1)
    key = f"{relation} {number}"
    return _exchange(rng, "next_number", f"{other} comes {relation} {number}.", key=key, a=number, relation=relation)


def number_word(rng: random.Random) -> Exchange:
    """A number as a word."""
    number = rng.randint(0, 20)
    return _exchange(rng, "number_word", f"{number} in words is {facts.NUMBER_WORDS[number]}.", a=number)


def larger(rng: random.Random) -> Exchange:
    """The larger of two numbers; some pairs are never trained."""
    a, b = rng.sample(range(100), 2)
    return _exchange(rng, "larger", f"{max(a, b)} is larger than {min(a, b)}.", key=f"{a},{b}", a=a, b=b)


def parity(rng: random.Random) -> Exchange:
    """Whether a number is even; some numbers are never trained."""
    number = rng.randint(0, 99)
    what = "odd" if number % 2 else "even"
    return _exchange(rng, "parity", f"{number} is an {what} number.", key=str(number), a=number)


def topic(rng: random.Random) -> Exchange:
    """What something is, in the field of airouter."""
    item, answer = rng.choice(list(facts.TOPICS.items()))
    if rng.random() < 0.25:  # the one thing people surely ask
        item = "airouter"
        answer = facts.TOPICS[item]
    return _exchange(rng, "topic", answer, item=item, bare=item.removeprefix("an ").removeprefix("a "))


def talk(rng: random.Random) -> Exchange:
    """Greetings, and questions about the model itself."""
    answer, phrasings = rng.choice(list(facts.TALK.items()))
    if rng.random() < 0.25:  # what most people will try first
        answer = rng.choice([facts.HELLO, facts.WHO])
        phrasings = facts.TALK[answer]
    question = rng.choice(phrasings)
    return Exchange("talk", question, question, answer)


def unknown(rng: random.Random) -> Exchange:
    """A question the model shall admit it cannot answer."""
    known = {key.removeprefix("an ").removeprefix("a ") for key in facts.TOPICS}
    slots = {
        "noun": rng.choice(facts.NOUNS),
        "other": rng.choice(facts.NOUNS),
        "verb": rng.choice(facts.VERBS),
        "adjective": rng.choice(facts.ADJECTIVES),
        "subject": rng.choice(facts.SUBJECTS),
        "person": rng.choice(facts.PEOPLE),
        "place": rng.choice(facts.OTHER_PLACES),
        "country": rng.choice(list(facts.CAPITALS)),
        "word": _invented(rng),
        "year": rng.randint(1000, 2030),
        "big": rng.randint(100, 9999),
        "huge": rng.randint(100, 99999),
    }
    if rng.random() < 0.15:  # words nobody has seen, so that it is the pattern that counts
        slots["noun"] = slots["place"] = slots["word"]
    question = rng.choice(UNKNOWN_PHRASINGS).format(**slots)
    assert not any(question.lower() == f"what is {word}?" for word in known), question
    return Exchange("unknown", question, question, facts.UNKNOWN)


def _invented(rng: random.Random) -> str:
    """A word of two or three syllables that means nothing."""
    return "".join(
        rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") + rng.choice(["", "", "n", "r", "x"])
        for _ in range(rng.randint(2, 3))
    )


# How often each kind is asked; what is hard to learn is asked more.
KINDS: dict[Callable[[random.Random], Exchange], float] = {
    capital: 8, opposite: 5, plural: 3, colour: 3.5, sound: 2, young: 2.5, legs: 2, spelling: 10, first_letter: 3.5,
    last_letter: 4, letters: 4, small_sum: 8, large_sum: 13, small_difference: 7, large_difference: 12, too_large: 3,
    product: 6, counting: 10, counting_up: 5, counting_down: 2, day: 4, month: 5, next_number: 5, number_word: 3,
    larger: 5, parity: 3, topic: 8, talk: 13, unknown: 13,
}  # fmt: skip


def draw(rng: random.Random) -> Exchange:
    """Any question, held back or not."""
    (kind,) = rng.choices(list(KINDS), weights=list(KINDS.values()))
    return kind(rng)


def draw_trained(rng: random.Random) -> Exchange:
    """A question that is not held back."""
    while (exchange := draw(rng)).held_back:
        pass
    return exchange
