"""Real child processes at the other end of a channel. They evaluate the expressions that a test sends them."""

import base64
import json
import pickle
import subprocess
import sys

_PROGRAM = """
import base64, json, pickle, socket, sys

def read_line():
    return json.loads(sys.stdin.readline())

for path in read_line():
    sys.path.append(path)
setup = pickle.loads(base64.b64decode(read_line()))
from flaskJSONRPCServer.execBackend.parallel.channel import ChannelClient
from flaskJSONRPCServer.execBackend.parallel.child import ChildServer

child = ChildServer(setup, ChannelClient(socket.socket(fileno=int(sys.argv[1]))))
server = child.facade
scope = {"child": child, "server": server}
for line in sys.stdin:
    try:
        answer = ["result", eval(json.loads(line), scope)]
    except Exception as exc:
        answer = [type(exc).__name__, str(exc)]
    print(json.dumps(answer), flush=True)
"""


class Child:
    """A child process. In the expressions, `child` is its ChildServer, and `server` the facade."""

    def __init__(self, setup, session, channel):
        self.session = session
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(channel.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[channel.fileno()],
            text=True,
        )
        channel.close()  # so that the session notices the end of the process
        self.begin(sys.path)
        self.begin(base64.b64encode(pickle.dumps(setup)).decode())

    def begin(self, expression):
        """Send an expression, and do not wait for its value."""
        self._process.stdin.write(json.dumps(expression) + "\n")
        self._process.stdin.flush()

    def end(self):
        """Return the value of the last expression, or the name and the text of its exception."""
        name, value = json.loads(self._process.stdout.readline())
        return value if name == "result" else (name, value)

    def ask(self, expression):
        self.begin(expression)
        return self.end()

    def kill(self):
        self._process.kill()
        self._process.communicate()


def send_setup(setup):
    """Return a setup as it arrives in a child."""
    return pickle.loads(pickle.dumps(setup))


def record_waits(methods):
    """Return a list that has an item for each child that waits for a lock, while it does."""
    waiting, wait = [], methods.waiting["wait"]

    def recorded(params, is_gone):
        waiting.append(params["dispatcher"])
        try:
            return wait(params, is_gone)
        finally:
            waiting.pop()

    methods.waiting["wait"] = recorded
    return waiting
