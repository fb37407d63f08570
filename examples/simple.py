"""Serve some functions and an object on http://127.0.0.1:8080/api. `make run` starts this.

    python examples/simple.py [PORT]

The port may also come from the environment variable PORT; 0 lets the system choose one.
"""

import os
import sys

from flaskJSONRPCServer import BindError, JsonRpcApplicationError, flaskJSONRPCServer

# A page that calls the API with fetch(), so that there is something to see at the URL.
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>flaskJSONRPCServer</title>
<style>body { font: 16px/1.5 system-ui, sans-serif; max-width: 42em; margin: 3em auto } input { width: 5em }</style>
<h1>It runs</h1>
<form>
  <input name="a" type="number" value="2"> + <input name="b" type="number" value="3">
  <button>call <code>add</code></button> <output name="sum"></output>
</form>
<p>You are <output id="whoami">…</output>.</p>
<script>
async function call(method, params) {
  const response = await fetch("/api", {
    method: "POST",
    headers: {"Content-Type": "application/json"},
    body: JSON.stringify({jsonrpc: "2.0", method, params, id: 1}),
  });
  const answer = await response.json();
  if (answer.error) throw new Error(answer.error.message);
  return answer.result;
}
document.forms[0].addEventListener("submit", async (event) => {
  event.preventDefault();
  const {a, b, sum} = event.target.elements;
  sum.value = "= " + await call("add", [a.valueAsNumber, b.valueAsNumber]);
});
call("whoami").then((me) => { document.getElementById("whoami").value = me.ip; });
</script>
"""


class OutOfStock(JsonRpcApplicationError):
    """Clients get an error with this code and message. Other exceptions are reported without details."""

    ERROR_CODE = 1001
    ERROR_MESSAGE = "Out of stock"


class Shop:
    """An object whose public methods become callable; names with an underscore do not."""

    def __init__(self):
        self._stock = {"tea": 3, "coffee": 0}

    def stock(self):
        return self._stock

    def buy(self, item, amount=1):
        # Requests are served in threads. A race is harmless in this demo; use a lock in production.
        if self._stock.get(item, 0) < amount:
            raise OutOfStock(data={"item": item, "left": self._stock.get(item, 0)})
        self._stock[item] -= amount
        return self._stock[item]


def echo(value):
    return value


def add(a, b=1):
    return a + b


add._alias = "plus"  # callable under a second name too


def whoami(_connection):
    # The server fills the parameter of this name; clients do not see it.
    return {"ip": _connection.ip, "agent": _connection.headers.get("User-Agent")}


def make_server(port):
    # cors=True: pages of every origin may call. Use it only for an API without secrets.
    server = flaskJSONRPCServer(["127.0.0.1", port], cors=True, name="simple")
    for function in (echo, add, whoami):
        server.registerFunction(function, path="/api")
    server.registerInstance(Shop(), path="/api/shop")
    server.flaskApp.add_url_rule("/", view_func=lambda: PAGE)
    return server


def greet(server):
    host, port = server.addresses[0]  # with the actual port, if 0 was passed
    url = f"http://{host}:{port}"
    request = '{"jsonrpc": "2.0", "method": "add", "params": [2, 3], "id": 1}'
    print(f"Open {url}/ in a browser, or call it:\n")
    print(f"  curl -H 'Content-Type: application/json' -d '{request}' {url}/api")
    print(f"  curl '{url}/api/echo?value=hello'\n\nCtrl-C ends it.", flush=True)


def main():
    port = int(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PORT", "8080"))
    server = make_server(port)
    try:
        server.serveForever(on_start=greet)
    except BindError as error:
        sys.exit(error.strerror)


if __name__ == "__main__":
    main()
