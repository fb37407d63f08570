"""The answers to clients within and beyond their limits, on every way to a server."""

import logging

import flask
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.dispatch.rate_limits.shared_counters import disconnect
from tests.execBackend.celery.processes import broker_running
from tests.helpers import Request, UnreadableStream, call_environ, call_wsgi, environ_of, get, post, rpc

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections

DAY_MS = 86_400_000
DAY_S = "86400"


def make(**options):
    ran = []
    server = flaskJSONRPCServer(None, **{"log": False, **options})
    for name in ("one", "two"):
        server.registerFunction(lambda _name=name: ran.append(_name) or _name, path="/api", name=name)
    server.ran = ran
    return server


def direct(server):
    return server.getWSGI()


def through_flask(server):
    server.settings.flaskContext = True
    return server.getWSGI()


def mounted(server):
    application = flask.Flask("theirs")
    server.init_app(application)
    return application


@pytest.fixture(params=[direct, through_flask, mounted], ids=lambda way: way.__name__)
def way(request):
    return request.param


def over(limit):
    return f"over rateLimit ({limit}); try again in {DAY_S} s\n".encode()


def member(limit, request_id=1):
    data = {"retryAfterMs": DAY_MS}
    error = {"code": 429, "message": f"Not run: over rateLimit ({limit})", "data": data}
    return {"jsonrpc": "2.0", "error": error, "id": request_id}


def result(value, request_id=1):
    return {"jsonrpc": "2.0", "result": value, "id": request_id}


def rounded(replies):
    """Put a day in the place of the time until the end of a window of a day, after holding it against that."""
    for reply in replies:
        data = reply.get("error", {}).get("data")
        if data is not None:
            assert type(data["retryAfterMs"]) is int
            assert DAY_MS - 60_000 < data["retryAfterMs"] <= DAY_MS
            data["retryAfterMs"] = DAY_MS
    return replies


def test_call_beyond_the_limit_is_429_with_retry_after(way):
    server = make(rateLimit="2/day")
    application = way(server)

    assert [call_wsgi(application, post(rpc("one"))).code for _ in range(2)] == [200, 200]
    refused = call_wsgi(application, post(rpc("one")))
    assert refused.status.upper() == "429 TOO MANY REQUESTS"
    assert refused.header("Retry-After") == DAY_S
    assert refused.header("Content-Type") == "text/plain; charset=utf-8"
    assert refused.body == over("2 per day")
    assert server.ran == ["one", "one"]
    assert server.stats()["rateLimitedCount"] == 1


def test_get_and_head_count_as_calls(way):
    server = make(rateLimit="2/day")
    application = way(server)

    assert call_wsgi(application, get("/api/one")).code == 200
    assert call_wsgi(application, Request("HEAD", "/api/one")).code == 200
    refused = call_wsgi(application, get("/api/two"))
    assert (refused.code, refused.header("Retry-After")) == (429, DAY_S)
    assert server.ran == ["one", "one"]


def test_options_is_not_counted(way):
    application = way(make(rateLimit="1/day"))

    assert [call_wsgi(application, Request("OPTIONS", "/api")).code for _ in range(3)] == [204] * 3
    assert call_wsgi(application, post(rpc("one"))).code == 200


def test_members_beyond_the_limit_are_errors_and_do_not_run(way):
    server = make(rateLimit="3/day")
    batch = [rpc("one", None, 1), rpc("two", None, 2), rpc("one", None, 3), rpc("two", None, 4), rpc("one", None, 5)]
    answer = call_wsgi(way(server), post(batch))

    assert answer.code == 200
    assert rounded(answer.json()) == [
        *(result("one", 1), result("two", 2), result("one", 3)),
        *(member("3 per day", 4), member("3 per day", 5)),
    ]
    assert server.ran == ["one", "two", "one"]
    assert server.stats()["rateLimitedCount"] == 2


def test_batch_takes_its_units_before_any_member_runs():
    server = make(rateLimit={"methods": {"one": "2/day"}})
    counted_at = []
    server.registerFunction(lambda: counted_at.append(server.stats()["rateLimitedCount"]), path="/api", name="look")
    call_wsgi(server.getWSGI(), post([rpc("look"), rpc("one"), rpc("one"), rpc("one"), rpc("one")]))

    assert counted_at == [2]


def test_batch_of_which_nothing_may_run_is_429(way):
    server = make(rateLimit={"methods": {"one": "1/day", "two": "1/hour"}})
    application = way(server)
    assert call_wsgi(application, post([rpc("one"), rpc("two")])).code == 200

    refused = call_wsgi(application, post([rpc("two"), rpc("one")]))
    assert (refused.code, refused.header("Retry-After"), refused.body) == (429, DAY_S, over("1 per day"))
    assert call_wsgi(application, post([rpc("one")])).code == 429
    assert server.ran == ["one", "two"]


def test_notifications_invalid_messages_and_unknown_methods_count():
    server = make(rateLimit="5/day")
    notification = {"jsonrpc": "2.0", "method": "one"}
    response = {"jsonrpc": "2.0", "result": 1, "id": 7}
    answer = call_wsgi(server.getWSGI(), post([notification, 5, rpc("no"), response, rpc("one"), rpc("one", None, 2)]))

    assert [reply.get("error", {}).get("code") for reply in answer.json()] == [-32600, -32601, -32600, None, 429]


@pytest.mark.parametrize("body", [b"{", b"[]", b"[" + b"1," * 1000 + b"1]"])
def test_text_that_is_no_message_counts_as_one(body):
    application = make(rateLimit="1/day").getWSGI()

    assert call_wsgi(application, post(body)).code == 200
    assert call_wsgi(application, post(body)).code == 429


def test_notification_beyond_the_limit_gets_no_answer_in_a_batch_and_429_alone():
    server = make(rateLimit={"methods": {"two": "1/day"}})
    application = server.getWSGI()
    notification = {"jsonrpc": "2.0", "method": "two"}

    assert call_wsgi(application, post([rpc("one"), notification, notification])).json() == [result("one")]
    assert server.ran == ["one", "two"]
    assert call_wsgi(application, post(notification)).code == 429


def test_refused_request_is_not_read():
    server = make(rateLimit="1/day")
    application = server.getWSGI()
    call_wsgi(application, post(rpc("one")))

    environ = {**environ_of(post(rpc("one"))), "wsgi.input": UnreadableStream()}
    assert call_environ(application, environ).code == 429


def test_auth_is_not_called_beyond_the_limit(way):
    guesses = []

    def auth(server, path, request, method):
        guesses.append(request.headers["X-Password"])
        return False

    application = way(make(rateLimit="3/day", auth=auth))
    codes = [call_wsgi(application, post(rpc("one"), headers={"X-Password": str(number)})).code for number in range(6)]

    assert codes == [403, 403, 403, 429, 429, 429]
    assert guesses == ["0", "1", "2"]


def test_limits_of_paths_hold_for_each_path_apart(way):
    server = make(rateLimit={"limits": "5/day", "paths": {"/api": "2/day"}})
    server.registerFunction(lambda: "other", path="/other", name="one")
    application = way(server)

    codes = [call_wsgi(application, post(rpc("one"), target)).code for target in ["/api", "/api/", "/api", "/other"]]
    assert codes == [200, 200, 429, 200]
    # What the path has refused, the server has counted.
    assert call_wsgi(application, post(rpc("one"), "/other")).code == 200
    assert call_wsgi(application, post(rpc("one"), "/other")).body == over("5 per day")


def test_limits_of_methods_hold_on_all_paths_or_on_one(way):
    server = make(rateLimit={"methods": {"one": "3/day", "/api/one": "1/day"}})
    server.registerFunction(lambda: "other", path="/other", name="one")
    application = way(server)

    targets = ["/api/one", "/api/one", "/other/one", "/other/one"]
    assert [call_wsgi(application, get(target)).code for target in targets] == [
        200,
        429,
        200,
        429,
    ]  # the refused one was counted for all paths
    assert call_wsgi(application, get("/api/two")).code == 200


def aliased():
    return "aliased"


aliased._alias = ["sign_in", "enter"]


@pytest.mark.parametrize("name", ["aliased", "sign_in", "/api/enter"])
def test_limit_of_a_method_holds_for_all_its_names_together(name):
    server = flaskJSONRPCServer(None, log=False, rateLimit={"methods": {name: "2/day"}})
    server.registerFunction(aliased, path="/api")
    application = server.getWSGI()

    codes = [call_wsgi(application, post(rpc(name))).code for name in ("aliased", "sign_in", "enter", "aliased")]
    assert codes == [200, 200, 429, 429]


def test_registered_limit_holds_without_one_of_the_server(way):
    server = make()
    server.registerFunction(aliased, path="/api", rateLimit="2/day")
    application = way(server)

    codes = [call_wsgi(application, post(rpc(name))).code for name in ("aliased", "sign_in", "enter", "one")]
    assert codes == [200, 200, 429, 200]
    answers = call_wsgi(application, post([rpc("one"), rpc("enter")])).json()
    assert rounded(answers) == [result("one"), member("2 per day")]


def test_registered_limit_holds_for_each_method_of_an_instance():
    class Math:
        def add(self):
            return "add"

        def sub(self):
            return "sub"

    server = make()
    server.registerInstance(Math(), path="/math", rateLimit=["1/day", "5/day"])
    application = server.getWSGI()
    codes = [call_wsgi(application, get(f"/math/{name}")).code for name in ("add", "add", "sub", "sub")]

    assert codes == [200, 429, 200, 429]


def test_function_that_is_registered_while_the_server_serves_is_limited():
    server = make()
    application = server.getWSGI()
    assert call_wsgi(application, post(rpc("one"))).code == 200
    server.registerFunction(aliased, path="/api", rateLimit="1/day")

    assert [call_wsgi(application, post(rpc("aliased"))).code for _ in range(2)] == [200, 429]
    assert call_wsgi(application, post(rpc("one"))).code == 200


def test_registered_limit_outlives_a_reload():
    def newer():
        return "newer"

    server = make()
    server.registerFunction(aliased, path="/api", rateLimit="2/day")
    application = server.getWSGI()
    assert call_wsgi(application, post(rpc("aliased"))).json() == result("aliased")
    assert server.reload({"dispatcher": newer, "name": "aliased", "path": "/api"})

    assert call_wsgi(application, post(rpc("aliased"))).json() == result("newer")
    assert call_wsgi(application, post(rpc("aliased"))).code == 429


def test_restart_gives_no_units_back():
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, rateLimit="1/day")
    server.registerFunction(aliased, path="/api", name="one")
    assert call_wsgi(server.getWSGI(), post(rpc("one"))).code == 200
    server.start()
    server.stop()
    server.settings.max_batch_length = 5

    assert call_wsgi(server.getWSGI(), post(rpc("one"))).code == 429


def test_several_windows_hold_together():
    application = make(rateLimit="5/day; 2/hour").getWSGI()

    answers = call_wsgi(application, post([rpc("one")] * 4)).json()
    assert [reply.get("error", {}).get("message") for reply in answers] == [
        *(None, None),
        *["Not run: over rateLimit (2 per hour)"] * 2,
    ]


def with_address(address, **headers):
    environ = {"REMOTE_ADDR": address} if address is not None else {}
    return post(rpc("one"), headers=headers, environ=environ)


def codes_of(application, requests):
    return [call_wsgi(application, request).code for request in requests]


def test_each_address_has_limits_of_its_own(way):
    application = way(make(rateLimit="1/day"))
    addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.1", ""]

    assert codes_of(application, map(with_address, addresses)) == [200, 200, 429, 200]


def test_addresses_of_one_ipv6_network_are_one_client():
    application = make(rateLimit="1/day").getWSGI()
    addresses = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "::ffff:192.0.2.1", "192.0.2.1"]

    assert codes_of(application, map(with_address, addresses)) == [200, 429, 200, 200, 429]


def test_address_behind_a_trusted_proxy_is_that_of_the_client(way):
    application = way(make(rateLimit="1/day", trusted_proxies=["10.0.0.1"]))
    proxied = [
        with_address("10.0.0.1", **{"X-Forwarded-For": f"6.6.6.{n}, 192.0.2.{client}"})
        for n, client in enumerate([1, 2, 1])
    ]
    forged = [with_address("192.0.2.9", **{"X-Forwarded-For": f"6.6.6.{n}"}) for n in range(2)]

    assert codes_of(application, proxied) == [200, 200, 429]
    assert codes_of(application, forged) == [200, 429]


KEYS = {"alpha": "ann", "beta": "bob"}


def test_identity_function_names_the_client(way):
    application = way(
        make(rateLimit={"limits": "1/day", "identity": lambda request: KEYS.get(request.headers.get("X-Key"), "")})
    )
    keys = ["alpha", "beta", "alpha", "guess 1", "guess 2", "127.0.0.1"]

    codes = codes_of(application, [with_address("192.0.2.1", **{"X-Key": key}) for key in keys])
    assert codes == [200, 200, 429, 200, 429, 429]


def test_named_client_cannot_take_the_units_of_an_address():
    option = {"limits": "1/day", "identity": lambda request: request.headers.get("X-Key")}
    application = make(rateLimit=option).getWSGI()
    requests = [with_address("192.0.2.1", **{"X-Key": "address 192.0.2.2"}), with_address("192.0.2.2")]

    assert codes_of(application, requests) == [200, 200]


@pytest.mark.parametrize("identity", [lambda request: 1 / 0, lambda request: 5, lambda request: request.nothing])
def test_address_counts_where_the_identity_function_fails(identity, caplog):
    server = make(rateLimit={"limits": "1/day", "identity": identity}, log=1)
    application = server.getWSGI()

    with caplog.at_level(logging.ERROR):
        codes = codes_of(application, map(with_address, ["192.0.2.1", "192.0.2.2", "192.0.2.1"]))
    assert codes == [200, 200, 429]
    # Once a minute, and not for each request.
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["rateLimit['identity'] failed; the client goes by its address"]


def test_identity_function_that_reads_the_body_is_bound_to_its_limit():
    option = {"limits": "1/day", "identity": lambda request: request.data.decode()}
    application = make(rateLimit=option, max_body_bytes=100).getWSGI()

    assert call_wsgi(application, post(rpc("one", [1]))).code == 200
    assert call_wsgi(application, post(rpc("one", ["x" * 200]))).code == 413
    assert call_wsgi(application, post(rpc("one", [1]))).code == 429


def test_limit_of_unknown_names_is_a_warning(caplog):
    server = make(rateLimit={"paths": {"/apii": "1/day"}, "methods": {"one": "1/day", "/api/won": "1/day"}}, log=2)
    with caplog.at_level(logging.WARNING):
        server.getWSGI()

    assert [record.getMessage() for record in caplog.records] == [
        "rateLimit limits nothing by the path '/apii/': nothing is registered there",
        "rateLimit limits nothing by the method '/api/won': nothing is registered there",
    ]


def test_overridden_request_process_is_counted_once():
    class Server(flaskJSONRPCServer):
        def _requestProcess(self, path, method):
            return super()._requestProcess(path, method)

    server = Server(None, log=False, rateLimit="2/day")
    server.registerFunction(aliased, path="/api")
    application = server.getWSGI()

    assert [call_wsgi(application, post(rpc("aliased"))).code for _ in range(3)] == [200, 200, 429]
    assert call_wsgi(application, get("/api/aliased")).code == 429


def test_refusal_has_the_headers_of_cors(way):
    application = way(make(rateLimit="1/day", cors=True))
    request = post(rpc("one"), headers={"Origin": "https://a.test"})
    call_wsgi(application, request)

    refused = call_wsgi(application, request)
    assert (refused.code, refused.header("Access-Control-Allow-Origin")) == (429, "*")


def test_servers_of_one_name_share_a_storage():
    with broker_running(password="correct-horse") as broker:
        option = {"limits": "3/day", "storage": broker.url}
        first, second, other = (make(rateLimit=option, name=name) for name in ("shop", "shop", "bank"))

        assert call_wsgi(first.getWSGI(), post([rpc("one")] * 2)).code == 200
        codes = [
            reply.get("error", {}).get("code") for reply in call_wsgi(second.getWSGI(), post([rpc("one")] * 2)).json()
        ]
        assert codes == [None, 429]
        assert call_wsgi(first.getWSGI(), post(rpc("one"))).code == 429
        assert call_wsgi(other.getWSGI(), post(rpc("one"))).code == 200
        with broker.client() as client:
            keys = client.keys()
        assert len(keys) == 2
        assert "127.0.0.1" not in "".join(keys)
        for server in (first, second, other):
            disconnect(server._engine._rate_limits._counters)


def test_server_without_limits_does_not_report_any():
    assert "rateLimitedCount" not in make().stats()
