// Anthropic's SDK.
import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import { certify } from "./cells.mjs";

const Place = z.object({ continent: z.string(), island: z.boolean() });
const connect = (apiKey) => new Anthropic({ baseURL: process.env.AI_URL, apiKey, maxRetries: 0 });

function messages(client) {
  const turnsOf = ({ text, image, turns = [] }) => {
    if (!text) return [...turns];
    const picture = { type: "image", source: { type: "base64", media_type: "image/png", data: image } };
    return [...turns, { role: "user", content: image ? [picture, { type: "text", text }] : text }];
  };
  const thinking = (model) =>
    /opus-4\.[78]$/.test(model) ? { type: "adaptive" } : { type: "enabled", budget_tokens: 2000 };
  const given = (model, question) => ({
    model,
    max_tokens: 6000,
    messages: turnsOf(question),
    ...(question.tools && {
      tools: question.tools.map(({ name, description, parameters }) => ({
        name,
        description,
        input_schema: parameters,
      })),
    }),
    ...(question.schema && { output_config: { format: { type: "json_schema", schema: question.schema } } }),
    ...(question.thinks && { thinking: thinking(model) }),
    // The newest version of this API has no `temperature`; the local model's answers need one.
    ...(question.room && { max_tokens: question.room, temperature: 0 }),
  });
  const told = (question, { content, stop_reason, usage }) => {
    const of = (type) => content.filter((block) => block.type === type);
    const joined = (type) => of(type).map((block) => block[type]).join("");
    return {
      text: joined("text"),
      turns: [...turnsOf(question), { role: "assistant", content }],
      ending: stop_reason,
      input: usage.input_tokens,
      output: usage.output_tokens,
      calls: of("tool_use").map(({ id, name, input }) => ({ id, name, arguments: input })),
      thought: joined("thinking"),
    };
  };
  return {
    name: "anthropic",
    ask: async (model, question) => told(question, await client.messages.create(given(model, question))),
    stream: async (model, question) =>
      told(question, await client.messages.stream(given(model, question)).finalMessage()),
    answered: ({ turns, calls }, outcomes) => {
      const results = calls.map(({ id }, index) => ({
        type: "tool_result",
        tool_use_id: id,
        content: outcomes[index],
      }));
      return [...turns, { role: "user", content: results }];
    },
    parse: async (model, question) => {
      const output_config = { format: zodOutputFormat(Place) };
      return (await client.messages.parse({ ...given(model, question), output_config })).parsed_output;
    },
    blunder: (model) => client.messages.create({ ...given(model, { text: "hello" }), temperature: "hot" }),
    withToken: (token) => messages(connect(token)),
    retryAfter: (error) => error.headers?.get("retry-after"),
  };
}

await certify([messages(connect(process.env.TOKEN))]);
