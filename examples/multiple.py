"""Listen on several addresses at once, one of them a Unix socket.

    python examples/multiple.py [PORT]
    curl 'http://127.0.0.1:8080/api/where'

The log shows the other addresses. For the Unix socket: curl --unix-socket PATH http://localhost/api/where
"""

import os
import sys
import tempfile
from pathlib import Path

from flaskJSONRPCServer import flaskJSONRPCServer


def where(_connection):
    is_raw_socket, ip_or_path, _ = _connection.servedBy
    return "the Unix socket" if is_raw_socket else ip_or_path


def make_server(port):
    path = Path(tempfile.gettempdir()) / f"multiple-{os.getpid()}.sock"
    # If one address fails, the server does not start. Port 0 lets the system choose one.
    server = flaskJSONRPCServer(
        [["127.0.0.1", port], ["127.0.0.1", 0], str(path)], multipleAdress=True, name="multiple"
    )
    server.registerFunction(where, path="/api")
    return server


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    make_server(port).serveForever()


if __name__ == "__main__":
    main()
