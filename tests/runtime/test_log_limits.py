"""Log lines of one kind at a bounded rate."""

import threading
from types import SimpleNamespace

from flaskJSONRPCServer.runtime.log_limits import LimitedLog, LimitedTracebacks, WarnOnce
from flaskJSONRPCServer.runtime.logs import ERROR, WARNING


def test_bound_may_be_lower():
    lines, now = [], [0.0]
    log = LimitedLog(lambda *parts: lines.append(parts), clock=lambda: now[0], most_lines=1)
    for number in range(3):
        log.write("broke:", number)
    now[0] = 10.0
    log.write("broke:", 3)

    assert lines == [("broke:", 0), ("broke:", 3, "(2 lines like this one were left out)")]


def test_lines_over_the_bound_are_left_out_and_counted():
    lines, now = [], [0.0]
    log = LimitedLog(lambda *parts: lines.append(parts), clock=lambda: now[0])
    for number in range(25):
        log.write("broke:", number)
    log.write("refused:", "another kind")
    now[0] = 10.0
    log.write("broke:", 25)
    log.write("broke:", 26)

    assert lines == [
        *[("broke:", number) for number in range(20)],
        ("refused:", "another kind"),
        ("broke:", 25, "(5 lines like this one were left out)"),
        ("broke:", 26),
    ]


def test_tracebacks_over_the_bound_are_left_out_and_their_lines_are_not():
    lines, now = [], [0.0]
    log = SimpleNamespace(write=lambda *parts, traceback=False: lines.append((*parts, traceback)))
    failures = LimitedTracebacks(log, clock=lambda: now[0])
    for number in range(22):
        failures.write("auth raised", KeyError(number))
    now[0] = 10.0
    failures.write("auth raised", KeyError(22))

    left_out = "(its traceback is left out, after 20 others)"
    assert lines == [
        *[(ERROR, "auth raised", True)] * 20,
        (ERROR, f"auth raised: KeyError(20) {left_out}", False),
        (ERROR, f"auth raised: KeyError(21) {left_out}", False),
        (ERROR, "auth raised", True),
    ]


def test_warning_is_written_once_though_many_threads_have_reason_for_it():
    lines, count = [], 8
    begin = threading.Barrier(count)
    warning = WarnOnce(SimpleNamespace(write=lambda *parts: lines.append(parts)))

    def warn(number):
        begin.wait()
        warning.write(f"thread {number}")

    threads = [threading.Thread(target=warn, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    warning.write("later")

    ((level, text),) = lines
    assert level == WARNING
    assert text.startswith("thread ")
