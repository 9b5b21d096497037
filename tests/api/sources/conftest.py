import json
import logging
import queue
import threading
from datetime import UTC, datetime, timedelta
from logging.handlers import QueueHandler

import pytest

from api.sources.ledger import Ledger, make_track
from api.sources.notes import NAME
from api.sources.x import XSource
from api.sources.x_backoff import PAUSES
from tests.api.waiting import wait_for
from tests.x_server import TOKEN, XServer

SHORT = dict.fromkeys(PAUSES, (0.001, 0.01))
# So long after a gap it would be searched for: no test that does not ask for it waits so long.
NEVER = 3600


class Clock:
    """The real time, until a test moves it."""

    def __init__(self):
        self.ahead = timedelta()

    def __call__(self):
        return datetime.now(UTC) + self.ahead

    def move(self, **ahead):
        self.ahead += timedelta(**ahead)


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
        with self._changed:
            self._changed.notify_all()

    def _collect(self, line):
        if self._deliver:
            self._deliver(line)
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()

    def wait_for_lines(self, count):
        self.wait_for(lambda: len(self.lines) >= count, f"{count} lines")
        return self.lines

    def wait_for(self, condition, what):
        """Until lines that came make it true."""
        with self._changed:
            self._changed.wait_for(lambda: condition() or self.error, timeout=10)
            came = condition()
        assert came, f"{what} did not come, only {self.describe()}; error: {self.error!r}"

    def describe(self):
        return f"{len(self.lines)} lines, the last {[line[:200] for line in self.lines[-3:]]}"

    @property
    def messages(self):
        """The lines that are no notes alone, read."""
        return [message for message in self._read() if "data" in message]

    @property
    def notes(self):
        """Of the lines that hold nothing else."""
        return [message[NAME] for message in self._read() if message.keys() == {NAME}]

    def _read(self):
        return [json.loads(line) for line in self.lines]

    def wait_for_notes(self, count=1):
        self.wait_for(lambda: len(self.notes) >= count, f"{count} notes")
        return self.notes

    def wait_for_status(self, state):
        """The reason of the state that the source comes to."""
        status = wait_for(lambda: self.source.status.state == state and self.source.status, state)
        return status.reason

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


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(x, clock):
    """A source of X that tracks these."""

    def source(*texts, token=TOKEN, url=None, ledger=None, **options):
        ledger = ledger or Ledger([make_track(text) for text in texts])
        options = {"settle": NEVER, "tick": 0.02, "pauses": SHORT, "timeout": (5, 5)} | options
        return XSource(token, base_url=url or x.url, ledger=ledger, clock=clock, **options)

    return source


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
