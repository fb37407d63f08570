"""Real child processes of a channel, which do what they are told line by line."""

import base64
import json
import pickle
import subprocess
import sys

_PROGRAM = """
import base64, json, pickle, sys

def told():
    return json.loads(sys.stdin.readline())

for path in told():
    sys.path.append(path)
setup = pickle.loads(base64.b64decode(told()))
from flaskJSONRPCServer.execBackend.parallel.child import ChildServer

child = ChildServer(setup)
server = child.facade
known = {"child": child, "server": server}
for line in sys.stdin:
    try:
        answer = ["result", eval(json.loads(line), known)]
    except Exception as exc:
        answer = [type(exc).__name__, str(exc)]
    print(json.dumps(answer), flush=True)
"""


class Child:
    """A child process. It evaluates expressions, in which `child` is its ChildServer, and `server` the facade."""

    def __init__(self, setup):
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.begin(sys.path)
        self.begin(base64.b64encode(pickle.dumps(setup)).decode())

    def begin(self, expression):
        """Let it evaluate an expression, without waiting for what comes of it."""
        self._process.stdin.write(json.dumps(expression) + "\n")
        self._process.stdin.flush()

    def end(self):
        """Return what came of the last one: the value, or the name of the exception and its text."""
        name, said = json.loads(self._process.stdout.readline())
        return said if name == "result" else (name, said)

    def ask(self, expression):
        self.begin(expression)
        return self.end()

    def kill(self):
        self._process.kill()
        self._process.communicate()


def noted_waits(channel):
    """Return a list that has an item for each child that waits for a lock, while it does."""
    waiting, wait = [], channel._methods.waiting["wait"]

    def noted(params, is_gone):
        waiting.append(params["dispatcher"])
        try:
            return wait(params, is_gone)
        finally:
            waiting.pop()

    channel._methods.waiting["wait"] = noted
    return waiting
