"""How long to wait after X closed, refused or could not be reached."""

import math
from collections import Counter
from datetime import UTC, datetime
from typing import NamedTuple

from .source import SourceError

# Seconds, first and longest, doubled each time. X allows 50 connections in 15 minutes.
PAUSES = {"closed": (1, 64), "network": (0.25, 16), "status": (5, 320), "limit": (60, 320)}
# A connection that lasted so long was a good one, and what went before is forgotten.
STEADY = 60
# X's windows are 15 minutes long; a reset that is further away is taken for this far.
LONGEST_ADVICE = 3600

LIMIT_STATUSES = (420, 429)
FINAL_STATUSES = {
    401: "X does not accept WALLPUSH_X_BEARER_TOKEN; copy it again from your app at X.",
    402: "Your account at X has no credits left; buy some in X's developer console.",
    403: "X does not let your app read the stream; see its access level in X's developer console.",
}


class Ended(NamedTuple):
    """Why a connection or a request is over, or why there was none: "closed", "network" or "status".

    `reset` is when X takes the next request, in seconds since 1970; 0: it does not say.
    """

    cause: str
    reason: str
    status: int = 0
    lasted: float = 0.0
    reset: int = 0


class XTrouble(Exception):
    """A request that X did not answer as it should. `problem` is the body of a refusal."""

    def __init__(self, ended, problem=None):
        super().__init__(ended.reason)
        self.ended = ended
        self.problem = problem or {}


def make_error(ended):
    """For a person. Final if asking again would be no use."""
    hint = FINAL_STATUSES.get(ended.status)
    return SourceError(f"{hint} {ended.reason}" if hint else ended.reason, final=bool(hint))


def read_utc_now():
    return datetime.now(UTC)


def read_reset(headers):
    """When the limit that was hit is lifted; 0 if it was another limit that refused."""
    reset, remaining = (
        read_number(headers.get(f"x-rate-limit-{name}")) for name in ("reset", "remaining")
    )
    return 0 if remaining else reset


def read_number(text):
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else 0


class Backoff:
    """How long to wait before the next try: longer each time that nothing good came."""

    def __init__(self, pauses, clock=read_utc_now):
        self._pauses = pauses
        self._clock = clock
        self._failures = Counter()

    def find_pause(self, ended):
        if ended.lasted >= STEADY:
            self.forget()
        is_limit = ended.status in LIMIT_STATUSES
        cause = "limit" if is_limit else ended.cause
        first, longest = self._pauses[cause]
        pause = min(longest, first * 2 ** self._failures[cause])
        self._failures[cause] += pause < longest
        return max(pause, self._find_advice(ended)) if is_limit else pause

    def forget(self):
        self._failures.clear()

    def _find_advice(self, ended):
        """Never sooner than X says, and a second later: its clock is not ours."""
        if not ended.reset:
            return 0
        left = math.ceil(ended.reset - self._clock().timestamp()) + 1
        return min(max(left, 0), LONGEST_ADVICE)
