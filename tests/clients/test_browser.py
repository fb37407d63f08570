"""Pages in a real browser: CORS, JSONP, forms of other sites, and the console of examples/simple.py.

The pages are on another origin than the API: on another port, or, where it has to be another site, under another name
of this machine (`localhost` is not `127.0.0.1`).
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest

from tests.examples.processes import example, running

EMPTY_PAGE = b"<!doctype html><meta charset=utf-8><title>a page</title>"

# Call the API from a page. A failure gives the name of the exception, which is all that a page learns.
FETCH = """async ([url, options]) => {
    try {
        const response = await fetch(url, options);
        return response.type === "opaque" ? "opaque" : await response.json();
    } catch (error) {
        return error.name;
    }
}"""

# Load a script; return whether it loaded, its calls and its definitions.
LOAD_SCRIPT = """(url) => new Promise((resolve) => {
    window.answers = [];
    window.show = (...parameters) => answers.push(parameters);
    window.deep = {list: [{show: window.show}]};
    const script = document.createElement("script");
    script.src = url;
    script.onload = () => resolve({event: "load", answers, hacked: window.hacked});
    script.onerror = () => resolve({event: "error", answers, hacked: window.hacked});
    document.head.append(script);
})"""

SUBMIT_FORM = """([url, enctype, name, value]) => {
    const form = document.createElement("form");
    Object.assign(form, {method: "POST", action: url, enctype});
    const field = document.createElement("input");
    Object.assign(field, {type: "hidden", name, value});
    form.append(field);
    document.body.append(form);
    form.submit();
}"""


class PageHandler(BaseHTTPRequestHandler):
    """Answers every GET with an empty page."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(EMPTY_PAGE)))
        self.end_headers()
        self.wfile.write(EMPTY_PAGE)

    def log_message(self, *args):
        """Log nothing."""


@pytest.fixture(scope="module")
def page_port():
    """Serve empty pages on another port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), PageHandler) as pages:
        thread = threading.Thread(target=pages.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield pages.server_port
        finally:
            pages.shutdown()
            thread.join()


@pytest.fixture
def origin(page_port):
    """Return the origin of the pages: the API's site, another port."""
    return f"http://127.0.0.1:{page_port}"


@pytest.fixture
def foreign_origin(page_port):
    """Return the origin of another site for the same pages."""
    return f"http://localhost:{page_port}"


@pytest.fixture
def visit(page, origin):
    """Open a page of another origin: `visit()`, or `visit(foreign_origin)` for another site."""

    def open_page(where=origin):
        page.goto(f"{where}/")
        return page

    return open_page


def call(method, *params):
    """Return the options of fetch() for a JSON-RPC call: a request that is preflighted."""
    request = {"jsonrpc": "2.0", "method": method, "params": list(params), "id": 1}
    return {"method": "POST", "headers": {"Content-Type": "application/json"}, "body": json.dumps(request)}


def result(value, call_id=1):
    return {"jsonrpc": "2.0", "result": value, "id": call_id}


# CORS


def test_any_page_may_call_where_cors_is_true(serve, visit):
    api = serve(cors=True)

    assert visit().evaluate(FETCH, [api.url, call("subtract", 42, 23)]) == result(19)
    assert api.calls == ["subtract"]


def test_page_may_send_custom_headers_and_a_token(serve, visit):
    api = serve(cors=True, auth=lambda server, path, request, method: is_preflight_or_authorised(request))
    options = call("subtract", 3)
    options["headers"] |= {"Authorization": "Bearer sesame", "X-Page": "1"}

    assert visit().evaluate(FETCH, [api.url, options]) == result(2)


def is_preflight_or_authorised(request):
    return request.method == "OPTIONS" or request.headers.get("Authorization") == "Bearer sesame"


def test_page_may_read_its_refusal(serve, visit):
    """Pages may read the status of a refusal: a bare TypeError would not help their authors."""
    api = serve(cors=True, auth=lambda server, path, request, method: request.method == "OPTIONS")

    status = visit().evaluate(
        "async ([url, options]) => (await fetch(url, options)).status", [api.url, call("subtract", 3)]
    )

    assert status == 403
    assert api.calls == []


def test_no_page_may_call_where_cors_is_off(api, visit):
    assert visit().evaluate(FETCH, [api.url, call("subtract", 42, 23)]) == "TypeError"
    assert api.calls == []  # the preflight failed: the call itself was never sent


def test_page_of_the_same_origin_needs_no_cors(api, page):
    page.goto(f"{api.url}/echo?value=page")

    assert page.evaluate(FETCH, [api.url, call("subtract", 42, 23)]) == result(19)


def test_page_of_a_named_origin_may_call(serve, visit, origin):
    api = serve(cors={"origin": ["https://elsewhere.test", origin]})

    assert visit().evaluate(FETCH, [api.url, call("subtract", 42, 23)]) == result(19)


def test_page_of_another_origin_may_not_call(serve, visit, origin, foreign_origin):
    api = serve(cors={"origin": origin})

    assert visit(foreign_origin).evaluate(FETCH, [api.url, call("subtract", 42, 23)]) == "TypeError"
    assert api.calls == []


def test_get_is_sent_without_a_preflight_and_its_answer_is_withheld(serve, visit, origin, foreign_origin):
    """CORS withholds answers, but does not prevent simple requests. `allowed_origins` and `fallback` do."""
    api = serve(cors={"origin": origin}, fallback=True)

    assert visit().evaluate(FETCH, [f"{api.url}/echo?value=1", {}]) == result("1", None)
    assert visit(foreign_origin).evaluate(FETCH, [f"{api.url}/echo?value=2", {}]) == "TypeError"
    assert api.calls == ["echo", "echo"]


def test_get_of_a_page_outside_allowed_origins_is_not_run(serve, visit, origin, foreign_origin):
    api = serve(cors={"origin": origin}, allowed_origins=[origin], fallback=True)

    assert visit(foreign_origin).evaluate(FETCH, [f"{api.url}/echo?value=2", {}]) == "TypeError"
    assert api.calls == []
    assert visit().evaluate(FETCH, [f"{api.url}/echo?value=1", {}]) == result("1", None)


def test_header_that_is_not_allowed_is_refused(serve, visit):
    api = serve(cors={"headers": ["Content-Type"]})
    options = call("subtract", 3)
    page = visit()

    assert page.evaluate(FETCH, [api.url, options]) == result(2)
    options["headers"]["X-Page"] = "1"
    assert page.evaluate(FETCH, [api.url, options]) == "TypeError"
    assert api.calls == ["subtract"]


def test_cookies_travel_where_credentials_are_allowed(serve, visit, origin):
    api = serve(cors={"origin": origin, "credentials": True})
    options = {**call("sign_in"), "credentials": "include"}
    page = visit()

    assert page.evaluate(FETCH, [api.url, options]) == result(None)
    assert page.evaluate(FETCH, [api.url, options]) == result("abc")


@pytest.mark.parametrize("named", [True, False], ids=["origin named", "every origin"])
def test_page_may_not_send_cookies_where_credentials_are_not_allowed(serve, visit, origin, named):
    api = serve(cors={"origin": origin} if named else True)

    assert visit().evaluate(FETCH, [api.url, {**call("sign_in"), "credentials": "include"}]) == "TypeError"
    assert api.calls == []


def test_compressed_answer_is_read(serve, visit):
    api = serve(cors=True, allowCompress=True, compressMinSize=0)

    assert visit().evaluate(FETCH, [api.url, call("large")]) == result("x" * 50_000)


def test_notification_returns_nothing(serve, visit):
    api = serve(cors=True)
    options = call("nothing")
    options["body"] = json.dumps({"jsonrpc": "2.0", "method": "nothing"})

    answer = visit().evaluate(
        "async ([url, options]) => { const r = await fetch(url, options); return [r.status, await r.text()]; }",
        [api.url, options],
    )

    assert answer == [204, ""]
    assert api.calls == ["nothing"]


# JSONP


@pytest.mark.parametrize("callback", ["show", "window.show", "deep.list[0].show"])
def test_script_calls_back_with_the_answer(serve, visit, foreign_origin, callback):
    api = serve(fallback=True)
    loaded = visit(foreign_origin).evaluate(LOAD_SCRIPT, f"{api.url}/echo?value=Gr%C3%BC%C3%9Fe&jsonp={callback}")

    assert loaded == {"event": "load", "answers": [[result("Grüße", None)]], "hacked": None}


@pytest.mark.parametrize("text", ["</script><script>hacked=1</script>", "\u2028hacked=1//\u2029", "'\"\\"])
def test_script_holds_any_text_as_text(serve, visit, text):
    api = serve(fallback=True)
    loaded = visit().evaluate(LOAD_SCRIPT, f"{api.url}/echo?jsonp=show&value={quote(text)}")

    assert loaded == {"event": "load", "answers": [[result(text, None)]], "hacked": None}


def test_error_calls_back_too(serve, visit):
    api = serve(fallback=True)
    loaded = visit().evaluate(LOAD_SCRIPT, f"{api.url}/teapot?jsonp=show")

    [[answer]] = loaded["answers"]
    assert answer["error"] == {"code": 418, "message": "I am a teapot", "data": {"short": True, "stout": True}}


@pytest.mark.parametrize(
    "callback",
    ["hacked=1;show", "(()=>{hacked=1})", "show(1);hacked=1//", "show%0Ahacked=1//", "deep[%22list%22]", "", "1show"],
)
def test_invalid_callback_is_not_executed(serve, visit, callback):
    api = serve(fallback=True)
    loaded = visit().evaluate(LOAD_SCRIPT, f"{api.url}/echo?value=1&jsonp={callback}")

    assert loaded == {"event": "error", "answers": [], "hacked": None}
    assert api.calls == []


def test_answer_without_a_callback_is_json(serve, visit):
    """JSON is sent with its own media type and `nosniff`, so that browsers never execute it."""
    api = serve(fallback=True)
    loaded = visit().evaluate(LOAD_SCRIPT, f"{api.url}/echo?value=1")

    assert loaded == {"event": "error", "answers": [], "hacked": None}


def let_in(server, path, request, method):
    return request.cookies.get("session") == "abc"


def sign_in(page, api):
    """Give the browser a session cookie of the API, as if the user were signed in."""
    page.context.add_cookies([{"name": "session", "value": "abc", "url": api.origin}])


def test_script_of_another_origin_cannot_use_the_users_cookie(serve, visit):
    api = serve(auth=let_in, fallback=True)
    page = visit()
    sign_in(page, api)

    loaded = page.evaluate(LOAD_SCRIPT, f"{api.url}/echo?value=secret&jsonp=show")

    assert loaded == {"event": "error", "answers": [], "hacked": None}
    assert api.calls == []


def test_script_of_the_same_origin_may_use_the_users_cookie(serve, page):
    api = serve(auth=let_in)
    sign_in(page, api)
    page.goto(f"{api.url}/echo?value=page")

    loaded = page.evaluate(LOAD_SCRIPT, f"{api.url}/echo?value=secret&jsonp=show")

    assert loaded["answers"] == [[result("secret", None)]]


def test_method_registered_with_fallback_is_shared_with_every_page(serve, visit):
    api = serve(auth=let_in)
    api.server.registerFunction(lambda: "known to all", path="/api", name="shared", fallback=True)
    page = visit()
    sign_in(page, api)

    loaded = page.evaluate(LOAD_SCRIPT, f"{api.url}/shared?jsonp=show")

    assert loaded["answers"] == [[result("known to all", None)]]


# Pages of other origins that call a server on loopback without `fallback=True`

LOAD_IMAGE = """(url) => new Promise((resolve) => {
    const image = new Image();
    image.onload = image.onerror = () => resolve("done");
    image.src = url;
})"""

FETCH_OPAQUE = (
    """async (url) => { await fetch(url, {mode: "no-cors", referrerPolicy: "no-referrer"}); return "done"; }"""
)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.localhost"])
@pytest.mark.parametrize("script", [LOAD_SCRIPT, LOAD_IMAGE, FETCH_OPAQUE], ids=["script", "image", "fetch"])
def test_get_of_a_page_on_another_origin_does_not_run(api, visit, page_port, host, script):
    """Another port of 127.0.0.1 is the same site to a browser, but another program."""
    visit(f"http://{host}:{page_port}").evaluate(script, f"{api.url}/echo?value=1&jsonp=show")

    assert api.calls == []


@pytest.mark.parametrize("host", ["127.0.0.1", "evil.localhost"])
def test_link_on_a_page_of_another_origin_does_not_run(api, visit, page_port, host):
    page = visit(f"http://{host}:{page_port}")

    with page.expect_navigation() as navigation:
        page.evaluate("(url) => { location.href = url; }", f"{api.url}/echo?value=1")

    assert navigation.value.status == 403
    assert "fallback=True" in page.inner_text("body")
    assert api.calls == []


def test_url_that_the_user_types_runs(api, page):
    page.goto(f"{api.url}/echo?value=1")

    assert api.calls == ["echo"]


# Forms, and requests that a page may send without a preflight


@pytest.mark.parametrize("enctype", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_form_of_another_site_is_refused_and_not_run(api, visit, foreign_origin, enctype):
    page = visit(foreign_origin)
    sign_in(page, api)
    # As text/plain this is sent as {"jsonrpc": ..., "pad": "="}: valid JSON-RPC.
    name = '{"jsonrpc": "2.0", "method": "nothing", "id": 1, "pad": "'

    with page.expect_navigation() as navigation:
        page.evaluate(SUBMIT_FORM, [api.url, enctype, name, '"}'])

    assert navigation.value.status == 415
    assert api.calls == []


@pytest.mark.parametrize("cors", [True, False])
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
def test_post_without_a_preflight_is_not_run(serve, visit, cors, content_type):
    api = serve(cors=cors)
    options = {**call("nothing"), "mode": "no-cors", "headers": {"Content-Type": content_type} if content_type else {}}

    assert visit().evaluate(FETCH, [api.url, options]) == "opaque"
    assert api.calls == []


@pytest.mark.parametrize("content_type", ["application/json", "application/json-rpc", "application/jsonrequest"])
def test_every_accepted_media_type_needs_a_preflight(api, visit, content_type):
    """The page makes a simple request: the browser replaces the type by text/plain, which is refused."""
    options = {**call("nothing"), "mode": "no-cors", "headers": {"Content-Type": content_type}}

    assert visit().evaluate(FETCH, [api.url, options]) == "opaque"
    assert api.calls == []


def test_beacon_of_another_site_is_not_run(api, visit, foreign_origin):
    page = visit(foreign_origin)
    send = """([url, body]) => navigator.sendBeacon(url, new Blob([body], {type: "application/json"}))"""

    with page.expect_event("requestfailed"):
        page.evaluate(send, [api.url, json.dumps({"jsonrpc": "2.0", "method": "nothing"})])

    assert api.calls == []


def test_page_of_a_rebound_host_name_is_not_answered(api, page):
    """DNS rebinding makes an attacker's page the same origin as the API. Its Host header reveals it."""
    port = api.server.addresses[0][1]
    page.goto(f"http://rebound.localhost:{port}/api/echo?value=1")

    assert "allowed_hosts" in page.inner_text("body")
    assert api.calls == []


# The page of the demo


@pytest.fixture(scope="module")
def demo_url():
    """Run examples/simple.py; return its URL."""
    with running(example("simple.py", "0")) as program:
        yield program.url()


def test_demo_opens_on_the_console_which_calls_the_api(page, demo_url):
    complaints = []
    page.on("pageerror", lambda error: complaints.append(error.message))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(f"{demo_url}/")
    page.get_by_text("add", exact=True).first.click()
    page.get_by_label("params as JSON").fill('{"a": 40, "b": 2}')
    page.get_by_role("button", name="Call", exact=True).click()

    page.locator(".answer").get_by_text("42").first.wait_for()
    assert page.url.startswith(f"{demo_url}/console/")
    assert complaints == []


def test_demo_api_answers_a_page_of_another_origin(visit, demo_url, foreign_origin):
    assert visit(foreign_origin).evaluate(FETCH, [f"{demo_url}/api", call("plus", 40, 2)]) == result(42)


def test_jsonp_example_reads_the_other_origin(page):
    with running(example("jsonp_page.py", "0")) as program:
        page.goto(f"{program.url()}/")

        assert page.get_by_text("Hello, Ann!").inner_text() == "Hello, Ann!"


READ_REFUSAL = """async ([url, options]) => {
    try {
        const response = await fetch(url, options);
        return [response.status, await response.text()];
    } catch (error) {
        return error.name;
    }
}"""


@pytest.mark.parametrize(
    ("target", "options", "status", "reason"),
    [
        ("/api/no_such", {}, 404, "not found"),
        ("/api", {}, 405, "POST a request such as"),
        (
            "/api",
            {"method": "POST", "body": "x" * 2000, "headers": {"Content-Type": "application/json"}},
            413,
            "max_body_bytes",
        ),
        ("/api", {"method": "POST", "body": "{}"}, 415, "media_types"),
    ],
)
def test_page_of_another_origin_may_read_its_refusal(page, page_port, serve, target, options, status, reason):
    api = serve(cors=True, max_body_bytes=1000)
    page.goto(f"http://127.0.0.1:{page_port}/")
    root = api.url.removesuffix("/api")

    assert page.evaluate(READ_REFUSAL, [root + target, options])[0] == status
    assert reason in page.evaluate(READ_REFUSAL, [root + target, options])[1]
