"""Requests of browsers, and of pages of other sites: JSONP, CORS, cookies of foreign pages."""

from urllib.parse import quote

from tests.helpers import Request, get, post
from tests.wire.case import (
    JAVASCRIPT,
    NO_STORE,
    SERVER_FAILED,
    Case,
    call_case,
    error,
    get_case,
    internal_error,
    json_answer,
    nothing_answer,
    refused_case,
    result,
    text_answer,
    text_of,
)

CALL = text_of("echo", "[1]").encode()
ECHOED = result("1")
GOT = result('"1"', "null")
ANY_ORIGIN = ("Access-Control-Allow-Origin", "*")
EXPOSED = ("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate")
VARY_ORIGIN = ("Vary", "Origin")
BAD_CALLBACK = "the JSONP callback must be a JavaScript name of at most 128 ASCII characters"


def jsonp_case(name, target, script, **options):
    return get_case(name, target, "/**/" + script, content_type=JAVASCRIPT, **options)


JSONP_CASES = [
    get_case("get_without_callback", "/api/echo?value=1", GOT),
    jsonp_case("jsonp", "/api/echo?value=1&jsonp=show", f"show({GOT});"),
    jsonp_case("jsonp_dollar", "/api/echo?value=1&jsonp=$_1", f"$_1({GOT});"),
    jsonp_case("jsonp_dotted", "/api/echo?value=1&jsonp=a.b.c", f"a.b.c({GOT});"),
    jsonp_case("jsonp_indexed", f"/api/echo?value=1&jsonp={quote('calls[12].done')}", f"calls[12].done({GOT});"),
    jsonp_case("jsonp_longest_callback", f"/api/echo?value=1&jsonp={'a' * 128}", f"{'a' * 128}({GOT});"),
    jsonp_case(
        "jsonp_escapes",
        "/api/script?jsonp=show",
        'show({"jsonrpc":"2.0","result":"<\\/script> \\u2028 \\u2029","id":null});',
    ),
    jsonp_case(
        "jsonp_escapes_the_parameters",
        f"/api/echo?value={quote('</')}&jsonp=f",
        f"f({result(chr(34) + '<' + chr(92) + '/' + chr(34), 'null')});",
    ),
    get_case(
        "get_does_not_escape_json", "/api/script", '{"jsonrpc":"2.0","result":"</script> \u2028 \u2029","id":null}'
    ),
    jsonp_case("jsonp_format_of_the_dispatcher", "/api/formatted?value=1&jsonp=show", f"show && show({GOT})"),
    jsonp_case("jsonp_bare_format", "/api/bare_format?value=1&jsonp=show", f"window.x = {GOT};"),
    jsonp_case(
        "jsonp_format_with_a_percent_sign_in_the_data",
        f"/api/formatted?value={quote('%(data)s %(callback)s %s')}&jsonp=show",
        f"show && show({result(chr(34) + '%(data)s %(callback)s %s' + chr(34), 'null')})",
    ),
    get_case("get_ignores_the_format_without_callback", "/api/formatted?value=1", GOT),
    jsonp_case(
        "jsonp_format_changed_by_the_call",
        f"/api/set_jsonp?jsonp=show&output_format={quote('%(callback)s=%(data)s')}",
        f"show={result('true', 'null')}",
    ),
    get_case("jsonp_cleared_by_the_call", "/api/clear_jsonp?jsonp=show", result("true", "null")),
    jsonp_case(
        "jsonp_type_chosen_by_the_call_is_kept",
        "/api/about?jsonp=show",
        "show("
        + result('["/api/","about",false,"%(callback)s(%(data)s);","text/javascript; charset=utf-8"]', "null")
        + ");",
    ),
    jsonp_case("jsonp_error", "/api/application_error?jsonp=show", f"show({error(-1, 'chosen', 'null')});"),
    jsonp_case("jsonp_exception", "/api/fail?jsonp=show", f"show({internal_error('null')});"),
    jsonp_case(
        "jsonp_wrong_params",
        "/api/echo?jsonp=show",
        f"show({error(-32602, 'Invalid params: missing ' + repr('value'), 'null')});",
    ),
    get_case("get_params_are_strings", "/api/add?a=1&b=2", result('"12"', "null")),
    get_case("get_last_of_repeated_params_counts", "/api/echo?value=1&value=2", result('"2"', "null")),
    get_case("get_plus_is_a_space", "/api/echo?value=a+b%2Bc", result('"a b+c"', "null")),
    get_case("get_empty_param", "/api/echo?value=", result('""', "null")),
    get_case("get_without_params", "/api/no_params", result('"none"', "null")),
    get_case("get_unexpected_param", "/api/echo?value=1&x=2", error(-32602, "Invalid params: unexpected 'x'", "null")),
    get_case("get_cache_buster_is_dropped", "/api/echo?value=1&_=1700000000", GOT),
    get_case("get_cache_buster_reaches_kwargs", "/api/named?a=1&_=2", result('{"a":"1","_":"2"}', "null")),
    get_case(
        "get_magic_name_slipped_in",
        "/api/magic_last?a=1&_connection=2",
        error(-32602, "Invalid params: unexpected '_connection'", "null"),
    ),
    get_case(
        "get_of_a_method_that_was_asked_for", "/api/only_get_when_asked?value=1", GOT, configuration="no_fallback"
    ),
    refused_case(
        "get_refused_by_the_server",
        get("/api/echo?value=1"),
        403,
        "this method takes no GET; POST a JSON-RPC request",
        configuration="no_fallback",
    ),
    refused_case(
        "get_refused_by_the_dispatcher",
        get("/api/b_only_post?value=1"),
        403,
        "this method takes no GET; POST a JSON-RPC request",
    ),
    call_case("post_of_a_method_without_get", "b_only_post", "[1]", ECHOED),
    call_case("post_without_fallback", "echo", "[1]", ECHOED, "no_fallback"),
    call_case("post_never_wraps", "echo", "[1]", ECHOED, target="/api?jsonp=show"),
    *[
        refused_case(
            f"jsonp_callback_refused_{number}", get(f"/api/echo?value=1&jsonp={quote(callback)}"), 400, BAD_CALLBACK
        )
        for number, callback in enumerate(
            (
                "alert(1)//",
                "%s%n",
                "CWS\x07\x0e000x",
                "a\u2028b",
                "x" * 1024,
                "x" * 129,
                "",
                " ",
                "1a",
                "a.",
                ".a",
                "a..b",
                "a[b]",
                "a['b']",
                "a-b",
                "a b",
                "a\n",
                "привет",
                "<script>",
                "%(data)s",
                "a;b",
                "\uff41",
            )
        )
    ],
]

CROSS_SITE = "another site's page may not call this method with cookies; register it with fallback=True"
COOKIE = {"Cookie": "session=1", "X-Auth": "yes"}


def foreign(name, target="/api/echo?value=1&jsonp=f", configuration="auth", **headers):
    sent = {**COOKIE, **{key.replace("_", "-"): value for key, value in headers.items()}}
    return refused_case(f"foreign_page_{name}", get(target, sent), 403, CROSS_SITE, configuration=configuration)


def welcome(name, target="/api/echo?value=1&jsonp=f", configuration="auth", **headers):
    sent = {**COOKIE, **{key.replace("_", "-"): value for key, value in headers.items()}}
    return jsonp_case(f"page_{name}", target, f"f({GOT});", configuration=configuration, headers=sent)


FOREIGN_CASES = [
    foreign("by_fetch_metadata", Sec_Fetch_Site="cross-site"),
    foreign("of_a_neighbour", Sec_Fetch_Site="same-site"),
    foreign("by_origin", Origin="https://evil.test"),
    foreign("by_referer", Referer="https://evil.test/page"),
    foreign("by_referer_with_a_similar_host", Referer="http://127.0.0.1:8080.evil.test/"),
    foreign("by_a_broken_referer", Referer="http://["),
    foreign("by_origin_null", Origin="null"),
    foreign("without_callback", target="/api/echo?value=1", Sec_Fetch_Site="cross-site"),
    welcome("of_the_same_origin", Sec_Fetch_Site="same-origin"),
    welcome("typed_by_the_user", Sec_Fetch_Site="none"),
    welcome("with_its_own_referer", Referer="http://127.0.0.1:8080/page"),
    welcome("of_no_browser"),
    welcome("with_authorization", Sec_Fetch_Site="cross-site", Authorization="Bearer x"),
    welcome("foreign_without_cookie", Sec_Fetch_Site="cross-site", Cookie=None),
    welcome("foreign_where_asked_for", target="/api/only_get_when_asked?value=1&jsonp=f", Sec_Fetch_Site="cross-site"),
    foreign("where_there_is_no_auth", configuration="plain", Sec_Fetch_Site="cross-site"),
]


def preflight(origin, headers=None, method="POST", **more):
    return Request(
        "OPTIONS",
        "/api",
        {
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": headers,
            **more,
        },
    )


def allow(origin, *, credentials=False):
    headers = (("Access-Control-Allow-Origin", origin), VARY_ORIGIN)
    return (*headers, ("Access-Control-Allow-Credentials", "true")) if credentials else headers


def readable(origin, *, credentials=False):
    return (*allow(origin, credentials=credentials), EXPOSED)


def methods(text):
    return "Access-Control-Allow-Methods", text


def max_age(seconds):
    return "Access-Control-Max-Age", str(seconds)


def allow_headers(text):
    return "Access-Control-Allow-Headers", text


ALLOW = ("Allow", "OPTIONS, POST")
DEFAULT_METHODS = methods("GET, OPTIONS, POST")
EVIL = (
    "https://evil.test",
    "null",
    "https://a.test.evil.test",
    "https://evil.test#a.test",
    "http://a.test",
    "https://a.test:8443",
    "https://xa.test",
    "https://A.test",
    "*",
    "",
)


def from_page(origin, body=CALL, **headers):
    return post(body, headers={"Origin": origin, **headers})


CORS_CASES = [
    Case("cors_off", from_page("https://a.test"), json_answer(ECHOED)),
    Case("cors_off_preflight", preflight("https://a.test"), nothing_answer(ALLOW)),
    Case("cors_any", from_page("https://a.test"), json_answer(ECHOED, ANY_ORIGIN, EXPOSED), "cors"),
    Case("cors_any_null_origin", from_page("null"), json_answer(ECHOED, ANY_ORIGIN, EXPOSED), "cors"),
    Case("cors_any_without_origin", post(CALL), json_answer(ECHOED, ANY_ORIGIN, EXPOSED), "cors"),
    Case(
        "cors_any_get",
        get("/api/echo?value=1", {"Origin": "https://a.test"}),
        json_answer(GOT, NO_STORE, ANY_ORIGIN, EXPOSED),
        "cors",
    ),
    Case(
        "cors_any_notification",
        post(text_of("echo", "[1]", None).encode()),
        nothing_answer(ANY_ORIGIN, EXPOSED),
        "cors",
    ),
    Case(
        "cors_any_preflight",
        preflight("https://a.test", "content-type"),
        nothing_answer(ALLOW, ANY_ORIGIN, DEFAULT_METHODS, max_age(600), allow_headers("content-type")),
        "cors",
    ),
    Case(
        "cors_any_preflight_of_several_headers",
        preflight("https://a.test", "authorization, content-type,x-b"),
        nothing_answer(
            ALLOW, ANY_ORIGIN, DEFAULT_METHODS, max_age(600), allow_headers("authorization, content-type,x-b")
        ),
        "cors",
    ),
    Case(
        "cors_any_preflight_without_headers",
        preflight("https://a.test"),
        nothing_answer(ALLOW, ANY_ORIGIN, DEFAULT_METHODS, max_age(600)),
        "cors",
    ),
    *[
        Case(
            f"cors_preflight_of_odd_headers_{number}",
            preflight("https://a.test", text),
            nothing_answer(ALLOW, ANY_ORIGIN, DEFAULT_METHODS, max_age(600)),
            "cors",
        )
        for number, text in enumerate(("a b", "a,,b", "a;b", "\xe9", ",", "x" * 20 + ":"))
    ],
    Case(
        "cors_preflight_of_a_method_url",
        Request("OPTIONS", "/api/echo", {"Origin": "https://a.test", "Access-Control-Request-Method": "GET"}),
        nothing_answer(("Allow", "GET, HEAD, OPTIONS"), ANY_ORIGIN, DEFAULT_METHODS, max_age(600)),
        "cors",
    ),
    *[
        Case(
            f"cors_list_{origin}",
            from_page(origin),
            json_answer(ECHOED, *readable(origin, credentials=True)),
            "cors_list",
        )
        for origin in ("https://a.test", "https://b.test")
    ],
    *[
        Case(f"cors_list_refuses_{origin}", from_page(origin), json_answer(ECHOED, VARY_ORIGIN), "cors_list")
        for origin in EVIL
    ],
    Case("cors_list_without_origin", post(CALL), json_answer(ECHOED, VARY_ORIGIN), "cors_list"),
    Case(
        "cors_list_preflight",
        preflight("https://b.test", "x-evil"),
        nothing_answer(
            ALLOW,
            *allow("https://b.test", credentials=True),
            methods("POST, GET"),
            max_age(60),
            allow_headers("X-Some, Content-Type"),
        ),
        "cors_list",
    ),
    *[
        Case(
            f"cors_list_preflight_refuses_{origin}",
            preflight(origin, "x-a"),
            nothing_answer(ALLOW, VARY_ORIGIN),
            "cors_list",
        )
        for origin in EVIL
    ],
    Case(
        "cors_single_method_name",
        preflight("https://a.test"),
        nothing_answer(ALLOW, *allow("https://a.test"), methods("POST"), max_age(600)),
        "cors_method",
    ),
    Case("cors_single", from_page("https://a.test"), json_answer(ECHOED, *readable("https://a.test")), "cors_method"),
    Case("cors_single_refuses", from_page("https://b.test"), json_answer(ECHOED, VARY_ORIGIN), "cors_method"),
    Case(
        "cors_on_a_refusal",
        from_page("https://a.test", **{"Content-Type": "text/plain"}),
        text_answer(
            415, "Content-Type 'text/plain' is not in media_types; send application/json", *readable("https://a.test")
        ),
        "cors_method",
    ),
    Case(
        "cors_on_an_error",
        from_page("https://a.test", text_of("fail").encode()),
        json_answer(internal_error(), *readable("https://a.test")),
        "cors_method",
    ),
    Case(
        "cors_on_a_failure",
        from_page("https://a.test", text_of("set_headers", '[{"X-A":"a\\nb"}]').encode()),
        text_answer(500, SERVER_FAILED, *readable("https://a.test")),
        "cors_method",
    ),
    Case(
        "cors_on_an_unauthorised_call",
        from_page("https://a.test"),
        text_answer(403, "not authorised", *readable("https://a.test")),
        "cors_auth",
    ),
    Case(
        "cors_preflight_is_answered_without_auth",
        preflight("https://a.test", "authorization"),
        nothing_answer(ALLOW, *allow("https://a.test"), DEFAULT_METHODS, max_age(600), allow_headers("authorization")),
        "cors_auth",
    ),
]

CASES = [*JSONP_CASES, *FOREIGN_CASES, *CORS_CASES]
