"""Discovery: the documents of a server by `rpc.discover` and by GET, and who sees which methods."""

import gzip
import json
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import Request, call, call_wsgi, get, post, result_of, rpc

DISCOVER = "rpc.discover"


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


def make(**options):
    """Return a server with `add` on two paths, and `echo` on one."""
    server = flaskJSONRPCServer(**{"bindAdress": None, "log": False, **options})
    server.registerFunction(add, path="/api")
    server.registerFunction(lambda value: value, path="/api", name="echo")
    server.registerFunction(add, path="/shop/deep")
    return server


def document_of(application, target="/openrpc.json", headers=None, **options):
    answer = call_wsgi(application, get(target, headers or {}, **options))
    assert answer.code == 200, answer
    return answer.json()


def names_in(document):
    return [method["name"] for method in document["methods"]]


# What is served where


@pytest.mark.parametrize("target", ["/api/openrpc.json", "/api/openrpc.json/"])
def test_document_of_a_path(target):
    document = document_of(make(name="books").getWSGI(), target)

    assert document["openrpc"] == "1.4.1"
    assert document["info"] == {"title": "books", "version": "1.0.0"}
    assert document["servers"] == [{"url": "http://127.0.0.1:8080/api"}]
    assert names_in(document) == ["add", "echo"]
    assert all("servers" not in method for method in document["methods"])


def test_document_of_the_server_has_all_paths():
    document = document_of(make().getWSGI())

    assert document["servers"] == [{"url": "http://127.0.0.1:8080/"}]
    assert [
        (method["name"], method["servers"][0]["url"], method.get("x-method")) for method in document["methods"]
    ] == [
        ("api/add", "http://127.0.0.1:8080/api", "add"),
        ("echo", "http://127.0.0.1:8080/api", None),
        ("shop/deep/add", "http://127.0.0.1:8080/shop/deep", "add"),
    ]


@pytest.mark.parametrize("path", ["/api", "/shop/deep"])
def test_discover_gives_the_document_of_its_path(path):
    application = make().getWSGI()

    assert result_of(application, DISCOVER, target=path) == document_of(application, f"{path}/openrpc.json")


@pytest.mark.parametrize("params", [None, [], {}])
def test_discover_takes_no_parameters_in_any_form(params):
    assert names_in(result_of(make().getWSGI(), DISCOVER, params)) == ["add", "echo"]


@pytest.mark.parametrize("params", [[1], {"path": "/api"}, {"_connection": 1}])
def test_discover_refuses_parameters(params):
    assert call(make().getWSGI(), DISCOVER, params)["error"]["code"] == -32602


def test_discover_in_a_batch_beside_other_calls():
    batch = [rpc("add", [1, 2], 1), rpc(DISCOVER, None, "two"), rpc(DISCOVER, [5], 3), rpc("missing", None, 4)]
    first, second, third, fourth = call_wsgi(make().getWSGI(), post(batch)).json()

    assert first == {"jsonrpc": "2.0", "result": 3, "id": 1}
    assert second["id"] == "two"
    assert names_in(second["result"]) == ["add", "echo"]
    assert third["error"]["code"] == -32602
    assert fourth["error"]["code"] == -32601


def test_discover_in_a_batch_beside_calls_on_exec_backends():
    server = make(bindAdress=["127.0.0.1", 0], dispatcherBackend="threaded")
    server.start()
    try:
        batch = [rpc("add", [1, 2], 1), rpc(DISCOVER, None, 2)]
        first, second = call_wsgi(server.getWSGI(), post(batch)).json()
    finally:
        server.stop()

    assert first["result"] == 3
    assert names_in(second["result"]) == ["add", "echo"]


def test_discover_as_a_notification_has_no_answer():
    notification = {"jsonrpc": "2.0", "method": DISCOVER}

    assert call_wsgi(make().getWSGI(), post(notification)).code == 204


@pytest.mark.parametrize("call_id", [1, "a", None, 1.5, 2**70, "\u00e9\U0001f600"])
def test_id_of_discover_is_kept(call_id):
    answer = call_wsgi(make().getWSGI(), post(rpc(DISCOVER, None, call_id))).json()

    assert answer["id"] == call_id
    assert list(answer) == ["jsonrpc", "result", "id"]


@pytest.mark.parametrize("backend", ["simplejson", "json", "orjson", "msgspec", "rapidjson"])
def test_answer_is_the_same_with_every_json_backend(backend):
    standard, other = make(name="n").getWSGI(), make(name="n", jsonBackend=backend).getWSGI()
    request = post(rpc(DISCOVER))

    assert call_wsgi(other, request).body == call_wsgi(standard, request).body


def test_discover_is_counted():
    server = make()
    result_of(server.getWSGI(), DISCOVER)

    assert server.stats()["processingDispatcherCount"] == 0
    assert f"/api/{DISCOVER}" in json.dumps(server.stats())


def test_discover_obeys_the_limit_on_answers():
    error = call(make(max_response_bytes=500).getWSGI(), DISCOVER)["error"]

    assert error["code"] == -32001


def test_discover_is_no_registered_method():
    server = make()

    assert DISCOVER not in names_in(server.openrpc())
    assert server._callDispatcher("id", "/api/", {"method": DISCOVER, "params": [], "id": 1}, {})[0] is False


def test_path_of_the_root_shares_its_url_with_the_server():
    server = make()
    server.registerFunction(add, path="/", name="rooted")
    application = server.getWSGI()

    assert names_in(document_of(application)) == ["api/add", "echo", "rooted", "shop/deep/add"]
    assert names_in(result_of(application, DISCOVER, target="/")) == ["rooted"]


def test_path_outside_ascii_is_quoted_in_urls():
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(add, path="/b\u00fccher und mehr")
    application = server.getWSGI()

    url = "/b%C3%BCcher%20und%20mehr"
    assert document_of(application)["methods"][0]["servers"] == [{"url": f"http://127.0.0.1:8080{url}"}]
    assert names_in(document_of(application, f"{url}/openrpc.json")) == ["add"]


def test_another_name_of_the_document():
    application = make(discover_url="api.json").getWSGI()

    assert names_in(document_of(application, "/api.json")) == ["api/add", "echo", "shop/deep/add"]
    assert names_in(document_of(application, "/api/api.json")) == ["add", "echo"]
    assert call_wsgi(application, get("/openrpc.json")).code == 404
    assert call_wsgi(application, get("/api/openrpc.json")).code == 404


def test_method_of_the_same_name_wins_over_the_document():
    server = make()
    server.registerFunction(lambda: "mine", path="/api", name="openrpc.json")

    assert document_of(server.getWSGI(), "/api/openrpc.json") == {"jsonrpc": "2.0", "result": "mine", "id": None}


def test_without_discovery_there_is_none():
    application = make(discover=False).getWSGI()

    assert call_wsgi(application, get("/openrpc.json")).code == 404
    assert call_wsgi(application, get("/api/openrpc.json")).code == 404
    assert call(application, DISCOVER)["error"]["code"] == -32601


def test_server_without_discovery_still_describes_itself_to_its_own_program():
    assert names_in(make(discover=False).openrpc()) == ["api/add", "echo", "shop/deep/add"]


# The head of an answer


def test_answer_to_a_get():
    answer = call_wsgi(make().getWSGI(), get("/api/openrpc.json"))

    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Cache-Control") == "private, no-cache"
    assert answer.header("ETag").startswith('W/"')


@pytest.mark.parametrize("target", ["/openrpc.json", "/api/openrpc.json"])
def test_head_has_the_headers_of_get_and_no_body(target):
    application = make().getWSGI()

    got, head = call_wsgi(application, get(target)), call_wsgi(application, Request("HEAD", target))

    assert (head.status, head.body) == ("200 OK", b"")
    assert dict(head.headers) == dict(got.headers)


@pytest.mark.parametrize("target", ["/openrpc.json", "/api/openrpc.json"])
@pytest.mark.parametrize("form", ["{}", '"other", {}', "*", "{strong}"])
def test_known_document_is_not_sent_again(target, form):
    application = make().getWSGI()
    tag = call_wsgi(application, get(target)).header("ETag")
    known = form.format(tag, strong=tag.removeprefix("W/"))

    answer = call_wsgi(application, get(target, {"If-None-Match": known}))

    assert (answer.code, answer.body, answer.header("ETag")) == (304, b"", tag)


@pytest.mark.parametrize("known", ["", '"other"', "W/", '""'])
def test_unknown_document_is_sent(known):
    assert document_of(make().getWSGI(), headers={"If-None-Match": known})


def test_tag_changes_with_the_document():
    server = make()
    application = server.getWSGI()
    before = call_wsgi(application, get("/api/openrpc.json")).header("ETag")
    server.registerFunction(add, path="/api", name="sum")
    after = call_wsgi(application, get("/api/openrpc.json", {"If-None-Match": before}))

    assert after.code == 200
    assert after.header("ETag") != before
    assert names_in(after.json()) == ["add", "echo", "sum"]


@pytest.mark.parametrize("target", ["/openrpc.json", "/api/openrpc.json"])
def test_answer_is_compressed_for_clients_that_accept_it(target):
    application = make(allowCompress=True, compressMinSize=100).getWSGI()
    plain = call_wsgi(application, get(target))
    packed = call_wsgi(application, get(target, {"Accept-Encoding": "gzip"}))

    assert packed.header("Content-Encoding") == "gzip"
    assert plain.header("Vary") == packed.header("Vary") == "Accept-Encoding"
    assert gzip.decompress(packed.body) == plain.body
    assert packed.header("ETag") == plain.header("ETag")


@pytest.mark.parametrize("target", ["/openrpc.json", "/api/openrpc.json"])
def test_pages_of_other_origins_may_read_documents_with_cors_only(target):
    headers = {"Origin": "http://other.test"}
    without = call_wsgi(make().getWSGI(), get(target, headers))
    with_cors = call_wsgi(make(cors=True).getWSGI(), get(target, headers))

    assert without.header("Access-Control-Allow-Origin") is None
    assert with_cors.header("Access-Control-Allow-Origin") == "*"


@pytest.mark.parametrize("target", ["/openrpc.json", "/api/openrpc.json"])
def test_guard_refuses_a_foreign_host(target):
    application = make(allowed_hosts=["books.test"]).getWSGI()

    assert call_wsgi(application, get(target)).code == 421
    assert document_of(application, target, {"Host": "books.test"})["servers"][0]["url"].startswith(
        "http://books.test/"
    )


@pytest.mark.parametrize("target", ["/openrpc.json", "/api/openrpc.json"])
@pytest.mark.parametrize("way", [{}, {"flaskContext": True}])
def test_documents_count_for_the_rate_limit(target, way):
    application = make(rateLimit="2/hour", **way).getWSGI()
    codes = [call_wsgi(application, get(target)).code for _ in range(3)]

    assert codes == [200, 200, 429]


# The URL of the server


@pytest.mark.parametrize(
    ("headers", "environ", "url"),
    [
        ({}, {}, "http://127.0.0.1:8080"),
        ({"Host": "books.test"}, {}, "http://books.test"),
        ({"Host": None}, {"SERVER_PROTOCOL": "HTTP/1.0"}, "http://127.0.0.1:8080"),
        ({"Host": None}, {"SERVER_PROTOCOL": "HTTP/1.0", "SERVER_NAME": "::1"}, "http://[::1]:8080"),
        ({}, {"wsgi.url_scheme": "https"}, "https://127.0.0.1:8080"),
        ({}, {"SCRIPT_NAME": "/v1"}, "http://127.0.0.1:8080/v1"),
        ({}, {"SCRIPT_NAME": "/b\u00c3\u00bccher"}, "http://127.0.0.1:8080/b%C3%BCcher"),
    ],
)
def test_url_of_the_server(headers, environ, url):
    application = make().getWSGI()

    assert document_of(application, "/api/openrpc.json", headers, environ=environ)["servers"] == [{"url": f"{url}/api"}]
    assert result_of(application, DISCOVER, headers=headers, environ=environ)["servers"] == [{"url": f"{url}/api"}]


FORWARDED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "books.test, inner.test",
    "X-Forwarded-Prefix": "/v2",
}


def test_url_behind_a_trusted_proxy():
    application = make(trusted_proxies=["127.0.0.1"]).getWSGI()

    assert document_of(application, headers=FORWARDED)["servers"] == [{"url": "https://books.test/v2/"}]
    assert result_of(application, DISCOVER, headers=FORWARDED)["servers"] == [{"url": "https://books.test/v2/api"}]


@pytest.mark.parametrize("trusted", [(), ("192.0.2.1",)])
def test_other_peers_do_not_choose_the_url(trusted):
    application = make(trusted_proxies=trusted).getWSGI()

    assert document_of(application, headers=FORWARDED)["servers"] == [{"url": "http://127.0.0.1:8080/"}]


@pytest.mark.parametrize(
    "forged",
    [
        {"X-Forwarded-Proto": "javascript"},
        {"X-Forwarded-Host": "a b"},
        {"X-Forwarded-Host": "<script>"},
        {"X-Forwarded-Prefix": "no slash"},
        {"X-Forwarded-Prefix": "/a?b"},
    ],
)
def test_malformed_fields_of_a_proxy_are_ignored(forged):
    application = make(trusted_proxies=["127.0.0.1"]).getWSGI()

    assert document_of(application, headers=forged)["servers"] == [{"url": "http://127.0.0.1:8080/"}]


def test_clients_with_many_hosts_each_get_their_own_url():
    application = make().getWSGI()
    hosts = [f"host{number}.test" for number in range(20)] * 2

    for host in hosts:
        assert document_of(application, headers={"Host": host})["servers"] == [{"url": f"http://{host}/"}]


# auth


def only(*allowed):
    """Return an auth that admits the clients of a token to these paths."""

    def auth(server, path, request, method):
        asked.append((path, method))
        return request.headers.get("Authorization") == "token" and path in allowed

    asked = auth.asked = []
    return auth


TOKEN = {"Authorization": "token"}


@pytest.mark.parametrize("target", ["/openrpc.json", "/api/openrpc.json"])
def test_documents_need_auth(target):
    application = make(auth=only("/api/", "/shop/deep/")).getWSGI()

    assert call_wsgi(application, get(target)).code == 403
    assert document_of(application, target, TOKEN)
    assert call_wsgi(application, post(rpc(DISCOVER))).code == 403
    assert names_in(result_of(application, DISCOVER, headers=TOKEN)) == ["add", "echo"]


def test_document_of_the_server_has_only_the_paths_that_auth_admits_to():
    auth = only("/shop/deep/")
    application = make(auth=auth).getWSGI()

    assert names_in(document_of(application, headers=TOKEN)) == ["add"]
    assert auth.asked == [("/api/", DISCOVER), ("/shop/deep/", DISCOVER)]
    assert call_wsgi(application, get("/api/openrpc.json", TOKEN)).code == 403


def test_auth_that_raises_for_a_path_hides_it(caplog):
    def auth(server, path, request, method):
        if path == "/api/":
            raise LookupError("no such user")
        return True

    assert names_in(document_of(make(auth=auth, log=1).getWSGI())) == ["add"]
    assert "auth raised" in caplog.text


def test_documents_of_two_clients_differ_by_what_auth_admits_them_to():
    def auth(server, path, request, method):
        return path == "/api/" or request.headers.get("Authorization") == "token"

    application = make(auth=auth).getWSGI()

    for _ in range(2):
        assert names_in(document_of(application)) == ["add", "echo"]
        assert names_in(document_of(application, headers=TOKEN)) == ["api/add", "echo", "shop/deep/add"]


# visible


def with_visible(visible, **options):
    server = flaskJSONRPCServer(None, **{"log": False, **options})
    server.registerFunction(add, path="/api")
    server.registerFunction(lambda: "found", path="/api", name="hidden", visible=visible)
    return server


def is_admin(request):
    return request.headers.get("X-Role") == "admin"


@pytest.mark.parametrize("target", ["/openrpc.json", "/api/openrpc.json"])
@pytest.mark.parametrize(("visible", "names"), [(True, ["add", "hidden"]), (None, ["add", "hidden"]), (False, ["add"])])
def test_visible_is_a_bool(target, visible, names):
    application = with_visible(visible).getWSGI()

    assert names_in(document_of(application, target)) == names
    assert names_in(result_of(application, DISCOVER)) == names
    assert result_of(application, "hidden") == "found"


@pytest.mark.parametrize("target", ["/openrpc.json", "/api/openrpc.json"])
def test_visible_is_a_function_of_the_request(target):
    application = with_visible(is_admin).getWSGI()

    for _ in range(2):
        assert names_in(document_of(application, target)) == ["add"]
        assert names_in(document_of(application, target, {"X-Role": "admin"})) == ["add", "hidden"]
        assert names_in(result_of(application, DISCOVER, headers={"X-Role": "admin"})) == ["add", "hidden"]
        assert names_in(result_of(application, DISCOVER)) == ["add"]


def test_tags_of_clients_who_see_different_methods_differ():
    application = with_visible(is_admin).getWSGI()
    tags = {
        call_wsgi(application, get("/openrpc.json", {"X-Role": role})).header("ETag") for role in ("admin", "guest")
    }

    assert len(tags) == 2


@pytest.mark.parametrize("result", [1, "yes", None, object()])
def test_only_true_shows_a_method(result):
    assert names_in(document_of(with_visible(lambda request: result).getWSGI())) == ["add"]


@pytest.mark.parametrize("exception", [ValueError("no"), SystemExit(1), KeyboardInterrupt(), RecursionError()])
@pytest.mark.parametrize("target", ["/openrpc.json", "/api/openrpc.json"])
def test_method_whose_visible_raises_is_not_shown(target, exception, caplog):
    def visible(request):
        raise exception

    application = with_visible(visible, log=1).getWSGI()

    assert names_in(document_of(application, target)) == ["add"]
    assert "visible of /api/hidden raised; the method is not shown" in caplog.text


def test_program_sees_methods_that_some_callers_see():
    assert names_in(with_visible(is_admin).openrpc()) == ["add", "hidden"]
    assert names_in(with_visible(False).openrpc()) == ["add"]


def test_functions_of_one_request_get_the_same_copy_of_it():
    seen = []
    server = flaskJSONRPCServer(None, log=False)
    for number in range(3):
        server.registerFunction(lambda: None, path="/api", name=f"m{number}", visible=seen.append)
    document_of(server.getWSGI())

    assert len(seen) == 3
    assert len({id(request) for request in seen}) == 1


# Many clients, and changes


def test_many_clients_at_once_get_the_same_document():
    server = make()
    application = server.getWSGI()
    start = threading.Barrier(8)

    def ask(number):
        start.wait(30)
        return call_wsgi(application, get("/api/openrpc.json")).body

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1


def test_documents_while_methods_are_registered_are_whole():
    server = make()
    application = server.getWSGI()
    before = {"api/add", "echo", "shop/deep/add"}
    start = threading.Barrier(3)

    def ask():
        start.wait(30)
        return [set(names_in(document_of(application))) for _ in range(30)]

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        start.wait(30)
        for number in range(30):
            server.registerFunction(add, path="/api", name=f"new{number}")
        seen = [names for task in asking for names in task.result(60)]

    assert all(before <= names for names in seen)
    assert set(names_in(document_of(application))) == before | {f"new{number}" for number in range(30)}


def test_reload_makes_a_new_document():
    server = make()
    application = server.getWSGI()
    old = document_of(application, "/api/openrpc.json")

    def add(a: int, b: int = 1, c: int = 2) -> int:
        """Add three numbers."""
        return a + b + c

    assert server.reload({"dispatcher": add, "path": "/api"})
    new = document_of(application, "/api/openrpc.json")

    assert [len(document["methods"][0]["params"]) for document in (old, new)] == [2, 3]
    assert new["methods"][0]["summary"] == "Add three numbers."
    assert document_of(application)["methods"][-1]["summary"] == "Add two numbers."


@pytest.mark.usefixtures("small_heap")
def test_document_during_reloads_and_restarts_is_of_one_version():
    def version(number):
        def add(*args): ...

        add.__doc__ = f"Version {number}."
        return [{"dispatcher": add, "path": path, "name": "add"} for path in ("/api", "/shop/deep")]

    server = make(bindAdress=["127.0.0.1", 0])
    server.reload(version(0))
    server.start()
    (host, port), *_ = server.addresses
    start = threading.Barrier(3)

    def ask():
        start.wait(30)
        seen = []
        for _ in range(25):
            with urllib.request.urlopen(f"http://{host}:{port}/openrpc.json", timeout=30) as answer:
                methods = json.load(answer)["methods"]
            seen.append({method["summary"] for method in methods if method["name"].endswith("add")})
        return seen

    try:
        with ThreadPoolExecutor(2) as pool:
            asking = [pool.submit(ask) for _ in range(2)]
            start.wait(30)
            for number in range(1, 6):
                assert server.reload(version(number))
            server.restart()
            seen = [summaries for task in asking for summaries in task.result(60)]
    finally:
        server.stop()

    assert all(len(summaries) == 1 for summaries in seen)
    assert names_in(server.openrpc()) == ["api/add", "echo", "shop/deep/add"]
    assert server.openrpc()["methods"][0]["summary"] == "Version 5."


# Overridden methods of the server


class Overridden(flaskJSONRPCServer):
    def _prepResponse(self, data, isError=False):
        if not isError and isinstance(data["result"], dict):
            data["result"] = {**data["result"], "x-seen": True}
        return super()._prepResponse(data, isError)


def test_overridden_writer_sees_the_document_as_values():
    server = Overridden(None, log=False)
    server.registerFunction(add, path="/api")

    result = result_of(server.getWSGI(), DISCOVER)
    assert result["x-seen"] is True
    assert names_in(result) == ["add"]


class Calling(flaskJSONRPCServer):
    def _callDispatcher(self, *args, **kwargs):
        raise AssertionError("it is not for the server's own method")


def test_overridden_invoker_does_not_get_the_servers_own_method():
    server = Calling(None, log=False)
    server.registerFunction(add, path="/api")

    assert names_in(result_of(server.getWSGI(), DISCOVER)) == ["add"]
