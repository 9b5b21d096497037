"""Proves that push nodes deliver: every few seconds a small message goes in, and has to come out at each nginx worker.

A push node that was reloaded while messages were published takes them, answers 200, counts its subscribers, and
delivers nothing ever after; only a subscriber can tell.
"""

import http.client
import json
import logging
import time
import uuid
from contextlib import suppress

from wallpush import Publisher
from wallpush.address import parse_address
from wallpush.errors import PublishError, TimedOut, Unreachable

from .periodic import Periodic
from .push_nodes import note_failure, note_proof

# Nobody may subscribe to a channel of this name; nginx/push.conf has a place of its own for it.
CHANNEL = "private-canary"
PATH = "/events/canary"
INTERVAL = 3.0
# Seconds for all that a canary does.
TIMEOUT = 3.0
# A push node ends each subscription after 4 minutes.
RENEW_AFTER = 200.0
# The kernel decides which nginx worker gets a connection.
MOST_ATTEMPTS = 50
# Losses in a row: a push node that is restarted may cost one.
TOLD_AT = 2
LONGEST_LINE = 64 * 1024

logger = logging.getLogger(__name__)


class Lost(Exception):
    """What is wrong with a push node, as a sentence."""


class Canary(Periodic):
    """In every worker, for each push node whose subscribe address is known."""

    def __init__(self, node):
        self.name = f"canary of {node}"
        super().__init__(INTERVAL, INTERVAL)
        self._node = node
        self._publisher = Publisher(node.name, timeout=TIMEOUT)
        self._perches = []
        self._is_first = True
        self._losses = 0

    def _work(self):
        try:
            round_trip, workers = self._fly()
        except Lost as loss:
            self._leave()
            self._note_loss(loss)
        else:
            self._note_arrival(round_trip, workers)
        self._is_first = False

    def _finish(self):
        self._leave()
        self._publisher.close()

    def _fly(self):
        """Milliseconds until every nginx worker had delivered, and how many there are. Raises Lost."""
        end_by = time.monotonic() + TIMEOUT
        workers = self._find_workers()
        self._settle_down(workers, end_by)
        nonce = uuid.uuid4().hex
        start = time.monotonic()
        try:
            self._publisher.publish(CHANNEL, {"type": "canary", "id": nonce})
        except PublishError as error:
            raise Lost(f"It takes no messages: {explain_refusal(error)}.") from error
        heard = {perch.worker for perch in self._perches if perch.hears(nonce, end_by)}
        check_silence(workers, heard)
        return (time.monotonic() - start) * 1000, len(heard)

    def _find_workers(self):
        try:
            [statistics] = self._publisher.statistics()
        except PublishError as error:
            raise Lost(f"It takes no messages: {explain_refusal(error)}.") from error
        return set(statistics.workers)

    def _settle_down(self, workers, end_by):
        """A subscription at each nginx worker, as far as that is possible in time."""
        self._perches = [perch for perch in self._perches if self._keep(perch, workers)]
        taken = {perch.worker for perch in self._perches}
        for _ in range(MOST_ATTEMPTS):
            if (taken and taken >= workers) or time.monotonic() > end_by:
                return
            perch = Perch(self._node.subscribe_url, end_by)
            if perch.worker in taken:
                perch.close()
            else:
                taken.add(perch.worker)
                self._perches.append(perch)

    def _keep(self, perch, workers):
        if perch.worker in workers and time.monotonic() - perch.since < RENEW_AFTER:
            return True
        perch.close()
        return False

    def _leave(self):
        while self._perches:
            self._perches.pop().close()

    def _note_loss(self, loss):
        self._losses += 1
        if self._losses == TOLD_AT:
            cause = f" ({loss.__cause__})" if loss.__cause__ else ""
            logger.error("%s (%s) does not deliver. %s%s", self._node, self._node.name, loss, cause)
        note_failure(self._node.name, str(loss), is_first=self._is_first)

    def _note_arrival(self, round_trip, workers):
        if self._losses >= TOLD_AT:
            logger.warning("%s (%s) delivers again.", self._node, self._node.name)
        self._losses = 0
        note_proof(self._node.name, round_trip, workers)


class Perch:
    """A subscription to the canary's channel. worker: the process id of the nginx worker that holds it. Raises Lost."""

    def __init__(self, url, end_by):
        address = parse_address(url)
        make = http.client.HTTPSConnection if address.is_secure else http.client.HTTPConnection
        self.since = time.monotonic()
        self._connection = make(address.host, address.port, timeout=remaining(end_by))
        self._answer = None
        try:
            self.worker = self._subscribe(address.prefix + PATH)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Lost(f"Nobody can subscribe to it: {explain_failure(error)}.") from error
        except Lost:
            self.close()
            raise

    def _subscribe(self, path):
        self._connection.request("GET", path)
        # Kept: the connection lets go of it where the answer is to be its last.
        self._socket = self._connection.sock
        self._answer = self._connection.getresponse()
        worker = self._answer.headers.get("X-Push-Worker", "")
        if self._answer.status != 200 or not worker.isdecimal():
            raise Lost(
                f"It has no place for canaries (HTTP {self._answer.status}):"
                " give it the configuration of nginx/push.conf."
            )
        # A line of its own says that the subscription stands.
        self._answer.readline(LONGEST_LINE)
        return int(worker)

    def hears(self, nonce, end_by):
        """Whether the message comes in time. One that has not heard it is of no use any more."""
        try:
            while True:
                self._socket.settimeout(remaining(end_by))
                line = self._answer.readline(LONGEST_LINE)
                if not line:
                    return False
                if is_canary(line, nonce):
                    return True
        except (OSError, http.client.HTTPException):
            return False

    def close(self):
        if self._answer:
            self._answer.close()
        self._connection.close()


def is_canary(line, nonce):
    """Others' canaries and the push node's pings come here, too."""
    with suppress(ValueError, TypeError, KeyError):
        return json.loads(line)["text"]["id"] == nonce
    return False


def check_silence(workers, heard):
    """Raises Lost if an nginx worker has delivered nothing."""
    silent = len(workers - heard)
    if not heard:
        raise Lost("It takes messages and delivers none.")
    if silent:
        raise Lost(f"{silent} of its {len(workers)} nginx workers delivers nothing.")


def remaining(end_by):
    """Of the time: never nothing, which would mean not to wait at all."""
    return max(0.05, end_by - time.monotonic())


def explain_refusal(error):
    """Without its address: this is shown to the public."""
    if isinstance(error, TimedOut):
        return "no answer in time"
    return "no connection" if isinstance(error, Unreachable) else error.reason


def explain_failure(error):
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return "no connection" if isinstance(error, OSError) else "what answers is no push node"
