"""Tells workers of new tweets without waiting for the broker."""

import logging
import queue
import threading

from .seldom import Seldom
from .tasks import announce

logger = Seldom(logging.getLogger(__name__))


class Announcer:
    """Announces in a thread of its own: a broker that does not answer must not hold up storing."""

    def __init__(self, announce=announce):
        self._announce = announce
        self._waiting = queue.Queue(maxsize=100)
        self._thread = None

    def __call__(self, pks):
        # At first use: the thread must belong to the process that stores, not to the one it was forked from.
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(pks)
        except queue.Full:
            logger.warning("The broker is too slow: the sweep publishes %d tweets.", len(pks))

    def _run(self):
        while True:
            self._announce(self._waiting.get())
