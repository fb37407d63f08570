"""Tasks for tests of thread pools."""

import threading

PATIENCE_S = 30


class Task:
    """A task that records its run, and may wait for a gate or raise."""

    def __init__(self, gate=None, raises=None):
        self.begun, self.ended = threading.Event(), threading.Event()
        self.thread = None
        self._gate = gate
        self._raises = raises

    def run(self):
        self.thread = threading.current_thread()
        self.begun.set()
        if self._gate is not None:
            assert self._gate.wait(PATIENCE_S)
        self.ended.set()
        if self._raises is not None:
            raise self._raises
