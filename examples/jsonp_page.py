"""Read another origin from a page with JSONP, the predecessor of CORS.

    python examples/jsonp_page.py [PORT]
    curl 'http://127.0.0.1:8080/api/greet?name=Ann&jsonp=show'

Open http://127.0.0.1:8080/ in a browser. For a browser, `localhost` is another origin than `127.0.0.1`. The page may
not read it with fetch(), but may load a <script>. In new pages prefer fetch() and cors=True: see simple.py.
"""

import sys

from flaskJSONRPCServer import flaskJSONRPCServer

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>JSONP</title>
<output id="greeting">…</output>
<script>
function show(answer) {  // called by the script below, with a JSON-RPC answer
  document.getElementById("greeting").value = answer.error ? answer.error.message : answer.result;
}
const script = document.createElement("script");
script.src = `http://localhost:${location.port}/api/greet?name=Ann&jsonp=show`;
document.body.append(script);
</script>
"""


def greet(name):
    return f"Hello, {name}!"  # parameters of a GET are always strings


def make_server(port):
    server = flaskJSONRPCServer(["127.0.0.1", port], name="jsonp")
    # fallback=True: the method answers GET. Every page on the web can read its answers: return no secrets.
    server.registerFunction(greet, path="/api", fallback=True)
    server.flaskApp.add_url_rule("/", view_func=lambda: PAGE)
    return server


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    make_server(port).serveForever()


if __name__ == "__main__":
    main()
