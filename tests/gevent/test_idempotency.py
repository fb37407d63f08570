"""Idempotency keys under gevent: greenlets and native threads wait for one call, which runs once."""

import pytest

from tests.gevent.processes import lines_of

SCRIPT = """
runs = []

def count(seconds):
    runs.append(seconds)
    gevent.sleep(seconds)
    return len(runs)

def native(seconds):
    runs.append(seconds)
    native_sleep(seconds)
    return len(runs)

server.registerFunction(count, path="/api")
server.registerFunction(native, path="/api", dispatcherBackend="threadedNative")
server.start()

def ask_keyed(method, key, **members):
    call = {"jsonrpc": "2.0", "method": method, "params": [0.2], "id": 1, **members}
    fields = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
    with contextlib.closing(connect()) as connection:
        connection.request("POST", "/api", json.dumps(call), fields)
        return connection.getresponse().read().decode()

for method in ("count", "native"):
    for key, members in ((method, {}), ("", {"idempotencyKey": method})):
        before = len(runs)
        calls = [gevent.spawn(ask_keyed, method, key, **members) for _ in range(100)]
        gevent.joinall(calls)
        print(len(runs) - before, len({call.value for call in calls}))
call = gevent.spawn(ask_keyed, "count", "stop")
until(lambda: len(runs) == 5)
again = gevent.spawn(ask_keyed, "count", "stop")
until(lambda: server._engine.locks.held().waiting == 1)
server.stop()
print(call.get() == again.get(), len(runs))
"""


@pytest.mark.parametrize("serv_backend", ["pywsgi", "auto"])
def test_hundred_greenlets_with_one_key_run_the_call_once(serv_backend):
    assert lines_of(SCRIPT, options=f"dict(servBackend={serv_backend!r})") == ["1 1"] * 4 + ["True 5"]
