// OpenAI's SDK on text completions: what it was told by each model, as one line of JSON.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.env.AI_URL}/v1`, apiKey: process.env.TOKEN, maxRetries: 0 });
const told = {};

for (const model of JSON.parse(process.argv[2])) {
  const prompt = "What is the capital of France? Answer in one sentence. echo: It is Paris.";
  const asked = { model, prompt, max_tokens: 30, temperature: 0 };
  const whole = await client.completions.create(asked);
  const streamed = { text: "", endings: [], usage: null };
  const options = { stream: true, stream_options: { include_usage: true } };
  for await (const { choices, usage } of await client.completions.create({ ...asked, ...options })) {
    for (const { text, finish_reason } of choices) {
      streamed.text += text;
      if (finish_reason) streamed.endings.push(finish_reason);
    }
    streamed.usage = usage;
  }
  const refused = await client.completions
    .create({ ...asked, temperature: "hot" })
    .catch((error) => ({ kind: error.constructor.name, status: error.status }));
  told[model] = { whole, streamed, refused };
}
console.log(JSON.stringify(told));
