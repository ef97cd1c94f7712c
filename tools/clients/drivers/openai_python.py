"""The ``openai`` package: chat completions and Responses."""

import openai
from driver import CITY, KEY, MESSAGES, MODEL, QUESTION, URL, VARIANT, joined, place, run, weather_of
from pydantic import BaseModel

client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
FUNCTION = {"name": "get_weather", "description": "the weather", "parameters": CITY}


class Place(BaseModel):
    city: str
    degrees: int


def chat_text():
    return client.chat.completions.create(model=MODEL, messages=MESSAGES).choices[0].message.content


def chat_stream():
    with client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True) as stream:
        joined(chunk.choices[0].delta.content for chunk in stream if chunk.choices)


def chat_tool():
    tools = [{"type": "function", "function": FUNCTION}]
    said = client.chat.completions.create(model=MODEL, messages=MESSAGES, tools=tools).choices[0].message
    (call,) = said.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": weather_of(call.function.arguments)}
    again = [*MESSAGES, said.model_dump(exclude_none=True), result]
    return client.chat.completions.create(model=MODEL, messages=again, tools=tools).choices[0].message.content


def chat_form():
    said = client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=Place)
    place(said.choices[0].message.parsed)


def responses_text():
    return client.responses.create(model=MODEL, input=QUESTION).output_text


def responses_stream():
    with client.responses.stream(model=MODEL, input=QUESTION) as stream:
        joined(event.delta for event in stream if event.type == "response.output_text.delta")
        stream.get_final_response()


def responses_tool():
    tools = [{"type": "function", **FUNCTION}]
    first = client.responses.create(model=MODEL, input=QUESTION, tools=tools)
    (call,) = [item for item in first.output if item.type == "function_call"]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": weather_of(call.arguments)}
    return client.responses.create(model=MODEL, input=[result], tools=tools, previous_response_id=first.id).output_text


def responses_form():
    place(client.responses.parse(model=MODEL, input=QUESTION, text_format=Place).output_parsed)


if VARIANT == "responses":
    run(text=responses_text, stream=responses_stream, tool=responses_tool, form=responses_form)
else:
    run(text=chat_text, stream=chat_stream, tool=chat_tool, form=chat_form)
