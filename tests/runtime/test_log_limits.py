"""Log lines of one kind at a bounded rate."""

from flaskJSONRPCServer.runtime.log_limits import LimitedLog


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
