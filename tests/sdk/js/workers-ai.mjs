// Cloudflare's workers-ai-provider: platform models by its REST client and by a Worker's binding, others through the
// gateway by either of its two ways, its fallbacks, and the stream that it comes back to.
import { embedMany, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { createWorkersAI } from "workers-ai-provider";
import { anthropic } from "workers-ai-provider/anthropic";
import { createGatewayProvider } from "workers-ai-provider/gateway";
import { google } from "workers-ai-provider/google";
import { openai } from "workers-ai-provider/openai";
import { createOpenAI } from "@ai-sdk/openai";

import { ACCOUNT, AI, TOKEN, told } from "./binding.mjs";

const [LOCAL, VECTORS] = ["@cf/huggingface/smollm2-135m-instruct", "@cf/intfloat/multilingual-e5-small"];
const rest = (more = {}) => createWorkersAI({ accountId: ACCOUNT, apiKey: TOKEN, ...more });
const worker = createWorkersAI({ binding: AI, gateway: { id: "default" } });
const catalog = createWorkersAI({ binding: AI, gateway: { id: "default" }, providers: [openai, anthropic, google] });
const platforms = {
  rest: rest(),
  "rest through a gateway": rest({ gateway: { id: "default", metadata: { team: "blue" } } }),
  binding: worker,
};
// With hyphens: of a Claude that the AI SDK does not know by name it asks for more tokens than there are.
const others = ["openai/gpt-4o", "anthropic/claude-haiku-4-5", "google/gemini-2.5-flash"];
const failing = "openai/no-such-model";
const prompt = "echo: It is Paris.";
const weather = tool({
  description: "The weather of a city",
  inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }),
  execute: async ({ city }) => `18 degrees in ${city}`,
});

async function whole(model, more = {}) {
  const { text, usage, finishReason } = await generateText({ model, prompt, maxRetries: 0, ...more });
  return { text, output: usage.outputTokens, finishReason };
}

async function streamed(model, more = {}) {
  let failure;
  const onError = ({ error }) => (failure = error);
  const result = streamText({ model, prompt, maxRetries: 0, onError, ...more });
  const parts = [];
  for await (const part of result.textStream) parts.push(part);
  if (failure) throw failure;
  return { text: parts.join(""), parts: parts.length, output: (await result.usage).outputTokens };
}

async function tools(model, more = {}) {
  const result = await generateText({
    model,
    prompt: 'What is the weather in Paris? call get_weather with {"city":"Paris"}',
    tools: { get_weather: weather },
    stopWhen: stepCountIs(2),
    maxRetries: 0,
    ...more,
  });
  const called = result.steps[0].toolCalls.map(({ toolName, input }) => [toolName, input]);
  return { called, results: result.steps[0].toolResults.map(({ output }) => output) };
}

// What the library tells of how a model was reached: `onDispatch`.
async function watched(way, slug, options = {}) {
  const seen = [];
  const model = catalog(slug, { ...options, onDispatch: (each) => seen.push(each) });
  const answer = await way(model);
  return { ...answer, dispatch: seen.at(-1), dispatches: seen.length };
}

const cases = {};
const few = { maxOutputTokens: 20, temperature: 0 };
const question = { prompt: "What is the capital of France? Answer in one sentence.", ...few };
for (const [name, provider] of Object.entries(platforms)) {
  cases[`platform whole ${name}`] = () => whole(provider(LOCAL), question);
  cases[`platform stream ${name}`] = () => streamed(provider(LOCAL), question);
  cases[`platform tools ${name}`] = () => tools(provider(LOCAL), { maxOutputTokens: 40, temperature: 0 });
  cases[`vectors ${name}`] = async () => {
    const model = provider.textEmbedding(VECTORS);
    const { embeddings } = await embedMany({ model, values: ["the cat", "a ship"], maxRetries: 0 });
    return embeddings.map((vector) => vector.length);
  };
}
cases["platform unknown"] = () => whole(rest()("@cf/nobody/nothing"));
cases["platform wrong token"] = () => whole(createWorkersAI({ accountId: ACCOUNT, apiKey: "not-the-token" })(LOCAL));
cases["platform no gateway"] = () => whole(rest({ gateway: { id: "nonesuch" } })(LOCAL));
for (const slug of others) {
  cases[`rest ${slug}`] = () => whole(rest()(slug));
  cases[`rest stream ${slug}`] = () => streamed(rest()(slug));
  cases[`run ${slug}`] = () => watched(whole, slug);
  cases[`run stream ${slug}`] = () => watched(streamed, slug);
  cases[`run tools ${slug}`] = () => watched(tools, slug);
  cases[`client fallback ${slug}`] = () => watched(whole, failing, { fallback: { mode: "client", models: [slug] } });
  const through = { transport: "gateway" };
  cases[`gateway ${slug}`] = () => watched(whole, slug, through);
  cases[`gateway stream ${slug}`] = () => watched(streamed, slug, through);
  cases[`gateway tools ${slug}`] = () => watched(tools, slug, through);
  cases[`server fallback ${slug}`] = () => watched(whole, failing, { fallback: { mode: "server", models: [slug] } });
  cases[`server fallback stream ${slug}`] = () =>
    watched(streamed, failing, { fallback: { mode: "server", models: [slug] } });
}
cases["controls"] = () =>
  watched(whole, "openai/gpt-4o", { transport: "gateway", metadata: { team: "blue" }, cacheTtl: 60, skipCache: true });
cases["all of a client's fallbacks fail"] = () =>
  watched(whole, failing, { fallback: { mode: "client", models: ["openai/none-either"] } });
cases["own key"] = () =>
  watched(whole, "openai/gpt-4o", { byok: true, extraHeaders: { authorization: "Bearer sk-openai-of-the-sdk-tests" } });
cases["a provider of one's own"] = () =>
  whole(createGatewayProvider(createOpenAI, { binding: AI, gateway: "default" }).chat("gpt-4o"));
// The connection breaks after a few events; the library comes back for the rest.
cases["resumed"] = async () => {
  const cutting = {
    ...AI,
    run: async (...given) => {
      const response = await AI.run(...given);
      const reader = response.body.getReader();
      let sent = 0;
      const cut = new ReadableStream({
        async pull(controller) {
          const { value, done } = await reader.read();
          if (done) return controller.close();
          if (sent++ < 1) return controller.enqueue(value);
          await reader.cancel();
          controller.error(new Error("the connection broke"));
        },
      });
      return new Response(cut, { status: response.status, headers: response.headers });
    },
  };
  const provider = createWorkersAI({ binding: cutting, gateway: { id: "default" }, providers: [openai] });
  const seen = [];
  const long = `echo: ${Array.from({ length: 60 }, (_, number) => `word${number}`).join(" ")}`;
  const model = provider("openai/gpt-4o", { resume: true, onDispatch: (each) => seen.push(each) });
  const answer = await streamed(model, { prompt: `${long} [[sim: delay_ms=5]]` });
  return { ...answer, wanted: long.slice("echo: ".length), dispatch: seen[0] };
};
await told(cases);
