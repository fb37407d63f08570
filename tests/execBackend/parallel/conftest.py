"""What the tests of the channel and of the inside of a child share."""

import pytest

from flaskJSONRPCServer.execBackend.parallel.channel import ParentChannel


@pytest.fixture
def channel(server):
    channel = ParentChannel(server._backend_context)
    channel.start()
    yield channel
    channel.stop()
    assert not channel._connected
