"""The warning about requests that a stop did not wait for any longer."""

import pytest

from flaskJSONRPCServer.runtime.logs import ServerLog
from flaskJSONRPCServer.servBackend.unfinished import warn_of_unfinished


@pytest.mark.parametrize(
    ("count", "timeout_s", "text"),
    [
        (1, 0.9997116809972795, "1 request was still being answered after 1.0 s"),
        (2, 60, "2 requests were still being answered after 60.0 s"),
    ],
    ids=["1", "2"],
)
def test_warning_has_the_count_in_words_and_rounded_seconds(caplog, count, timeout_s, text):
    warn_of_unfinished(ServerLog("unfinished", 2), count, "request", timeout_s)

    [record] = caplog.records
    assert (record.levelname, record.getMessage()) == ("WARNING", text)
