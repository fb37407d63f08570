"""tinyrpc, whose HTTP transport sends no Content-Type by default.

It has an environment of its own: its package installs a top-level module `tests`.
"""

import subprocess
import sys
import venv

import pytest

PROGRAM = """
import sys
from tinyrpc import RPCClient
from tinyrpc.exc import InvalidReplyError
from tinyrpc.protocols.jsonrpc import JSONRPCProtocol
from tinyrpc.transports.http import HttpPostClientTransport

def client(**options):
    return RPCClient(JSONRPCProtocol(), HttpPostClientTransport(sys.argv[1], **options))

remote = client(headers={"Content-Type": "application/json"})
print(remote.call("subtract", [42, 23], {}))
remote.call("subtract", [1, 2], {}, one_way=True)
print(remote.call("subtract", [], {"subtrahend": 23, "minuend": 42}))
try:
    client().call("subtract", [42, 23], {})
except InvalidReplyError:  # it takes the sentence of the 415 for JSON
    print("refused")
"""


@pytest.mark.timeout(180)
def test_calls_and_notifications_work_with_the_documented_header(api, tmp_path):
    venv.create(tmp_path / "environment")
    python = str(tmp_path / "environment" / "bin" / "python")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--python",
        python,
        "install",
        "-q",
        "--no-compile",
    ]
    subprocess.run([*pip, "tinyrpc[httpclient]>=1.1"], check=True)
    done = subprocess.run([python, "-c", PROGRAM, api.url], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["19", "19", "refused"]
    assert api.calls == ["subtract"] * 3
