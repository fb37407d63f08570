"""Storages that several processes share: which URIs are taken, and that no message shows a password."""

import pytest
from limits.storage import RedisStorage

from flaskJSONRPCServer import MissingExtraError, SettingsError
from flaskJSONRPCServer.dispatch.rate_limits.storages import STORAGE_TIMEOUT_S, shared_storage

SECRET = "correct-horse"


def timeouts(storage):
    options = storage.storage.connection_pool.connection_kwargs
    return options["socket_timeout"], options["socket_connect_timeout"]


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_storage_is_made_without_a_connection_and_with_timeouts(scheme):
    storage = shared_storage(f"{scheme}://127.0.0.1:1/0")  # nothing listens there

    assert isinstance(storage, RedisStorage)
    assert timeouts(storage) == (STORAGE_TIMEOUT_S, STORAGE_TIMEOUT_S)


def test_timeout_in_the_uri_takes_precedence():
    assert timeouts(shared_storage("redis://127.0.0.1:1/0?socket_timeout=0.25")) == (0.25, STORAGE_TIMEOUT_S)


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_uri_that_cannot_be_parsed_is_refused_without_its_password(scheme):
    with pytest.raises(SettingsError) as refused:
        shared_storage(f"{scheme}://user:{SECRET}@host:port/0")

    assert str(refused.value) == (
        f"rateLimit['storage'] with the scheme '{scheme}' is refused (ValueError): it takes a URI such as "
        f"'{scheme}://127.0.0.1:6379/0', and {scheme} in a version that limits knows"
    )
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    ("scheme", "client"), [("redis", "redis"), ("rediss", "redis"), ("redis+unix", "redis"), ("valkeys", "valkey")]
)
def test_missing_client_library_is_named_with_its_command(scheme, client, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(MissingExtraError) as missing:
        shared_storage(f"{scheme}://user:{SECRET}@host/0")
    assert str(missing.value) == (
        f"rateLimit['storage'] with the scheme '{scheme}' needs {client}; install it: pip install 'limits[{client}]'"
    )
