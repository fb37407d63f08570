"""The addresses in the settings: which are loopback, and which hosts a server answers for."""

import pytest

from flaskJSONRPCServer.http.guard import LOOPBACK_NAMES
from flaskJSONRPCServer.servBackend.addresses import allowed_hosts
from flaskJSONRPCServer.servBackend.sockets import is_loopback
from flaskJSONRPCServer.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST"])
def test_loopback_address_is_recognized(host):
    assert is_loopback(host) is True


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "a.test", "localhost.a.test", ""])
def test_other_address_is_not_loopback(host):
    assert is_loopback(host) is False


@pytest.mark.parametrize(
    ("options", "hosts"),
    [
        ({"bindAdress": None}, None),
        ({"bindAdress": ["0.0.0.0", 80]}, None),
        ({"bindAdress": ["10.0.0.1", 80]}, None),
        ({"bindAdress": ["127.0.0.1", 80]}, {"127.0.0.1", "localhost", "::1"}),
        ({"bindAdress": ["127.0.0.2", 80]}, {"127.0.0.2", "127.0.0.1", "localhost", "::1"}),
        ({"bindAdress": ["127.0.0.1", 80], "allowed_hosts": ["a.test"]}, {"a.test"}),
        ({"bindAdress": None, "allowed_hosts": []}, set()),
        ({"bindAdress": "/run/a.sock"}, {"127.0.0.1", "localhost", "::1"}),
        ({"bindAdress": [["127.0.0.2", 1], "/a"], "multipleAdress": True}, {"127.0.0.2", *LOOPBACK_NAMES}),
        ({"bindAdress": [["127.0.0.1", 1], ["10.0.0.1", 1]], "multipleAdress": True}, None),
        ({"bindAdress": [["0.0.0.0", 1], "/a"], "multipleAdress": True}, None),
    ],
)
def test_allowed_hosts_follow_from_the_address(options, hosts):
    allowed = allowed_hosts(Settings(**options))

    assert (None if allowed is None else set(allowed)) == hosts
