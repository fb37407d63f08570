"""A server with a page around the dashboard: with a strict policy, and the colours of a shell."""

from pathlib import Path

import flask

from flaskJSONRPCServer import console, flaskJSONRPCServer

STATIC = Path(console.__file__).parent / "static"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Dashboard</title><link rel="stylesheet" href="/host/host.css"></head>
<body><main><h1>Console</h1><h2>Dashboard</h2><div id="view"></div></main>
<script type="module" src="/host/host.js"></script></body></html>"""

STYLE = """
:root { color-scheme: light dark; --bg: light-dark(#ffffff, #14171a); --fg: light-dark(#1c2024, #e6e9ec);
  --muted: light-dark(#5b6570, #9aa5b0); --line: light-dark(#dde2e7, #2c333a); --accent: light-dark(#1f5fbf, #7fb0ff);
  --error: light-dark(#b3261e, #ff8a80); --ok: light-dark(#1a7044, #6fcf97); }
body { background: var(--bg); color: var(--fg); font: 16px/1.5 system-ui, sans-serif; margin: 0; }
main { padding: 1rem; }
"""

SCRIPT = """
import { mount } from "/host/static/dashboard.js";
window.asked = [];
const api = { request: (url, options = {}) => {
  window.asked.push(url);
  return fetch(new URL(url, new URL("/console/", location)), options);
} };
window.dashboard = mount(document.getElementById("view"), api);
"""


def make_server(**options):
    """Return a server with the page at `/host/`, which is not started."""
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, **options)
    app = server.flaskApp

    @app.get("/host/")
    def page():
        return flask.Response(PAGE, headers={"Content-Security-Policy": POLICY})

    @app.get("/host/host.css")
    def style():
        return flask.Response(STYLE, mimetype="text/css")

    @app.get("/host/host.js")
    def script():
        return flask.Response(SCRIPT, mimetype="text/javascript")

    @app.get("/host/static/<path:file>")
    def static_file(file):
        return flask.send_from_directory(STATIC, file)

    return server


def url_of(server, path):
    return f"http://127.0.0.1:{server.addresses[0][1]}{path}"
