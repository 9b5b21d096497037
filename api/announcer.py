"""Sees to it that what was stored is published at once, without holding up storing."""

import logging
import queue
import threading

from django.db import DatabaseError, close_old_connections

from .publish import publish_tweets
from .seldom import Seldom
from .tasks import announce

# Seconds that storing gives to publishing. SQLite has one writer at a time, and who waits for it looks again only
# now and then: without a rest, a fast stream would keep what it brings from being published.
REST = 0.1

logger = Seldom(logging.getLogger(__name__))


def publish_here(pks):
    """In this process: a broker in a folder is looked into every 50 ms, which would be most of a tweet's way.

    Never fails: what is not published, the sweep finds.
    """
    try:
        publish_tweets(pks)
    except DatabaseError as error:
        logger.warning("The database fails, the sweep publishes: %s", error)
    except Exception:
        # The thread must live: one batch that can not be published is no reason to leave all others to the sweep.
        logging.getLogger(__name__).exception("Publishing failed, the sweep tries again.")
    finally:
        close_old_connections()


class Announcer:
    """Announces in a thread of its own: a broker or push node that does not answer must not hold up storing."""

    def __init__(self, announce=announce):
        self._announce = announce
        self._waiting = queue.Queue(maxsize=100)
        self._thread = None
        self._idle = threading.Event()
        self._idle.set()

    def __call__(self, pks):
        # At first use: the thread must belong to the process that stores, not to the one it was forked from.
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)
            self._thread.start()
        was_idle = self._idle.is_set()
        self._idle.clear()
        try:
            self._waiting.put_nowait(pks)
        except queue.Full:
            logger.warning("Publishing is too slow: the sweep publishes %d tweets.", len(pks))
        if was_idle:  # where it hangs, it is waited for once
            self._idle.wait(REST)

    def _run(self):
        while True:
            self._announce(self._take())
            if self._waiting.empty():
                self._idle.set()

    def _take(self):
        """All that has come meanwhile: the slower it is, the more goes at once."""
        pks = list(self._waiting.get())
        while not self._waiting.empty():
            pks += self._waiting.get_nowait()
        return pks
