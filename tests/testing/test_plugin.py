"""The fixtures of the pytest plugin, in the test runs of a user."""

import json
import subprocess
import sys

import pytest

# Loaded here, since a run inside the process forgets the modules that it has loaded.
import flaskJSONRPCServer.testing.json_schema
import flaskJSONRPCServer.testing.recording
import flaskJSONRPCServer.testing.servers
from tests.sources import ROOT

pytest_plugins = ["pytester"]

# Outside of a worker, the run that this file is part of has loaded the plugin already.
WARNINGS = ("-W", "error", "-W", "ignore:Module already imported")

PLUGIN = "flaskJSONRPCServer.testing.plugin"

API = """
    import pytest
    from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer
    from flaskJSONRPCServer.client import Client
    from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcInvalidParamsError

    server = flaskJSONRPCServer(None, log=0)

    @server.method("/api")
    def add(a: int, b: int = 1) -> int:
        return a + b
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run the tests of a file inside the process, with no plugin but this one."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)

    def run_tests(source, *arguments):
        pytester.makepyfile(test_api=API + source)
        return pytester.runpytest_inprocess("-p", PLUGIN, *WARNINGS, *arguments)

    return run_tests


def test_servers_and_clients_of_the_fixtures_work_and_end(run):
    done = run("""
    running = []

    def test_live(jsonrpc_server):
        live = jsonrpc_server(server)
        other = jsonrpc_server(lambda server: server.registerFunction(add, "/other"), "/other")
        running[:] = live, other
        assert (live.client.add(1, b=2), other.client.add(1)) == (3, 2)
        assert live.url != other.url

    def test_live_servers_have_ended():
        assert not any(one.server._lifecycle.is_running for one in running)

    def test_in_the_process(jsonrpc_client):
        assert jsonrpc_client(server).add(1, b=2) == 3
        assert jsonrpc_client(server, "/api", headers={"X-A": "b"}).add(1) == 2

    def test_failure(jsonrpc_client):
        jsonrpc_client(server).add("x")
    """)

    done.assert_outcomes(passed=3, failed=1)
    done.stdout.fnmatch_lines(["*JsonRpcInvalidParamsError: Invalid params: a: Input should be a valid integer"])


def test_mock_is_checked_after_the_test(run):
    done = run("""
    def test_right(jsonrpc_mock):
        jsonrpc_mock.on("add", 1, 2).returns(3)
        assert jsonrpc_mock.client.add(1, 2) == 3

    def test_missing(jsonrpc_mock):
        jsonrpc_mock.on("add", 1, 2).returns(3)

    def test_swallowed(jsonrpc_mock):
        with pytest.raises(Exception):
            jsonrpc_mock.client.add(1)

    def test_live_and_wrong(jsonrpc_mock):
        with Client(jsonrpc_mock.url) as client:
            client.add(1)

    @pytest.mark.xfail(strict=True)
    def test_expected(jsonrpc_mock):
        jsonrpc_mock.on("add")
    """)

    done.assert_outcomes(passed=1, failed=3, xfailed=1)
    done.stdout.fnmatch_lines(
        [
            "*_ test_missing _*",
            "add(1, 2) was not called; remove its declaration, or pass assert_all_called=False",
            "*_ test_swallowed _*",
            "unexpected call add(1); declare it with mock.on('add', 1).returns(...)",
            "*_ test_live_and_wrong _*",
            "*JsonRpcMethodNotFoundError: Method not found: add(1) is not declared on the mock server",
            "*- Captured jsonrpc call -*",
            "unexpected call add(1); declare it with mock.on('add', 1).returns(...)",
        ]
    )
    assert not done.parseoutcomes().get("errors")


def test_test_that_is_run_again_is_checked_anew(run, pytester):
    pytester.makeconftest("""
    from _pytest.runner import runtestprotocol

    def pytest_runtest_protocol(item, nextitem):
        for _ in range(2):
            item._initrequest()
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        return True
    """)
    done = run("""
    runs = []

    def test_flaky(jsonrpc_mock):
        runs.append(jsonrpc_mock)
        if len(runs) == 1:
            jsonrpc_mock.on("add")

    def test_ran_twice():
        assert len(runs) == 2
    """)

    done.assert_outcomes(passed=2)


def test_mock_is_held_to_the_contract_of_the_marker_or_the_fixture(run):
    done = run(
        """
    class TestFixture:
        @pytest.fixture
        def jsonrpc_contract(self):
            return server

        def test_right(self, jsonrpc_mock):
            jsonrpc_mock.on("add", 1, b=2).returns(3)
            assert jsonrpc_mock.client.add(1, b=2) == 3

        def test_lie(self, jsonrpc_mock):
            jsonrpc_mock.on("add").returns("three")

        @pytest.mark.jsonrpc_mock(contract=None, assert_all_called=False)
        def test_without(self, jsonrpc_mock):
            jsonrpc_mock.on("add").returns("three")

    @pytest.mark.jsonrpc_mock(contract=add)
    def test_wrong_call(jsonrpc_mock):
        jsonrpc_mock.on("add").returns(3)
        with pytest.raises(JsonRpcInvalidParamsError):
            jsonrpc_mock.client.add("one")
    """,
        "--strict-markers",
    )

    done.assert_outcomes(passed=2, failed=2)
    done.stdout.fnmatch_lines(
        [
            "*MockError: add(...).returns('three') does not fit the contract: result is \"three\", which is not*",
            'add("one") does not fit the contract: a is "one", which is not of type \'integer\'; correct the caller',
        ]
    )


RECORDED = """
    @pytest.mark.parametrize("number", [1, pytest.param(2, id="a/b")])
    def test_recorded(jsonrpc_cassette, number):
        assert jsonrpc_cassette("URL").client.add(number) == number + 1

    class TestGroup:
        def test_two(self, jsonrpc_cassette):
            one = jsonrpc_cassette("URL", name="one")
            two = jsonrpc_cassette("URL", name="two")
            assert (one.client.add(1), two.client.add(1)) == (2, 2)
            with pytest.raises(ValueError, match="a cassette 'one' already; give this one another name="):
                jsonrpc_cassette("URL", name="one")

    def test_failing(jsonrpc_cassette):
        assert jsonrpc_cassette("URL").client.add(1) == 3
"""


def test_cassettes_are_recorded_by_the_option_and_replayed_without_a_server(run, pytester):
    server = flaskJSONRPCServer.flaskJSONRPCServer(None, log=0)
    server.registerFunction(lambda a: a + 1, "/api", name="add")
    with flaskJSONRPCServer.testing.served(server) as running:
        source = RECORDED.replace("URL", running.url)
        run(source).assert_outcomes(failed=4)
        run(source, "--jsonrpc-record-mode=once").assert_outcomes(passed=3, failed=1)
    done = run(source)

    done.assert_outcomes(passed=3, failed=1)
    folder = pytester.path / "cassettes" / "test_api"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["one.json", names[1], names[2], "two.json"]
    assert [name.rpartition("-")[0] for name in names[1:3]] == ["test_recorded-1", "test_recorded-a-b"]
    assert json.loads((folder / "one.json").read_text())["calls"] == [{"method": "add", "params": [1], "result": 2}]
    # The test that fails does not leave a cassette.
    done.stdout.fnmatch_lines(["*CassetteError: add(1) is not recorded since there is no *test_failing.json; record *"])


def test_call_of_another_client_that_is_not_recorded_fails_the_test(run):
    done = run("""
    def test_swallowed(jsonrpc_cassette):
        with Client(jsonrpc_cassette("http://127.0.0.1:9").url) as client, pytest.raises(Exception):
            client.add(1)
    """)

    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["add(1) is not recorded since there is no *test_swallowed.json; record it with *"])


@pytest.mark.parametrize("option", ["--jsonrpc-record-mode=sometimes"])
def test_unknown_record_mode_is_an_error_of_usage(run, option):
    done = run("", option)

    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*argument --jsonrpc-record-mode: invalid choice: 'sometimes'*"])


def test_fixtures_and_the_marker_are_listed_with_their_texts(run):
    fixtures = run("", "--fixtures").stdout.str()
    markers = run("", "--markers").stdout.str()

    assert all(f"\njsonrpc_{name} -- " in fixtures for name in ("server", "client", "mock", "cassette", "contract"))
    assert "@pytest.mark.jsonrpc_mock(contract=None, path=None, assert_all_called=True): the arguments" in markers


def test_workers_of_xdist_run_the_fixtures_at_once(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile("""
    import pytest

    @pytest.mark.parametrize("number", range(4))
    def test_all(jsonrpc_mock, jsonrpc_cassette, number):
        jsonrpc_mock.on("add", number).returns(number)
        assert jsonrpc_cassette(jsonrpc_mock.url).client.add(number) == number
    """)
    arguments = ("-p", "xdist", "-p", PLUGIN, "-n", "2", "--jsonrpc-record-mode=once")

    pytester.runpytest_subprocess(*arguments).assert_outcomes(passed=4)

    (folder,) = (pytester.path / "cassettes").iterdir()
    recorded = [json.loads(path.read_text())["calls"][0]["params"] for path in folder.iterdir()]
    assert sorted(recorded) == [[0], [1], [2], [3]]


def test_program_that_has_imported_the_package_may_start_pytest(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    # pytest does the same with each installed package that has a plugin.
    pytester.makeconftest("import pytest; pytest.register_assert_rewrite('flaskJSONRPCServer')")
    pytester.makepyfile("def test_nothing(): pass")

    program = "import flaskJSONRPCServer, pytest, sys; sys.exit(pytest.main(['-W', 'error']))"

    pytester.runpython_c(program).assert_outcomes(passed=1)


def test_plugin_loads_nothing_but_itself_at_the_start_of_pytest():
    script = (
        f"import pytest, sys; before = {{*sys.modules}}; import {PLUGIN}; print(*sorted({{*sys.modules}} - before))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)

    assert {*run.stdout.split()} == {"flaskJSONRPCServer", "flaskJSONRPCServer.testing", PLUGIN}


def test_plugin_is_an_entry_point_of_the_package():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    # One name for both: with another one, `-p` of the module would load it twice.
    assert f'[project.entry-points.pytest11]\n"{PLUGIN}" = "{PLUGIN}"\n' in text
