"""Load new code without a restart: functions of this script are loaded again while calls come in.

    python examples/reload_script.py [PORT]
    curl 'http://127.0.0.1:8080/api/greet?name=Ann'
    curl 'http://127.0.0.1:8080/api/upgrade'
    curl 'http://127.0.0.1:8080/api/greet?name=Ann'

Change greet() before the second command, and the third shows the new result. With a mistake in the script, the second
command returns false, the log has the reason, and the old greet() stays.
"""

import sys

from flaskJSONRPCServer import flaskJSONRPCServer


def greet(name):
    return f"Hello, {name}!"


def upgrade(_connection):
    # Without 'scriptPath', the script of the main program is loaded. Code below `if __name__ ...` does not run again.
    return _connection.server.reload([{"dispatcher": name, "path": "/api"} for name in ("greet", "upgrade")])


def make_server(port):
    server = flaskJSONRPCServer(["127.0.0.1", port], name="reload_script")
    server.registerFunction(greet, path="/api")
    server.registerFunction(upgrade, path="/api")
    return server


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    make_server(port).serveForever()


if __name__ == "__main__":
    main()
