// OpenAI's SDK: says on its standard output what it was told of each model.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.env.AI_URL}/v1`, apiKey: process.env.TOKEN, maxRetries: 0 });
const few = { max_completion_tokens: 30, temperature: 0 };
const capital = [
  { role: "user", content: "What is the capital of France? Answer in one sentence. echo: It is Paris." },
];
const asked = [
  { role: "user", content: 'What is the weather in Paris? call get_weather with {"city":"Paris"}' },
];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const weather = { name: "get_weather", description: "The weather of a city", parameters };
const told = {};

for (const model of process.argv.slice(2)) {
  const whole = await client.chat.completions.create({ model, messages: capital, ...few });

  let streamed = "";
  let usage = null;
  const options = { stream: true, stream_options: { include_usage: true } };
  for await (const chunk of await client.chat.completions.create({ model, messages: capital, ...few, ...options })) {
    streamed += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }

  const tools = [{ type: "function", function: weather }];
  const runner = client.chat.completions.stream({ model, messages: asked, tools, ...few });
  const { message } = (await runner.finalChatCompletion()).choices[0];
  const [call] = message.tool_calls;
  const { name, arguments: given } = call.function;
  const tool_calls = [{ id: call.id, type: "function", function: { name, arguments: given } }];
  const made = { role: "assistant", tool_calls };
  const result = { role: "tool", tool_call_id: call.id, content: "18 degrees" };
  const after = await client.chat.completions.create({ model, messages: [...asked, made, result], tools, ...few });

  const question = { model, input: capital[0].content, max_output_tokens: 30, temperature: 0 };
  const response = await client.responses.create(question);
  const kinds = [];
  const events = await client.responses.create({ ...question, stream: true });
  for await (const event of events) kinds.push(event.type);

  told[model] = {
    whole: whole.choices[0].message.content,
    streamed,
    usage,
    tool: { name, city: JSON.parse(given).city },
    after: after.choices[0].message.content,
    response: response.output_text,
    last: kinds.at(-1),
  };
}

const wrong = { model: "nobody/nothing", messages: capital };
const error = await client.chat.completions.create(wrong).catch((each) => each);
told.error = { kind: error.constructor.name, code: error.code };
console.log(JSON.stringify(told));
