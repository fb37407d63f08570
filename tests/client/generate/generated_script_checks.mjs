// Calls a server by a generated client, and prints the outcomes as JSON: node generated_script_checks.mjs MODULE URL

import { pathToFileURL } from "node:url";

const [, , modulePath, url] = process.argv;
const { Api, HttpStatusError, OutOfStock, ProtocolError, RpcError } = await import(pathToFileURL(modulePath).href);

const outcomes = {};

async function check(name, action) {
  try {
    outcomes[name] = await action();
  } catch (error) {
    outcomes[name] = `${error.name}: ${error.message}`;
  }
}

/** Return a client whose requests are answered by a function of their messages. */
function answered(answer, init = {}) {
  const fetch = async (_, { body }) => {
    const value = answer(JSON.parse(body));
    return new Response(typeof value === "string" ? value : JSON.stringify(value), init);
  };
  return new Api("http://127.0.0.1:1/api", { fetch });
}

const api = new Api(`${url}/api`);

await check("either", async () => [await api.either(1), await api.either(1, 2), await api.either(undefined, 3)]);
await check("positional", async () => [await api.positional(1), await api.positional(1, 5)]);
await check("named", async () => [await api.named({ a: 1 }), await api.named({ a: 1, b: 7 })]);
await check("any number", async () => [await api.any_number(), await api.any_number(1, 2, 3)]);
await check("keywords", () => api.keywords({ x: 1, self: 2 }));
await check("both", async () => [await api.both(), await api.both(5, 6), await api.both(undefined, 6, { c: 7 })]);
await check("both by no way", () => api.both(5, undefined, { c: 7 }));
await check("a gap", () => api.positional(undefined, 5));
await check("dotted", () => api.math.deep.negate(4));
await check("prototype", () => api.proto__(4));
await check("text", () => api.echo("Grüße \u2028 </script> 🎉"));
await check("notification", async () => [(await api.notify.log("n1")) === undefined, (await api.log("n2")) === undefined]);

await check("declared error", async () => {
  const error = await api.buy("tea").catch((reason) => reason);
  return [error instanceof OutOfStock, error instanceof RpcError, error.name, error.code, OutOfStock.code, error.message, error.data];
});
await check("other error", async () => {
  const error = await api.either("text").catch((reason) => reason);
  return [error.constructor === RpcError, error.code];
});

await check("batch", async () => {
  const batch = api.batch();
  const pending = [batch.either(1), batch.buy("tea"), batch.math.deep.negate(2)];
  batch.notify.log("n3");
  const nothing = batch.log("n4");
  await batch.send();
  const settled = await Promise.allSettled(pending);
  return [settled.map(({ value, reason }) => value ?? reason.name), await nothing, await batch.send().catch(String)];
});
await check("empty batch", async () => (await api.batch().send()) === undefined);
await check("batch of notifications", async () => {
  const batch = api.batch();
  batch.notify.log("n5");
  return (await batch.send()) === undefined;
});
await check("call after sending", async () => {
  const batch = api.batch();
  await batch.send();
  return batch.either(1);
});

await check("timeout", () => api.options({ timeoutMs: 50 }).wait_for_release());
await check("no timeout", () => api.options({ timeoutMs: 60000 }).either(1));
await check("aborted", async () => {
  const controller = new AbortController();
  const call = api.options({ signal: controller.signal }).wait_for_release();
  controller.abort(new Error("the user left"));
  return call;
});
await check("aborted before", () => api.options({ signal: AbortSignal.abort(new Error("too late")) }).either(1));
await check("released", () => api.release());
await check("header", () => api.options({ headers: { "X-Tone": "loud" } }).tone());

await check("idempotency key", async () => {
  const run = (idempotencyKey) => new Api(`${url}/api`, { idempotencyKey }).run();
  const key = `${Math.random()}`;
  const first = await run(key);
  return [(await run(key)) === first, (await run(true)) !== (await run(true)), (await run(`${key}x`)) !== first];
});
await check("remaining time", async () => {
  const [told, other] = [await api.options({ timeoutMs: 60_000 }).remaining(), await api.remaining()];
  return [50 < told && told <= 60, 500 < other];
});

await check("refused", async () => {
  const error = await new Api(`${url}/no_such`).either(1).catch((reason) => reason);
  return [error instanceof HttpStatusError, error.status];
});
await check("no server", async () => (await new Api("http://127.0.0.1:1/").either(1).catch((reason) => reason)).name);

const ok = (message, members) => ({ jsonrpc: "2.0", id: message.id, result: 1, ...members });
await check("error with a status", () =>
  answered((message) => ({ jsonrpc: "2.0", id: message.id, error: { code: 1001, message: "Out" } }), { status: 500 }).either(1));
await check("not JSON", () => answered(() => "<html>").either(1));
await check("nothing", () => answered(() => "").either(1));
await check("another id", () => answered((message) => ok(message, { id: 77 })).either(1));
await check("another version", () => answered((message) => ok(message, { jsonrpc: "1.0" })).either(1));
await check("result and error", () => answered((message) => ok(message, { error: {} })).either(1));
await check("no result", () => answered((message) => ({ jsonrpc: "2.0", id: message.id })).either(1));
await check("wrong error", () => answered((message) => ({ jsonrpc: "2.0", id: message.id, error: "no" })).either(1));

async function batchOfTwo(answer) {
  const batch = answered(answer).batch();
  const pending = [batch.either(1), batch.either(2)];
  const sent = await batch.send().catch((error) => error);
  const settled = await Promise.allSettled(pending);
  return [sent?.name ?? "sent", ...settled.map(({ value, reason }) => value ?? `${reason.name}: ${reason.message}`)];
}
await check("reversed batch", () => batchOfTwo((messages) => [ok(messages[1], { result: 2 }), ok(messages[0])]));
await check("missing answer", () => batchOfTwo((messages) => [ok(messages[0])]));
await check("doubled answer", () => batchOfTwo((messages) => [ok(messages[0]), ok(messages[1]), ok(messages[0])]));
await check("unknown answer", () => batchOfTwo((messages) => [ok(messages[0]), ok(messages[1]), ok({ id: 99 })]));
await check("refused batch", () => batchOfTwo(() => ({ jsonrpc: "2.0", id: null, error: { code: -32600, message: "No" } })));
await check("one message", () => batchOfTwo((messages) => ok(messages[0])));

outcomes.protocolError = new ProtocolError("x") instanceof Error;
console.log(JSON.stringify(outcomes));
