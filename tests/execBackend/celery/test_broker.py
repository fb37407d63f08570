"""Sending to a broker that is killed, frozen and started again."""

import time
from concurrent.futures import ThreadPoolExecutor

from tests.execBackend.celery.servers import session_of
from tests.helpers import call, call_wsgi, post, result_of, wait_until


def wait_for_refusal(app):
    """Call until it is refused; return the error."""
    return wait_until(lambda: (error := call(app, "echo", [1]).get("error")) and error["code"] == -32002 and error)


def test_killed_broker_is_a_clear_error_until_it_is_back(breakable):
    broker, server, app, _ = breakable
    broker.kill()
    error = wait_for_refusal(app)
    answer = call_wsgi(app, post({"jsonrpc": "2.0", "method": "echo"}))
    inline = result_of(app, "add", [1], target="/inline")
    stats = server.stats()
    broker.restart()

    assert broker.address in error["message"]
    assert (answer.code, inline) == (204, 2)
    assert stats["notificationLostCount"] == 1
    assert (stats["celery_queue"], stats["celery_workers"]) == (None, [])
    wait_until(lambda: call(app, "echo", [2]).get("result") == 2)
    wait_until(lambda: server.stats()["celery_workers"])


def test_frozen_broker_is_a_clear_error_until_it_goes_on(breakable):
    broker, server, app, _ = breakable
    broker.freeze()
    try:
        begun = time.monotonic()
        error = wait_for_refusal(app)
        took_s = time.monotonic() - begun
        inline = result_of(app, "add", [1], target="/inline")
        assert server.stats()["celery_queue"] is None
    finally:
        broker.unfreeze()

    assert f"broker {broker.address} does not take messages" in error["message"]
    assert inline == 2
    assert took_s < 10  # it is bounded: by the timeout of one second, and the machine's load
    wait_until(lambda: call(app, "echo", [2]).get("result") == 2)


def test_threads_do_not_pile_up_in_front_of_a_frozen_broker(breakable):
    broker, _, app, _ = breakable
    broker.freeze()
    try:
        first = wait_for_refusal(app)
        with ThreadPoolExecutor(100) as threads:
            begun = time.monotonic()
            answers = [future.result() for future in [threads.submit(call, app, "echo", [1]) for _ in range(300)]]
            took_s = time.monotonic() - begun
    finally:
        broker.unfreeze()

    assert {answer["error"]["code"] for answer in answers} == {first["code"]}
    assert took_s < 30  # 300 of them one after the other would wait for 150 seconds at least


def test_connections_of_before_a_restart_of_the_broker_are_not_used_again(breakable):
    broker, server, app, _ = breakable
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda n: result_of(app, "add", [n]), range(50))) == list(range(1, 51))
    client = session_of(server)._broker
    before = client._producers
    broker.kill()

    wait_until(lambda: client._producers is not before)  # though nothing was sent
    broker.restart()
