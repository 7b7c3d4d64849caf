// OpenAI's SDK, on chat completions and on responses.
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { certify } from "./cells.mjs";

const Place = z.object({ continent: z.string(), island: z.boolean() });
const connect = (apiKey) => new OpenAI({ baseURL: `${process.env.AI_URL}/v1`, apiKey, maxRetries: 0 });
const retryAfter = (error) => error.headers?.get("retry-after");

// What the stream helpers put together has places of their own, which OpenAI refuses to be sent.
const OWN = ["parsed", "parsed_arguments"];
const plain = (turn) => JSON.parse(JSON.stringify(turn, (key, value) => (OWN.includes(key) ? undefined : value)));

function chat(client) {
  const turnsOf = ({ text, image, turns = [] }) => {
    if (!text) return [...turns];
    const picture = { type: "image_url", image_url: { url: `data:image/png;base64,${image}` } };
    return [...turns, { role: "user", content: image ? [{ type: "text", text }, picture] : text }];
  };
  const given = (model, question) => ({
    model,
    messages: turnsOf(question),
    ...(question.tools && { tools: question.tools.map((each) => ({ type: "function", function: each })) }),
    ...(question.schema && {
      response_format: { type: "json_schema", json_schema: { name: "place", schema: question.schema, strict: true } },
    }),
    ...(question.thinks && { reasoning_effort: "low" }),
    ...(question.room && { max_completion_tokens: question.room, temperature: 0 }),
  });
  const told = (question, { choices, usage }) => {
    const [{ message, finish_reason }] = choices;
    const calls = (message.tool_calls ?? []).map(({ id, function: { name, arguments: given } }) => ({
      id,
      name,
      arguments: JSON.parse(given),
    }));
    return {
      text: message.content ?? "",
      turns: [...turnsOf(question), plain(message)],
      ending: finish_reason,
      input: usage.prompt_tokens,
      output: usage.completion_tokens,
      calls,
      thought: message.reasoning_content ?? "",
    };
  };
  return {
    name: "openai-chat",
    ask: async (model, question) => told(question, await client.chat.completions.create(given(model, question))),
    stream: async (model, question) => {
      const options = { stream_options: { include_usage: true } };
      const events = client.chat.completions.stream({ ...given(model, question), ...options });
      return told(question, await events.finalChatCompletion());
    },
    answered: ({ turns, calls }, outcomes) => [
      ...turns,
      ...calls.map(({ id }, index) => ({ role: "tool", tool_call_id: id, content: outcomes[index] })),
    ],
    parse: async (model, question) => {
      const response_format = zodResponseFormat(Place, "place");
      const answer = await client.chat.completions.parse({ ...given(model, question), response_format });
      return answer.choices[0].message.parsed;
    },
    blunder: (model) => client.chat.completions.create({ ...given(model, { text: "hello" }), temperature: "hot" }),
    withToken: (token) => chat(connect(token)),
    retryAfter,
  };
}

function responses(client) {
  const turnsOf = ({ text, image, turns = [] }) => {
    if (!text) return [...turns];
    const picture = { type: "input_image", image_url: `data:image/png;base64,${image}`, detail: "auto" };
    return [...turns, { role: "user", content: image ? [{ type: "input_text", text }, picture] : text }];
  };
  const given = (model, question) => ({
    model,
    input: turnsOf(question),
    store: false,
    ...(question.tools && { tools: question.tools.map((each) => ({ type: "function", strict: false, ...each })) }),
    ...(question.schema && {
      text: { format: { type: "json_schema", name: "place", schema: question.schema, strict: true } },
    }),
    ...(question.thinks && {
      reasoning: { effort: "low", summary: "auto" },
      include: ["reasoning.encrypted_content"],
    }),
    ...(question.room && { max_output_tokens: question.room, temperature: 0 }),
  });
  const told = (question, answer) => {
    const of = (type) => answer.output.filter((item) => item.type === type);
    return {
      text: answer.output_text,
      turns: [...turnsOf(question), ...answer.output.map(plain)],
      ending: answer.status,
      input: answer.usage.input_tokens,
      output: answer.usage.output_tokens,
      calls: of("function_call").map((item) => ({
        id: item.call_id,
        name: item.name,
        arguments: JSON.parse(item.arguments),
      })),
      thought: of("reasoning")
        .flatMap((item) => [...item.summary, ...(item.content ?? [])])
        .map((part) => part.text)
        .join(""),
    };
  };
  return {
    name: "openai-responses",
    ask: async (model, question) => told(question, await client.responses.create(given(model, question))),
    stream: async (model, question) =>
      told(question, await client.responses.stream(given(model, question)).finalResponse()),
    answered: ({ turns, calls }, outcomes) => [
      ...turns,
      ...calls.map(({ id }, index) => ({ type: "function_call_output", call_id: id, output: outcomes[index] })),
    ],
    parse: async (model, question) => {
      const text = { format: zodTextFormat(Place, "place") };
      return (await client.responses.parse({ ...given(model, question), text })).output_parsed;
    },
    blunder: (model) => client.responses.create({ ...given(model, { text: "hello" }), temperature: "hot" }),
    withToken: (token) => responses(connect(token)),
    retryAfter,
  };
}

const client = connect(process.env.TOKEN);
await certify([chat(client), responses(client)]);
