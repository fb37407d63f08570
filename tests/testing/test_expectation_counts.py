"""What a mock server says of a number of calls that is not the declared one."""

import pytest

from flaskJSONRPCServer.testing import MockServer


@pytest.mark.parametrize(("count", "called"), [(0, "0 times"), (1, "once"), (2, "2 times")])
def test_number_of_calls_is_written_in_english(count, called):
    mock = MockServer(assert_all_called=False)
    mock.on("add").times(3)
    for _ in range(count):
        mock.client.add()

    assert mock.problems() == [f"add(...) was called {called}, not 3; correct times() or the caller"]
