"""Mount an API in an application that another server runs: `flask run`, gunicorn, uWSGI, mod_wsgi, granian.

    flask --app examples/flask_mount run --port 8080
    gunicorn --chdir examples --bind 127.0.0.1:8080 flask_mount:app

Start it with either command. The call is the same:

    curl -H 'Content-Type: application/json' -d '{"jsonrpc": "2.0", "method": "whoami", "id": 1}' http://127.0.0.1:8080/api
"""

import sys

import flask

from flaskJSONRPCServer import flaskJSONRPCServer

app = flask.Flask(__name__)

# No address: this server listens nowhere, and start() is never called.
server = flaskJSONRPCServer(None, name="mounted")
server.init_app(app)


@app.get("/")
def home():
    return "the API is at /api\n"


@server.method("/api")  # functions registered after init_app() are mounted too
def whoami():
    # The call runs inside its Flask request, so flask.request, g and session work.
    return {"ip": flask.request.remote_addr, "path": flask.request.path}


def main():
    # Flask's development server, as with `flask run`; in production use gunicorn or a similar server.
    app.run(port=int(sys.argv[1]) if len(sys.argv) > 1 else 8080)


if __name__ == "__main__":
    main()
