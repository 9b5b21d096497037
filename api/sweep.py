"""Publishes what waits in the outbox, whether or not the broker and its tasks work."""

from datetime import timedelta

from .periodic import Periodic
from .publish import GRACE, WAITING, publish_pending

INTERVAL, LONGEST_PAUSE = 1.0, 4.0


class Sweep(Periodic):
    name = "sweep of the outbox"

    def __init__(self):
        super().__init__(INTERVAL, LONGEST_PAUSE)

    def _work(self):
        return self._publish(GRACE)

    def _finish(self):
        """What the last tasks have not published any more."""
        return self._publish(timedelta())

    def _publish(self, grace):
        """False if something could not be published: the next try waits longer."""
        return not publish_pending(grace)[WAITING]
