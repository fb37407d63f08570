"""Which endpoints a server has, and which tools they offer."""

import io
import logging
import re

import flask
import pytest

from flaskJSONRPCServer import RegistrationError, flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Authorization
from flaskJSONRPCServer.runtime.concurrency import is_patched
from tests.helpers import call_wsgi, environ_of
from tests.mcp.judged import request_of, result_of


def make_marked(**options):
    server = flaskJSONRPCServer(None, **{"log": 0, **options})
    server.registerFunction(lambda: 1, path="/api", name="one", mcp=True)
    server.registerFunction(lambda: 2, path="/api", name="two", mcp=False)
    server.registerFunction(lambda: 3, path="/other", name="three")
    return server


def tools(server, target="/mcp"):
    return [tool["name"] for tool in result_of(server, "tools/list", target=target)["tools"]]


def status_at(server, target):
    return call_wsgi(server.getWSGI(), request_of("tools/list", target=target)).code


def test_first_tool_opens_the_usual_endpoint():
    assert tools(make_marked()) == ["one"]


@pytest.mark.parametrize("prefix", [None, "", "/v1"], ids=["without Flask", "mounted", "prefix"])
def test_slash_at_the_end_makes_no_difference(prefix):
    server = make_marked()
    application = server.getWSGI()
    if prefix is not None:
        application = flask.Flask("app")
        server.init_app(application, url_prefix=prefix)
    for end, status in (("", 200), ("/", 200), ("/x", 404)):
        request = request_of("tools/list", target=f"{prefix or ''}/mcp{end}")
        assert call_wsgi(application, request).code == status


def test_server_without_tools_has_none():
    server = flaskJSONRPCServer(None, log=0)
    server.registerFunction(lambda: 1, path="/api", name="one")

    assert status_at(server, "/mcp") == 404


def test_endpoint_that_is_opened_later_takes_the_place_of_the_usual_one():
    server = make_marked()
    server.mcp("/mcp", title="Shop")

    info = result_of(server, "server/discover")["_meta"]["io.modelcontextprotocol/serverInfo"]
    assert info["title"] == "Shop"
    assert tools(server) == ["one"]


def test_endpoint_at_another_path_does_so_too():
    server = make_marked()
    server.mcp("/models")

    assert tools(server, "/models") == ["one"]
    assert status_at(server, "/mcp") == 404


def test_endpoint_offers_log_messages():
    assert result_of(make_marked(), "server/discover")["capabilities"]["logging"] == {}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "the server has no secret="),
        (
            {"secret": "s" * 32, "multithread": False},
            None if is_patched() else "each process has one thread, and sessions need several",  # greenlets are several
        ),
        ({"secret": "s" * 32}, None),
    ],
    ids=["no secret", "one thread", "all well"],
)
def test_first_request_in_one_of_several_processes_that_cannot_reach_each_other_is_a_warning(caplog, options, reason):
    has_threads = options.pop("multithread", True)
    application = make_marked(log=2, **options).getWSGI()
    environ = {**environ_of(request_of("tools/list")), "wsgi.multiprocess": True, "wsgi.multithread": has_threads}
    for _ in range(2):
        request = request_of("tools/list")
        environ["wsgi.input"] = io.BytesIO(request.body)
        assert b"one" in b"".join(application(environ, lambda status, headers: None))

    warnings = [text for text in caplog.messages if "/mcp is served by several processes" in text]
    assert [reason in text for text in warnings] == [True] * (reason is not None)


def test_endpoint_with_a_choice_at_another_path_leaves_the_usual_one():
    server = make_marked()
    server.mcp("/models", expose=["/other"])

    assert tools(server, "/models") == ["three"]
    assert tools(server) == ["one"]


def test_usual_endpoint_opens_beside_an_earlier_one_with_a_choice():
    server = flaskJSONRPCServer(None, log=0)
    server.mcp("/models", expose=["/api"])
    server.registerFunction(lambda: 1, path="/api", name="one", mcp=True)

    assert tools(server, "/models") == ["one"]
    assert tools(server) == ["one"]


def test_usual_endpoint_does_not_open_beside_one_that_has_its_tools():
    server = flaskJSONRPCServer(None, log=0)
    server.mcp("/models")
    server.registerFunction(lambda: 1, path="/api", name="one", mcp=True)

    assert tools(server, "/models") == ["one"]
    assert status_at(server, "/mcp") == 404


def test_endpoint_with_a_choice_at_the_usual_path_takes_its_place():
    server = make_marked()
    server.mcp("/mcp", expose=["/other"])

    assert tools(server) == ["three"]


@pytest.mark.parametrize(
    ("path", "expose", "count"), [("/models", None, 1), ("/mcp", None, 1), ("/models", ["/other"], 0)], ids=str
)
def test_log_says_that_the_usual_endpoint_has_been_replaced(path, expose, count, caplog):
    caplog.set_level(logging.INFO)
    server = flaskJSONRPCServer(None, log=3)
    server.registerFunction(lambda: 1, path="/api", name="one", mcp=True)
    server.mcp(path, expose=expose)

    said = [record.levelname for record in caplog.records if f"the endpoint {path} replaces /mcp" in record.message]
    assert said == ["INFO"] * count


def test_endpoint_with_a_choice_has_that_and_nothing_else():
    server = make_marked()
    server.mcp("/all", expose=["/api", "/other/three"])
    server.mcp("/none", expose=[])
    server.mcp("/marked")

    assert tools(server, "/all") == ["one", "three"]
    assert tools(server, "/none") == []
    assert tools(server, "/marked") == ["one"]


def test_function_is_a_choice():
    server = flaskJSONRPCServer(None, log=0)

    @server.method("/api")
    def shown(): ...

    @server.method("/api")
    def hidden(): ...

    server.mcp(expose=[shown])
    assert tools(server) == ["shown"]


def test_tools_of_equal_names_have_their_paths():
    server = flaskJSONRPCServer(None, log=0)
    for path in ("/a/b", "/c"):
        server.registerFunction(lambda: 1, path=path, name="x y", mcp=True)
    server.registerFunction(lambda: 1, name="alone", mcp=True)

    assert tools(server) == ["a.b.x_y", "alone", "c.x_y"]


@pytest.mark.parametrize("path", ["", "/", "/a/b", "/a?b", None, 1])
def test_path_has_one_segment(path):
    with pytest.raises(RegistrationError, match="path="):
        flaskJSONRPCServer(None, log=0).mcp(path)


def test_path_is_taken_once():
    server = flaskJSONRPCServer(None, log=0)
    server.mcp()

    with pytest.raises(RegistrationError, match="there is an endpoint already"):
        server.mcp("mcp")


@pytest.mark.parametrize("expose", ["/api", 5, [5], [None]])
def test_other_choices_are_refused(expose):
    with pytest.raises(RegistrationError, match="expose="):
        flaskJSONRPCServer(None, log=0).mcp(expose=expose)


def test_auth_of_the_server_is_asked_for_the_endpoint():
    asked = []

    def auth(server, path, request, method):
        asked.append((path, method))
        return path != "/mcp/"

    assert status_at(make_marked(auth=auth), "/mcp") == 403
    assert asked == [("/mcp/", None)]


@pytest.mark.parametrize("mounts_first", [True, False], ids=["mounted first", "mounted last"])
def test_log_warns_once_of_an_endpoint_hidden_by_a_page(mounts_first, caplog):
    app = flask.Flask("pages")
    app.add_url_rule("/v1/mcp", "mine", lambda: "a page")
    server = flaskJSONRPCServer(None, log=2)
    if mounts_first:
        server.init_app(app, "/v1")
    server.registerFunction(lambda: 1, path="/api", name="one", mcp=True)
    if not mounts_first:
        server.init_app(app, "/v1")
    server.registerFunction(lambda: 2, path="/other", name="two")

    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["models cannot reach the endpoint /v1/mcp: the Flask application has another page at this URL"]
    assert app.test_client().get("/v1/mcp").text == "a page"


def test_log_does_not_warn_of_an_endpoint_that_is_mounted_twice(caplog):
    server = flaskJSONRPCServer(None, log=2)
    server.registerFunction(lambda: 1, path="/api", name="one", mcp=True)
    for number in range(2):
        server.init_app(flask.Flask(f"app{number}"))
    server.registerFunction(lambda: 2, path="/other", name="two")

    assert caplog.messages == []


@pytest.mark.parametrize(
    ("option", "value", "accepted"),
    [
        ("version", 1, "a string, or None"),
        ("title", b"Shop", "a string, or None"),
        ("instructions", 5, "a string, or None"),
        ("website", "zz", "a URL such as 'https://example.com'"),
        ("website", "ftp://example.com", "a URL such as 'https://example.com'"),
        ("website", 5, "a string, or None"),
        ("icons", [5], "a dict with 'src', a URL of http, https or data"),
        ("page_size", 0, "an integer from 1 on"),
        ("page_size", 1.5, "an integer from 1 on"),
        ("page_size", True, "an integer from 1 on"),
        ("ttl", -1, "a number of seconds from 0 on"),
        ("ttl", float("nan"), "a number of seconds from 0 on"),
        ("ttl", True, "a number of seconds from 0 on"),
        ("task_ttl", 0, "a positive number of seconds"),
        ("authorization", "Bearer", "an mcp.Authorization, or None"),
    ],
    ids=str,
)
def test_option_of_a_wrong_kind_is_refused(option, value, accepted):
    server = flaskJSONRPCServer(None, log=0)
    with pytest.raises(RegistrationError, match=f"is refused: it takes {re.escape(accepted)}$"):
        server.mcp("/mcp", **{option: value})
    assert status_at(server, "/mcp") == 404


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resource", "write @endpoint.resource('config://app')"),
        ("prompt", "write @endpoint.prompt(), with parentheses"),
    ],
)
def test_decorator_without_parentheses_says_what_to_write(name, words):
    endpoint = flaskJSONRPCServer(None, log=0).mcp()
    with pytest.raises(RegistrationError, match=re.escape(words)):
        getattr(endpoint, name)(lambda: "text")


def test_update_is_of_a_resource_that_exists():
    endpoint = flaskJSONRPCServer(None, log=0).mcp()
    endpoint.resource("a://one", name="one")(lambda: "text")
    endpoint.resource("b://{key}", name="any")(lambda key: key)
    endpoint.resource_updated("a://one")
    endpoint.resource_updated("b://2")

    with pytest.raises(RegistrationError, match=r"^uri='no://x' is refused: /mcp has no such resource"):
        endpoint.resource_updated("no://x")


def unregistered(): ...


def test_start_names_the_endpoints_and_warns_of_choices_without_a_method(caplog):
    caplog.set_level(logging.INFO)
    server = flaskJSONRPCServer(("127.0.0.1", 0), log=3)
    server.registerFunction(lambda: 1, path="/api", name="one", mcp=True)
    server.mcp("/models", expose=["/nope", "/api/two", unregistered, "/api"])
    server.start()
    server.stop()

    assert any(": /api has 1 method, /mcp has 1 tool, /models has 1 tool" in text for text in caplog.messages)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "expose='/nope' chooses no method: nothing is registered there",
        "expose='/api/two' chooses no method: nothing is registered there",
        f"expose={unregistered!r} chooses no method: the function is not registered",
    ]


def test_endpoint_with_tokens_leaves_none_without():
    server = make_marked(allowed_hosts=["127.0.0.1"])
    tokens = Authorization(["https://auth.example.com"], lambda token, resource: None)
    server.mcp("/models", expose=["/api"], authorization=tokens)

    assert status_at(server, "/mcp") == 404
    server.registerFunction(lambda: 4, path="/api", name="four", mcp=True)
    assert status_at(server, "/mcp") == 404
