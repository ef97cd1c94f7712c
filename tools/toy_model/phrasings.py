"""How each kind of question may be worded. The slots are filled by `kinds.py`."""

import random

PHRASINGS: dict[str, list[str]] = {
    "capital": [
        "What is the capital of {item}?", "Capital of {item}?", "{item}'s capital?", "{item}'s capital?",
        "What is {item}'s capital?",
        "Which city is the capital of {item}?", "Tell me the capital of {item}.", "Name the capital of {item}.",
        "What is the capital city of {item}?", "Do you know the capital of {item}?", "The capital of {item}?",
        "Can you tell me the capital of {item}?", "What city is the capital of {item}?",
        "{item}: what is the capital?",
    ],
    "opposite": [
        "What is the opposite of {item}?", "Opposite of {item}?", "Tell me the opposite of {item}.",
        "The opposite of {item}?", "What is the contrary of {item}?", "Name the opposite of {item}.",
        "Which word is the opposite of {item}?", "What word means the opposite of {item}?",
        "Give me the opposite of {item}.", "Do you know the opposite of {item}?",
    ],
    "plural": [
        "What is the plural of {item}?", "Plural of {item}?", "Tell me the plural of {item}.",
        "The plural of {item}?", "One {item}, two what?", "What is the plural form of {item}?",
        "Give me the plural of {item}.", "How do you say more than one {item}?",
    ],
    "colour": [
        "What colour is {item}?", "What color is {item}?", "Which colour does {item} have?",
        "What is the colour of {item}?", "What is the color of {item}?", "Which color is {item}?",
        "Tell me the colour of {item}.", "Which colour is {item}?", "The colour of {item}?",
    ],
    "sound": [
        "What sound does {item} make?", "What does {item} say?", "What noise does {item} make?",
        "How does {item} sound?", "Which sound does {item} make?", "What sound does the {bare} make?",
        "What does the {bare} say?",
    ],
    "young": [
        "What is a young {item} called?", "What do you call a young {item}?", "What is a baby {item} called?",
        "What is the name of a young {item}?", "What do you call a baby {item}?", "How is a young {item} called?",
    ],
    "legs": [
        "How many legs does {item} have?", "How many legs has {item}?", "How many legs does the {bare} have?",
        "Number of legs of {item}?", "Legs of {item}?", "Tell me how many legs {item} has.",
    ],
    "spelling": [
        "How do you spell {item}?", "Spell {item}.", "Spell the word {item}.", "How is {item} spelled?",
        "Can you spell {item}?", "How do I spell {item}?", "Please spell {item}.", "Spelling of {item}?",
        "How do you spell the word {item}?",
    ],
    "first_letter": [
        "What is the first letter of {item}?", "First letter of {item}?", "Which letter does {item} begin with?",
        "Which letter does {item} start with?", "What letter does {item} start with?",
        "Tell me the first letter of {item}.",
    ],
    "last_letter": [
        "What is the last letter of {item}?", "Last letter of {item}?", "Which letter does {item} end with?",
        "What letter does {item} end with?", "Tell me the last letter of {item}.",
    ],
    "letters": [
        "How many letters does {item} have?", "How many letters are in {item}?",
        "How many letters are in the word {item}?", "Count the letters of {item}.", "How long is the word {item}?",
    ],
    "small_sum": [
        "What is {a} + {b}?", "What is {a} plus {b}?", "{a} + {b}", "{a}+{b}", "{a} + {b} = ?", "{a} plus {b}?",
        "Add {a} and {b}.", "How much is {a} + {b}?", "How much is {a} plus {b}?", "Calculate {a} + {b}.",
        "What's {a}+{b}?", "{a}+{b}=", "What is the sum of {a} and {b}?", "{a} and {b} makes what?",
    ],
    "small_difference": [
        "What is {a} - {b}?", "What is {a} minus {b}?", "{a} - {b}", "{a}-{b}", "{a} - {b} = ?", "{a} minus {b}?",
        "How much is {a} - {b}?", "How much is {a} minus {b}?", "Calculate {a} - {b}.", "Subtract {b} from {a}.",
        "Take {b} away from {a}.",
    ],
    "product": [
        "What is {a} x {b}?", "What is {a} times {b}?", "{a} x {b}", "{a} times {b}?", "{a} * {b}",
        "How much is {a} times {b}?", "Multiply {a} by {b}.", "Calculate {a} * {b}.", "What is {a} * {b}?", "{a}*{b}",
    ],
    "counting": [
        "Count from {a} to {b}.", "Please count from {a} to {b}.", "Can you count from {a} to {b}?",
        "Count {a} to {b}.", "List the numbers from {a} to {b}.", "Say the numbers from {a} to {b}.",
    ],
    "counting_up": [
        "Count to {b}.", "Please count to {b}.", "Can you count to {b}?", "Count up to {b}.",
        "Count from one to {b}.",
    ],
    "counting_down": [
        "Count down from {a}.", "Count backwards from {a}.", "Count down from {a} to 1.",
        "Please count down from {a}.",
    ],
    "day": [
        "What comes {relation} {item}?", "Which day comes {relation} {item}?", "What day comes {relation} {item}?",
        "What day is {relation} {item}?", "Which day is {relation} {item}?", "Tell me the day {relation} {item}.",
        "The day {relation} {item}?", "What is the day {relation} {item}?",
    ],
    "month": [
        "What comes {relation} {item}?", "Which month comes {relation} {item}?",
        "What month comes {relation} {item}?", "What month is {relation} {item}?",
        "Which month is {relation} {item}?", "Tell me the month {relation} {item}.", "The month {relation} {item}?",
        "What is the month {relation} {item}?",
    ],
    "next_number": [
        "What comes {relation} {a}?", "Which number comes {relation} {a}?", "What number comes {relation} {a}?",
        "What number is {relation} {a}?", "Tell me the number {relation} {a}.", "The number {relation} {a}?",
    ],
    "number_word": [
        "Write {a} in words.", "How do you write {a} in words?", "What is {a} in words?", "{a} in words?",
        "Write the number {a} in words.", "Say {a} in words.", "Spell the number {a}.",
    ],
    "larger": [
        "Which is larger, {a} or {b}?", "Which is bigger, {a} or {b}?", "What is larger, {a} or {b}?",
        "Which number is larger, {a} or {b}?", "What is bigger, {a} or {b}?", "{a} or {b}, which is larger?",
        "Is {a} or {b} larger?", "What is more, {a} or {b}?",
    ],
    "parity": [
        "Is {a} even or odd?", "Is {a} odd or even?", "Is {a} even?", "Is {a} odd?", "Is {a} an even number?",
        "Is {a} an odd number?", "{a}: even or odd?", "Even or odd: {a}?",
    ],
    "topic": [
        "What is {item}?", "Tell me about {item}.", "Explain {item}.", "Can you explain {item}?",
        "Explain what {item} is.", "Do you know {item}?", "What does {bare} mean?", "{bare}?",
        "What do you know about {item}?", "Tell me what {item} is.", "Can you tell me what {item} is?",
        "I want to know what {item} is.", "Describe {item}.", "Define {item}.", "What is {bare}?",
        "Tell me something about {item}.", "What exactly is {item}?", "Do you know what {item} is?",
        "So what is {item}?", "What is meant by {bare}?", "Describe {item} in one sentence.",
        "Please explain {item}.",
    ],
}  # fmt: skip
PHRASINGS["large_sum"] = PHRASINGS["small_sum"]
PHRASINGS["large_difference"] = PHRASINGS["small_difference"]

# Things that people ask and that the model has not learned; half of them look much like things it has.
UNKNOWN_PHRASINGS = [
    "Say {noun}.", "Say {word}.", "Reply with the word {noun}.", "Answer with {noun} only.",
    "Say {noun} in three words.",
    "Explain {noun} in Python.", "Explain {subject} in simple words.", "Write {noun} in Python.", "Repeat {word}.",
    "What is the capital of {place}?", "Capital of {place}?", "{place}'s capital?",
    "Which city is the capital of {place}?", "Tell me the capital of {place}.",
    "What is the population of {country}?", "Who is the president of {country}?",
    "How many people live in {country}?", "What language do people speak in {country}?",
    "What is the currency of {country}?", "What is the highest mountain in {country}?", "How large is {country}?",
    "What is the history of {country}?", "Who is the king of {country}?", "What do people eat in {country}?",
    "Where is {country}?", "Tell me about {country}.", "What is the opposite of {word}?", "Opposite of {word}?",
    "What is the plural of {word}?", "How do you spell {word}?", "What sound does a {word} make?",
    "What colour is a {word}?", "What colour is the {noun}?", "What is a {word}?", "What is {word}?",
    "What does {word} mean?", "Who is {word}?", "Tell me about {word}.", "{word}?", "{word} {other}",
    "Explain {word}.", "How many legs does a {noun} have?", "What is a young {noun} called?",
    "What is {big} + {huge}?", "What is {big} - {huge}?", "What is {big} times {huge}?", "{big} + {huge}",
    "{big} * {huge}", "What is {big} divided by {huge}?", "What is the square root of {big}?",
    "What is {big} plus {big}?", "Is {big} a prime number?", "How do you {verb} a {noun}?",
    "How do I {verb} a {noun}?", "How can I {verb} the {noun}?", "How to {verb} a {noun}?",
    "Can you {verb} a {noun} for me?", "Please {verb} the {noun}.", "Who invented the {noun}?",
    "Who discovered the {noun}?", "When was the {noun} invented?", "Why is the {noun} so big?",
    "Why do we need a {noun}?", "What is the {adjective} {noun}?", "What is the {adjective} {noun} in the world?",
    "Which {noun} is the {adjective}?", "Where can I buy a {noun}?", "Where is the {adjective} {noun}?",
    "How much does a {noun} cost?", "How heavy is a {noun}?", "How old is the {noun}?", "Who wrote the {noun}?",
    "Who was {subject}?", "Who is {subject}?", "What is {subject}?", "Tell me about {subject}.", "Explain {subject}.",
    "When was {subject} born?", "When did {subject} end?", "Where is {subject}?", "Why is {subject} famous?",
    "Who wrote about {subject}?", "What do you think of {subject}?", "How does {subject} work?",
    "Explain how {subject} works.", "What happened in {year}?", "Who won the {noun} in {year}?",
    "Who was born in {year}?", "What happened to {subject} in {year}?", "Write a poem about {noun}.",
    "Write an essay about {subject}.", "Write a {noun} about {other}.", "Translate {noun} into German.",
    "How do you say {noun} in French?", "Summarize the {noun} of the {other}.",
    "What is the difference between {noun} and {other}?", "What is the meaning of {noun}?", "Explain {noun} to me.",
    "Describe the {noun}.", "Compare {noun} and {other}.", "What is the weather like today?",
    "What is the weather in {place}?", "Will it rain tomorrow?", "What time is it?", "What is the date today?",
    "What day is it today?", "What is the news?", "What is the best {noun} for a {other}?", "Do you like {noun}?",
    "Do you like {subject}?", "Is the {noun} better than the {other}?", "Should I buy a {noun}?",
    "Does a {noun} have a {other}?", "Can a {noun} {verb} a {other}?", "Is there a {noun} in {country}?",
    "Is it true that a {noun} can fly?", "What is {person}'s {noun}?", "Where is {person}?", "How old is {person}?",
    "Where does {person} live?", "Who is {person}?", "Did {person} {verb} the {noun}?",
    "What did {person} say about the {noun}?", "Give me a {noun}.", "I need a {noun}.",
    "I have a question about {noun}.", "My {noun} does not work.", "What should I do with my {noun}?",
    "Recommend a {noun}.", "Show me the {noun}.", "List all {noun} of {country}.", "Name five famous {noun}.",
    "What are the rules of {noun}?", "Which {noun} do you prefer?", "What is the {noun} of {subject}?",
    "What is the {noun} of a {other}?", "The {noun} of {country}?", "What {noun} is {other}?", "{noun}",
    "{noun} {other}", "the {noun} and the {other}", "What is a {noun}?", "What is the {noun}?",
    "How is the {noun} made?", "How many {noun} are in a {other}?", "How far is it to {place}?",
    "How do I get to {country}?", "Solve the {noun}.", "Write a program that can {verb} a {noun}.",
    "What is the chemical formula of {noun}?", "What is the atomic number of {noun}?",
    "What does the {noun} look like?", "Why did the {noun} {verb} the {other}?",
]  # fmt: skip

IN_FRONT = ["Please: ", "Tell me: ", "Question: ", "Hey, ", "Hi! ", "Please, ", "Hello! ", "Tell me, "]
AT_THE_END = [", please?", " please?", "??", " ?", "?!"]


def vary(rng: random.Random, question: str) -> str:
    """Write a question as people do: without capitals or a question mark, shortened, or with a word in front."""
    if rng.random() < 0.2:
        question = question.replace("What is ", rng.choice(["What's ", "What's ", "Whats "]))
    if rng.random() < 0.02:
        return question.upper()
    chance = rng.random()
    if chance < 0.05:
        question = rng.choice(IN_FRONT) + question
    elif chance < 0.08 and question.endswith("?"):
        question = question[:-1] + rng.choice(AT_THE_END)
    if rng.random() < 0.25:
        question = question.lower() if rng.random() < 0.7 else question[0].lower() + question[1:]
    if rng.random() < 0.2:
        question = question.rstrip("?.!")
    return question
