"""Semantic Kernel's connector for chat completions; its kernel calls the tool."""

import asyncio

from driver import KEY, MODEL, QUESTION, URL, place, run, weather
from openai import AsyncOpenAI
from pydantic import BaseModel
from semantic_kernel import Kernel
from semantic_kernel.connectors.ai import FunctionChoiceBehavior
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion, OpenAIChatPromptExecutionSettings
from semantic_kernel.contents import ChatHistory
from semantic_kernel.functions import kernel_function

client = AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
service = OpenAIChatCompletion(ai_model_id=MODEL, async_client=client)


class Place(BaseModel):
    city: str
    degrees: int


class Weather:
    @kernel_function(name="weather", description="The weather in a city.")
    def weather(self, city: str) -> str:
        return weather(city)


def history():
    made = ChatHistory()
    made.add_user_message(QUESTION)
    return made


def asked(kernel=None, **settings):
    wanted = OpenAIChatPromptExecutionSettings(**settings)
    return str(asyncio.run(service.get_chat_message_content(history(), wanted, kernel=kernel)))


def text():
    return asked()


def stream():
    async def streamed():
        count = 0
        async for piece in service.get_streaming_chat_message_content(history(), OpenAIChatPromptExecutionSettings()):
            count += bool(piece.content)
            print(piece.content, end="", flush=True)
        print(f"\nPIECES {count}")

    asyncio.run(streamed())


def tool():
    kernel = Kernel()
    kernel.add_plugin(Weather(), "get")
    return asked(kernel, function_choice_behavior=FunctionChoiceBehavior.Auto())


def form():
    place(asked(response_format=Place))


run(text=text, stream=stream, tool=tool, form=form)
