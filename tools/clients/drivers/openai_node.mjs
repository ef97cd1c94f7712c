// The `openai` package for Node: chat completions and Responses.
import OpenAI from "openai";
import { CITY, KEY, MESSAGES, MODEL, PLACE, QUESTION, URL, VARIANT, joined, place, run, weatherOf } from "./driver.mjs";
const client = new OpenAI({ baseURL: `${URL}/v1`, apiKey: KEY, maxRetries: 0 });
const fn = { name: "get_weather", description: "the weather", parameters: CITY };
const chat = (more) => client.chat.completions.create({ model: MODEL, messages: MESSAGES, ...more });
const respond = (more) => client.responses.create({ model: MODEL, input: QUESTION, ...more });
const form = { type: "json_schema", name: "place", schema: PLACE, strict: true };
const ofChat = {
  text: async () => (await chat()).choices[0].message.content,
  stream: async () => {
    const stream = await chat({ stream: true });
    await joined((async function* () { for await (const chunk of stream) yield chunk.choices[0]?.delta?.content; })());
  },
  tool: async () => {
    const tools = [{ type: "function", function: fn }];
    const said = (await chat({ tools })).choices[0].message;
    const call = said.tool_calls[0];
    const result = { role: "tool", tool_call_id: call.id, content: weatherOf(call.function.arguments) };
    return (await chat({ tools, messages: [...MESSAGES, said, result] })).choices[0].message.content;
  },
  form: async () => {
    const { type, ...schema } = form;
    place((await chat({ response_format: { type, json_schema: schema } })).choices[0].message.content);
  },
};
const ofResponses = {
  text: async () => (await respond()).output_text,
  stream: async () => {
    const stream = client.responses.stream({ model: MODEL, input: QUESTION });
    await joined((async function* () {
      for await (const event of stream) if (event.type === "response.output_text.delta") yield event.delta;
    })());
    const { status } = await stream.finalResponse();
    if (status !== "completed") throw new Error(`the response is ${status}`);
  },
  tool: async () => {
    const tools = [{ type: "function", strict: null, ...fn }];
    const first = await respond({ tools });
    const call = first.output.find((item) => item.type === "function_call");
    const result = { type: "function_call_output", call_id: call.call_id, output: weatherOf(call.arguments) };
    return (await respond({ tools, input: [...MESSAGES, call, result] })).output_text;
  },
  form: async () => place((await respond({ text: { format: form } })).output_text),
};
await run(VARIANT === "responses" ? ofResponses : ofChat);
