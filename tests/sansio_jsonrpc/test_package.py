import subprocess
import sys

import pytest

from flaskJSONRPCServer import sansio_jsonrpc


@pytest.mark.parametrize(
    "module",
    [
        "flask",
        "werkzeug",
        "flaskJSONRPCServer.server",
        "simplejson",
        "orjson",
        "msgspec",
        "rapidjson",
        "psutil",
        "gevent",
    ],
)
def test_importing_the_library_does_not_load(module):
    code = f"import sys, flaskJSONRPCServer.sansio_jsonrpc; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_exported_name_exists():
    assert [name for name in sansio_jsonrpc.__all__ if not hasattr(sansio_jsonrpc, name)] == []
