"""Publishes what waits in the outbox, whether or not the broker and its tasks work."""

import logging
import threading
from datetime import timedelta

from django.db import DatabaseError, close_old_connections, connections

from .publish import GRACE, WAITING, publish_pending

INTERVAL, LONGEST_PAUSE = 1.0, 4.0
STOP_WITHIN = 10.0

logger = logging.getLogger(__name__)


class Sweep:
    def __init__(self):
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweep", daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self._stopping.set()
        self._thread.join(STOP_WITHIN)

    def _run(self):
        pause = INTERVAL
        try:
            while not self._stopping.wait(pause):
                pause = INTERVAL if self._sweep() else min(2 * pause, LONGEST_PAUSE)
            # What the last tasks have not published any more.
            self._sweep(grace=timedelta())
        finally:
            connections.close_all()

    def _sweep(self, grace=GRACE):
        """False if something could not be published: the next try waits longer."""
        try:
            return not publish_pending(grace)[WAITING]
        except DatabaseError as error:
            logger.warning("The outbox can not be read: %s", error)
        except Exception:
            logger.exception("The sweep failed.")
        finally:
            close_old_connections()
        return False
