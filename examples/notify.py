"""Notifications that do not hold their client: they run in a pool of threads.

    python examples/notify.py [PORT]
    curl --json '{"jsonrpc": "2.0", "method": "mail", "params": ["Ann"]}' http://127.0.0.1:8080/api
    curl http://127.0.0.1:8080/api/sent

The first command returns at once, with nothing: a notification has no answer. Ctrl-C lets accepted mails be sent.
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
        time.sleep(0.2)  # a mail server takes its time
        with self._changed:
            self._sent.append(to)
            self._changed.notify_all()

    def sent(self):
        """Wait for the first mail, and return to whom there have been any."""
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
