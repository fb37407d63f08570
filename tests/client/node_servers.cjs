// The JSON-RPC servers jayson and json-rpc-2.0, each on a free port of 127.0.0.1, until the end of standard input.
// NODE_PATH is the folder of their packages. The ports are written as a line of JSON.

const http = require("node:http");
const jayson = require("jayson");
const { JSONRPCErrorException, JSONRPCServer } = require("json-rpc-2.0");

const TEAPOT = { code: 418, message: "I am a teapot", data: { short: true, stout: ["ä"] } };

// The arguments of a call in the order of their names.
function ordered(params, ...names) {
    return Array.isArray(params) ? params : names.map((name) => (params ?? {})[name]);
}

function functions() {
    let heard = [];
    return {
        subtract(params) {
            const [minuend, subtrahend = 1] = ordered(params, "minuend", "subtrahend");
            return minuend - subtrahend;
        },
        echo(params) {
            return ordered(params, "value")[0];
        },
        "math.next_day"(params) {
            const [day, days = 1] = ordered(params, "day", "days");
            return new Date(Date.parse(day) + days * 86_400_000).toISOString().slice(0, 10);
        },
        hear(params) {
            heard.push(ordered(params, "text")[0]);
        },
        heard() {
            const before = heard;
            heard = [];
            return before;
        },
    };
}

function jaysonServer() {
    const methods = { teapot: (params, done) => done(TEAPOT) };
    for (const [name, run] of Object.entries(functions())) {
        methods[name] = (params, done) => {
            let result;
            try {
                result = run(params);
            } catch (error) {
                return done(error);
            }
            done(null, result);
        };
    }
    return new jayson.Server(methods).http();
}

function jsonRpcServer() {
    const server = new JSONRPCServer({ errorListener() {} });
    for (const [name, run] of Object.entries(functions())) {
        server.addMethod(name, run);
    }
    server.addMethod("teapot", () => {
        throw new JSONRPCErrorException(TEAPOT.message, TEAPOT.code, TEAPOT.data);
    });
    return http.createServer((request, response) => {
        const chunks = [];
        request.on("data", (chunk) => chunks.push(chunk));
        request.on("end", async () => {
            const answer = await server.receiveJSON(Buffer.concat(chunks).toString());
            response.writeHead(answer === null ? 204 : 200, { "Content-Type": "application/json" });
            response.end(answer === null ? undefined : JSON.stringify(answer));
        });
    });
}

async function listening(server) {
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    return server.address().port;
}

async function main() {
    const ports = { jayson: await listening(jaysonServer()), "json-rpc-2.0": await listening(jsonRpcServer()) };
    process.stdin.on("end", () => process.exit(0)).resume();
    console.log(JSON.stringify(ports));
}

main();
