// The AI SDK with its providers for OpenAI (chat and responses) and Anthropic. Its own loop runs the tools.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateObject, generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";
import { certify } from "./cells.mjs";

const baseURL = `${process.env.AI_URL}/v1`;
const openai = (apiKey) => createOpenAI({ baseURL, apiKey });
const anthropic = (authToken) => createAnthropic({ baseURL, authToken });
const budget = (model) =>
  /opus-4\.[78]$/.test(model) ? { type: "adaptive" } : { type: "enabled", budgetTokens: 2000 };
// It knows models by names without an author: of ours it has to be told that they reason.
const effort = { reasoningEffort: "low", forceReasoning: true };
const shown = { ...effort, reasoningSummary: "auto" };

// `usual` is what every call is given, `wrong` what no provider takes, `thinks(model)` what makes it reason.
function caller(name, connect, token, { usual = {}, wrong = { temperature: "hot" }, thinks }) {
  const provider = connect(token);
  const turnsOf = ({ text, image, turns = [] }) => {
    if (!text) return [...turns];
    const picture = { type: "file", mediaType: "image/png", data: Buffer.from(image ?? "", "base64") };
    return [...turns, { role: "user", content: image ? [{ type: "text", text }, picture] : text }];
  };
  const given = (model, question) => ({
    model: provider(model),
    messages: turnsOf(question),
    maxRetries: 0,
    ...usual,
    ...(question.tools && {
      tools: Object.fromEntries(
        question.tools.map(({ name, description, parameters }) => [
          name,
          tool({ description, inputSchema: jsonSchema(parameters) }),
        ]),
      ),
      stopWhen: stepCountIs(1),
    }),
    ...(question.schema && { output: Output.object({ schema: jsonSchema(question.schema) }) }),
    ...(question.thinks && { providerOptions: thinks(model) }),
    ...(question.room && { maxOutputTokens: question.room, temperature: 0 }),
  });
  const told = async (question, result) => {
    const [usage, response, calls] = await Promise.all([result.usage, result.response, result.toolCalls]);
    return {
      text: await result.text,
      turns: [...turnsOf(question), ...response.messages],
      ending: await result.finishReason,
      input: usage.inputTokens,
      output: usage.outputTokens,
      calls: calls.map(({ toolCallId, toolName, input }) => ({ id: toolCallId, name: toolName, arguments: input })),
      thought: (await result.reasoningText) ?? "",
    };
  };
  return {
    name,
    ask: async (model, question) => told(question, await generateText(given(model, question))),
    stream: async (model, question) => {
      let failure;
      const onError = ({ error }) => (failure = error);
      const result = streamText({ ...given(model, question), onError });
      await result.consumeStream({ onError });
      if (failure) throw failure;
      return told(question, result);
    },
    answered: ({ turns, calls }, outcomes) => {
      const content = calls.map(({ id, name }, index) => ({
        type: "tool-result",
        toolCallId: id,
        toolName: name,
        output: { type: "text", value: outcomes[index] },
      }));
      return [...turns, { role: "tool", content }];
    },
    parse: async (model, question) => {
      const schema = jsonSchema({
        type: "object",
        properties: { continent: { type: "string" }, island: { type: "boolean" } },
        required: ["continent", "island"],
        additionalProperties: false,
      });
      return (await generateObject({ ...given(model, question), schema })).object;
    },
    blunder: (model) =>
      generateText({ ...given(model, { text: "hello" }), maxOutputTokens: 20, ...wrong }),
    withToken: (other) => caller(name, connect, other, { usual, wrong, thinks }),
    retryAfter: (error) => error.responseHeaders?.["retry-after"],
  };
}

const { TOKEN } = process.env;
// A stored answer is gone on with by references to it, which only OpenAI can look up.
const stateless = { store: false };
await certify([
  caller("ai-openai-chat", (token) => openai(token).chat, TOKEN, { thinks: () => ({ openai: effort }) }),
  caller("ai-openai-responses", (token) => openai(token).responses, TOKEN, {
    usual: { providerOptions: { openai: stateless } },
    thinks: () => ({ openai: { ...stateless, ...shown } }),
  }),
  // Models that it does not know are the newest to it: they say more than others can, and take no temperature.
  caller("ai-anthropic", anthropic, TOKEN, {
    usual: { maxOutputTokens: 6000 },
    wrong: { stopSequences: [5] },
    thinks: (model) => ({ anthropic: { thinking: budget(model) } }),
  }),
]);
