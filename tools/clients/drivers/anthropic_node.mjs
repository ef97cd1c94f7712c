// The `@anthropic-ai/sdk` package.
import Anthropic from "@anthropic-ai/sdk";
import { CITY, KEY, MESSAGES, MODEL, PLACE, URL, joined, place, run, weatherOf } from "./driver.mjs";
const client = new Anthropic({ baseURL: URL, apiKey: KEY, maxRetries: 0 });
const asked = (more) => ({ model: MODEL, max_tokens: 200, messages: MESSAGES, ...more });
const create = (more) => client.messages.create(asked(more));
await run({
  text: async () => (await create()).content[0].text,
  stream: async () => {
    const stream = client.messages.stream(asked());
    await joined((async function* () {
      for await (const event of stream) if (event.type === "content_block_delta") yield event.delta.text;
    })());
    if ((await stream.finalMessage()).stop_reason !== "end_turn") throw new Error("no end");
  },
  tool: async () => {
    const tools = [{ name: "get_weather", description: "the weather", input_schema: CITY }];
    const said = await create({ tools });
    const call = said.content.find((block) => block.type === "tool_use");
    const result = { type: "tool_result", tool_use_id: call.id, content: weatherOf(call.input) };
    const turns = [{ role: "assistant", content: said.content }, { role: "user", content: [result] }];
    return (await create({ tools, messages: [...MESSAGES, ...turns] })).content[0].text;
  },
  form: async () => {
    const wanted = { format: { type: "json_schema", schema: PLACE } };
    place((await create({ output_config: wanted })).content[0].text);
  },
});
