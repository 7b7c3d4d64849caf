// The official SDKs at a gateway that caches: what each makes of the first answer and of the kept one, both ways.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { WEATHER } from "./cells.mjs";

const settings = { maxRetries: 0, defaultHeaders: { "cf-aig-gateway-id": process.env.GATEWAY } };
const openai = new OpenAI({ baseURL: `${process.env.AI_URL}/v1`, apiKey: process.env.TOKEN, ...settings });
const anthropic = new Anthropic({ baseURL: process.env.AI_URL, apiKey: process.env.TOKEN, ...settings });
const user = (content) => [{ role: "user", content }];
const parsed = (calls) => calls.map(({ name, arguments: given }) => ({ name, given: JSON.parse(given) }));

const callers = {
  chat: {
    given: (model, text) => ({ model, messages: user(text), tools: [{ type: "function", function: WEATHER }] }),
    whole: (given) => openai.chat.completions.create(given),
    stream: (given) =>
      openai.chat.completions.stream({ ...given, stream_options: { include_usage: true } }).finalChatCompletion(),
    told: ({ choices: [{ message, finish_reason }], usage }) => ({
      text: message.content ?? "",
      calls: parsed((message.tool_calls ?? []).map((call) => call.function)),
      ending: finish_reason,
      tokens: [usage.prompt_tokens, usage.completion_tokens],
    }),
  },
  responses: {
    given: (model, input) => ({ model, input, store: false, tools: [{ type: "function", strict: false, ...WEATHER }] }),
    whole: (given) => openai.responses.create(given),
    stream: (given) => openai.responses.stream(given).finalResponse(),
    told: ({ output, output_text, status, usage }) => ({
      text: output_text,
      calls: parsed(output.filter((item) => item.type === "function_call")),
      ending: status,
      tokens: [usage.input_tokens, usage.output_tokens],
    }),
  },
  messages: {
    given: (model, text) => {
      const { parameters: input_schema, ...named } = WEATHER;
      return { model, max_tokens: 300, messages: user(text), tools: [{ ...named, input_schema }] };
    },
    whole: (given) => anthropic.messages.create(given),
    stream: (given) => anthropic.messages.stream(given).finalMessage(),
    told: ({ content, stop_reason, usage }) => ({
      text: content.map((block) => block.text ?? "").join(""),
      calls: content.filter(({ type }) => type === "tool_use").map(({ name, input }) => ({ name, given: input })),
      ending: stop_reason,
      tokens: [usage.input_tokens, usage.output_tokens],
    }),
  },
};

const told = [];
for (const [name, caller] of Object.entries(callers)) {
  for (const model of JSON.parse(process.argv[2])) {
    for (const first of ["whole", "stream"]) {
      for (const asked of ["Tell me.", 'call get_weather with {"city":"Paris"}']) {
        const given = caller.given(model, `${name} ${first} in JavaScript. ${asked}`);
        const answers = [];
        for (const way of [first, "whole", "stream"]) answers.push(caller.told(await caller[way](given)));
        told.push({ name, model, first, asked, answers });
      }
    }
  }
}
console.log(JSON.stringify(told));
