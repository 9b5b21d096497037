import threading
import time
from abc import ABC, abstractmethod


class SourceError(Exception):
    """One sentence that tells a person what to do. The source can not go on by itself."""


class Source(ABC):
    """One run of one source. Safe to stop from any thread, before, during and after `run`."""

    name = ""

    def __init__(self):
        self.last_activity = time.monotonic()
        self.stopping = threading.Event()

    @abstractmethod
    def run(self, deliver):
        """Calls `deliver(line)` for every message, JSON as bytes; blocks until stopped or at an end.

        `deliver` may block, which holds the source back. What it raises comes out of `run`.
        """

    def stop(self):
        self.stopping.set()

    def note_activity(self):
        """A sign of life: a message or a keep-alive. In seconds of the monotonic clock."""
        self.last_activity = time.monotonic()
