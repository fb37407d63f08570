"""Call a server with the standard library alone.

    python examples/simple.py &
    python examples/client.py [URL]

Any other JSON-RPC 2.0 client works too: jsonrpclib-pelix, pjrpc, or requests and httpx with a few lines like these.
"""

import itertools
import json
import sys
import urllib.error
import urllib.request

_ids = itertools.count(1)


class RemoteError(Exception):
    """The error that the server answered."""

    def __init__(self, error):
        super().__init__(f"{error['message']} ({error['code']})")
        self.code = error["code"]
        self.data = error.get("data")


def request(method, params=()):
    """Return a call. Params in a list or tuple are positional, in a dict named."""
    return {"jsonrpc": "2.0", "method": method, "params": params, "id": next(_ids)}


def notification(method, params=()):
    """Return a notification: a call without an id, which has no answer."""
    return {"jsonrpc": "2.0", "method": method, "params": params}


def send(url, message):
    """POST a message or a list of messages (a batch). Return the answer; None for an empty one (204)."""
    posted = urllib.request.Request(url, json.dumps(message).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(posted, timeout=10) as reply:
        body = reply.read()
    return json.loads(body) if body else None


def result_of(answer):
    if "error" in answer:
        raise RemoteError(answer["error"])
    return answer["result"]


def call(url, method, params=()):
    return result_of(send(url, request(method, params)))


def main():
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/api"

    print("by position:", call(url, "add", [2, 3]))
    print("by name:", call(url, "add", {"a": 40, "b": 2}))
    print("notification:", send(url, notification("echo", ["nobody hears this"])))

    # One HTTP request for many calls. The answers may come in any order, and are matched by id.
    batch = [request("add", [number]) for number in range(3)]
    answers = {answer["id"]: answer for answer in send(url, batch)}
    print("batch:", [result_of(answers[sent["id"]]) for sent in batch])

    try:
        call(f"{url}/shop", "buy", ["coffee"])
    except RemoteError as error:
        print("error:", error, error.data)


if __name__ == "__main__":
    try:
        main()
    except urllib.error.HTTPError:
        raise
    except urllib.error.URLError as error:
        sys.exit(f"{error.reason}; start examples/simple.py first, or give the URL of a running server")
