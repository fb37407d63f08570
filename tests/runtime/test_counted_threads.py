"""Threads that are counted while they run."""

import threading

import pytest

from flaskJSONRPCServer.runtime import concurrency
from flaskJSONRPCServer.runtime.counted_threads import CountedThreads

PATIENCE_S = 60


def test_running_functions_count_until_they_end():
    threads, go = CountedThreads(), threading.Event()
    assert threads.start(lambda: go.wait(PATIENCE_S), "one")
    assert threads.start(lambda: go.wait(PATIENCE_S), "another")

    assert (threads.running, threads.drain(0)) == (2, 2)
    assert threads.drain(0, allowed=2) == 2
    go.set()
    assert threads.drain(PATIENCE_S) == 0


def test_no_more_run_than_may():
    threads, go, ran = CountedThreads(), threading.Event(), []
    assert threads.start(lambda: go.wait(PATIENCE_S), "one", most=1)

    assert not threads.start(lambda: ran.append(1), "another", most=1)
    go.set()
    threads.drain(PATIENCE_S)
    assert threads.start(lambda: ran.append(2), "the next", most=1)
    threads.drain(PATIENCE_S)
    assert ran == [2]


def test_function_whose_thread_cannot_start_does_not_count(monkeypatch):
    def refuse(*args, **options):
        raise RuntimeError("can't start new thread")

    threads = CountedThreads()
    monkeypatch.setattr(concurrency.threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError):
        threads.start(lambda: None, "one")

    assert threads.running == 0
