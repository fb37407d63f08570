"""The example in a Flask application, for gunicorn: ``gunicorn --pythonpath examples conformance.mounted:app``."""

import flask
from mcp_everything import server

__all__ = ["app"]

app = flask.Flask(__name__)
server.init_app(app)
