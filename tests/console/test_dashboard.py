"""What the dashboard asks the server for: figures, and actions."""

import json
import threading
from urllib.parse import quote

import flask
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.console.dashboard import Dashboard
from tests.helpers import Request, call_socket, call_wsgi, get, post, result_of, rpc, wait_until

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections

LIVE = "/console/live.json"
ACTIONS = "/console/actions"


def echo(value):
    return value


def fail():
    raise ValueError("never")


def lock_echo(_connection):
    _connection.call.lock(echo)


def make(address=("127.0.0.1", 0), **options):
    server = flaskJSONRPCServer(list(address) if address else None, **{"log": False, **options})
    for function in (echo, fail, lock_echo):
        server.registerFunction(function, path="/api")
    return server


@pytest.fixture
def server():
    return make(consoleActions=True)


@pytest.fixture
def application(server):
    return server.getWSGI()


def live(application, query="", **headers):
    answer = call_wsgi(application, get(f"{LIVE}{query}", headers))
    assert answer.code == 200, answer
    return answer.json()


def sampled(server, application, query=""):
    server._engine.services.dashboard.sample()
    return live(application, query)


def act(application, action, dispatcher=None, **headers):
    return call_wsgi(application, post({"action": action, "dispatcher": dispatcher}, ACTIONS, headers=headers))


def held(application):
    return live(application)["locks"]["held"]


# Figures


def test_figures_equal_the_statistics_after_a_known_load():
    server = make(dispatcherBackend="threaded")
    application = server.getWSGI()
    for _ in range(20):
        result_of(application, "echo", [1])
    call_wsgi(application, post([rpc("echo", [1]), rpc("fail"), {"jsonrpc": "2.0", "method": "fail"}]))
    call_wsgi(application, get("/api/echo?value=1"))
    call_wsgi(application, post(rpc("unknown")))
    wait_until(lambda: server.stats()["dispatcherErrorCount"] == 2)
    report, stats = sampled(server, application), server.stats(inMS=True)
    server.stop()

    rows = {row["name"]: row for row in report["methods"]}
    assert {name: (row["calls"], row["errors"], row["running"]) for name, row in rows.items()} == {
        "/api/echo": (22, 0, 0),
        "/api/fail": (2, 2, 0),
    }
    for name, figures in stats["dispatchers"].items():
        shown = {key: rows[name][f"{key}_ms"] for key in ("mean", "max", "p50", "p99")}
        assert shown == pytest.approx({key: figures[key] for key in shown}, rel=1e-5)
    totals = report["totals"]
    assert (totals["requests"], totals["calls"], totals["errors"]) == (
        *(stats["requestCount"], stats["dispatcherCount"], stats["dispatcherErrorCount"]),
    )
    assert totals["requests"] == 23
    assert report["gc"] == stats["gc"]


def test_only_methods_that_have_changed_are_sent_again(server, application):
    result_of(application, "echo", [1])
    sequence = sampled(server, application)["sequence"]
    result_of(application, "lock_echo")
    server.unlock(echo)
    sampled(server, application)  # the rate of echo is 0 again
    names = [row["name"] for row in sampled(server, application, f"?since={sequence}")["methods"]]

    assert sorted(names) == ["/api/echo", "/api/lock_echo"]
    assert sampled(server, application, f"?since={sequence + 3}")["methods"] == []


def test_figures_of_a_call_that_runs(server, application):
    entered, leave = threading.Event(), threading.Event()
    server.registerFunction(lambda: entered.set() or leave.wait(60), path="/api", name="hold")
    caller = threading.Thread(target=result_of, args=(application, "hold"))
    caller.start()
    assert entered.wait(60)
    report = sampled(server, application)
    leave.set()
    caller.join()

    assert (report["totals"]["in_flight"], report["totals"]["running"]) == (1, 1)
    assert report["methods"][0]["running"] == 1
    assert report["methods"][0]["p99_ms"] == 0


def test_history_of_one_method_is_sent_if_it_is_asked_for(server, application):
    result_of(application, "echo", [1])
    ours = sampled(server, application, f"?method={quote('/api/echo')}")["method"]
    others = live(application, "?method=nothing")["method"]

    assert ours["name"] in ("/api/echo", "_OTHER")  # a row needs two samples
    assert [track["step_s"] for track in ours["history"]] == [1, 10]
    assert others["name"] == "_OTHER"
    assert "method" not in live(application)


@pytest.mark.parametrize("since", ["0", "999999999"])
def test_number_of_no_sample_gets_everything(server, application, since):
    result_of(application, "echo", [1])
    server._engine.services.dashboard.sample()

    assert [row["name"] for row in live(application, f"?since={since}")["methods"]] == ["/api/echo"]


@pytest.mark.parametrize("since", ["", "-1", "x", "1.5", "٣", "9" * 16, "1e3"])
def test_since_that_is_no_number_is_refused(application, since):
    answer = call_wsgi(application, get(f"{LIVE}?since={quote(since)}"))

    assert answer.code == 400
    assert b"since=" in answer.body


def test_answer_is_not_kept_by_anyone(application):
    answer = call_wsgi(application, get(LIVE))

    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("X-Content-Type-Options") == "nosniff"


def test_answer_to_head_has_no_body(application):
    assert call_wsgi(application, Request("HEAD", LIVE)).code == 200


def test_hostile_method_name_comes_back_as_it_is(server, application):
    name = '</script><img src=x onerror="alert(1)">%s&amp;{{1}}'
    server.registerFunction(echo, path="/api", name=name)
    result_of(application, name, [1])

    assert [row["name"] for row in sampled(server, application)["methods"]] == [f"/api/{name}"]


@pytest.mark.parametrize("target", ["/console/live", "/console/live.json/", "/console/x", "/console/actions"])
def test_other_urls_are_not_found(application, target):
    assert call_wsgi(application, get(target)).code == 404


def test_through_flask_the_answer_is_the_same():
    application = make(flaskContext=True, consoleActions=True).getWSGI()

    assert live(application)["actions"]
    assert act(application, "lock").json() == {"action": "lock", "message": "the server is locked"}


def test_mounted_server_is_sampled_when_it_is_looked_at(monkeypatch):
    clock_s = [100.0]
    monkeypatch.setattr("flaskJSONRPCServer.console.dashboard.time.monotonic", lambda: clock_s[0])
    app, server = flask.Flask("app"), make(None, console=True)
    server.init_app(app, "/v1")
    client = app.test_client()
    assert client.get(f"/v1{LIVE}").json["methods"] == []
    client.get("/v1/api/echo?value=1")
    assert client.get(f"/v1{LIVE}").json["methods"] == []  # the sample is still fresh
    clock_s[0] += 2
    report = client.get(f"/v1{LIVE}").json

    assert [row["calls"] for row in report["methods"]] == [1]
    assert report["history"][0]["calls_per_s"] == [0.5]


def test_running_server_samples_once_a_second_and_keeps_its_history(server):
    server.start()
    try:
        address = server.addresses[0]

        def read(query=""):
            return call_socket(address, get(f"{LIVE}{query}")).json()

        first = wait_until(lambda: (report := read())["sequence"] >= 2 and report)
        server.restart()
        server.reload({"dispatcher": echo, "path": "api", "name": "echo"})
        again = wait_until(lambda: (report := read())["sequence"] > first["sequence"] and report)
        about = again["server"]

        assert again["history_id"] == first["history_id"]
        assert again["history"][0]["time"][: len(first["history"][0]["time"])] == first["history"][0]["time"]
        assert (about["restarts"], about["reloads"], about["failed_reloads"]) == (1, 1, 0)
        assert again["history"][0]["threads"][-1] > 1
        assert again["history"][0]["memory_kb"][-1] > 1000
    finally:
        server.stop()


@pytest.mark.parametrize("backend", ["auto", "werkzeug", "granian"])
def test_restart_by_an_action_comes_after_its_answer(backend):
    server = make(consoleActions=True, servBackend=backend)
    server.start()
    try:
        answer = call_socket(server.addresses[0], post({"action": "restart"}, ACTIONS))
        assert (answer.code, answer.json()["action"]) == (200, "restart")
        wait_until(lambda: server._engine.lifetime.restarts == 1)
        assert call_socket(server.addresses[0], get("/api/echo?value=1")).code == 200
    finally:
        server.stop()


# Exec backends


class CustomBackend:
    _id = "mine"

    def __init__(self, stats):
        self.stats = stats

    def add(self, uniqueId, path, dataIn, request, isJSONP=False):
        return True, None, None

    def check(self, uniqueId, ticket):
        return True, {}, 1


def backends_with(stats, **options):
    server = make(dispatcherBackend=CustomBackend(stats), **options)
    application = server.getWSGI()
    result_of(application, "echo", [1])
    return live(application)["backends"], server


def test_backends_are_shown_in_one_form():
    counts = {"mine_queue": 3, "mine_workers": 2, "mine_failed": 1, "cost": 0.5, "up": True, "note": "text"}
    rows, _ = backends_with(lambda in_ms: counts)

    assert rows == [
        {
            **{"name": "mine", "queue": 3, "workers": 2, "failed": 1, "running": None, "done": None, "refused": None},
            **{"most_workers": None, "others": {"cost": 0.5}},
        }
    ]


@pytest.mark.parametrize("failure", [ValueError, SystemExit, KeyboardInterrupt])
def test_backend_that_cannot_tell_its_counts_does_not_hide_the_rest(failure, caplog):
    def stats(in_ms):
        raise failure("no counts")

    rows, server = backends_with(stats, log=1)
    live(server.getWSGI())

    assert rows == [{"name": "mine", "unknown": True}]
    assert [record.message for record in caplog.records] == ["stats() of exec backend 'mine' raised"]


@pytest.mark.parametrize("count", [float("nan"), float("inf"), 10**400])
def test_count_that_json_cannot_hold_is_left_out(count):
    rows, _ = backends_with(lambda in_ms: {"mine_queue": count, "cost": count})

    assert (rows[0]["queue"], rows[0]["others"]) == (None, {})


# Locks


def test_locks_are_shown_with_their_holders(server, application):
    server.registerFunction(echo, path="/other", name="alias")
    result_of(application, "lock_echo")
    by_dispatcher, *rest = held(application)
    server.lock()
    server.unlock(echo)
    by_thread = held(application)

    assert rest == []
    assert (by_dispatcher["kind"], by_dispatcher["by"]) == ("dispatcher", "/api/lock_echo")
    assert sorted(by_dispatcher["dispatchers"]) == ["/api/echo", "/other/alias"]
    assert [(lock["kind"], lock["by"]) for lock in by_thread] == [("server", threading.current_thread().name)]


def test_waiting_calls_are_counted(server, application):
    server.lock()
    caller = threading.Thread(target=result_of, args=(application, "echo", [1]))
    caller.start()
    wait_until(lambda: live(application)["locks"]["waiting"] == 1)
    server.unlock()
    caller.join()

    assert live(application)["locks"] == {"waiting": 0, "held": []}


# Who may read


def test_auth_is_asked_for_the_path_of_the_console():
    asked = []
    server = make(auth=lambda server, path, request, method: asked.append((path, method)) or len(asked) == 1)
    application = server.getWSGI()

    assert live(application)
    assert call_wsgi(application, get(LIVE)).code == 403
    assert asked == [("/console/", None)] * 2


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
        {"Referer": "http://evil.test/page"},
    ],
)
@pytest.mark.parametrize("cors", [False, True])
def test_page_of_another_origin_may_neither_read_nor_act(headers, cors):
    server = make(consoleActions=True, cors=cors)
    application = server.getWSGI()

    assert call_wsgi(application, get(LIVE, headers)).code == 403
    assert act(application, "lock", **headers).code == 403
    assert not server.wait(returnStatus=True)


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://127.0.0.1:8080"}])
def test_own_page_may_read_and_act(application, headers):
    assert call_wsgi(application, get(LIVE, headers)).code == 200
    assert act(application, "lock", **headers).code == 200


def test_page_behind_a_trusted_proxy_may_act():
    server = make(consoleActions=True, console=True, trusted_proxies=["127.0.0.1"], auth=lambda *asked: True)
    application = server.getWSGI()
    forwarded = {"X-Forwarded-Host": "shop.test", "X-Forwarded-Proto": "https", "X-Forwarded-For": "10.0.0.7"}

    assert act(application, "lock", Origin="https://shop.test", **forwarded).code == 200
    assert act(application, "lock", Origin="https://evil.test", **forwarded).code == 403


@pytest.mark.parametrize(
    ("options", "is_on"),
    [
        ({}, True),
        ({"console": False}, False),
        ({"address": ("0.0.0.0", 0)}, False),
        ({"address": ("0.0.0.0", 0), "console": True}, True),
        ({"address": None}, False),
        ({"trusted_proxies": ["10.0.0.1"]}, False),
    ],
)
def test_console_is_on_where_only_this_machine_can_reach_it(options, is_on):
    application = make(**options).getWSGI()

    assert call_wsgi(application, get(LIVE)).code == (200 if is_on else 404)


def test_console_goes_with_the_address():
    server = make()
    server.settings.bindAdress = ["0.0.0.0", 0]

    assert call_wsgi(server.getWSGI(), get(LIVE)).code == 404


# Actions


def test_actions_are_off_by_default():
    server = make()
    application = server.getWSGI()
    answer = act(application, "lock")

    assert (answer.code, live(application)["actions"]) == (403, [])
    assert answer.json() == {"error": "actions are off; consoleActions=True allows them"}
    assert not server.wait(returnStatus=True)


@pytest.mark.parametrize(
    ("address", "options"),
    [(("0.0.0.0", 0), {}), (("127.0.0.1", 0), {"trusted_proxies": ["127.0.0.1"]}), (None, {})],
)
def test_actions_need_auth_where_other_machines_can_reach_the_server(address, options):
    server = make(address, console=True, consoleActions=True, **options)
    answer = act(server.getWSGI(), "lock")

    assert (answer.code, "auth=" in answer.json()["error"]) == (403, True)
    assert not server.wait(returnStatus=True)


def test_auth_is_asked_for_each_action(caplog):
    def auth(server, path, request, method):
        asked.append((path, method))
        return method != "lock"

    asked = []
    server = make(("0.0.0.0", 0), console=True, consoleActions=True, auth=auth, log=3)
    application = server.getWSGI()
    refused, done = act(application, "lock", "/api/echo"), act(application, "unlock", "/api/echo")

    assert asked == [("/console/", "lock"), ("/console/", "unlock")]
    assert (refused.code, refused.json()) == (403, {"error": "not authorised"})
    assert done.code == 200
    assert [record.message for record in caplog.records] == [
        "console: lock '/api/echo' for 127.0.0.1 was refused: not authorised",
        "console: unlock '/api/echo' for 127.0.0.1: /api/echo is unlocked",
    ]


def test_dispatcher_is_locked_and_unlocked(server, application):
    assert act(application, "lock", "/api/echo").json()["message"] == "/api/echo is locked"
    assert server.wait(echo, returnStatus=True)
    assert [lock["by"] for lock in held(application)] == ["console, 127.0.0.1"]
    act(application, "unlock", "/api/echo")
    assert not server.wait(echo, returnStatus=True)


def test_server_is_locked_and_unlocked(server, application):
    act(application, "lock")
    assert server.wait(fail, returnStatus=True)
    assert [lock["kind"] for lock in held(application)] == ["server"]
    act(application, "unlock")
    assert held(application) == []


def test_garbage_is_collected_through_the_documented_method(server, application, monkeypatch):
    forced = []
    monkeypatch.setattr(server, "_controlGC", lambda force=False: forced.append(force), raising=False)

    assert "collected" in act(application, "collectGarbage").json()["message"]
    assert forced == [True]


def test_scripts_of_dispatchers_are_reloaded(tmp_path):
    script = tmp_path / "shop.py"
    script.write_text("def price():\n    return 1\n", encoding="utf-8")
    server = make(consoleActions=True)
    server.reload({"dispatcher": "price", "scriptPath": str(script), "path": "/shop"})
    application = server.getWSGI()
    script.write_text("def price():\n    return 22\n", encoding="utf-8")
    answer = act(application, "reload")

    assert (answer.code, result_of(application, "price", target="/shop")) == (200, 22)
    script.write_text("def price(:\n", encoding="utf-8")
    broken = act(application, "reload")
    assert (broken.code, "as before" in broken.json()["error"]) == (409, True)
    assert result_of(application, "price", target="/shop") == 22
    assert live(application)["server"]["failed_reloads"] == 1


def test_reload_without_scripts_is_an_error():
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, consoleActions=True)
    server.registerFunction(len, path="/api")
    answer = act(server.getWSGI(), "reload")

    assert (answer.code, "script" in answer.json()["error"]) == (409, True)


def test_mounted_server_does_not_restart(application):
    answer = act(application, "restart")

    assert answer.code == 409
    assert "restart" not in live(application)["actions"]


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"9" * 5000, "not JSON"),
        (b"[]", "an object"),
        (b"{}", "action None is unknown"),
        (b'{"action": ["lock"]}', "is unknown"),
        (b'{"action": "stop"}', "known: lock, unlock, reload, collectGarbage, restart"),
        (b'{"action": "lock", "dispatcher": 1}', "dispatcher 1 is refused"),
        (b'{"action": "lock", "dispatcher": "/api/nothing"}', "'/api/nothing' is unknown"),
        (b'{"action": "reload", "dispatcher": "/api/echo"}', "'reload' is for the whole server"),
        (b'{"action": "collectGarbage", "dispatcher": ""}', "'collectGarbage' is for the whole server"),
        (b'{"action": "restart", "dispatcher": "/api/echo"}', "'restart' is for the whole server"),
    ],
)
def test_wrong_order_is_a_clear_error(server, application, body, part):
    answer = call_wsgi(application, post(body, ACTIONS))

    assert answer.code == 400
    assert part in answer.json()["error"]
    assert not server._engine.locks.engaged


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_body_that_a_form_could_send_is_refused(server, media_type):
    server.settings.media_types = ["application/json", "text/plain"]
    answer = act(server.getWSGI(), "lock", **{"Content-Type": media_type})

    assert answer.code == 415
    assert not server.wait(returnStatus=True)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_action_needs_a_post(server, application, method):
    headers, body = {"Content-Type": "application/json"}, b'{"action": "lock"}'
    answer = call_wsgi(application, Request(method, ACTIONS, headers, body))

    assert answer.code in (404, 405)
    assert not server.wait(returnStatus=True)


def test_name_of_a_dispatcher_cannot_forge_a_line_of_the_log(caplog):
    act(make(consoleActions=True, log=3).getWSGI(), "lock", "/api/x\nCRITICAL all is lost")

    assert [record.message.count("\n") for record in caplog.records] == [0]


def test_two_browsers_at_once_get_whole_answers(server, application):
    failures = []

    def look():
        try:
            for _ in range(30):
                json.dumps(live(application), allow_nan=False)
        except Exception as exc:  # noqa: BLE001  told below
            failures.append(exc)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(30):
        result_of(application, "echo", [number])
        server._engine.services.dashboard.sample()
    for thread in threads:
        thread.join()

    assert failures == []
    assert isinstance(server._engine.services.dashboard, Dashboard)


def test_process_without_a_free_descriptor_is_sampled_all_the_same(server, application, monkeypatch):
    before = sampled(server, application)

    def fail_to_open():
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("flaskJSONRPCServer.console.dashboard.measure_usage", fail_to_open)
    assert sampled(server, application)["sequence"] == before["sequence"] + 1
    assert live(make().getWSGI())["sequence"] == 1
