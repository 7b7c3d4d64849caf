// Anthropic's SDK: says on its standard output what it was told of each model.
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ baseURL: process.env.AI_URL, apiKey: process.env.TOKEN, maxRetries: 0 });
const capital = [
  { role: "user", content: "What is the capital of France? Answer in one sentence. echo: It is Paris." },
];
const asked = [
  { role: "user", content: 'What is the weather in Paris? call get_weather with {"city":"Paris"}' },
];
const input_schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ name: "get_weather", description: "The weather of a city", input_schema }];
const told = {};

for (const model of process.argv.slice(2)) {
  // The newest version of this API has no `temperature`; the local model's answers need one.
  const few = model.startsWith("@cf/") ? { max_tokens: 30, temperature: 0 } : { max_tokens: 30 };
  const whole = await client.messages.create({ model, messages: capital, system: "Be brief.", ...few });

  const stream = client.messages.stream({ model, messages: capital, ...few });
  let streamed = "";
  stream.on("text", (text) => (streamed += text));
  const { usage, stop_reason } = await stream.finalMessage();

  const first = await client.messages.stream({ model, messages: asked, tools, ...few }).finalMessage();
  const call = first.content.at(-1);
  const made = { role: "assistant", content: [{ type: "tool_use", id: call.id, name: call.name, input: call.input }] };
  const result = { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "18 degrees" }] };
  const after = await client.messages.create({ model, messages: [...asked, made, result], tools, ...few });

  told[model] = {
    whole: whole.content[0].text,
    streamed,
    usage,
    stop_reason,
    tool: { name: call.name, city: call.input.city },
    after: after.content[0].text,
  };
}

const wrong = { model: "nobody/nothing", messages: capital, max_tokens: 30 };
const error = await client.messages.create(wrong).catch((each) => each);
told.error = { kind: error.constructor.name, code: error.error.errors[0].code };
console.log(JSON.stringify(told));
