// Calls a server that fails by a generated client, and prints the outcomes as JSON: node generated_script_retries.mjs MODULE

import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const { Api } = await import(pathToFileURL(process.argv[2]).href);

const CUT = "cut"; // the connection ends in place of an answer
const HALF = "half"; // the connection ends within an answer
const AT_ONCE = { basePauseMs: 0 };

const requests = [];
let plan = []; // the next answers: a status, a status with headers, CUT or HALF; then results

const server = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) {
    body += chunk;
  }
  requests.push({ body, headers: request.headers });
  const next = plan.shift();
  if (next === CUT) {
    request.socket.destroy();
  } else if (next === HALF) {
    response.writeHead(200, { "Content-Length": 100 }).write('{"jsonrpc":', () => request.socket.destroy());
  } else if (next !== undefined) {
    const [status, headers] = [next].flat();
    response.writeHead(status, headers).end("down");
  } else {
    response.end(answerTo(JSON.parse(body)));
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${server.address().port}/api`;

function answerTo(message) {
  if (Array.isArray(message)) {
    const calls = message.filter(({ id }) => id !== undefined);
    return calls.length ? JSON.stringify(calls.map((call) => JSON.parse(answerTo(call)))) : "";
  }
  return message.id === undefined ? "" : JSON.stringify({ jsonrpc: "2.0", id: message.id, result: "well" });
}

/** Run an action against a server with a plan; return its outcome, and the requests that it took. */
async function run(answers, action) {
  plan = [...answers];
  requests.length = 0;
  const outcome = await action().then(String, (error) => `${error.name}: ${error.message}`);
  return { outcome, sent: [...requests] };
}

const outcomes = {};

async function check(name, answers, action) {
  const { outcome, sent } = await run(answers, action);
  outcomes[name] = [outcome, sent.length];
}

const SAFE = {
  "idempotent option": (api) => api.options({ idempotent: true }).put(1),
  "idempotent method": (api) => api.get(),
  "idempotent method with a dot": (api) => api.deep.get(),
  "a key": (api) => api.options({ idempotencyKey: "k" }).put(1),
  "new key": (api) => api.options({ idempotencyKey: true }).put(1),
};
const UNSAFE = {
  "no option": (api) => api.put(1),
  "no key": (api) => api.options({ idempotencyKey: false }).put(1),
  "own header": (api) => api.options({ headers: { "Idempotency-Key": '"k"' } }).put(1),
  "notification of an idempotent method": (api) => api.notify.get(),
  "idempotent method, which the user denies": (api) => api.options({ idempotent: false }).get(),
};
const FAILURES = { 503: 503, 429: 429, 504: 504, "a cut": CUT, "half an answer": HALF };

for (const [failure, answer] of Object.entries(FAILURES)) {
  for (const [kind, action] of Object.entries(SAFE)) {
    const { outcome, sent } = await run([answer, answer], () => action(new Api(url, { retry: AT_ONCE })));
    const distinct = (values) => new Set(values).size;
    const keys = sent.map(({ headers }) => headers["idempotency-key"]);
    outcomes[`safe: ${kind}, ${failure}`] = [outcome, sent.length, distinct(sent.map(({ body }) => body)), distinct(keys)];
  }
  for (const [kind, action] of Object.entries(UNSAFE)) {
    const { outcome, sent } = await run([answer], () => action(new Api(url, { retry: AT_ONCE })));
    outcomes[`unsafe: ${kind}, ${failure}`] = [outcome.split(":")[0], sent.length];
  }
}

const down = Array(9).fill(503);
for (const attempts of [1, 2, 4]) {
  await check(`${attempts} attempts`, down, () => new Api(url, { retry: { ...AT_ONCE, attempts } }).get());
}
await check("no retry", down, () => new Api(url, { retry: null }).get());
await check("another status", [500], () => new Api(url, { retry: AT_ONCE }).get());
await check("chosen status", [500], () => new Api(url, { retry: { ...AT_ONCE, statuses: [500] } }).get());
await check("no failure", [], () => new Api(url).get());

await check("notification", [503], () => new Api(url, { retry: AT_ONCE, idempotent: true }).notify.put(1));
await check("batch", [503], async () => {
  const batch = new Api(url, { retry: AT_ONCE, idempotencyKey: true }).batch();
  const pending = [batch.put(1), batch.get()];
  await batch.send();
  return Promise.all(pending);
});
await check("unsafe batch", [503], async () => {
  const batch = new Api(url, { retry: AT_ONCE }).batch();
  batch.get();
  return batch.send();
});

for (const status of [302, 307]) {
  await check(`redirect by ${status}`, [[status, { Location: url }]], () => new Api(url, { retry: AT_ONCE }).put(1));
}
{
  const headers = { "content-type": "text/plain", "idempotency-key": "own", "REQUEST-TIMEOUT": "1" };
  const { sent } = await run([], () => new Api(url, { headers, idempotencyKey: "k", timeoutMs: 9000 }).put(1));
  const { "content-type": type, "idempotency-key": key, "request-timeout": time } = sent[0].headers;
  outcomes["header fields in another case"] = [type, key, /^[89]\.\d{3}$/.test(time)];
}
{
  const controller = new AbortController();
  const send = async (...request) => {
    const response = await fetch(...request);
    controller.abort(new Error("the user left"));
    return new Response("down", { status: response.status });
  };
  const retry = { basePauseMs: 100_000, maxPauseMs: 5000 };
  const api = new Api(url, { retry, fetch: send, signal: controller.signal });
  await check("aborted before a pause", [503], () => api.get());
}

const inAnHour = new Date(Date.now() + 3_600_000).toUTCString();
const anHourAgo = new Date(Date.now() - 3_600_000).toUTCString();
for (const [name, value] of Object.entries({ seconds: "3600", digits: "9".repeat(400), date: inAnHour })) {
  const answers = [[503, { "Retry-After": value }]];
  await check(`Retry-After beyond the deadline: ${name}`, answers, () => new Api(url, { timeoutMs: 20_000 }).get());
  await check(`Retry-After without a deadline: ${name}`, answers, () => new Api(url).get());
}
for (const value of ["", "0", "-1", "1.5", "soon", "Mon, 01 Jan 3000", anHourAgo]) {
  const name = value === anHourAgo ? "past" : value;
  const api = new Api(url, { retry: AT_ONCE, timeoutMs: 20_000 });
  await check(`Retry-After that says nothing: ${name}`, [[503, { "Retry-After": value }]], () => api.get());
}

{
  const api = new Api(url, { retry: AT_ONCE, timeoutMs: 10_000 });
  const { sent } = await run([[503, { "Retry-After": "1" }]], () => api.get());
  const told = sent.map(({ headers }) => headers["request-timeout"]);
  const [first, second] = told.map(Number);
  const isRight = 9 < first && first <= 10 && first - second >= 0.999;
  outcomes["remaining time"] = isRight && told.every((text) => /^\d+\.\d{3}$/.test(text));
}
for (const timeoutMs of [undefined, 2 ** 31, 1e300, Infinity]) {
  const { outcome, sent } = await run([], () => new Api(url, { timeoutMs }).get());
  outcomes[`no limit: ${timeoutMs}`] = [outcome, "request-timeout" in sent[0].headers];
}

{
  const api = new Api(url, { retry: { ...AT_ONCE, attempts: 2, budget: 0.25 } });
  const { sent } = await run(Array(200).fill(503), async () => {
    for (let number = 0; number < 40; number += 1) {
      await api.options({ headers: { "X-Number": String(number) } }).get().catch(() => undefined);
    }
  });
  outcomes.budget = 50 <= sent.length && sent.length <= 60;
}

{
  const { sent } = await run([], async () => {
    const api = new Api(url, { idempotencyKey: 'a"b\\c' });
    const fresh = api.options({ idempotencyKey: true });
    await api.put(1);
    await fresh.put(1);
    await fresh.put(1);
    Object.defineProperty(globalThis, "crypto", { value: undefined, configurable: true }); // as in Node.js 18
    await fresh.put(1);
  });
  const [own, ...made] = sent.map(({ headers }) => headers["idempotency-key"]);
  outcomes.keys = [own, made.every((key) => /^"[0-9a-f]{32}"$/.test(key)), new Set(made).size];
}
{
  const { sent } = await run([], async () => {
    for (const before of [0, 3]) {
      const api = new Api(url);
      for (let number = 0; number < before; number += 1) {
        await api.get();
        api.batch().get();
      }
      const keyed = api.options({ idempotencyKey: "k" });
      await keyed.put(7);
      const batch = keyed.batch();
      batch.notify.put(8);
      batch.put(8);
      await batch.send();
    }
  });
  const bodies = (text) => new Set(sent.map(({ body }) => body).filter((body) => body.includes(text))).size;
  outcomes["bodies of a repeated key"] = [bodies("[7]") + bodies('"item":7'), bodies('"item":8') + bodies("[8]")];
}

for (const [name, options] of Object.entries({
  "no attempts": { retry: { attempts: 0 } },
  "negative pause": { retry: { basePauseMs: -1 } },
  "negative longest pause": { retry: { maxPauseMs: -1 } },
  "no number": { retry: { budget: NaN } },
  "statuses of another type": { retry: { statuses: new Set([503]) } },
  "no time": { timeoutMs: 0 },
  "time of NaN": { timeoutMs: NaN },
  "empty key": { idempotencyKey: "" },
  "key of two lines": { idempotencyKey: "a\nb" },
  "key beyond Latin-1": { idempotencyKey: "€" },
})) {
  try {
    new Api(url, options);
    outcomes[`refused: ${name}`] = "accepted";
  } catch (error) {
    outcomes[`refused: ${name}`] = `${error.name}: ${error.message}`;
  }
}

await check("aborted in a pause", [[503, { "Retry-After": "20" }]], () => {
  const controller = new AbortController();
  const leave = () => controller.abort(new Error("the user left"));
  const fetchThenLeave = async (...request) => {
    const response = await fetch(...request);
    setTimeout(leave, 50);
    return response;
  };
  return new Api(url, { signal: controller.signal, fetch: fetchThenLeave }).get();
});
{
  let sent = 0;
  const neverAnswers = (_, { signal }) => {
    sent += 1;
    return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  const error = await new Api(url, { timeoutMs: 50, fetch: neverAnswers }).get().catch((reason) => reason);
  outcomes["timeout of a safe call"] = [error.name, sent];
}

{
  const pauses = [];
  const realTimeout = globalThis.setTimeout;
  const realRandom = Math.random;
  const always503 = async () => new Response("down", { status: 503 });
  for (const random of [0, 0.5]) {
    Math.random = () => random;
    globalThis.setTimeout = (action, ms) => pauses.push(ms) && realTimeout(action, 0);
    await new Api(url, { retry: { attempts: 5, maxPauseMs: 1000 }, fetch: always503 }).get().catch(() => undefined);
  }
  globalThis.setTimeout = realTimeout;
  Math.random = realRandom;
  outcomes.pauses = pauses;
}

server.close();
server.closeAllConnections();
console.log(JSON.stringify(outcomes));
