"""The functions that the tests of sessions call as tools."""

import threading

from flaskJSONRPCServer.mcp import Form, ListRoots, Sample, Visit, ask, log


class Work:
    """Functions that run until the test lets them go."""

    def __init__(self):
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self.ends = []

    def wait(self, _connection) -> str:
        """Wait."""
        self.has_begun.set()
        _connection.progress(1, 2)
        while not (_connection.cancelled or self.may_end.wait(0.01)):
            pass
        self.ends.append("cancelled" if _connection.cancelled else "done")
        return "waited"


def add(a: int, b: int) -> int:
    return a + b


def greet() -> str:
    answer = ask(
        "name", Form("Who?", {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]})
    )
    return f"{answer.action} {answer.content.get('name')}"


def page() -> str:
    return ask("page", Visit("Log in", "https://example.com")).action


def sample() -> str:
    return ask("text", Sample("Say it"))["content"]["text"]


def folders() -> str:
    return ask("roots", ListRoots())["roots"][0]["uri"]


def chatter() -> str:
    log("debug", "d")
    log("warning", {"w": 1}, "module")
    return "said"


def broken() -> str:
    raise ValueError("secret")
