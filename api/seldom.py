"""Warnings that would fill a log while a trouble lasts."""

import threading
import time
from collections import Counter


class Seldom:
    """Logs a warning at once when it is new, and then once in `every` seconds, with how often it came meanwhile.

    One is the same as another if it differs in its arguments only.
    """

    def __init__(self, logger, every=60.0, clock=time.monotonic):
        self._logger = logger
        self._every = every
        self._clock = clock
        self._lock = threading.Lock()
        self._next_at = {}
        self._kept = Counter()

    def warning(self, message, *args):
        with self._lock:
            now = self._clock()
            if now < self._next_at.get(message, now):
                self._kept[message] += 1
                return
            kept = self._kept.pop(message, 0)
            self._next_at[message] = now + self._every
        more = f" ({kept} more since the last)" if kept else ""
        self._logger.warning(message + more, *args)
