// Run the rules of @open-rpc/test-coverage on one document, and print the calls as JSON. Called by openrpc-coverage.
//
//     node openrpc-coverage.js '{"url": "http://127.0.0.1:8080/api/openrpc.json", "headers": {}, "skip": []}'

const fetch = require("isomorphic-fetch");
const jsf = require("json-schema-faker");
const coverage = require("@open-rpc/test-coverage").default;
const ExamplesRule = require("@open-rpc/test-coverage/build/rules/examples-rule").default;
const JsonSchemaFakerRule = require("@open-rpc/test-coverage/build/rules/json-schema-faker-rule").default;
const { parseOpenRPCDocument } = require("@open-rpc/schema-utils-js");

// Parse error, invalid request, method not found, invalid params: the server refuses what its document allows.
const REFUSALS = [-32700, -32600, -32601, -32602];

const order = JSON.parse(process.argv[2]);

let state = 1; // always the same calls, so that a failure can be repeated
jsf.option({
  failOnInvalidFormat: false, // it lacks some, such as "binary"
  random: () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x80000000;
  },
});

let id = 0;
async function transport(url, method, params) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...order.headers },
    body: JSON.stringify({ jsonrpc: "2.0", id: ++id, method, params }),
  });
  return response.json();
}

function faultOf(call) {
  if (call.requestError) return `the request failed: ${call.requestError.message}`;
  if (call.error && REFUSALS.includes(call.error.code)) return `refused: ${JSON.stringify(call.error)}`;
  if (call.valid) return null;
  return call.reason || `expected ${JSON.stringify(call.expectedResult)}, not ${JSON.stringify(call.error)}`;
}

async function main() {
  const response = await fetch(order.url, { headers: order.headers });
  const openrpcDocument = await parseOpenRPCDocument(await response.text());
  const calls = await coverage({
    openrpcDocument,
    transport,
    reporters: [{ onBegin() {}, onTestBegin() {}, onTestEnd() {}, onEnd() {} }], // the one named "empty" prints
    rules: [new ExamplesRule(), new JsonSchemaFakerRule()],
    skip: order.skip,
    only: [],
  });
  const shown = calls.map((call) => ({ method: call.methodName, params: call.params, fault: faultOf(call) }));
  process.stdout.write(JSON.stringify(shown));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
