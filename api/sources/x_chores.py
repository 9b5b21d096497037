"""What is done beside the stream, each in a thread of its own: a step, a pause, and so on until the end."""

import logging
import threading
from abc import ABC, abstractmethod

from .ledger import LedgerUnavailable
from .x_backoff import Backoff, XTrouble

log = logging.getLogger(__name__)

# Seconds until what is remembered is asked for again, after it could not be reached.
LEDGER_PAUSE = 2.0


class Chore(threading.Thread, ABC):
    """`step()` does what there is to do and returns the seconds until the next one.

    `office` is the source: its ledger, its clock, and `fail(error)`, which ends everything. A step may raise
    XTrouble and LedgerUnavailable: it is done again later. `client` is its own connection to X, if it needs one.
    """

    label = ""

    def __init__(self, office, client=None):
        super().__init__(name=f"x {self.label}", daemon=True)
        self.office = office
        self.ledger = office.ledger
        self.client = client
        self.ending = office.stopping
        self._woken = threading.Event()
        self._backoff = Backoff(office.pauses, office.clock)
        self._ledger_was_there = True

    @abstractmethod
    def step(self):
        """Does what there is to do now. Seconds until the next step."""

    def explain(self, trouble, pause):
        """Told before a pause that is made because of X."""
        log.warning("%s Trying again in %g s.", trouble, pause)

    def wake(self):
        """Ends the pause between two steps, but none that trouble asks for."""
        self._woken.set()

    def hang_up(self):
        self.wake()
        if self.client:
            self.client.hang_up()

    def run(self):
        try:
            while not self.ending.is_set():
                self._step_once()
        except BaseException as error:  # it belongs to the thread that called `run` of the source
            self.office.fail(error)
        finally:
            self._close()

    def _step_once(self):
        try:
            pause = self.step()
        except LedgerUnavailable as error:
            self._wait_for_ledger(error)
        except XTrouble as trouble:
            self._wait_for_x(trouble)
        else:
            self._backoff.forget()
            self._ledger_was_there = True
            self._close()
            self._woken.wait(pause)
            self._woken.clear()

    def _wait_for_x(self, trouble):
        self._close()
        if not self.ending.is_set():
            pause = self._backoff.find_pause(trouble.ended)
            self.explain(trouble, pause)
            self.ending.wait(pause)

    def _wait_for_ledger(self, error):
        if self._ledger_was_there:
            log.warning("X waits, what is remembered can not be reached: %s", error)
            self._ledger_was_there = False
        self.ending.wait(LEDGER_PAUSE)

    def _close(self):
        if self.client:
            self.client.close()
