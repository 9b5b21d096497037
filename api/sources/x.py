import logging
import re
import threading
from collections import Counter
from decimal import Decimal
from urllib.parse import urlsplit

import requests
import tweepy

from .source import Source, SourceError
from .x_client import TIMEOUT, Ended, StreamClient
from .x_problem import describe_failure
from .x_rules import ensure_rules, make_rule

log = logging.getLogger(__name__)

# Seconds, first and longest, doubled each time. X allows 50 connections in 15 minutes.
PAUSES = {"closed": (1, 64), "network": (0.25, 16), "status": (5, 320), "limit": (60, 320)}
# A connection that lasted so long was a good one, and what went before is forgotten.
STEADY = 60
# What `stop` leaves a connection to end by itself; looking up a name can not be interrupted.
GRACE = 1.5

LIMIT_STATUSES = (420, 429)
FINAL_STATUSES = {
    401: "X does not accept WALLPUSH_X_BEARER_TOKEN; copy it again from your app at X.",
    402: "Your account at X has no credits left; buy some in X's developer console.",
    403: "X does not let your app read the stream; see its access level in X's developer console.",
}


def read_token(value):
    if not value:
        raise SourceError("WALLPUSH_X_BEARER_TOKEN must hold the bearer token of your app at X.")
    if not re.fullmatch(r"[!-~]+", value):
        raise SourceError(
            "WALLPUSH_X_BEARER_TOKEN must hold the token alone, without blanks, line ends or the word Bearer."
        )
    return value


def read_base_url(value):
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s?#@]", value):
        raise SourceError(
            "WALLPUSH_X_BASE_URL must be an address like https://api.x.com, without user or query."
        )
    return value.rstrip("/")


class Backoff:
    """How long to wait before the next connection: longer each time that nothing good came."""

    def __init__(self, pauses):
        self._pauses = pauses
        self._failures = Counter()

    def find_pause(self, ended):
        if ended.lasted >= STEADY:
            self._failures.clear()
        cause = "limit" if ended.status in LIMIT_STATUSES else ended.cause
        first, longest = self._pauses[cause]
        pause = min(longest, first * 2 ** self._failures[cause])
        self._failures[cause] += pause < longest
        return pause


class XSource(Source):
    """X's filtered stream, through tweepy."""

    name = "x"

    def __init__(
        self,
        bearer_token="",
        *,
        base_url="https://api.x.com",
        tag_prefix="wallpush:",
        retweets=True,
        post_price=Decimal("0.005"),
        user_price=Decimal("0.010"),
        recheck_minutes=15,
        recheck_reads=5000,
        keywords=(),
        timeout=TIMEOUT,
        pauses=PAUSES,
        ledger=None,
    ):
        super().__init__(ledger)
        self._rules = list(dict.fromkeys(make_rule(keyword) for keyword in keywords))
        self._rules_known = False
        self._backoff = Backoff(pauses)
        self._client = StreamClient(
            read_token(bearer_token), base_url=read_base_url(base_url), timeout=timeout, source=self
        )
        self._over = threading.Event()
        self._failure = None

    def run(self, deliver):
        reader = threading.Thread(target=self._read, args=(deliver,), name="x", daemon=True)
        reader.start()
        self._over.wait()
        if self.stopping.is_set():
            self._client.hang_up()
            reader.join(GRACE)
        else:
            reader.join()
        if self._failure:
            raise self._failure

    def stop(self):
        super().stop()
        self._over.set()

    def _read(self, deliver):
        try:
            while not self.stopping.is_set():
                ended = self._read_once(deliver)
                if ended and not self.stopping.is_set():
                    self._pause_after(ended)
        except BaseException as error:  # it belongs to the thread that called `run`
            self._failure = error
        finally:
            self._over.set()

    def _read_once(self, deliver):
        """Why the connection ended, or why there was none."""
        try:
            if not self._rules_known:
                ensure_rules(self._client, self._rules)
                self._rules_known = True
        except tweepy.HTTPException as error:
            status = error.response.status_code
            return Ended("status", f"X refused the rules, {self._client.describe(status)}", status)
        except requests.RequestException as error:
            return Ended("network", f"X can not be reached: {describe_failure(error)}.")
        return None if self.stopping.is_set() else self._client.read(deliver)

    def _pause_after(self, ended):
        if ended.status in FINAL_STATUSES:
            raise SourceError(f"{FINAL_STATUSES[ended.status]} {ended.reason}")
        if ended.status == 409:  # no rules: somebody deleted ours
            self._rules_known = False
        pause = self._backoff.find_pause(ended)
        log.warning("%s Connecting again in %g s.", ended.reason, pause)
        self.stopping.wait(pause)
