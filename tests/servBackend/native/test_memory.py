"""The bound on bodies and unsent answers, over real sockets."""

import select

from tests.helpers import wait_until
from tests.servBackend.native.samples import post, receive_answer


def test_bodies_that_come_whole_are_refused_where_there_is_no_room(serve, calls):
    front = serve(calls, threads=1, max_buffered_bytes=1_000_000, spool_body_bytes=1_000_000)
    body = b"x" * 60_000
    clients = [front.connect(post(body, target=b"/slow") * 2) for _ in range(60)]

    def readable():
        return [client for client in clients if select.select([client], [], [], 0)[0]]

    wait_until(lambda: len(readable()) >= 60 - 1_000_000 // len(body))
    refused = readable()
    assert {receive_answer(client)[0] for client in refused} == {503}
    # The server may have read 64 KiB of each client before it ran out of room.
    assert front.manager._shedder.memory.used_bytes < 1_000_000 + 2 * 65536
    calls.gate.set()
    waiting = [client for client in clients if client not in refused]
    assert waiting
    for client in waiting:
        status, fields, _ = receive_answer(client)
        assert status == 200 or "Retry-After" in fields
