import threading
import time
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import NamedTuple

from .ledger import Ledger

# States of a source. Each comes with a reason where a person may wonder.
STARTING, CONNECTING, CONNECTED = "starting", "connecting", "connected"
WAITING, PAUSED, STOPPED, ENDED = "waiting", "paused", "stopped", "ended"


class SourceError(Exception):
    """One sentence that tells a person what to do. The source can not go on by itself.

    `final`: trying again by itself would be no use, or harm; a person has to start it again.
    """

    def __init__(self, sentence, final=False):
        super().__init__(sentence, final)
        self.final = final

    def __str__(self):
        return self.args[0]


class Status(NamedTuple):
    state: str
    reason: str
    since: datetime


class Source(ABC):
    """One run of one source. Safe to stop from any thread, before, during and after `run`."""

    name = ""

    def __init__(self, ledger=None):
        self.ledger = ledger or Ledger()
        self.last_activity = time.monotonic()
        self.last_activity_at = None
        # Seconds from the newest message's own time to its arrival.
        self.lag = None
        self.status = Status(STARTING, "", datetime.now(UTC))
        self.stopping = threading.Event()

    @abstractmethod
    def run(self, deliver):
        """Calls `deliver(line)` for every message, JSON as bytes; blocks until stopped or at an end.

        `deliver` may block, which holds the source back. What it raises comes out of `run`.
        A line may carry notes for the store under the name "wallpush": see notes.py.
        """

    def stop(self):
        self.stopping.set()

    def note_activity(self):
        """A sign of life: a message or a keep-alive. `last_activity` is in seconds of the monotonic clock."""
        self.last_activity = time.monotonic()
        self.last_activity_at = datetime.now(UTC)

    def note_lag(self, moment):
        """`moment`: when the source made the message that has just arrived from its live stream."""
        self.lag = max(0.0, (datetime.now(UTC) - moment).total_seconds())

    def set_status(self, state, reason=""):
        if (state, reason) != self.status[:2]:
            self.status = Status(state, reason, datetime.now(UTC))
