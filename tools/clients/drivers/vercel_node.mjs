// Vercel's AI SDK over its providers.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { KEY, MODEL, QUESTION, URL, VARIANT, joined, place, run, weatherOf } from "./driver.mjs";
const options = { baseURL: `${URL}/v1`, apiKey: KEY };
const model = await {
  anthropic: () => createAnthropic(options)(MODEL),
  responses: () => createOpenAI(options)(MODEL),
  chat: () => createOpenAICompatible({ name: "it", supportsStructuredOutputs: true, ...options })(MODEL),
  ollama: async () => (await import("ollama-ai-provider-v2")).createOllama({ baseURL: `${URL}/api` })(MODEL),
}[VARIANT]();
const asked = { model, prompt: QUESTION, maxRetries: 0 };
const getWeather = tool({
  description: "the weather in a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async (given) => weatherOf(given),
});
await run({
  text: async () => (await generateText(asked)).text,
  stream: async () => {
    let failed;
    const result = streamText({ ...asked, onError: ({ error }) => { failed = error; } });
    await joined(result.textStream);
    if (failed) throw failed;
  },
  tool: async () => {
    const done = await generateText({ ...asked, tools: { get_weather: getWeather }, stopWhen: stepCountIs(3) });
    return done.text;
  },
  form: async () => {
    const schema = z.object({ city: z.string(), degrees: z.number().int() });
    place((await generateObject({ ...asked, schema })).object);
  },
});
