// `@mistralai/mistralai`: chat completions as another vendor writes them.
import { Mistral } from "@mistralai/mistralai";
import { z } from "zod";
import { CITY, KEY, MESSAGES, MODEL, URL, joined, place, run, weatherOf } from "./driver.mjs";
const client = new Mistral({ apiKey: KEY, serverURL: URL, retryConfig: { strategy: "none" } });
const tools = [{ type: "function", function: { name: "get_weather", description: "the weather", parameters: CITY } }];
const chat = async (more) => (await client.chat.complete({ model: MODEL, messages: MESSAGES, ...more })).choices[0].message;
await run({
  text: async () => (await chat()).content,
  stream: async () => {
    const events = await client.chat.stream({ model: MODEL, messages: MESSAGES });
    let reason;
    await joined((async function* () {
      for await (const { data } of events) {
        reason = data.choices[0]?.finishReason ?? reason;
        yield data.choices[0]?.delta.content;
      }
    })());
    if (reason !== "stop") throw new Error("the stream has no end");
  },
  tool: async () => {
    const said = await chat({ tools });
    const [call] = said.toolCalls;
    const result = { role: "tool", name: "get_weather", toolCallId: call.id, content: weatherOf(call.function.arguments) };
    return (await chat({ tools, messages: [...MESSAGES, said, result] })).content;
  },
  form: async () => {
    const schema = z.object({ city: z.string(), degrees: z.number().int() });
    place((await client.chat.parse({ model: MODEL, messages: MESSAGES, responseFormat: schema })).choices[0].message.parsed);
  },
});
