"""Work that a worker repeats in a thread of its own, whatever fails."""

import logging
import threading
from abc import ABC, abstractmethod

from django.db import DatabaseError, close_old_connections, connections

STOP_WITHIN = 10.0

logger = logging.getLogger(__name__)


class Periodic(ABC):
    """Calls `_work()` every `_interval` seconds; where that gives False or fails, less often, up to `_longest`."""

    name = ""

    def __init__(self, interval, longest):
        self._interval, self._longest = interval, longest
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self._stopping.set()
        self._thread.join(STOP_WITHIN)

    @abstractmethod
    def _work(self):
        """False where it is to be left alone for a longer while."""

    def _finish(self):
        """What is left to do once it is to stop. Nothing, for most."""
        return True

    def _run(self):
        pause = self._interval
        try:
            while not self._stopping.wait(pause):
                pause = self._interval if self._try(self._work) else min(2 * pause, self._longest)
            self._try(self._finish)
        finally:
            connections.close_all()

    def _try(self, work):
        """False if it failed."""
        try:
            return work() is not False
        except DatabaseError as error:
            logger.warning("The database fails the %s: %s", self.name, error)
        except Exception:
            logger.exception("The %s failed.", self.name)
        finally:
            close_old_connections()
        return False
