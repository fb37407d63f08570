"""Grant access only with a token.

    API_TOKEN=sesame python examples/auth.py [PORT]
    curl -H 'Authorization: Bearer sesame' 'http://127.0.0.1:8080/api/secret'

Without the token, or with a wrong one, the answer is 403.
"""

import hmac
import os
import sys

from flaskJSONRPCServer import flaskJSONRPCServer


class BearerToken:
    """An `auth` function that accepts one token."""

    def __init__(self, token):
        self._expected = f"Bearer {token}".encode()

    def __call__(self, server, path, request, method):
        # Called before the body is read. Only True grants access; 1, None and exceptions do not.
        authorization = request.headers.get("Authorization", "")
        # compare_digest takes the same time for any difference, so that its duration reveals nothing about the token.
        # Compare bytes: it refuses str outside ASCII, and clients may send anything.
        return hmac.compare_digest(authorization.encode(), self._expected)


def secret():
    return "the treasure is under the palm tree"


def make_server(port, token):
    server = flaskJSONRPCServer(["127.0.0.1", port], auth=BearerToken(token), name="auth")
    server.registerFunction(secret, path="/api")
    return server


def main():
    token = os.environ.get("API_TOKEN")
    if not token:
        sys.exit("set API_TOKEN, for example to sesame; a token does not belong in the source")
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    make_server(port, token).serveForever()


if __name__ == "__main__":
    main()
