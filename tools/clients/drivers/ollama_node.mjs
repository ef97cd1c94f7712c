// The `ollama` package for Node.
import { Ollama } from "ollama";
import { CITY, MESSAGES, MODEL, PLACE, URL, joined, place, run, weatherOf } from "./driver.mjs";
const client = new Ollama({ host: URL });
const chat = (more) => client.chat({ model: MODEL, messages: MESSAGES, ...more });
const tools = [{ type: "function", function: { name: "get_weather", description: "the weather", parameters: CITY } }];
await run({
  text: async () => (await chat()).message.content,
  stream: async () => {
    const stream = await chat({ stream: true });
    let done = false;
    await joined((async function* () {
      for await (const part of stream) { done = part.done; yield part.message.content; }
    })());
    if (!done) throw new Error("the last line says that it is not done");
  },
  tool: async () => {
    const said = (await chat({ tools })).message;
    const call = said.tool_calls[0].function;
    const result = { role: "tool", tool_name: call.name, content: weatherOf(call.arguments) };
    return (await chat({ tools, messages: [...MESSAGES, said, result] })).message.content;
  },
  form: async () => place((await chat({ format: PLACE })).message.content),
});
