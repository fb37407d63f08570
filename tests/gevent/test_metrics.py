"""Metrics under gevent."""

from tests.gevent.processes import lines_of

SCRAPE = """
def scrape(address):
    connection = http.client.HTTPConnection(*address, timeout=30)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    lines = answer.read().decode().splitlines()
    connection.close()
    return answer.status, [line for line in lines if line.startswith("jsonrpc_server_call_duration_seconds_count")]
"""


def test_calls_and_refusals_are_counted_and_the_address_is_served_while_requests_are_held():
    out = lines_of(
        SCRAPE
        + """
server.registerFunction(abs, path="/api", name="abs")
server.registerFunction(abs, path="/api", name="native", dispatcherBackend="threadedNative")
server.start()
print([call(name, -5) for name in ("abs", "native")])
connection = connect()
connection.request("POST", "/api", "x" * 1001, {"Content-Type": "application/json"})
print(connection.getresponse().status)
connection.close()
server._deepLock()
status, lines = scrape(server.metrics_address)
server._deepUnlock()
print(status, *lines, sep="\\n")
print(server._engine.stats.totals().refusals)
server.stop()
""",
        options='{"metrics": True, "metrics_address": ["127.0.0.1", 0], "max_body_bytes": 1000}',
    )
    assert out == [
        "[5, 5]",
        "413",
        "200",
        'jsonrpc_server_call_duration_seconds_count{code="0",method="/api/abs",transport="http"} 1.0',
        'jsonrpc_server_call_duration_seconds_count{code="0",method="/api/native",transport="http"} 1.0',
        "{'413': 1}",
    ]
