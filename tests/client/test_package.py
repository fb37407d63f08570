"""The package itself: what it exports, and what importing it loads."""

import subprocess
import sys

import pytest

from flaskJSONRPCServer import client

FOREIGN = ["flask", "werkzeug", "simplejson", "psutil", "pydantic", "httptools", "httpx", "requests", "asyncio"]


def test_import_loads_neither_the_server_nor_asyncio():
    code = f"import sys, flaskJSONRPCServer.client; print([name for name in {FOREIGN} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_all_names_are_there():
    assert sorted(client.__all__) == sorted(set(client.__all__))
    for name in client.__all__:
        assert getattr(client, name).__doc__, name


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = client.Nothing
