"""Processes that this one forks: they have no copies of released sockets."""

import os
import socket

from flaskJSONRPCServer.runtime.forks import release_in_forks

PATIENCE_S = 20


def test_forked_process_has_no_copy_of_a_released_socket():
    ours, theirs = socket.socketpair()
    kept = socket.socket()
    with ours, theirs, kept:
        release_in_forks(ours)
        release_in_forks(closed := socket.socket())
        closed.close()
        theirs.settimeout(PATIENCE_S)
        read, write = os.pipe()
        if (forked := os.fork()) == 0:
            os.close(write)
            os.read(read, 1)
            os._exit(ours.fileno() < 0 or kept.fileno() < 0)
        os.close(read)
        ours.close()
        try:
            assert theirs.recv(1) == b"", "this process has had the only copy"
        finally:
            os.close(write)
            assert os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]) == 0
