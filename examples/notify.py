"""Run notifications in a pool of threads, so that they do not block their client.

    python examples/notify.py [PORT]
    curl --json '{"jsonrpc": "2.0", "method": "mail", "params": ["Ann"]}' http://127.0.0.1:8080/api
    curl http://127.0.0.1:8080/api/sent

The first command returns at once and prints nothing: a notification has no answer. On Ctrl-C, accepted mails are still
sent.
"""

import sys
import threading
import time

from flaskJSONRPCServer import flaskJSONRPCServer


class Mailer:
    def __init__(self):
        self._sent = []
        self._changed = threading.Condition()

    def mail(self, to):
        time.sleep(0.2)  # simulate a mail server
        with self._changed:
            self._sent.append(to)
            self._changed.notify_all()

    def sent(self):
        """Wait for the first mail, and return all recipients so far."""
        with self._changed:
            self._changed.wait_for(lambda: self._sent, timeout=10)
            return list(self._sent)


def make_server(port):
    server = flaskJSONRPCServer(["127.0.0.1", port], name="notify", notifBackend="threaded")
    server.registerInstance(Mailer(), path="/api")
    return server


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    make_server(port).serveForever()


if __name__ == "__main__":
    main()
