"""X's filtered stream, read without end, and what goes with it."""

import logging
import threading
import time
from datetime import timedelta
from decimal import Decimal

from .fresh import is_id
from .ledger import LedgerUnavailable
from .source import CONNECTED, CONNECTING, PAUSED, STOPPED, WAITING, Source
from .x_backoff import FINAL_STATUSES, PAUSES, Backoff, make_error, read_utc_now
from .x_chores import LEDGER_PAUSE
from .x_client import TIMEOUT, StreamClient
from .x_gaps import GapFiller, find_moment, make_gap
from .x_meter import Bookkeeper, Meter
from .x_pages import get_dict, read_message
from .x_recheck import Recheck
from .x_rest import RestClient
from .x_rule_keeper import RESYNC, RuleKeeper, explain_silence
from .x_settings import read_base_url, read_tag_prefix, read_token

log = logging.getLogger(__name__)

# What `stop` leaves everything to end by itself; looking up a name can not be interrupted.
GRACE = 1.5
# Seconds that X may take to find a post by search, and to match a rule that it has taken.
SETTLE = 20
# How much of that is added to the moment of connecting: X's clock is not ours.
SKEW = 0.25
# Seconds: how often the ledger is asked for tracks; for the budget twice as often.
TICK = 2.0
# How many of these until it is asked for open gaps, and for tweets to be rechecked.
GAPS_TICKS, RECHECK_TICKS = 2, 8


class XSource(Source):
    """The stream in one thread, and beside it rules, gaps, rechecks and the books, each in its own."""

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
        ledger=None,
        timeout=TIMEOUT,
        pauses=PAUSES,
        settle=SETTLE,
        tick=TICK,
        resync=RESYNC,
        clock=read_utc_now,
    ):
        super().__init__(ledger)
        self.clock = clock
        self.pauses = pauses
        self._deliver = None
        self._settle = settle
        self._tick = tick
        self._backoff = Backoff(pauses, clock)
        self._over = threading.Event()
        self._nudge = threading.Event()
        self._failure = None
        self._x = {
            "token": read_token(bearer_token),
            "base_url": read_base_url(base_url),
            "timeout": timeout,
        }
        self._client = StreamClient(**self._x, office=self)
        self._meter = Meter(post_price=post_price, user_price=user_price, clock=clock)
        self._rules = RuleKeeper(
            self,
            RestClient(**self._x),
            prefix=read_tag_prefix(tag_prefix),
            retweets=retweets,
            tick=tick,
            resync=resync,
        )
        self._gaps = self._make_gaps(retweets)
        self._recheck = self._make_recheck(recheck_minutes, recheck_reads)
        self._books = Bookkeeper(self, self._meter, tick / 2)
        self._reader = threading.Thread(target=self._read, name="x", daemon=True)

    def _make_gaps(self, retweets):
        return GapFiller(
            self,
            RestClient(**self._x),
            rules=self._rules,
            meter=self._meter,
            settle=self._settle,
            retweets=retweets,
            tick=GAPS_TICKS * self._tick,
        )

    def _make_recheck(self, minutes, reads):
        return Recheck(
            self,
            RestClient(**self._x),
            meter=self._meter,
            minutes=minutes,
            reads=reads,
            tick=RECHECK_TICKS * self._tick,
        )

    def run(self, deliver):
        self._deliver = deliver
        threads = [self._reader, self._rules, self._gaps, self._recheck]
        try:
            for thread in (*threads, self._books):
                thread.start()
            self._over.wait()
        finally:
            self.stopping.set()
            self._end(threads)
        if self._failure:
            raise self._failure

    def stop(self):
        super().stop()
        self._over.set()

    def _end(self, threads):
        until = time.monotonic() + GRACE
        self._nudge.set()
        self._client.leave()
        for chore in (self._rules, self._gaps, self._recheck):
            chore.hang_up()
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0))
        self._books.end(max(until - time.monotonic(), 0))
        self.set_status(STOPPED, str(self._failure or ""))

    # The stream.

    def _read(self):
        try:
            while not self.stopping.is_set():
                obstacle = self._find_obstacle()
                if obstacle:
                    self._wait(*obstacle)
                else:
                    self._read_once()
        except BaseException as error:  # it belongs to the thread that called `run`
            self.fail(error)

    def _find_obstacle(self):
        """Why there is nothing to connect for: a state and the reason. None: there is."""
        if not self._meter.is_ready:
            return WAITING, "What was read today is asked for: it tells what is left of the budget."
        if self._meter.is_spent():
            return PAUSED, self._meter.describe()
        if not self._rules.is_synced.is_set():
            return WAITING, self._rules.trouble or "X is asked for its rules."
        if not self._rules.book.total:
            return WAITING, explain_silence(self._rules.book)
        return None

    def _wait(self, state, reason):
        if state == PAUSED != self.status.state:
            log.warning("Reading X is paused. %s", reason)
        self.set_status(state, reason)
        self._nudge.wait(self._tick)
        self._nudge.clear()

    def _read_once(self):
        self.set_status(CONNECTING)
        ended = self._client.read()
        if ended and not self.stopping.is_set():
            self._pause_after(ended)

    def _pause_after(self, ended):
        if ended.status in FINAL_STATUSES:
            raise make_error(ended)
        if ended.status == 409:  # no rules: somebody deleted ours
            self._rules.distrust()
        pause = self._backoff.find_pause(ended)
        told = f"{ended.reason} Connecting again in {pause:g} s."
        log.warning("%s", told)
        self.set_status(WAITING, told)
        self.stopping.wait(pause)

    # What the connection calls.

    def admit(self):
        """Before the first line. False if nobody wants it any more."""
        if self.stopping.is_set() or self._find_obstacle() or not self._surely_open_gaps():
            return False
        self.set_status(CONNECTED)
        log.info("Connected to the stream of X.")
        return True

    def take(self, line):
        message = read_message(line)
        if message:
            self._meter.count(message)
            self._note_time(message)
        self._deliver(line)
        if self._meter.is_spent():
            self._client.leave()

    def _note_time(self, message):
        post_id = get_dict(message, "data").get("id")
        if is_id(post_id):
            self.note_lag(find_moment(int(post_id)))

    def _surely_open_gaps(self):
        """What was missed until now is remembered before anything new moves the positions."""
        told = False
        while not self.stopping.is_set():
            try:
                self._open_gaps()
                return True
            except LedgerUnavailable as error:
                if not told:
                    log.warning("X waits, what is remembered can not be reached: %s", error)
                told = True
                self.stopping.wait(LEDGER_PAUSE)
        return False

    def _open_gaps(self):
        until = self.clock() + timedelta(seconds=self._settle * SKEW)
        positions = self.ledger.read_positions()
        active = self._rules.book.active.values()
        gaps = [make_gap(each, positions.get(each.term), until) for each in active]
        self.ledger.open_gaps([gap for gap in gaps if gap])
        self.announce_gaps()

    # What the chores call.

    def fail(self, error):
        """Ends the run with this error."""
        self._failure = self._failure or error
        self._over.set()

    def reconsider(self):
        """Something changed that may end a pause, or the connection."""
        if self.status.state == CONNECTED and self._find_obstacle():
            self._client.leave()
        self._nudge.set()

    def deliver(self, line):
        """Nothing more after the end: somebody else may be reading then."""
        if not self.stopping.is_set():
            self._deliver(line)

    def announce_gaps(self):
        self._gaps.wake()

    def find_settled_time(self):
        """When X surely matches a rule that it has taken now."""
        return self.clock() + timedelta(seconds=self._settle)
