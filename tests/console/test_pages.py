"""The files of the console as a client gets them, and where the console is."""

import dataclasses
import gzip
import http.client
import re
import threading

import flask
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server as serve_wsgi

from flaskJSONRPCServer import SettingsError, flaskJSONRPCServer
from flaskJSONRPCServer.console.files import read_files
from tests.console.conftest import opened
from tests.helpers import call_socket, call_wsgi, get, post

LOOPBACK = ["127.0.0.1", 0]
HOST = {"Host": "localhost"}
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}


def make(address=LOOPBACK, path="/api", **options):
    server = flaskJSONRPCServer(address, log=False, controlGC=False, tweakDescriptors=False, **options)
    server.registerFunction(len, path=path, name="len", mcp=True)
    return server


def ask(server, target="/console/", headers=HOST):
    return call_wsgi(server.getWSGI(), get(target, headers))


def policy_of(answer):
    return dict(part.split(" ", 1) for part in answer.header("Content-Security-Policy").split("; "))


@pytest.mark.parametrize("target", ["/console/", "/console/app.js", "/console/style.css", "/console", "/"])
def test_each_answer_has_the_policy(target):
    answer = ask(make(), target)

    assert policy_of(answer) == POLICY
    assert answer.header("X-Frame-Options") == "DENY"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Referrer-Policy") == "no-referrer"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("", "text/html; charset=utf-8"),
        ("index.html", "text/html; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_file_has_its_media_type(name, media_type):
    answer = ask(make(), f"/console/{name}")

    assert (answer.code, answer.header("Content-Type")) == (200, media_type)
    assert answer.header("Content-Length") == str(len(answer.body))


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_file_is_known_by_a_strong_tag_of_its_encoding(accepted):
    server = make()
    headers = {**HOST, "Accept-Encoding": accepted}
    first = ask(server, "/console/app.js", headers)
    tag = first.header("ETag")
    second = ask(server, "/console/app.js", {**headers, "If-None-Match": f'"other", {tag}'})
    other = ask(
        server, "/console/app.js", {**HOST, "Accept-Encoding": "gzip, identity;q=0", "If-None-Match": '"other"'}
    )

    assert re.fullmatch(r'"[0-9a-f]{32}(-gzip)?"', tag)
    assert (second.code, second.body, second.header("ETag")) == (304, b"", tag)
    assert other.code == 200
    assert first.header("Vary") == "Accept-Encoding"
    assert first.header("Cache-Control") == "no-cache"


def test_encodings_have_the_same_content_and_other_tags():
    server = make()
    plain, packed = (
        ask(server, "/console/style.css", {**HOST, "Accept-Encoding": name}) for name in ("identity", "gzip")
    )

    assert packed.header("Content-Encoding") == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert packed.header("ETag") != plain.header("ETag")


@pytest.mark.parametrize(
    "name", ["none.js", "../pages.py", "..%2Fpages.py", "static/app.js", "app.js/", "%00", "files.py"]
)
def test_other_files_are_not_found(name):
    assert ask(make(), f"/console/{name}").code == 404


@pytest.mark.parametrize(
    ("address", "options", "shown"),
    [
        (LOOPBACK, {}, True),
        (["::1", 0], {}, True),
        (LOOPBACK, {"console": False}, False),
        (LOOPBACK, {"trusted_proxies": ["127.0.0.1"]}, False),
        (["0.0.0.0", 0], {}, False),
        (["0.0.0.0", 0], {"console": True}, True),
        ([LOOPBACK, ["0.0.0.0", 0]], {"multipleAdress": True}, False),
        ([LOOPBACK, ["::1", 0]], {"multipleAdress": True}, True),
        ("/tmp/none.sock", {}, False),  # only a proxy brings browsers to it
        (None, {}, False),
        (None, {"console": True}, True),
    ],
)
def test_console_is_there_where_only_this_machine_asks(address, options, shown):
    server = make(address, **options)

    assert (ask(server).code == 200) is shown
    assert (ask(server, "/console/app.js").code == 200) is shown


@pytest.mark.parametrize(("address", "code"), [(LOOPBACK, 302), (["0.0.0.0", 0], 404), (None, 404)])
def test_root_leads_to_the_console_on_loopback(address, code):
    answer = ask(make(address, console=True), "/")

    assert answer.code == code
    assert answer.header("Location") == ("console/" if code == 302 else None)


def test_address_that_changes_before_the_start_counts():
    server = make()
    server.settings.bindAdress = ["0.0.0.0", 0]

    assert [ask(server, target).code for target in ("/", "/console", "/console/")] == [404, 404, 404]


@pytest.mark.parametrize("path", ["/api", "/", "/console/x"])
def test_console_is_beside_methods_on_any_path(path):
    server = make(path=path)

    assert [ask(server, target).code for target in ("/", "/console", "/console/")] == [302, 302, 200]
    assert (
        call_wsgi(
            server.getWSGI(), post(b'{"jsonrpc":"2.0","method":"len","params":["ab"],"id":1}', path, headers=HOST_JSON)
        ).json()["result"]
        == 2
    )


HOST_JSON = {"Host": "localhost", "Content-Type": "application/json"}


def test_method_of_the_name_wins():
    server = make(path="/")
    server.registerFunction(lambda: "mine", path="/", name="console")

    assert ask(server, "/console").json()["result"] == "mine"


def test_pages_of_the_application_win():
    server = make()
    for url in ("/", "/console", "/console/app.js"):
        server.flaskApp.add_url_rule(url, url, lambda: "mine")

    assert [ask(server, url).body for url in ("/", "/console", "/console/app.js")] == [b"mine"] * 3
    assert ask(server, "/console/").code == 200


def test_catch_all_of_an_application_keeps_its_urls():
    app = flask.Flask("users")
    app.add_url_rule("/<path:rest>", "rest", lambda rest: rest)
    server = make()
    server.flaskApp = app

    assert ask(server, "/console/").code == 200
    assert ask(server, "/other").body == b"other"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_files_are_only_read(method):
    request = dataclasses.replace(get("/console/app.js", HOST), method=method)
    answer = call_wsgi(make().getWSGI(), request)

    allowed = {"GET", "HEAD"} if method == "POST" else {"GET", "HEAD", "POST"}  # the actions take POST
    assert (answer.code, set(answer.header("Allow").split(", "))) == (405, allowed)


def test_files_need_no_authorisation_and_methods_do():
    asked = []
    server = make(auth=lambda server, path, request, method: asked.append(path))

    assert ask(server).code == 200
    assert asked == []
    assert ask(server, "/openrpc.json").code == 403


def test_page_names_the_document():
    def document(**options):
        return re.search(rb'<meta name="openrpc" content="(.*?)">', ask(make(**options)).body)[1]

    assert document() == b"../openrpc.json"
    assert document(discover_url="docs.json") == b"../docs.json"
    assert document(discover=False) == b""


def test_further_origins_are_in_the_policy():
    answer = ask(make(console_origins=["https://b.test", "https://a.test:8443"]))

    assert policy_of(answer) == {**POLICY, "connect-src": "'self' https://a.test:8443 https://b.test"}


@pytest.mark.parametrize(
    "origin", ["https://a.test/x", "https://a.test;script-src *", "a.test", "*", "https://a,b", "'self'"]
)
def test_origin_that_would_change_the_policy_is_refused(origin):
    with pytest.raises(SettingsError, match="console_origins"):
        make(console_origins=[origin])


@pytest.mark.parametrize("value", [1, "yes", 0])
def test_console_takes_a_flag_or_none(value):
    with pytest.raises(SettingsError, match="True, False, or None"):
        make(console=value)


@pytest.mark.parametrize("backend", ["native", "werkzeug"])
def test_files_are_served_over_sockets(backend):
    server = make(servBackend=backend)
    server.start()
    try:
        page = call_socket(server.addresses[0], get("/console/"))
        root = call_socket(server.addresses[0], get("/"))
    finally:
        server.stop()

    assert (page.code, root.code, root.header("Location")) == (200, 302, "console/")
    assert b"app.js" in page.body


@pytest.mark.parametrize("target", ["/", "/console", "/console/", "/console/app.js", "/console/none"])
def test_answer_is_the_same_through_flask(target):
    assert ask(make(flaskContext=True), target) == ask(make(), target)


def test_head_has_the_headers_of_get():
    server = make()
    server.start()
    try:
        connection = http.client.HTTPConnection(*server.addresses[0], timeout=10)
        connection.request("HEAD", "/console/app.js")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"")
        assert int(response.headers["Content-Length"]) == len(read_files()["app.js"].body)
        connection.close()
    finally:
        server.stop()


def test_console_is_small():
    own = {name: file for name, file in read_files().items() if not name.startswith(("dashboard", "vendor/"))}

    assert sum(len(file.compressed) for file in own.values()) <= 28_800
    assert sum(len(file.compressed) for file in read_files().values()) <= 60_000


def test_files_name_no_other_host_and_no_markup():
    for name, file in read_files().items():
        if name.startswith("vendor/") or name.endswith(".svg"):
            continue
        text = file.body.decode()
        assert not re.search(r"(src|href)=\"(https?:)?//", text), name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            name
        )


def test_modules_import_only_files_that_exist():
    names = set(read_files())
    for name, file in read_files().items():
        if name.endswith(".js") and not name.startswith("vendor/"):
            imported = set(re.findall(r'from "\./(.*?)"', file.body.decode()))
            assert imported <= names, name


@pytest.fixture
def serve_application():
    """Serve a WSGI application on a port of its own, as another program would."""
    servers = []

    def serve(application):
        server = serve_wsgi("127.0.0.1", 0, application, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


class StrippingProxy:
    """Passes requests below /outer on without that prefix, under another Host and scheme."""

    def __init__(self, application):
        self._application = application

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        if not path.startswith("/outer/"):
            start_response("404 Not Found", [("Content-Length", "0")])
            return []
        inner = {"PATH_INFO": path.removeprefix("/outer"), "HTTP_HOST": "inner.test:81", "wsgi.url_scheme": "https"}
        return self._application({**environ, **inner}, start_response)


def mounted(url_prefix):
    app = flask.Flask("mounting")
    make(None, console=True).init_app(app, url_prefix=url_prefix)
    return app


@pytest.mark.parametrize(
    ("application", "below"),
    [
        (lambda: mounted("/v1"), "/v1"),
        (
            lambda: DispatcherMiddleware(flask.Flask("outer"), {"/script": make(None, console=True).getWSGI()}),
            "/script",
        ),
        (lambda: StrippingProxy(make(None, console=True).getWSGI()), "/outer"),
        (lambda: StrippingProxy(mounted("/v1/a b")), "/outer/v1/a%20b"),
    ],
    ids=["url_prefix", "SCRIPT_NAME", "proxy", "both"],
)
def test_console_works_below_a_prefix(browser, serve_application, application, below):
    with opened(browser, f"{serve_application(application())}{below}/console/") as console:
        page = console.page
        page.goto(console.url.removesuffix("/"))  # which redirects
        page.locator(".groups a").click()
        page.locator("section.try").wait_for()
        page.get_by_label("params as JSON").fill('["abc"]')
        page.get_by_role("button", name="Call", exact=True).click()

        assert console.outcome() == "result"
        page.get_by_role("link", name="Tools").click()
        page.get_by_role("link", name="Open len in the explorer").wait_for()
        assert page.url.startswith(console.url)
        assert console.complaints == []
