import logging
import queue
import threading
from logging.handlers import QueueHandler

import pytest

from tests.x_server import XServer


class Run:
    """A source that runs in a thread, as the worker runs it. `lines` is what it delivered."""

    def __init__(self, source, deliver=None):
        self.source = source
        self.lines = []
        self.error = None
        self._deliver = deliver
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            self.source.run(self._collect)
        except Exception as error:
            self.error = error

    def _collect(self, line):
        if self._deliver:
            self._deliver(line)
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()

    def wait_for_lines(self, count):
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self.lines) >= count, timeout=10)
        assert enough, f"{count} lines did not come, only {self.lines}"
        return self.lines

    def wait_until_over(self, timeout=10):
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "the source still runs"

    def stop(self, timeout=10):
        self.source.stop()
        self.wait_until_over(timeout)


@pytest.fixture
def start():
    """Starts sources and stops them at the end of the test."""
    runs = []

    def run(source, deliver=None):
        runs.append(Run(source, deliver))
        return runs[-1]

    yield run
    for each in runs:
        each.stop()


@pytest.fixture
def x():
    with XServer() as server:
        yield server


class Warnings:
    """What the sources say at WARNING and above, in order."""

    def __init__(self):
        self._records = queue.SimpleQueue()
        self.handler = QueueHandler(self._records)
        self.handler.setLevel(logging.WARNING)

    def wait(self):
        return self._records.get(timeout=10).getMessage()

    def read_all(self):
        return [self._records.get().getMessage() for _ in range(self._records.qsize())]


@pytest.fixture
def warnings():
    told = Warnings()
    logger = logging.getLogger("api.sources")
    logger.addHandler(told.handler)
    yield told
    logger.removeHandler(told.handler)
