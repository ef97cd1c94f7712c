// Mastra's agents.
import { Agent } from "@mastra/core/agent";
import { createTool } from "@mastra/core/tools";
import { z } from "zod";
import { KEY, MODEL, QUESTION, URL, joined, place, run, weatherOf } from "./driver.mjs";
const model = { id: `openai/${MODEL}`, url: `${URL}/v1`, apiKey: KEY };
const getWeather = createTool({
  id: "get_weather",
  description: "the weather in a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ context }) => weatherOf(context),
});
const agent = (tools) => new Agent({ name: "it", instructions: "Answer.", model, maxRetries: 0, tools });
const once = { modelSettings: { maxRetries: 0 } };
await run({
  text: async () => (await agent().generate(QUESTION, once)).text,
  stream: async () => {
    const result = await agent().stream(QUESTION, once);
    await joined(result.textStream);
    if (result.error) throw result.error; // the text alone just ends
  },
  tool: async () => (await agent({ getWeather }).generate(QUESTION, once)).text,
  form: async () => {
    const schema = z.object({ city: z.string(), degrees: z.number().int() });
    place((await agent().generate(QUESTION, { ...once, structuredOutput: { schema } })).object);
  },
});
