"""Every option: its default, its accepted values and its refused ones."""

import dataclasses
import functools
import inspect
import re

import pytest

from flaskJSONRPCServer import ServerStateError, Settings, SettingsError, flaskJSONRPCServer
from flaskJSONRPCServer.settings import Options

DEFAULTS = {
    "bindAdress": None,
    "multipleAdress": False,
    "blocking": False,
    "cors": False,
    "gevent": False,
    "debug": False,
    "log": 3,
    "fallback": True,
    "allowCompress": False,
    "ssl": False,
    "tweakDescriptors": (65536, 65536),
    "compressMinSize": 2097152,
    "jsonBackend": "simplejson",
    "notifBackend": "simple",
    "dispatcherBackend": "simple",
    "auth": None,
    "experimental": False,
    "controlGC": True,
    "magicVarForDispatcher": "_connection",
    "name": None,
    "servBackend": "auto",
    "flaskContext": False,
    "max_body_bytes": 5 * 2**20,
    "max_batch_length": 1000,
    "max_nesting_depth": 100,
    "max_integer_digits": 4300,
    "max_header_count": 100,
    "allowed_hosts": None,
    "allowed_origins": None,
    "media_types": ("application/json", "application/json-rpc", "application/jsonrequest"),
    "trusted_proxies": (),
    "backlog": 10_000,
    "sleepTime_waitLock": 0.1,
    "sleepTime_waitDeepLock": 0.1,
    "sleepTime_checkProcessingCount": 0.3,
    "controlGC_everySeconds": 3600,
    "controlGC_everyRequestCount": 300_000,
    "controlGC_everyDispatcherCount": 50_000,
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_setting_has_its_documented_default(name):
    assert getattr(Settings(), name) == DEFAULTS[name]


TAKEN = [
    ("api_info", None),
    ("api_info", {"title": "Shop", "version": "2.1.0", "license": {"name": "MIT"}}),
    ("cors", {"origin": "*"}),
    ("log", 0),
    ("log", 4),
    ("log", False),
    ("log", True),
    ("blocking", True),
    ("blocking", 1),
    ("compressMinSize", 0),
    ("auth", print),
    ("magicVarForDispatcher", "ctx"),
    ("max_batch_length", None),
    ("max_batch_length", 1),
    ("allowed_hosts", ["a.test"]),
    ("allowed_hosts", ["::1", "127.0.0.1"]),
    ("allowed_origins", ["null", "http://localhost:8080"]),
    ("allowed_hosts", ()),
    ("allowed_origins", {"https://a.test"}),
    ("read_timeout_s", 0),
    ("read_timeout_s", 0.5),
    ("threads", 1),
    ("max_concurrent_calls", 1),
    ("max_waiting_requests", 0),
    ("max_streams", None),
    ("max_streams", 1),
    ("head_timeout_s", 0),
    ("body_timeout_s", 0.5),
    ("secret", None),
    ("secret", "s" * 32),
    ("secret", "ä" * 16),
    ("secret", b"\xff" * 32),
]


@pytest.mark.parametrize(("name", "value"), TAKEN)
def test_value_is_accepted(name, value):
    settings = Settings()
    setattr(settings, name, value)

    assert getattr(settings, name) == value
    assert getattr(Settings(**{name: value}), name) == value


REFUSED = [
    ("api_info", "Shop", "a dict of JSON values with 'title' and 'version' as strings, or None"),
    ("api_info", {"version": 2}, "a dict of JSON values"),
    ("api_info", {"x-limit": float("inf")}, "a dict of JSON values"),
    ("api_info", {"x-team": {1, 2}}, "a dict of JSON values"),
    ("discover_url", "a/b", "a segment of a URL"),
    ("discover_url", "..", "a segment of a URL"),
    ("discover_url", "", "a segment of a URL"),
    ("blocking", "yes", "True or False"),
    ("blocking", None, "True or False"),
    ("cors", "https://a.test", "True, False or a dict"),
    ("cors", None, "True, False or a dict"),
    ("debug", [], "True or False"),
    ("log", 5, "0 (critical only) to 4 (debug), or False"),
    ("log", -1, "0 (critical only) to 4 (debug), or False"),
    ("log", "info", "0 (critical only) to 4 (debug), or False"),
    ("log", 1.0, "0 (critical only) to 4 (debug), or False"),
    ("log", None, "0 (critical only) to 4 (debug), or False"),
    ("fallback", "x", "True or False"),
    ("compressMinSize", -1, "a number of bytes of at least 0"),
    ("compressMinSize", 1.5, "a number of bytes of at least 0"),
    ("compressMinSize", True, "a number of bytes of at least 0"),
    ("auth", True, "a plain function of four parameters"),
    ("magicVarForDispatcher", "a b", "a Python identifier"),
    ("magicVarForDispatcher", "", "a Python identifier"),
    ("magicVarForDispatcher", None, "a Python identifier"),
    ("name", 5, "a string without control characters, or None"),
    ("name", "a\nCRITICAL forged", "a string without control characters, or None"),
    ("name", "\x1b[2J", "a string without control characters, or None"),
    ("console_origins", ["https://a\x01.test"], "a list of origins"),
    ("allowed_origins", ["https://a\x7f.test"], "a list of origins"),
    ("allowed_hosts", ["a\nb"], "a list of host names"),
    ("max_body_bytes", 0, "a number of bytes of at least 1"),
    ("max_body_bytes", None, "a number of bytes of at least 1"),
    ("max_body_bytes", "5M", "a number of bytes of at least 1"),
    ("max_batch_length", 0, "a whole number of at least 1, or None: no limit"),
    ("max_nesting_depth", None, "a whole number from 1 to 500"),
    ("max_header_count", 0, "a whole number of at least 1"),
    ("allowed_hosts", "a.test", "a list of host names, without ports, or None"),
    ("allowed_hosts", [5], "a list of host names"),
    ("allowed_hosts", ["a.test:80"], "a list of host names, without ports"),
    ("allowed_hosts", ["https://a.test"], "a list of host names, without ports"),
    ("allowed_hosts", ["[::1]"], "a list of host names, without ports"),
    ("allowed_origins", ["a.test"], "a list of origins"),
    ("allowed_origins", ["https://a.test/"], "a list of origins"),
    ("allowed_origins", "https://a.test", "a list of origins"),
    ("media_types", "application/json", "a list of media types"),
    ("media_types", None, "a list of media types"),
    ("trusted_proxies", "10.0.0.1", "a list of IP addresses"),
    ("trusted_proxies", None, "a list of IP addresses"),
    ("trusted_proxies", ["proxy"], "a list of IP addresses"),
    ("trusted_proxies", ["10.0.0.1/8"], "a list of IP addresses and networks such as '10.0.0.0/8'"),
    ("trusted_proxies", ["10.0.0.1:80"], "a list of IP addresses"),
    ("read_timeout_s", -1, "a number of seconds, 0 or more"),
    ("read_timeout_s", "30", "a number of seconds, 0 or more"),
    ("read_timeout_s", True, "a number of seconds, 0 or more"),
    ("read_timeout_s", float("nan"), "a number of seconds, 0 or more"),
    ("threads", 0, "a whole number of at least 1"),
    ("threads", None, "a whole number of at least 1"),
    ("max_concurrent_calls", 0, "a whole number of at least 1"),
    ("max_waiting_requests", -1, "a whole number of at least 0"),
    ("max_streams", 0, "a whole number of at least 1, or None: what fits the serving program"),
    ("head_timeout_s", -1, "a number of seconds, 0 or more"),
    ("body_timeout_s", "1", "a number of seconds, 0 or more"),
    ("controlGC_everyRequestCount", 0, "a whole number of at least 1"),
]


@pytest.mark.parametrize(("name", "value", "accepts"), REFUSED)
def test_refused_value_error_names_the_accepted_values(name, value, accepts):
    settings = Settings()
    before = getattr(settings, name)
    with pytest.raises(SettingsError) as assigned:
        setattr(settings, name, value)
    with pytest.raises(SettingsError) as passed:
        Settings(**{name: value})

    assert str(assigned.value) == str(passed.value)
    assert str(assigned.value).startswith(f"{name}={value!r} is refused: it takes {accepts}")
    assert getattr(settings, name) == before


def test_unknown_name_is_refused_with_the_nearest():
    settings = Settings()

    with pytest.raises(SettingsError, match=r"^unknown option 'max_body_byte'; did you mean 'max_body_bytes'\?$"):
        settings.max_body_byte = 5
    with pytest.raises(SettingsError, match=r"^unknown option 'bindAddress'; did you mean 'bindAdress'"):
        flaskJSONRPCServer(None, bindAddress=None)


def test_name_is_for_the_constructor_only():
    settings = Settings(name="ä server")

    with pytest.raises(ServerStateError, match=r"^setting 'name' is fixed; give it to the constructor$"):
        settings.name = "another"
    assert settings.name == "ä server"


def test_settings_error_is_a_value_error():
    with pytest.raises(ValueError, match="log"):
        flaskJSONRPCServer(None, log=7)


def test_frozen_settings_refuse_every_change():
    settings = Settings()
    settings.freeze()

    with pytest.raises(
        ServerStateError, match=r"^setting 'log' cannot change while the server is in use; set it before$"
    ):
        settings.log = 4
    assert settings.log == 3
    settings.unfreeze()
    settings.log = 4
    assert settings.log == 4


def test_snapshot_is_frozen_and_independent_of_later_changes():
    settings = Settings(log=1)
    taken = settings.snapshot()
    settings.log = 4

    assert taken.log == 1
    with pytest.raises(ServerStateError):
        taken.log = 2


def test_snapshot_is_independent_of_changes_inside_a_value():
    settings = Settings(allowed_hosts=["a.test"], cors={"origin": "https://a.test"})
    taken = settings.snapshot()
    settings.allowed_hosts.append("evil.test")
    settings.cors["origin"] = "https://evil.test"

    assert list(taken.allowed_hosts) == ["a.test"]
    assert taken.cors == {"origin": "https://a.test"}


def test_server_shows_its_settings_under_both_names():
    server = flaskJSONRPCServer(None, log=False, max_body_bytes=7)

    assert server.setts is server.settings
    assert server.settings.max_body_bytes == 7
    assert server.settings.log is False


def test_settings_may_change_until_the_server_is_in_use():
    server = flaskJSONRPCServer(None, log=False)
    server.settings.max_batch_length = 1
    server.getWSGI()

    with pytest.raises(ServerStateError):
        server.settings.max_batch_length = 2
    assert server.settings.max_batch_length == 1


@pytest.mark.parametrize(
    "auth",
    [
        lambda server, path, request, method: True,
        lambda *args: True,
        lambda server, path, request, method, more=1: True,
        functools.partial(lambda prefix, server, path, request, method: True, "x"),
        print,
        None,
    ],
)
def test_auth_that_takes_four_arguments_is_accepted(auth):
    assert Settings(auth=auth).auth is auth


async def asynchronous_auth(server, path, request, method):
    return True


class AsynchronousAuth:
    async def __call__(self, server, path, request, method):
        return True


@pytest.mark.parametrize(
    "auth", [asynchronous_auth, functools.partial(asynchronous_auth), AsynchronousAuth(), AsynchronousAuth().__call__]
)
def test_asynchronous_auth_is_refused(auth):
    with pytest.raises(SettingsError, match=r"it takes a plain function of four parameters"):
        flaskJSONRPCServer(None, auth=auth)


@pytest.mark.parametrize(
    "auth", [lambda: True, lambda request: True, lambda a, b, c, d, e: True, lambda *, request: True, "secret", True]
)
def test_auth_that_takes_other_arguments_is_refused(auth):
    with pytest.raises(SettingsError, match=r"a plain function of four parameters \(server, path, request, method\)"):
        flaskJSONRPCServer(None, auth=auth)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bindAddress": ["127.0.0.1", 0]}, "unknown option 'bindAddress'; did you mean 'bindAdress'?"),
        ({"bindadress": None}, "unknown option 'bindadress'; did you mean 'bindAdress'?"),
        ({"ipAndPort": None}, "unknown option 'ipAndPort': it is called bindAdress, with an address [ip, port]"),
    ],
)
def test_missing_address_under_another_name_is_named(options, message):
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        flaskJSONRPCServer(**options)


def test_missing_address_alone_is_pythons_error():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'bindAdress'"):
        flaskJSONRPCServer(cors=True)


def test_removed_option_is_named_with_its_replacement():
    with pytest.raises(SettingsError, match="unknown option 'flaskAppName': the Flask application has the name of the"):
        flaskJSONRPCServer(None, flaskAppName="x")


def test_setting_that_does_not_exist_cannot_be_assigned():
    with pytest.raises(SettingsError, match="unknown option 'nope'"):
        flaskJSONRPCServer(None).settings.nope = 1


def test_types_of_the_options_are_those_of_the_settings():
    parameters = inspect.signature(flaskJSONRPCServer).parameters
    declared = {field.name: field.type for field in dataclasses.fields(Settings)}

    assert set(Options.__annotations__) == set(declared) - set(parameters)
    for name, annotation in Options.__annotations__.items():
        assert annotation.__forward_arg__ == declared[name], name


@pytest.mark.parametrize(
    "value", ["shown-nowhere" * 2, "ä" * 15, b"shown-nowhere", 10**40, "\ud800" * 40, bytearray(32)]
)
def test_refused_secret_is_not_shown(value):
    with pytest.raises(SettingsError) as caught:
        Settings(secret=value)

    assert str(caught.value) == (
        "the value of secret is refused: it takes a string or bytes of at least 32 bytes that nobody can guess, or "
        "None: a random one"
    )


@pytest.mark.parametrize("secret", ["shown-nowhere" * 3, b"shown-nowhere" * 3])
def test_text_of_the_settings_has_no_secret(secret):
    settings = Settings(secret=secret)

    assert settings.snapshot().secret == secret
    assert "shown-nowhere" not in repr(settings) + repr(settings.snapshot())
