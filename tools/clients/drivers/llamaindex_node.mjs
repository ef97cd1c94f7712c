// LlamaIndex.TS over two dialects.
import { Ollama } from "@llamaindex/ollama";
import { OpenAI } from "@llamaindex/openai";
import { agent } from "@llamaindex/workflow";
import { tool } from "llamaindex";
import { z } from "zod";
import { KEY, MESSAGES, MODEL, QUESTION, URL, VARIANT, joined, place, run, weatherOf } from "./driver.mjs";
const llm = VARIANT === "ollama"
  ? new Ollama({ model: MODEL, config: { host: URL } })
  : new OpenAI({ model: MODEL, apiKey: KEY, baseURL: `${URL}/v1`, maxRetries: 0, supportToolCall: true });
const getWeather = tool({
  name: "get_weather",
  description: "the weather in a city",
  parameters: z.object({ city: z.string() }),
  execute: weatherOf,
});
await run({
  text: async () => (await llm.chat({ messages: MESSAGES })).message.content,
  stream: async () => {
    const pieces = await llm.chat({ messages: MESSAGES, stream: true });
    await joined((async function* () { for await (const piece of pieces) yield piece.delta; })());
  },
  tool: async () => (await agent({ llm, tools: [getWeather] }).run(QUESTION)).data.result,
  form: async () => {
    const responseFormat = z.object({ city: z.string(), degrees: z.number().int() });
    place((await llm.chat({ messages: MESSAGES, responseFormat })).message.content);
  },
});
