// LangChain's packages for the three vendors.
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool as asTool } from "@langchain/core/tools";
import { z } from "zod";
import { KEY, MODEL, QUESTION, URL, VARIANT, joined, place, run, weatherOf } from "./driver.mjs";
const openai = async (useResponsesApi) => {
  const { ChatOpenAI } = await import("@langchain/openai");
  const configuration = { baseURL: `${URL}/v1` };
  return new ChatOpenAI({ model: MODEL, apiKey: KEY, configuration, maxRetries: 0, useResponsesApi });
};
const model = await {
  chat: () => openai(false),
  responses: () => openai(true),
  anthropic: async () => {
    const { ChatAnthropic } = await import("@langchain/anthropic");
    return new ChatAnthropic({ model: MODEL, apiKey: KEY, anthropicApiUrl: URL, maxRetries: 0, maxTokens: 200 });
  },
  ollama: async () => {
    const { ChatOllama } = await import("@langchain/ollama");
    return new ChatOllama({ model: MODEL, baseUrl: URL, maxRetries: 0 });
  },
}[VARIANT]();
const getWeather = asTool(async (given) => weatherOf(given), {
  name: "get_weather",
  description: "the weather in a city",
  schema: z.object({ city: z.string() }),
});
await run({
  text: async () => (await model.invoke(QUESTION)).text,
  stream: async () => {
    const chunks = await model.stream(QUESTION);
    await joined((async function* () { for await (const chunk of chunks) yield chunk.text; })());
  },
  tool: async () => {
    const bound = model.bindTools([getWeather]);
    const history = [new HumanMessage(QUESTION)];
    const said = await bound.invoke(history);
    const [call] = said.tool_calls;
    const result = new ToolMessage({ tool_call_id: call.id, name: call.name, content: weatherOf(call.args) });
    return (await bound.invoke([...history, said, result])).text;
  },
  form: async () => {
    const schema = z.object({ city: z.string(), degrees: z.number().int() });
    place(await model.withStructuredOutput(schema, { name: "place" }).invoke(QUESTION));
  },
});
