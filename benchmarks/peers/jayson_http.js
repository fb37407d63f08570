// jayson on the HTTP server of Node, as its README serves it.
const jayson = require("jayson");

const server = new jayson.server({
  add: (args, callback) => callback(null, args.a + args.b),
  echo: (args, callback) => callback(null, args.payload),
  nap: (_args, callback) => setTimeout(() => callback(null, null), 5),
});

server.http().listen(Number(process.argv[2]), "127.0.0.1");
