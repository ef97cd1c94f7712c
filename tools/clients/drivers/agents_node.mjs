// `@openai/agents` over Responses.
import { Agent, OpenAIResponsesModel, run as runAgent, setTracingDisabled, tool as asTool } from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";
import { KEY, MODEL, QUESTION, URL, joined, place, run, weatherOf } from "./driver.mjs";
setTracingDisabled(true);
const model = new OpenAIResponsesModel(new OpenAI({ baseURL: `${URL}/v1`, apiKey: KEY, maxRetries: 0 }), MODEL);
const agent = (more) => new Agent({ name: "a", model, ...more });
const getWeather = asTool({
  name: "get_weather",
  description: "the weather in a city",
  parameters: z.object({ city: z.string() }),
  execute: async (given) => weatherOf(given),
});
await run({
  text: async () => (await runAgent(agent(), QUESTION)).finalOutput,
  stream: async () => {
    const result = await runAgent(agent(), QUESTION, { stream: true });
    await joined(result.toTextStream());
    await result.completed;
  },
  tool: async () => (await runAgent(agent({ tools: [getWeather] }), QUESTION)).finalOutput,
  form: async () => {
    const outputType = z.object({ city: z.string(), degrees: z.number().int() });
    place((await runAgent(agent({ outputType }), QUESTION)).finalOutput);
  },
});
