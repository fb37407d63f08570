"""Load new code that takes over the state of the old: a callback transfers it.

python examples/reload_state.py [PORT]
curl 'http://127.0.0.1:8080/api/visit?who=Ann'
curl 'http://127.0.0.1:8080/api/upgrade'
curl 'http://127.0.0.1:8080/api/visit?who=Bob'
"""

import sys

from flaskJSONRPCServer import flaskJSONRPCServer


class Visits:
    def __init__(self):
        self.visitors = []

    def visit(self, who):
        self.visitors.append(who)
        return self.visitors

    def upgrade(self, _connection):
        def transfer_state(server, module, dispatcher):
            # No dispatcher runs now, and `module` is the newly loaded script.
            module.api.visitors = self.visitors

        entry = {"dispatcher": "api", "isInstance": True, "path": "/api", "overload": transfer_state}
        return _connection.server.reload(entry)


api = Visits()


def make_server(port):
    server = flaskJSONRPCServer(["127.0.0.1", port], name="reload_state")
    server.registerInstance(api, path="/api")
    return server


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    make_server(port).serveForever()


if __name__ == "__main__":
    main()
