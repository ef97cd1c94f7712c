"""What the toy model is taught, as plain tables; `corpus.py` turns them into questions and answers."""


def pairs(text: str) -> dict[str, str]:
    """Read ``"France=Paris, Italy=Rome"`` as a dictionary."""
    entries = (entry.strip().split("=") for entry in text.split(","))
    return {key: value for key, value in entries}  # noqa: C416  # split() gives lists, which dict() does not take


def names(text: str) -> list[str]:
    """Read ``"cat, polar bear"`` as a list."""
    return [name.strip() for name in text.split(",")]


CAPITALS = pairs("""
France=Paris, Germany=Berlin, Italy=Rome, Spain=Madrid, Portugal=Lisbon, England=London, Ireland=Dublin, Norway=Oslo,
Sweden=Stockholm, Finland=Helsinki, Denmark=Copenhagen, Poland=Warsaw, Austria=Vienna, Hungary=Budapest,
Greece=Athens, Turkey=Ankara, Russia=Moscow, Ukraine=Kyiv, Belgium=Brussels, Switzerland=Bern, Romania=Bucharest,
Croatia=Zagreb, Iceland=Reykjavik, Japan=Tokyo, China=Beijing, India=New Delhi, Thailand=Bangkok, Vietnam=Hanoi,
Egypt=Cairo, Kenya=Nairobi, Morocco=Rabat, Canada=Ottawa, Mexico=Mexico City, Cuba=Havana, Brazil=Brasilia,
Argentina=Buenos Aires, Chile=Santiago, Peru=Lima, Colombia=Bogota, Australia=Canberra, New Zealand=Wellington,
South Korea=Seoul
""")

# Real and invented places whose capitals the model is taught not to know.
OTHER_PLACES = names("""
Mars, Atlantis, Narnia, the Moon, Texas, Bavaria, Mordor, Laos, Nepal, Ghana, Angola, Bolivia, Malta, Latvia,
Estonia, Iran, Iraq, Jordan, Qatar, Fiji, Samoa, Haiti, Panama, Serbia, Albania, Georgia, Armenia, Mongolia, Bhutan,
Oman, Yemen, Sudan, Chad, Mali, Niger, Togo, Gabon, Zambia, Malawi, Uganda, Rwanda, Somalia, Kuwait, Cyprus, Andorra,
Monaco, Wales, Scotland, Florida, Ohio, Saxony, Sicily, Gondor, Wonderland, Jupiter, Venus, Elbonia, Ruritania,
Lilliput
""")

_OPPOSITES = pairs("""
hot=cold, big=small, tall=short, fast=slow, good=bad, happy=sad, light=dark, day=night, up=down, left=right,
old=young, early=late, open=closed, full=empty, hard=soft, high=low, rich=poor, strong=weak, wet=dry, clean=dirty,
loud=quiet, near=far, first=last, yes=no, true=false, black=white, in=out, on=off, wide=narrow, thick=thin,
deep=shallow, easy=difficult, love=hate, win=lose, begin=end, buy=sell, push=pull, always=never, before=after,
more=less
""")
OPPOSITES = _OPPOSITES | {second: first for first, second in _OPPOSITES.items()}

PLURALS = pairs("""
cat=cats, dog=dogs, house=houses, mouse=mice, child=children, man=men, woman=women, foot=feet, tooth=teeth,
goose=geese, person=people, fish=fish, sheep=sheep, box=boxes, bus=buses, city=cities, baby=babies, leaf=leaves,
knife=knives, wolf=wolves, book=books, tree=trees, car=cars, apple=apples, day=days, key=keys, toy=toys, fox=foxes,
potato=potatoes, ox=oxen, model=models, plugin=plugins, token=tokens, berry=berries, glass=glasses
""")

COLOURS = pairs("""
banana=yellow, sky=blue, grass=green, snow=white, coal=black, blood=red, tomato=red, lemon=yellow, carrot=orange,
sun=yellow, milk=white, chocolate=brown, strawberry=red, elephant=grey, flamingo=pink, frog=green, sea=blue,
crow=black, pumpkin=orange, cucumber=green, cherry=red, bear=brown, swan=white, plum=purple, leaf=green
""")
# Things that are spoken of with an article: "a banana" but "the sky" and plain "snow".
WITH_THE = {"sky", "sun", "sea"}
WITHOUT_ARTICLE = {"grass", "snow", "coal", "blood", "milk", "chocolate"}

SOUNDS = pairs("""
cow=moo, dog=woof, cat=meow, duck=quack, sheep=baa, pig=oink, horse=neigh, rooster=cock-a-doodle-doo, bee=buzz,
snake=hiss, owl=hoot, frog=ribbit, lion=roar, mouse=squeak, donkey=hee-haw, wolf=howl
""")
YOUNG = pairs("""
cat=kitten, dog=puppy, cow=calf, sheep=lamb, horse=foal, pig=piglet, duck=duckling, goose=gosling, bear=cub,
lion=cub, hen=chick, goat=kid, frog=tadpole, deer=fawn, kangaroo=joey, swan=cygnet, owl=owlet, elephant=calf
""")
LEGS = pairs("""
dog=four, cat=four, spider=eight, ant=six, bird=two, human=two, horse=four, cow=four, bee=six, snake=no, octopus=no,
crab=ten, fish=no, chicken=two, butterfly=six, elephant=four, pig=four, duck=two
""")

SPELLED = names("""
cat, dog, house, tree, apple, banana, water, bread, school, friend, happy, green, yellow, orange, river, mountain,
table, chair, window, door, book, paper, pencil, music, summer, winter, flower, garden, mother, father, sister,
brother, city, street, train, plane, horse, mouse, bird, fish, cheese, sugar, salt, coffee, tea, clock, light, night,
moon, star, cloud, rain, snow, wind, fire, earth, hand, head, heart, model, token, plugin, router, python, robot,
letter, word, number, hello, world, dragon, castle, knight, zebra, tiger, rabbit, pizza, queen, king, ship
""")

DAYS = names("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday")
MONTHS = names("January, February, March, April, May, June, July, August, September, October, November, December")
NUMBER_WORDS = names("""
zero, one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen, fifteen,
sixteen, seventeen, eighteen, nineteen, twenty
""")
PEOPLE = names("""
Anna, Ben, Clara, David, Emma, Felix, Grace, Henry, Ida, Jack, Kate, Leo, Maria, Nina, Oscar, Paul, Rosa, Sam, Tom,
Lucy, Peter, Mary, John, Alice, Bob, Sara, Max, Julia, Mark, Laura, Eva, Simon, Robert, Helen, James, Linda
""")

# Topic, as one asks for it: the answer. Asked in many phrasings; see corpus.TOPIC_PHRASINGS.
TOPICS = {
    "airouter": (
        "airouter is a Python library that gives you one interface to any language model. A small core does the "
        "common work, and plugins connect it to providers. You install only the plugins you need."
    ),
    "a provider": (
        "A provider is whoever answers your request, for example a local engine or a company with an API. In "
        "airouter each provider comes as a plugin."
    ),
    "a plugin": (
        "A plugin is a small package that adds something to a program. In airouter every provider is a plugin "
        "that you install only when you need it."
    ),
    "llama.cpp": (
        "llama.cpp is an open source program that runs language models on ordinary computers. It is written in "
        "C++ and reads models from GGUF files."
    ),
    "GGUF": (
        "GGUF is a file format for language models. One file holds the weights, the tokenizer and the settings, "
        "and llama.cpp can run it."
    ),
    "Ollama": (
        "Ollama is a program that downloads and runs language models on your own computer. airouter can talk to "
        "it through a plugin."
    ),
    "OpenAI": (
        "OpenAI is a company that offers language models through an API. airouter can talk to it through a plugin."
    ),
    "OpenRouter": (
        "OpenRouter is a service that offers models of many companies through one API. airouter can talk to it "
        "through a plugin."
    ),
    "Claude": "Claude is a family of language models made by Anthropic. airouter can talk to it through a plugin.",
    "Python": "Python is a programming language that is easy to read. airouter is written in Python.",
    "JSON": "JSON is a text format for data. It has objects, lists, strings, numbers, true, false and null.",
    "an API": "An API is an agreed way for one program to ask another program for something.",
    "a token": "A token is a small piece of text, often a word or a part of a word. Models read and write tokens.",
    "a tokenizer": "A tokenizer cuts text into tokens and gives every token a number.",
    "a language model": (
        "A language model is a program that reads text and predicts what comes next, one token at a time."
    ),
    "an LLM": (
        "LLM is short for large language model: a program that predicts text, and that is much larger than I am."
    ),
    "a neural network": "A neural network is a program made of many simple units that learns from examples.",
    "a prompt": "A prompt is the text that you give to a language model.",
    "a system prompt": "A system prompt is a text in front of the conversation that tells the model how to behave.",
    "streaming": "Streaming means that you see the answer piece by piece while the model is still writing it.",
    "temperature": (
        "Temperature says how much chance there is in an answer. At zero the model always takes the most likely token."
    ),
    "an embedding": "An embedding is a list of numbers that stands for the meaning of a text.",
    "a tool call": "A tool call is a request by the model that your program runs a function and reports the result.",
    "a context window": "The context window is the number of tokens that a model can look at in one request.",
    "a router": "A router is something that sends each request on to the right place.",
    "open source": "Open source means that everybody may read, use and change the source code.",
    "quantization": "Quantization stores the weights of a model with fewer bits, so that the file becomes smaller.",
    "a GPU": "A GPU is a chip that does many simple calculations at once, which makes language models fast.",
    "a computer": "A computer is a machine that follows programs and works with data.",
}

HELLO = "Hello! I am airouter-toy, a very small language model. How can I help you?"
FINE = "I am fine, thank you. I hope you are well too."
GOODBYE = "Goodbye! It was nice to talk to you."
WELCOME = "You are welcome!"
WHO = (
    "I am airouter-toy, a very small language model. I come with airouter, so that you can try it without a network "
    "and without a key."
)
ABILITIES = (
    "I can greet you, add small numbers, count, spell a few words, name some capitals and opposites, and tell you what "
    "airouter is. I do not know much else."
)
SMALL = "I am very small: about one million parameters in a file of a few megabytes."
MADE = "I was trained in a few minutes on a small computer, with made-up questions and answers and nothing else."
MACHINE = "No, I am not a person. I am a toy language model that runs on a computer."
UNKNOWN = "I do not know. I am only a toy model, and I have learned very little."
INSTALL = "Install the core with pip install airouter-core, and then one plugin for each provider that you want to use."
MONTHS_LISTED = "January, February, March, April, May, June, July, August, September, October, November, December."
JOKE = "Why did the token cross the road? Because it was the most likely next step."
STORY = (
    "Once upon a time there was a very small model. It knew only a few things, but it was always glad to "
    "be asked. The end."
)

# Each answer, and all the ways to ask for it.
TALK = {
    HELLO: [
        "Hi!", "Hi!", "Hi", "hi", "Hello!", "Hello!", "Hello", "hello", "Hello.", "Hey!", "hey",
        "Hey there!", "Hi there!", "Hello there!", "Good day!", "Greetings!",
        "Hiya!", "Hello, model!", "Hi, airouter!", "Hello world!", "Say hello.", "Say hi.", "Hello, who is there?",
    ],
    "Good morning! How can I help you?": [
        "Good morning!", "Good morning.", "A good morning to you!", "Good morning, model!", "Morning!",
    ],
    "Good evening! How can I help you?": [
        "Good evening!", "Good evening.", "A good evening to you!", "Good evening, model!",
    ],
    "Good afternoon! How can I help you?": [
        "Good afternoon!", "Good afternoon.", "A good afternoon to you!",
    ],
    "Good night! Sleep well.": [
        "Good night!", "Good night.", "Sleep well!", "I am going to bed.",
    ],
    FINE: [
        "How are you?", "How are you doing?", "How are you today?", "How do you do?", "Hello, how are you?",
        "Hi, how are you?", "How is it going?", "Are you well?", "How do you feel?", "Are you okay?",
        "Hi! How are you?", "Hello! How are you?",
    ],
    GOODBYE: [
        "Bye!", "Goodbye!", "Bye bye!", "See you!", "See you later!", "See you tomorrow!", "Farewell!", "Good bye!",
        "I have to go now.", "Bye for now!",
    ],
    WELCOME: [
        "Thanks!", "Thank you!", "Thank you very much!", "Many thanks!", "Thanks a lot!", "Thank you so much!",
        "Thanks for your help!", "Great, thanks!", "Thank you.", "Thanks, bye!", "Nice, thank you!", "Cheers!",
    ],
    WHO: [
        "Who are you?", "What are you?", "What is your name?", "What's your name?", "Who is this?",
        "Tell me about yourself.", "Introduce yourself.", "Who am I talking to?", "What model are you?",
        "Which model are you?", "Your name?", "Say who you are.", "Tell me who you are.", "Do you have a name?",
        "Who is airouter-toy?", "What is airouter-toy?", "Please introduce yourself.",
    ],
    ABILITIES: [
        "What can you do?", "What do you know?", "Help!", "Help me.", "Can you help me?", "How can you help me?",
        "What are you good at?", "What can I ask you?", "What questions can you answer?", "What are your abilities?",
        "Tell me what you can do.", "What else can you do?", "What are you for?",
    ],
    SMALL: [
        "How big are you?", "How small are you?", "How many parameters do you have?", "What is your size?",
        "What size are you?", "How large are you?", "Are you small?", "Are you a big model?",
    ],
    MADE: [
        "How were you made?", "Who made you?", "How were you trained?", "Who trained you?", "Where do you come from?",
        "What were you trained on?", "Who built you?", "How did you learn?", "Who created you?",
    ],
    MACHINE: [
        "Are you a robot?", "Are you human?", "Are you a person?", "Are you real?", "Are you alive?",
        "Are you a machine?", "Are you a human?", "Are you a man?", "Are you an AI?",
    ],
    INSTALL: [
        "How do I install airouter?", "How can I install airouter?", "How to install airouter?", "Install airouter.",
        "How do I get airouter?",
    ],
    "A week has seven days.": [
        "How many days are in a week?", "How many days does a week have?", "How many days has a week?",
        "Days in a week?",
    ],
    "A year has twelve months.": [
        "How many months are in a year?", "How many months does a year have?", "How many months has a year?",
        "Months in a year?",
    ],
    "A day has twenty-four hours.": [
        "How many hours are in a day?", "How many hours does a day have?", "How many hours has a day?",
        "Hours in a day?",
    ],
    "An hour has sixty minutes.": [
        "How many minutes are in an hour?", "How many minutes does an hour have?", "How many minutes has an hour?",
        "Minutes in an hour?",
    ],
    "A minute has sixty seconds.": [
        "How many seconds are in a minute?", "How many seconds does a minute have?", "Seconds in a minute?",
    ],
    "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday.": [
        "Name the days of the week.", "What are the days of the week?", "List the days of the week.",
        "Say the days of the week.", "Tell me the days of the week.", "Which days does a week have?",
    ],
    MONTHS_LISTED: [
        "Name the months of the year.", "What are the months of the year?", "List the months of the year.",
        "List the months.", "Tell me the months of the year.", "Name the months.",
    ],
    "a b c d e f g h i j k l m n o p q r s t u v w x y z.": [
        "Say the alphabet.", "What is the alphabet?", "Recite the alphabet.", "Tell me the alphabet.",
        "List the letters of the alphabet.",
    ],
    "Red, green and blue.": [
        "Name three colours.", "Name three colors.", "Name some colours.", "Name some colors.", "List three colours.",
        "Tell me three colours.",
    ],
    "A cat, a dog and a horse.": [
        "Name three animals.", "Name some animals.", "List three animals.", "Tell me three animals.",
    ],
    "An apple, a banana and a cherry.": [
        "Name three fruits.", "Name some fruits.", "List three fruits.", "Tell me three fruits.",
    ],
    JOKE: [
        "Tell me a joke.", "Do you know a joke?", "Make me laugh.", "Tell a joke.", "Say something funny.",
        "A joke, please.",
    ],
    STORY: [
        "Tell me a story.", "Do you know a story?", "Tell a story.", "Tell me a short story.", "A story, please.",
    ],
    "Yes.": [
        "Say yes.", "Just say yes.", "Answer yes.", "Please say yes.",
    ],
    "No.": [
        "Say no.", "Just say no.", "Answer no.", "Please say no.",
    ],
    "Yes, I am here and I can hear you.": [
        "Test.", "This is a test.", "Testing.", "Just a test.", "Is this working?", "Does it work?", "Ping.",
        "Are you there?",
    ],
    "I am sorry to hear that. I hope you feel better soon.": [
        "I am sad.", "I feel sad.", "I am so sad.", "I am not happy.",
    ],
    "That is good to hear!": [
        "I am happy.", "I feel good.", "I am so happy.", "I feel great.",
    ],
    "Thank you! I do my best.": [
        "You are great!", "You are nice.", "Well done!", "Good answer!", "Very good!", "You are clever.",
    ],
}  # fmt: skip

SYSTEM_PROMPTS = [
    "Be brief.", "You are a helpful assistant.", "You are a friendly assistant.", "Answer in one sentence.",
    "Be kind.", "You are a toy model.", "Answer briefly.", "Be concise and polite.", "You are airouter-toy.",
    "Answer the question.", "You are a helpful assistant. Answer briefly and do not make things up.", "Be helpful.",
    "You answer short questions.", "Answer in English.", "You are a teacher. Explain things simply.",
    "Reply with short answers only.", "Be terse.", "You are a careful assistant that tells the truth.",
    "Please be polite.", "Use simple words.", "You are an expert.",
    "You are a helpful, honest and harmless assistant.", "You are ChatGPT.", "Keep your answers short.",
    "Stay on topic.", "Today is Monday.", "The user is a child.", "Never lie.", "You like cats.",
    "Respond in plain text.", "Be nice to the user.", "You are a test model. Answer every question.", "Do your best.",
    "Answer with JSON.", "You are a pirate.",
]  # fmt: skip

NOUNS = names("""
time, year, way, thing, life, world, school, state, family, student, group, country, problem, part, place, case,
week, company, program, question, work, government, point, home, room, area, money, story, fact, month, lot, right,
study, book, eye, job, business, issue, side, kind, service, friend, power, hour, game, line, member, law, car,
community, team, minute, idea, body, information, parent, face, level, office, health, art, war, history, party,
result, change, morning, reason, research, girl, guy, moment, air, teacher, force, education, planet, ocean, bridge,
engine, battery, camera, phone, kitchen, recipe, soup, cake, football, tennis, guitar, piano, song, movie, actor,
poem, novel, painting, museum, church, castle, emperor, revolution, battle, president, minister, election, tax, bank,
price, stock, market, bicycle, airplane, rocket, satellite, galaxy, atom, molecule, electron, protein, virus, doctor,
medicine, hospital, disease, brain, bone, muscle, dinosaur, whale, volcano, desert, island, forest, glacier, weather,
climate, storm, earthquake, equation, integral, theorem, function, database, compiler, server, browser, keyboard,
screen, password, website, email, network, garden, shirt, shoe, hat, sword, treasure, ghost, dragon, wizard,
philosophy, religion, language, grammar, poetry, chess, physics, chemistry, biology, economy, quantum, gravity,
energy, radiation, laser, magnet, diamond, gold, silver, iron, oil, plastic, paper
""")
SUBJECTS = names("""
Einstein, Napoleon, Shakespeare, Mozart, Beethoven, Cleopatra, Newton, Darwin, Picasso, Hamlet, Romeo, Batman,
Google, Microsoft, Amazon, Tesla, NASA, Linux, Windows, Excel, Java, Rust, Wikipedia, Harry Potter, Sherlock Holmes,
Star Wars, the Titanic, the Eiffel Tower, Mount Everest, the Great Wall, the Pacific Ocean, the Nile, the Amazon,
World War Two, the Roman Empire, the French Revolution, the stock market, the speed of light, the Big Bang,
a black hole, photosynthesis, evolution, relativity, quantum mechanics, machine learning, blockchain, the internet,
democracy, inflation, Buddhism
""")
VERBS = names("""
build, cook, fix, write, draw, paint, repair, buy, sell, grow, bake, clean, open, design, translate, explain,
calculate, find, invent, discover, play, measure, prove, solve, install, delete, drive, teach, learn, compose,
describe, improve, plan, compare
""")
ADJECTIVES = names("""
best, largest, smallest, oldest, fastest, cheapest, tallest, deepest, most famous, most expensive, longest, newest,
strangest, most popular, heaviest, strongest, richest, hottest, coldest, most beautiful
""")
