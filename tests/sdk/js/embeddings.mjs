// Vectors by OpenAI's SDK, which asks for base64 unless told otherwise, and by the AI SDK: one line of JSON,
// {model: {openai, floats, ai}}, each a list of vectors; and what a refusal is told as.
import { createOpenAI } from "@ai-sdk/openai";
import { embedMany } from "ai";
import OpenAI from "openai";

const baseURL = `${process.env.AI_URL}/v1`;
const [models, input] = JSON.parse(process.argv[2]);
const client = new OpenAI({ baseURL, apiKey: process.env.TOKEN, maxRetries: 0 });
const ai = createOpenAI({ baseURL, apiKey: process.env.TOKEN });

const vectors = ({ data }) => data.map(({ embedding }) => Array.from(embedding));
const told = {};
for (const model of models) {
  told[model] = {
    openai: vectors(await client.embeddings.create({ model, input })),
    floats: vectors(await client.embeddings.create({ model, input, encoding_format: "float" })),
    ai: (await embedMany({ model: ai.embedding(model), values: input, maxRetries: 0 })).embeddings,
  };
}
try {
  await client.embeddings.create({ model: models[0], input: "" });
} catch (error) {
  told.refused = { status: error.status, param: error.param, name: error.constructor.name };
}
console.log(JSON.stringify(told));
