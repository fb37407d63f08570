"""Newer code without a restart: functions of this script are loaded again while calls come.

    python examples/reload_script.py [PORT]
    curl 'http://127.0.0.1:8080/api/greet?name=Ann'
    curl 'http://127.0.0.1:8080/api/upgrade'
    curl 'http://127.0.0.1:8080/api/greet?name=Ann'

Change what greet() returns before the second command, and the third shows it. With a mistake in the script the second
one says false, the log says why, and the old greet() stays.
"""

import sys

from flaskJSONRPCServer import flaskJSONRPCServer


def greet(name):
    return f"Hello, {name}!"


def upgrade(_connection):
    # Without 'scriptPath' the main program's script is meant. What stands below `if __name__ ...` does not run again.
    return _connection.server.reload([{"dispatcher": name, "path": "/api"} for name in ("greet", "upgrade")])


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    server = flaskJSONRPCServer(["127.0.0.1", port], name="reload_script")
    server.registerFunction(greet, path="/api")
    server.registerFunction(upgrade, path="/api")
    server.serveForever()


if __name__ == "__main__":
    main()
