// What the matrix asks of each caller, and how it is told: one line of JSON, {caller: {target: {cell: …}}}.
// A caller is {name, ask(model, question), stream(model, question), answered(told, outcomes), parse(…), blunder(model),
// withToken(token), retryAfter(error)}; a question and what is told of it are as in tests/sdk/python/caller.py.
export const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const WEATHER = {
  name: "get_weather",
  description: "The weather of a city",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
};
export const TIME = {
  name: "get_time",
  description: "The time of day",
  parameters: { type: "object", properties: {}, additionalProperties: false },
};
export const SCHEMA = {
  type: "object",
  properties: { continent: { type: "string", enum: ["Europe", "Asia"] }, island: { type: "boolean" } },
  required: ["continent", "island"],
  additionalProperties: false,
};
const CAPITAL = "What is the capital of France? Answer in one sentence. echo: It is Paris.";
const ASKED = 'What is the weather in Paris? call get_weather with {"city":"Paris"}';
const TWO = 'call get_weather with {"city":"Rome"} and call get_time';
const JSON_WANTED = 'Where is France? Answer in JSON. echo: {"continent":"Europe","island":false}';
const [ROOM, BRIEF] = [40, 20];

const ways = { whole: "ask", stream: "stream" };

function cellsOf(caller, target) {
  const few = target.local ? { room: ROOM } : {};
  const cells = {};
  const withTools = async (way, model, text, tools, outcomes, more) => {
    const first = await caller[way](model, { text, tools, ...more });
    const brief = more.room ? { ...more, room: BRIEF } : more;
    const after = await caller[way](model, { turns: caller.answered(first, outcomes), tools, ...brief });
    return { first, after };
  };
  for (const [id, way] of Object.entries(ways)) {
    cells[`chat-${id}`] = () => caller[way](target.model, { text: CAPITAL, ...few });
    cells[`tool-${id}`] = () => withTools(way, target.model, ASKED, [WEATHER], ["18 degrees"], few);
    cells[`structured-${id}`] = () => caller[way](target.model, { text: JSON_WANTED, schema: SCHEMA, ...few });
    if (target.thinking) {
      cells[`two-tools-${id}`] = () => withTools(way, target.model, TWO, [WEATHER, TIME], ["warm", "noon"], few);
      cells[`reasoning-${id}`] = () => caller[way](target.thinking, { text: CAPITAL, thinks: true });
      cells[`reasoning-goes-on-${id}`] = () =>
        withTools(way, target.thinking, ASKED, [WEATHER], ["18 degrees"], { thinks: true });
      const wish = { text: "hello [[sim: fault=429 retry_after=7]]" };
      cells[`throttled-${id}`] = () => caller[way](target.model, wish);
    }
  }
  cells.image = () => caller.ask(target.seeing ?? target.model, { text: "echo: a pixel", image: PIXEL, ...few });
  cells.parse = () => caller.parse(target.model, { text: JSON_WANTED, ...few });
  cells.unknown = () => caller.ask(`${target.model}-nonesuch`, { text: "hello", ...few });
  cells["bad-field"] = () => caller.blunder(target.model);
  cells["wrong-token"] = () => caller.withToken("not-the-token").ask(target.model, { text: "hello", ...few });
  return cells;
}

function failed(caller, error) {
  const { message } = error;
  const kind = error.constructor.name;
  return { error: { kind, message, status: error.status ?? error.statusCode, retryAfter: caller.retryAfter(error) } };
}

/// Targets side by side, the cells of one in turn.
export async function certify(callers) {
  const targets = JSON.parse(process.argv[2]);
  const told = {};
  for (const caller of callers) {
    told[caller.name] = {};
    const each = async (target) => {
      const seen = (told[caller.name][target.id] = {});
      for (const [name, cell] of Object.entries(cellsOf(caller, target))) {
        seen[name] = await cell().catch((error) => failed(caller, error));
      }
    };
    await Promise.all(targets.map(each));
  }
  console.log(JSON.stringify(told, (key, value) => (key === "turns" ? undefined : value)));
}
