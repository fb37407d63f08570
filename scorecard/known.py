"""The known failures of backends, with their reasons and remedies."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KNOWN", "Known"]


@dataclass(frozen=True, slots=True)
class Known:
    """Why a backend fails a check, and the remedy.

    Attributes:
        reason: The behaviour of the backend, or the feature that it lacks.
        in_front: The proxy to put in front of it, or an alternative.
    """

    reason: str
    in_front: str


PROXY = "a proxy that buffers requests and answers, such as nginx"
BOUNDING_PROXY = "a proxy that limits connections per client, and buffers requests and answers"
NATIVE = "nothing in front: use native"
PROCESS = "nothing in front: run such calls in ParallelBackend(maxTasksPerChild=1)"

_DEVELOPMENT = "Werkzeug's server is for development: "
_PER_PROCESS = "Python has one locale and one list of warning filters for the whole process"

KNOWN: dict[tuple[int, str], Known] = {
    (1, "werkzeug"): Known(_DEVELOPMENT + "Python's http.server reads heads leniently", PROXY),
    (1, "granian"): Known("its parser accepts lenient chunks, CL beside TE and raw bytes in the URL", PROXY),
    (2, "werkzeug"): Known(
        _DEVELOPMENT + "ambiguous lengths are accepted, though no second request runs: one request per connection",
        PROXY,
    ),
    (2, "granian"): Known("of CL beside TE only TE counts, and the connection is closed", PROXY),
    (3, "werkzeug"): Known(_DEVELOPMENT + "Python's http.server reads heads leniently", PROXY),
    (3, "granian"): Known(
        "bare LF and lenient chunk sizes are accepted; a bad Host does not end the connection", PROXY
    ),
    (4, "werkzeug"): Known(_DEVELOPMENT + "no deadline while a byte comes within read_timeout_s", PROXY),
    (4, "granian"): Known("a body has no deadline", PROXY),
    (5, "werkzeug"): Known(_DEVELOPMENT + "a thread for each connection, and a refused body is read to its end", PROXY),
    (5, "granian"): Known("the thread that answers waits for the body", PROXY),
    (6, "granian"): Known("heads of 64 KiB are accepted", PROXY),
    (21, "werkzeug"): Known("an absolute URL replaces Host: it is 421 rather than 400", "nothing is needed"),
    (21, "granian"): Known("only the path of an absolute URL counts", "a proxy that rewrites the request line"),
    (29, "werkzeug"): Known(_DEVELOPMENT + "accept() fails and is retried at once", BOUNDING_PROXY),
    (30, "werkzeug"): Known(_DEVELOPMENT + "a thread for each connection", BOUNDING_PROXY),
    (36, "granian"): Known("it treats a client that has half-closed as gone", PROXY),
    (43, "werkzeug"): Known(_DEVELOPMENT + "a body has no deadline and no minimum rate", PROXY),
    (43, "granian"): Known("the thread that answers waits for the body, without a deadline", PROXY),
    (44, "pywsgi"): Known("an answer has read_timeout_s in total, and unsent data is not bounded", PROXY),
    (44, "werkzeug"): Known(_DEVELOPMENT + "an answer has read_timeout_s in total", PROXY),
    (44, "granian"): Known("unread answers are kept without a bound", PROXY),
    (45, "pywsgi"): Known("the connections of one client are not counted", BOUNDING_PROXY),
    (45, "werkzeug"): Known(_DEVELOPMENT + "no load is shed, and connections are not counted", BOUNDING_PROXY),
    (45, "granian"): Known("all calls wait, even if their clients have gone", BOUNDING_PROXY),
    (46, "granian"): Known("the connection is closed with the body unread, so most clients see a reset", PROXY),
    (48, "native"): Known(_PER_PROCESS, PROCESS),
    (48, "pywsgi"): Known(_PER_PROCESS, PROCESS),
    (48, "werkzeug"): Known(_PER_PROCESS, PROCESS),
    (48, "granian"): Known(_PER_PROCESS, PROCESS),
    (49, "pywsgi"): Known("no pushed streams", NATIVE),
    (49, "werkzeug"): Known("no pushed streams: each takes a thread", NATIVE),
    (49, "granian"): Known("no pushed streams: each takes a thread", NATIVE),
}
