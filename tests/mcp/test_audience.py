"""For which URL tokens must be issued."""

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.errors import RegistrationError
from flaskJSONRPCServer.mcp import Authorization, Grant
from tests.helpers import Request, call_wsgi, get
from tests.mcp.judged import request_of

METADATA = "/.well-known/oauth-protected-resource/mcp"


def served(*, resource=None, bound_to=None, **options):
    """Return a server with tokens, and the list of the audiences that they were checked for."""
    audiences = []

    def verify(token, audience):
        audiences.append(audience)
        return Grant(token)

    server = flaskJSONRPCServer(bound_to, log=0, **options)
    server.mcp(authorization=Authorization(["https://auth.test"], verify, resource=resource))
    return server, audiences


def listed(server, host, port="8080"):
    request = request_of("tools/list")
    request.headers.update({"Authorization": "Bearer ann", "Host": host})
    request.environ["SERVER_PORT"] = port
    return call_wsgi(server.getWSGI(), request).code


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bound_to": ("0.0.0.0", 8080)},
        {"bound_to": ("127.0.0.1", 8080), "trusted_proxies": ["127.0.0.1"]},
    ],
    ids=["mounted", "public", "behind_a_proxy"],
)
def test_tokens_without_a_certain_audience_are_refused(options):
    with pytest.raises(RegistrationError, match="resource"):
        served(**options)


@pytest.mark.parametrize(
    "server", ["auth.test", "ftp://auth.test", "https://[auth", "https://auth.test/#a", 5], ids=str
)
def test_server_without_a_web_url_is_refused(server):
    with pytest.raises(RegistrationError, match=r" is refused: it takes a URL such as 'https://auth.example.com'$"):
        Authorization([server], lambda token, audience: None)


def test_given_url_is_the_audience_whatever_the_host():
    server, audiences = served(resource="https://api.test/mcp")
    assert listed(server, "evil.test") == 200
    assert audiences == ["https://api.test/mcp"]


def test_allowed_host_is_the_audience():
    server, audiences = served(allowed_hosts=["api.test"])
    assert listed(server, "api.test") == 200
    assert listed(server, "evil.test") == 421
    assert audiences == ["http://api.test/mcp"]


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1:8080", 200), ("[::1]:8080", 200), ("localhost:9", 421)])
def test_port_of_a_local_server_is_its_own(host, status):
    server, audiences = served(bound_to=("127.0.0.1", 8080))
    assert listed(server, host) == status
    assert audiences == [f"http://{host}/mcp"] * (status == 200)


@pytest.mark.parametrize(
    ("options", "host", "port", "base"),
    [
        ({"allowed_hosts": ["Api.test"]}, "API.Test:8443", "8443", "http://api.test:8443"),
        ({"allowed_hosts": ["api.test"]}, "API.test:80", "80", "http://api.test"),
        ({"allowed_hosts": ["api.test"]}, "api.test:443", "443", "http://api.test:443"),
        ({"bound_to": ("127.0.0.1", 8080)}, "LOCALHOST:8080", "8080", "http://localhost:8080"),
        ({"bound_to": ("127.0.0.1", 80)}, "[::1]:80", "80", "http://[::1]"),
    ],
    ids=["capitals", "default_port", "other_port", "local", "address"],
)
def test_url_of_a_request_is_the_audience_in_its_normal_form(options, host, port, base):
    server, audiences = served(**options)
    head = {"Host": host}
    metadata = call_wsgi(server.getWSGI(), get(METADATA, head, environ={"SERVER_PORT": port})).json()
    request = request_of("tools/list")
    request.headers.update(head)
    request.environ["SERVER_PORT"] = port
    challenge = call_wsgi(server.getWSGI(), request).header("WWW-Authenticate")

    assert listed(server, host, port) == 200
    assert audiences == [metadata["resource"]] == [f"{base}/mcp"]
    assert challenge == f'Bearer resource_metadata="{base}{METADATA}"'


def test_path_of_the_application_keeps_its_capitals():
    server, audiences = served(allowed_hosts=["api.test"])
    request = request_of("tools/list")
    request.headers.update({"Authorization": "Bearer ann", "Host": "API.test"})
    request.environ["SCRIPT_NAME"] = "/V1"

    assert call_wsgi(server.getWSGI(), request).code == 200
    assert audiences == ["http://api.test/V1/mcp"]


def test_host_of_a_trusted_proxy_is_checked_too():
    server, _ = served(allowed_hosts=["inner.test"], trusted_proxies=["10.0.0.1"])
    head = {"Host": "inner.test", "X-Forwarded-Host": "evil.test"}
    answer = call_wsgi(server.getWSGI(), get(METADATA, head, environ={"REMOTE_ADDR": "10.0.0.1"}))
    assert answer.code == 421


def test_pages_of_allowed_origins_learn_where_tokens_come_from():
    server, _ = served(resource="https://api.test/mcp", cors={"origin": "https://app.test"})
    application, head = server.getWSGI(), {"Origin": "https://app.test"}
    request = request_of("tools/list")
    request.headers.update(head)
    refused = call_wsgi(application, request)
    preflight = call_wsgi(application, Request("OPTIONS", METADATA, {**head, "Access-Control-Request-Method": "GET"}))

    assert refused.code == 401
    assert "WWW-Authenticate" in refused.header("Access-Control-Expose-Headers")
    assert preflight.code == 204
    assert "GET" in preflight.header("Access-Control-Allow-Methods")


@pytest.mark.parametrize("resource", ["https://api.test/other", "https://api.test/mcp?x=1", "https://api.test"])
def test_url_that_does_not_end_with_the_path_is_refused(resource):
    with pytest.raises(RegistrationError, match=r"is refused: it does not end with the path /mcp$"):
        served(resource=resource)


@pytest.mark.parametrize("resource", ["https://api.test/mcp", "https://api.test/mcp/", "https://api.test/v1/mcp"])
def test_challenge_names_the_metadata_beside_the_url(resource):
    server, _ = served(resource=resource)
    challenge = call_wsgi(server.getWSGI(), request_of("tools/list")).header("WWW-Authenticate")

    base = resource.rstrip("/").removesuffix("/mcp")
    assert f'resource_metadata="{base}{METADATA}"' in challenge
