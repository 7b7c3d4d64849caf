// What a Worker has as `env.AI`, over this gateway's REST API: `run(model, body, options)` and `gateway(id).run(steps)`
// as Cloudflare's binding sends them, and `fetch`, by which its libraries come back to a stream.
export const SERVER = process.env.SERVER_URL;
export const { ACCOUNT, TOKEN } = process.env;
const ours = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };

// The binding tells what the model said, without the envelope of the REST API.
async function unwrapped(response) {
  if (!response.ok || !(response.headers.get("content-type") ?? "").includes("json")) return response;
  const { result } = await response.json();
  return new Response(JSON.stringify(result), { status: response.status, headers: response.headers });
}

function controls(gateway = {}) {
  const { id, skipCache, cacheTtl, cacheKey, metadata, collectLog, eventId, requestTimeoutMs, retries } = gateway;
  const said = {
    "cf-aig-gateway-id": id,
    "cf-aig-skip-cache": skipCache,
    "cf-aig-cache-ttl": cacheTtl,
    "cf-aig-cache-key": cacheKey,
    "cf-aig-metadata": metadata && JSON.stringify(metadata),
    "cf-aig-collect-log": collectLog,
    "cf-aig-event-id": eventId,
    "cf-aig-request-timeout": requestTimeoutMs,
    "cf-aig-max-attempts": retries?.maxAttempts,
    "cf-aig-retry-delay": retries?.retryDelayMs,
    "cf-aig-backoff": retries?.backoff,
  };
  const given = Object.entries(said).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [name, `${value}`]));
}

export const AI = {
  async run(model, inputs, { gateway, returnRawResponse, extraHeaders, signal } = {}) {
    const response = await fetch(`${SERVER}/client/v4/accounts/${ACCOUNT}/ai/run/${model}`, {
      method: "POST",
      headers: { ...ours, "cf-aig-resumable": "true", ...controls(gateway), ...extraHeaders },
      body: JSON.stringify(inputs),
      signal,
    });
    if (returnRawResponse) return unwrapped(response);
    if (!response.ok) throw new Error(`${(await response.json()).errors[0].code}: refused`);
    return inputs.stream ? response.body : (await unwrapped(response)).json();
  },
  gateway: (id) => ({
    run: (steps, { signal, extraHeaders } = {}) =>
      fetch(`${SERVER}/v1/${ACCOUNT}/${id}`, {
        method: "POST",
        headers: { "content-type": "application/json", "cf-aig-authorization": `Bearer ${TOKEN}`, ...extraHeaders },
        body: JSON.stringify(steps),
        signal,
      }),
  }),
  fetch: (url, init) =>
    fetch(`${url}`.replace("https://workers-binding.ai", `${SERVER}/client/v4/accounts/${ACCOUNT}`), {
      ...init,
      headers: { ...init?.headers, authorization: ours.authorization },
    }),
};

// Only the host is another: their hosts are built in.
const hosts = { "https://gateway.ai.cloudflare.com/": `${SERVER}/`, "https://api.cloudflare.com/": `${SERVER}/` };
const plainly = globalThis.fetch;
globalThis.fetch = (input, init) => {
  for (const [host, here] of Object.entries(hosts)) {
    if (typeof input === "string" && input.startsWith(host)) return plainly(here + input.slice(host.length), init);
  }
  return plainly(input, init);
};

// Each case by itself, one after the other; one line of JSON tells what became of them.
export async function told(cases) {
  const seen = {};
  for (const [name, each] of Object.entries(cases)) {
    seen[name] = await each().catch((error) => ({
      error: { kind: error.constructor.name, name: error.name, message: error.message, status: error.statusCode },
    }));
  }
  console.log(JSON.stringify(seen));
}
