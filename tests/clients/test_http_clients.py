"""Plain HTTP clients: requests, httpx and curl, with their default headers."""

import gzip
import json
import os
import shutil
import subprocess

import httpx
import pytest
import requests

CALL = {"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}
ANSWER = {"jsonrpc": "2.0", "result": 19, "id": 1}
LARGE = {"jsonrpc": "2.0", "method": "large", "id": 1}
JSON = {"Content-Type": "application/json"}

HTTP = {"requests": requests.Session, "httpx": httpx.Client}


@pytest.fixture(params=HTTP)
def http(request):
    """Return a session of the client, which keeps its connections and cookies."""
    with HTTP[request.param]() as session:
        yield session


def post_bytes(http, url, body, headers):
    """POST raw bytes. Only the argument for them differs between the two clients."""
    argument = "content" if isinstance(http, httpx.Client) else "data"
    return http.post(url, headers=headers, **{argument: body})


def curl(*arguments, body=None):
    """Run curl without proxies and without the user's .curlrc; return its output."""
    command = [shutil.which("curl") or "curl", "--disable", "--silent", "--show-error", "--noproxy", "*", *arguments]
    done = subprocess.run(command, input=body, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def curl_status(*arguments, body=None):
    return int(curl("--output", os.devnull, "--write-out", "%{http_code}", *arguments, body=body))


def test_call(api, http):
    answer = http.post(api.url, json=CALL)

    assert (answer.status_code, answer.json()) == (200, ANSWER)
    assert answer.headers["Content-Type"] == "application/json"


def test_notification_has_no_body(api, http):
    answer = http.post(api.url, json={"jsonrpc": "2.0", "method": "nothing"})

    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Type" not in answer.headers
    assert api.calls == ["nothing"]


def test_many_calls_over_one_session(api, http):
    for number in range(20):
        assert http.post(api.url, json={**CALL, "params": [number]}).json()["result"] == number - 1


def test_final_slash_makes_no_difference_and_no_redirect(api, http):
    answer = http.post(f"{api.url}/", json=CALL)

    assert (answer.status_code, answer.json()) == (200, ANSWER)


def test_get_with_a_query(api, http):
    answer = http.get(f"{api.url}/echo", params={"value": "Grüße & 世界"})

    assert answer.json() == {"jsonrpc": "2.0", "result": "Grüße & 世界", "id": None}


def test_cookie_is_kept_by_the_session(api, http):
    sign_in = {"jsonrpc": "2.0", "method": "sign_in", "id": 1}

    assert http.post(api.url, json=sign_in).json()["result"] is None
    assert http.post(api.url, json=sign_in).json()["result"] == "abc"


def test_answer_is_compressed_regardless_of_accept_encoding(serve, http):
    api = serve(allowCompress=True, compressMinSize=1000)

    answer = http.post(api.url, json=LARGE)

    assert answer.headers["Content-Encoding"] == "gzip"
    assert int(answer.headers["Content-Length"]) < 1000
    assert answer.json()["result"] == "x" * 50_000


def test_compressed_request_is_accepted(api, http):
    headers = {**JSON, "Content-Encoding": "gzip"}

    answer = post_bytes(http, api.url, gzip.compress(json.dumps(CALL).encode()), headers)

    assert answer.json() == ANSWER


def test_localhost_is_accepted_like_the_address(api, http):
    answer = http.post(api.url, json=CALL, headers={"Host": f"localhost:{api.server.addresses[0][1]}"})

    assert answer.json() == ANSWER


def test_foreign_host_name_is_refused(api, http):
    answer = http.post(api.url, json=CALL, headers={"Host": "attacker.test"})

    assert answer.status_code == 421
    assert api.calls == []


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_body_of_another_media_type_is_refused_and_not_run(api, http, content_type):
    headers = {} if content_type is None else {"Content-Type": content_type}

    answer = post_bytes(http, api.url, json.dumps(CALL).encode(), headers)

    assert answer.status_code == 415
    assert "application/json" in answer.text
    assert api.calls == []


@pytest.mark.parametrize("form", ["requests data=dict", "requests files", "httpx data=dict"])
def test_form_is_refused_and_not_run(api, form):
    sent = {
        "requests data=dict": lambda: requests.post(api.url, data=CALL, timeout=10),
        "requests files": lambda: requests.post(api.url, files={"file": json.dumps(CALL)}, timeout=10),
        "httpx data=dict": lambda: httpx.post(api.url, data={"jsonrpc": "2.0", "method": "nothing"}),
    }[form]()

    assert sent.status_code == 415
    assert api.calls == []


def test_curl_call(api):
    assert json.loads(curl("-H", "Content-Type: application/json", "-d", json.dumps(CALL), api.url)) == ANSWER


def test_curl_get(api):
    printed = curl("--get", "--data-urlencode", "value=Grüße & 世界", f"{api.url}/echo")

    assert json.loads(printed)["result"] == "Grüße & 世界"


def test_curl_option_json(api):
    """The equivalent of `--json` for curl older than 7.82."""
    headers = ("-H", "Content-Type: application/json", "-H", "Accept: application/json")

    assert json.loads(curl(*headers, "--data-binary", json.dumps(CALL), api.url)) == ANSWER


def test_curl_without_a_content_type_gets_the_accepted_types(api):
    assert curl_status("-d", json.dumps(CALL), api.url) == 415
    assert b"send application/json" in curl("-d", json.dumps(CALL), api.url)
    assert api.calls == []


def test_curl_compressed(serve):
    api = serve(allowCompress=True, compressMinSize=0)

    printed = curl("--compressed", "-H", "Content-Type: application/json", "-d", json.dumps(LARGE), api.url)

    assert json.loads(printed)["result"] == "x" * 50_000


def test_curl_chunked_body(api):
    chunked = ("-H", "Content-Type: application/json", "-H", "Transfer-Encoding: chunked", "--data-binary", "@-")

    assert json.loads(curl(*chunked, api.url, body=json.dumps(CALL).encode())) == ANSWER


def test_curl_waits_for_100_continue(api):
    """With a large body curl asks first whether to send it, and waits a second for the answer."""
    call = {**CALL, "method": "echo", "params": ["y" * 1_500_000]}
    headers = ("-H", "Content-Type: application/json", "-H", "Expect: 100-continue", "--expect100-timeout", "20")

    printed = curl(*headers, "--data-binary", "@-", api.url, body=json.dumps(call).encode())

    assert json.loads(printed)["result"] == "y" * 1_500_000


def test_curl_body_over_the_limit_is_413(serve):
    api = serve(max_body_bytes=1000)
    body = json.dumps({**CALL, "method": "echo", "params": ["y" * 2_000_000]}).encode()

    assert curl_status("-H", "Content-Type: application/json", "--data-binary", "@-", api.url, body=body) == 413
    assert api.calls == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_curl_other_methods_are_405(api, method):
    assert curl_status("-X", method, api.url) == 405


def test_curl_head_of_a_method_is_a_get_without_its_body(api):
    printed = curl("--head", f"{api.url}/nothing").decode()

    assert printed.split("\r\n")[0].endswith(" 200 OK")
    assert printed.endswith("\r\n\r\n")
    assert api.calls == ["nothing"]


def test_curl_old_http(api):
    """HTTP/1.0 needs no Host; curl sends one anyway."""
    printed = curl("--http1.0", "-H", "Content-Type: application/json", "-d", json.dumps(CALL), api.url)

    assert json.loads(printed) == ANSWER


def test_curl_percent_encoded_path(api):
    assert json.loads(curl(f"{api.origin}/%61pi/echo?value=1"))["result"] == "1"
