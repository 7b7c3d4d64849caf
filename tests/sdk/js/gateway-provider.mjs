// Cloudflare's ai-gateway-provider: one call for a list of models, the first that answers is the one.
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { createAiGateway } from "ai-gateway-provider";
import { createAnthropic } from "ai-gateway-provider/providers/anthropic";
import { createGoogleGenerativeAI } from "ai-gateway-provider/providers/google";
import { createOpenAI } from "ai-gateway-provider/providers/openai";
import { createUnified } from "ai-gateway-provider/providers/unified";

import { ACCOUNT, AI, SERVER, TOKEN, told } from "./binding.mjs";

const usual = { accountId: ACCOUNT, gateway: "default", apiKey: TOKEN };
const through = (more = {}) => createAiGateway({ ...usual, ...more });
const bound = createAiGateway({ binding: AI.gateway("default") });
const gateway = through();
const openai = createOpenAI();
const anthropic = createAnthropic();
const google = createGoogleGenerativeAI();
const unified = createUnified();
const models = {
  "openai-chat": openai.chat("gpt-4o"),
  "openai-responses": openai.responses("gpt-4o"),
  anthropic: anthropic("claude-haiku-4-5"),
  google: google("gemini-2.5-flash"),
  "unified-openai": unified("openai/gpt-4o"),
  "unified-anthropic": unified("anthropic/claude-haiku-4.5"),
};
const failing = openai.chat("no-such-model");
const prompt = "echo: It is Paris.";
const weather = tool({
  description: "The weather of a city",
  inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }),
  execute: async ({ city }) => `18 degrees in ${city}`,
});
const common = { maxRetries: 0, maxOutputTokens: 200, providerOptions: { openai: { store: false } } };

async function whole(model, more = {}) {
  const { text, response, usage, finishReason } = await generateText({ model, prompt, ...common, ...more });
  const { headers } = response;
  return {
    text,
    finishReason,
    output: usage.outputTokens,
    step: headers["cf-aig-step"],
    logId: headers["cf-aig-log-id"],
    model: response.modelId,
  };
}

async function streamed(model) {
  let failure;
  const onError = ({ error }) => (failure = error);
  const result = streamText({ model, prompt, ...common, onError });
  const parts = [];
  for await (const part of result.textStream) parts.push(part);
  if (failure) throw failure;
  const { headers } = await result.response;
  return { text: parts.join(""), parts: parts.length, step: headers["cf-aig-step"], logId: headers["cf-aig-log-id"] };
}

async function tools(model) {
  const result = await generateText({
    model,
    prompt: 'What is the weather in Paris? call get_weather with {"city":"Paris"}',
    tools: { get_weather: weather },
    stopWhen: stepCountIs(2),
    ...common,
  });
  const called = result.steps[0].toolCalls.map(({ toolName, input }) => [toolName, input]);
  return { called, results: result.steps[0].toolResults.map(({ output }) => output), steps: result.steps.length };
}

const cases = {};
for (const [name, model] of Object.entries(models)) {
  cases[`whole ${name}`] = () => whole(gateway(model));
  cases[`stream ${name}`] = () => streamed(gateway(model));
  cases[`tools ${name}`] = () => tools(gateway(model));
  cases[`fallback ${name}`] = () => whole(gateway([failing, model]));
  cases[`stream fallback ${name}`] = () => streamed(gateway([failing, model]));
  cases[`binding ${name}`] = () => whole(bound([failing, model]));
}
const options = {
  metadata: { team: "blue" },
  eventId: "event-of-js",
  requestTimeoutMs: 60_000,
  retries: { maxAttempts: 2, retryDelayMs: 1, backoff: "linear" },
};
cases["options"] = () => whole(through({ options })(models.anthropic));
cases["options binding"] = () => whole(createAiGateway({ binding: AI.gateway("default"), options })(models.anthropic));
cases["not logged"] = () => whole(through({ options: { collectLog: false } })(models.anthropic));
cases["own key"] = () => whole(gateway(createOpenAI({ apiKey: "sk-openai-of-the-sdk-tests" }).chat("gpt-4o")));
cases["no gateway"] = () => whole(through({ gateway: "nonesuch" })(models.anthropic));
cases["wrong token"] = () => whole(through({ apiKey: "not-the-token" })(models.anthropic));
cases["all fail"] = () => whole(gateway([failing, anthropic("no-such-model")]));
cases["unknown provider"] = async () => {
  const steps = [{ provider: "nobody", endpoint: "v1/x", headers: {}, query: {} }];
  const response = await AI.gateway("default").run(steps);
  return { status: response.status, body: await response.json() };
};
cases["platform step"] = async () => {
  const content = "What is the capital of France? Answer in one sentence.";
  const query = { messages: [{ role: "user", content }], max_tokens: 20 };
  const platform = { provider: "workers-ai", endpoint: "@cf/huggingface/smollm2-135m-instruct", headers: {}, query };
  const wrong = { model: "no-such-model", messages: [] };
  const broken = { provider: "openai", endpoint: "v1/chat/completions", headers: {}, query: wrong };
  const response = await AI.gateway("default").run([broken, platform]);
  return { step: response.headers.get("cf-aig-step"), body: await response.json() };
};
cases["url"] = async () => {
  const response = await fetch(`${SERVER}/client/v4/accounts/${ACCOUNT}/ai-gateway/gateways/default/url/openai`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  return (await response.json()).result;
};
await told(cases);
