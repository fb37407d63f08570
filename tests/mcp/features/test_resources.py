"""Resources, as clients list and read them."""

import base64
from dataclasses import dataclass
from datetime import date

import flask
import pytest

from flaskJSONRPCServer.errors import RegistrationError
from flaskJSONRPCServer.mcp import EmbeddedResource, Form, ResourceNotFoundError, ask
from flaskJSONRPCServer.mcp.protocol.errors import InvalidParams, ResourceNotFound, resource_not_found
from tests.helpers import call_wsgi
from tests.mcp.judged import error_of, json_in, make_server, request_of, result_of, text_in


@dataclass
class Settings:
    since: date


def returning(value, hint=None):
    def read():
        return value

    if hint is not None:
        read.__annotations__ = {"return": hint}
    return read


def contents_of(value, hint=None, **options):
    server, endpoint = make_server()
    endpoint.resource("a:b", **options)(returning(value, hint))
    return result_of(server, "resources/read", {"uri": "a:b"})["contents"]


@pytest.mark.parametrize(
    ("value", "mime_type", "text"),
    [
        ("hällo", "text/plain", "hällo"),
        ("", "text/plain", ""),
        ({"a": [1]}, "application/json", '{"a":[1]}'),
        ([], "application/json", "[]"),
        (None, "application/json", "null"),
        (7, "application/json", "7"),
        (["a", "b"], "application/json", '["a","b"]'),
    ],
)
def test_text_of_a_resource(value, mime_type, text):
    assert contents_of(value) == [{"uri": "a:b", "mimeType": mime_type, "text": text}]


@pytest.mark.parametrize("value", [b"\x00\xff", bytearray(b"\x00\xff"), memoryview(b"\x00\xff")])
@pytest.mark.parametrize("hint", [None, bytes])
def test_bytes_of_a_resource(value, hint):
    (contents,) = contents_of(value, hint)

    assert contents["mimeType"] == "application/octet-stream"
    assert base64.b64decode(contents["blob"]) == b"\x00\xff"


@pytest.mark.parametrize("value", ["<p>", {"a": 1}, b"GIF89a"])
def test_media_type_is_that_of_the_resource(value):
    assert [contents["mimeType"] for contents in contents_of(value, mime_type="text/x-own")] == ["text/x-own"]


def test_json_value_is_written_by_its_hint():
    assert contents_of(Settings(date(2026, 1, 2)), Settings)[0]["text"] == '{"since":"2026-01-02"}'


@pytest.mark.parametrize("hint", [None, list[EmbeddedResource]])
def test_several_contents_have_uris_of_their_own(hint):
    parts = [EmbeddedResource("a:b/1", "one", "text/markdown"), EmbeddedResource("a:b/2", b"two")]

    assert contents_of(parts, hint) == [
        {"uri": "a:b/1", "mimeType": "text/markdown", "text": "one"},
        {"uri": "a:b/2", "mimeType": "application/octet-stream", "blob": base64.b64encode(b"two").decode()},
    ]


def test_one_content_may_have_another_uri():
    assert contents_of(EmbeddedResource("c:d", "text"))[0]["uri"] == "c:d"


def test_empty_list_of_contents_is_none_if_the_hint_says_so():
    assert contents_of([], list[EmbeddedResource]) == []


@pytest.mark.parametrize("value", [object(), float("nan"), [EmbeddedResource("a:b", ""), "text"]])
def test_unusable_value_shows_the_client_a_correlation_id_only(value):
    server, endpoint = make_server()
    endpoint.resource("a:b")(returning(value))

    error = error_of(server, "resources/read", {"uri": "a:b"})

    assert (error["code"], error["message"], list(error["data"])) == (-32603, "Internal error", ["correlationId"])


def test_list_shows_all_that_is_known():
    server, endpoint = make_server()
    icon = {"src": "https://example.com/i.png", "mimeType": "image/png", "sizes": ["48x48"]}
    annotations = {"audience": ["user"], "priority": 0.5, "lastModified": "2026-01-02T03:04:05Z"}

    @endpoint.resource(
        "config://app",
        name="configuration",
        title="Configuration",
        mime_type="application/json",
        size=0,
        icons=[icon],
        annotations=annotations,
    )
    def config():
        """Return the configuration.

        It is complete.
        """

    (shown,) = result_of(server, "resources/list")["resources"]

    assert shown == {
        "uri": "config://app",
        "name": "configuration",
        "title": "Configuration",
        "description": "Return the configuration.\n\nIt is complete.",
        "mimeType": "application/json",
        "size": 0,
        "icons": [icon],
        "annotations": annotations,
    }


def test_template_has_a_list_of_its_own():
    server, endpoint = make_server()
    endpoint.resource("users://{user_id}", description="A user.")(lambda_of("user", lambda user_id: user_id))

    assert result_of(server, "resources/list")["resources"] == []
    assert result_of(server, "resources/templates/list")["resourceTemplates"] == [
        {"uriTemplate": "users://{user_id}", "name": "user", "description": "A user."}
    ]


def lambda_of(name, function):
    function.__name__ = name
    return function


@pytest.mark.parametrize("method", ["resources/list", "resources/templates/list"])
def test_lists_have_pages(method):
    server, _ = make_server()
    endpoint = server.mcp("/paged", page_size=2)
    part = "" if method == "resources/list" else "/{x}"
    uris = [f"a:{letter}{part}" for letter in "edcba"]
    for uri in uris:
        endpoint.resource(uri)(returning("text") if not part else lambda_of("read", lambda x: x))
    seen, cursor = [], {}
    while cursor is not None:
        result = result_of(server, method, cursor, target="/paged")
        page = result.get("resources", result.get("resourceTemplates"))
        assert len(page) <= 2
        seen += [item.get("uri", item.get("uriTemplate")) for item in page]
        cursor = {"cursor": result["nextCursor"]} if "nextCursor" in result else None

    assert seen == sorted(uris)


def test_values_of_a_template_are_converted_by_the_hints():
    server, endpoint = make_server()

    @endpoint.resource("posts://{year}/{draft}/{title}/{other}")
    def post(year: int, draft: bool, title: str, other):
        return [year, draft, title, other]

    assert json_in(server, "posts://2026/true/7/8") == [2026, True, "7", "8"]


def test_value_of_another_type_is_refused():
    server, endpoint = make_server()

    @endpoint.resource("posts://{year}")
    def post(year: int):
        return year

    error = error_of(server, "resources/read", {"uri": "posts://soon"})

    assert error["code"] == -32602
    assert error["data"]["errors"][0]["path"] == ["year"]


def test_single_resource_precedes_templates_and_the_first_template_others():
    server, endpoint = make_server()
    endpoint.resource("a:{x}")(lambda_of("first", lambda x: "first"))
    endpoint.resource("a:b-{y}")(lambda_of("second", lambda y: "second"))
    endpoint.resource("a:{x}/{y}")(lambda_of("third", lambda x, y: "third"))
    endpoint.resource("a:c")(returning("single"))

    assert [text_in(server, uri) for uri in ("a:c", "a:b-1", "a:b/1")] == ["single", "first", "third"]


def test_parameters_by_position_and_connection():
    server, endpoint = make_server()

    @endpoint.resource("a:{x}/{y}")
    def read(x, y, /, _connection=None):
        return [x, y, _connection.path]

    assert json_in(server, "a:1/2") == ["1", "2", "/mcp/"]


@pytest.mark.parametrize("uri", ["a:c", "", "a:b/", "A:B"])
def test_unknown_uri(uri):
    server, endpoint = make_server()
    endpoint.resource("a:b")(returning("text"))

    error = error_of(server, "resources/read", {"uri": uri})

    assert error == {"code": -32602, "message": "Resource not found", "data": {"uri": uri}}


def test_template_says_that_there_is_no_such_resource():
    server, endpoint = make_server()

    @endpoint.resource("users://{user_id}")
    def user(user_id: int):
        raise ResourceNotFoundError

    error = error_of(server, "resources/read", {"uri": "users://7"})

    assert error == {"code": -32602, "message": "Resource not found", "data": {"uri": "users://7"}}


@pytest.mark.parametrize(
    ("revision", "kind", "code"), [("2026-07-28", InvalidParams, -32602), ("2025-11-25", ResourceNotFound, -32002)]
)
def test_unknown_uri_has_the_code_of_the_revision(revision, kind, code):
    error = resource_not_found("a:b", revision)

    assert type(error) is kind
    assert (error.error.code, error.error.data) == (code, {"uri": "a:b"})


@pytest.mark.parametrize("params", [{}, {"uri": None}, {"uri": 7}])
def test_uri_is_a_string(params):
    server, endpoint = make_server()
    endpoint.resource("a:b")(returning("text"))

    assert error_of(server, "resources/read", params, status=400)["code"] == -32602


def test_resources_do_not_exist_without_any():
    server, endpoint = make_server()

    assert "resources" not in result_of(server, "server/discover")["capabilities"]
    assert error_of(server, "resources/list", status=404)["code"] == -32601

    endpoint.resource("a:b")(returning("text"))

    assert result_of(server, "server/discover")["capabilities"]["resources"] == {"subscribe": True, "listChanged": True}


@pytest.mark.parametrize(
    ("endpoint_ttl", "ttl", "ttl_ms"), [(0, None, 0), (2, None, 2000), (2, 0, 0), (0, 1.5, 1500), (0, 60, 60_000)]
)
def test_time_that_clients_keep_contents(endpoint_ttl, ttl, ttl_ms):
    server, _ = make_server()
    endpoint = server.mcp("/timed", ttl=endpoint_ttl)
    endpoint.resource("a:b", ttl=ttl)(returning("text"))

    read = result_of(server, "resources/read", {"uri": "a:b"}, target="/timed")
    listed = result_of(server, "resources/list", target="/timed")

    assert (read["ttlMs"], read["cacheScope"]) == (ttl_ms, "public")
    assert (listed["ttlMs"], listed["cacheScope"]) == (endpoint_ttl * 1000, "public")


def test_contents_that_depend_on_the_request_are_private():
    server, endpoint = make_server()
    endpoint.resource("a:b")(lambda_of("read", lambda _connection: "text"))

    assert result_of(server, "resources/read", {"uri": "a:b"})["cacheScope"] == "private"


def test_contents_and_lists_are_private_with_auth():
    server, endpoint = make_server(auth=lambda server, path, request, method: True)
    endpoint.resource("a:b")(returning("text"))

    assert result_of(server, "resources/read", {"uri": "a:b"})["cacheScope"] == "private"
    assert result_of(server, "resources/list")["cacheScope"] == "private"


@pytest.mark.parametrize("name", ["Authorization", "Cookie"])
@pytest.mark.parametrize(("value", "scope"), [("a=b", "private"), ("", "public")], ids=["full", "empty"])
def test_contents_are_private_if_the_request_has_credentials(name, value, scope):
    server, endpoint = make_server()
    endpoint.resource("a:b")(returning("text"))
    request = request_of("resources/read", {"uri": "a:b"})
    request.headers[name] = value

    assert call_wsgi(server.getWSGI(), request).json()["result"]["cacheScope"] == scope


def test_contents_in_a_flask_application_are_private_since_it_may_have_a_login():
    server, endpoint = make_server()
    endpoint.resource("a:b")(returning("text"))
    app = flask.Flask("shop")
    server.init_app(app)
    for method, params in [("resources/read", {"uri": "a:b"}), ("resources/list", {})]:
        assert call_wsgi(app.wsgi_app, request_of(method, params)).json()["result"]["cacheScope"] == "private"


@pytest.mark.parametrize("method", ["resources/list", "tools/list", "prompts/list", "server/discover"])
@pytest.mark.parametrize("further", [{"inputResponses": {}}, {"requestState": "x"}], ids=["answers", "state"])
def test_result_of_a_request_with_answers_may_not_be_kept(method, further):
    server, endpoint = make_server()
    endpoint.resource("a:b", ttl=60)(returning("text"))
    endpoint.prompt()(lambda_of("prompt", lambda: "text"))
    once, again = (result_of(server, method, params) for params in ({}, further))

    assert once["cacheScope"] == "public"
    assert (again["ttlMs"], again["cacheScope"]) == (0, "private")


def test_resource_may_ask_its_client():
    server, endpoint = make_server()
    form = Form("Which one?", {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]})

    @endpoint.resource("a:{x}", ttl=60)
    def read(x):
        return f"{x} {ask('which', form).content['name']}"

    offers = {"elicitation": {}}
    question = result_of(server, "resources/read", {"uri": "a:b"}, capabilities=offers)
    assert question["resultType"] == "input_required"
    assert question["inputRequests"]["which"]["method"] == "elicitation/create"

    answers = {"which": {"action": "accept", "content": {"name": "second"}}}
    further = {"inputResponses": answers, "requestState": question["requestState"]}
    result = result_of(server, "resources/read", {"uri": "a:b", **further}, capabilities=offers)
    assert result["contents"][0]["text"] == "b second"
    assert (result["ttlMs"], result["cacheScope"]) == (0, "private")

    error = error_of(server, "resources/read", {"uri": "a:c", **further}, capabilities=offers)
    assert error["code"] == -32602


@pytest.mark.parametrize(
    ("uri", "function", "why"),
    [
        ("a:b", lambda x: x, "does not name the required x"),
        ("a:{y}", lambda x, y: x, "does not name the required x"),
        ("a:{x}/{y}", lambda x: x, "no parameter y"),
        ("a:{_connection}", lambda _connection: 1, "no parameter _connection"),
        ("a:b", lambda x, /, *, y: x, "by position only"),
        ("b", lambda: 1, "scheme"),
        (None, lambda: 1, "uri=None"),
        ("a:b", "text", "cannot be called"),
    ],
)
def test_function_that_does_not_fit_is_refused(uri, function, why):
    _, endpoint = make_server()

    with pytest.raises(RegistrationError, match=why):
        endpoint.resource(uri, name="resource")(function)


def test_parameter_with_a_default_need_not_be_in_the_template():
    server, endpoint = make_server()
    endpoint.resource("a:b")(lambda_of("read", lambda x=7: x))
    endpoint.resource("a:{x}/{y}")(lambda_of("any", lambda **values: values))

    assert (json_in(server, "a:b"), json_in(server, "a:1/2")) == (7, {"x": "1", "y": "2"})


@pytest.mark.parametrize("uri", ["a:b", "a:{x}"])
def test_uri_is_taken_once(uri):
    _, endpoint = make_server()
    endpoint.resource(uri)(lambda_of("first", lambda x="": x))

    with pytest.raises(RegistrationError, match="already"):
        endpoint.resource(uri)(lambda_of("second", lambda x="": x))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"name": ""}, "name"),
        ({"name": 7}, "name"),
        ({"title": 7}, "title=7"),
        ({"description": b""}, "description"),
        ({"mime_type": 7}, "mime_type"),
        ({"size": -1}, "size"),
        ({"size": True}, "size"),
        ({"size": 1.5}, "size"),
        ({"icons": {}}, "icons"),
        ({"icons": ["https://example.com"]}, "icon"),
        ({"icons": [{"src": ""}]}, "src"),
        ({"icons": [{"src": "data:,", "sizes": object()}]}, "JSON"),
        ({"annotations": []}, "annotations"),
        ({"annotations": {"audience": "user"}}, "audience"),
        ({"annotations": {"audience": ["all"]}}, "audience"),
        ({"annotations": {"priority": 2}}, "priority"),
        ({"annotations": {"priority": True}}, "priority"),
        ({"annotations": {"lastModified": 7}}, "lastModified"),
        ({"ttl": -1}, "ttl"),
        ({"ttl": "1"}, "ttl"),
        ({"ttl": float("nan")}, "ttl"),
        ({"ttl": True}, "ttl"),
    ],
)
def test_invalid_option_is_refused(options, why):
    server, endpoint = make_server()

    with pytest.raises(RegistrationError, match=why):
        endpoint.resource("a:b", **options)(returning("text"))

    assert error_of(server, "resources/list", status=404)["code"] == -32601


def test_template_has_no_size():
    _, endpoint = make_server()

    with pytest.raises(RegistrationError, match="size"):
        endpoint.resource("a:{x}", size=1)(lambda_of("read", lambda x: x))


def test_one_function_may_have_several_uris():
    server, endpoint = make_server()

    @endpoint.resource("a:b")
    @endpoint.resource("a:c", name="other")
    def read():
        return "text"

    assert read() == "text"
    assert [shown["name"] for shown in result_of(server, "resources/list")["resources"]] == ["read", "other"]
    assert [text_in(server, uri) for uri in ("a:b", "a:c")] == ["text", "text"]
