"""What X charges for: counted as it counts, and compared with the day's budget."""

import logging
import threading
from decimal import ROUND_UP, Decimal

from .ledger import LedgerUnavailable, Reads
from .x_backoff import read_utc_now
from .x_chores import Chore
from .x_pages import find_post_ids, find_user_ids

log = logging.getLogger(__name__)

# What a message may cost: it comes with its author, and may come with a post that it quotes and the author of that.
COSTLY = 2
# Reading ends when less than this is left: a part of the budget, at least so many messages.
RESERVE = Decimal("0.02")
RESERVED_MESSAGES = 3
# Filling gaps and rechecking may take this part of a budget.
ASIDE = Decimal("0.5")
NO_LIMIT = 1_000_000
# As many ids of a kind are told apart in a day; from there on, each counts as a new one and is not noted.
MOST_IDS = 500_000

CENT = Decimal("0.01")


class Meter:
    """Distinct posts and users of a UTC day. Every method may be called from any thread."""

    def __init__(self, *, post_price, user_price, clock=read_utc_now):
        self._prices = Decimal(post_price), Decimal(user_price)
        self._clock = clock
        self._lock = threading.RLock()
        self._unnoted = {}
        self._budget = None
        self.is_ready = False
        self._start_day(clock().date())

    def load(self, day, reads):
        """What was charged on this day before we began to count."""
        with self._lock:
            self._roll()
            if day == self._day:
                for known, before in zip(self._known, reads, strict=True):
                    known |= set(before)
            self.is_ready = True

    def count(self, answer, *, aside=False):
        """A message of the stream, or a page. The number of posts that were not charged before on this day."""
        with self._lock:
            self._roll()
            before = self.spent
            posts = self._add(0, find_post_ids(answer))
            self._add(1, find_user_ids(answer))
            if aside:
                self._aside += self.spent - before
            return posts

    def is_charged(self, post_id):
        """Whether X has charged for it today, so that reading it again is free."""
        with self._lock:
            self._roll()
            return post_id in self._known[0]

    def set_budget(self, dollars):
        with self._lock:
            self._budget = dollars

    @property
    def counts(self):
        with self._lock:
            self._roll()
            return tuple(
                len(known) + more for known, more in zip(self._known, self._more, strict=True)
            )

    @property
    def spent(self):
        return sum(count * price for count, price in zip(self.counts, self._prices, strict=True))

    def is_spent(self):
        """Whether a few more messages could pass the budget."""
        with self._lock:
            return self._budget is not None and self._find_rest() <= 0

    def find_affordable(self):
        """How many posts may be asked for beside the stream."""
        with self._lock:
            price = COSTLY * sum(self._prices)
            if self._budget is None or not price:
                return NO_LIMIT
            rest = min(self._find_rest(), self._budget * ASIDE - self._aside)
            return max(int(rest // price), 0)

    def describe(self):
        with self._lock:
            spent = self.spent.quantize(CENT, ROUND_UP)
            posts, users = self.counts
            return (
                f"${spent} of the day's budget of ${self._budget} is spent, for {posts} posts and {users} users."
                " It goes on at 00:00 UTC, or when the budget is raised: manage.py source budget x 20."
            )

    def flush(self, ledger):
        """Notes what is new. Raises LedgerUnavailable: then it is kept for the next time."""
        with self._lock:
            unnoted = {
                day: (set(posts), set(users)) for day, (posts, users) in self._unnoted.items()
            }
        for day, (posts, users) in unnoted.items():
            ledger.note_reads(day, Reads(frozenset(posts), frozenset(users)))
            self._forget_unnoted(day, (posts, users))

    def _forget_unnoted(self, day, noted):
        with self._lock:
            kept = self._unnoted[day]
            for ids, gone in zip(kept, noted, strict=True):
                ids -= gone
            if not any(kept):
                del self._unnoted[day]

    def _find_rest(self):
        price = COSTLY * sum(self._prices)
        reserve = max(self._budget * RESERVE, price * RESERVED_MESSAGES)
        return self._budget - self.spent - reserve

    def _add(self, kind, ids):
        known = self._known[kind]
        new = ids - known
        fit = set(list(new)[: max(MOST_IDS - len(known), 0)])
        known |= fit
        self._more[kind] += len(new) - len(fit)
        if fit:
            self._unnoted.setdefault(self._day, (set(), set()))[kind].update(fit)
        return len(new)

    def _roll(self):
        today = self._clock().date()
        if today > self._day:
            self._start_day(today)

    def _start_day(self, day):
        self._day = day
        self._known = set(), set()
        self._more = [0, 0]
        self._aside = Decimal(0)


class Bookkeeper(Chore):
    """Notes in the ledger what the meter counts, and brings it the budget."""

    label = "bookkeeper"

    def __init__(self, office, meter, tick):
        super().__init__(office)
        # The others end first: what they read last is noted, too.
        self.ending = threading.Event()
        self._meter = meter
        self._tick = tick

    def step(self):
        self._meter.set_budget(self.ledger.read_budget())
        if not self._meter.is_ready:
            today = self.office.clock().date()
            self._meter.load(today, self.ledger.read_reads(today))
        self._meter.flush(self.ledger)
        self.office.reconsider()
        return self._tick

    def end(self, grace):
        """After the others: notes what came last."""
        self.ending.set()
        self.wake()
        self.join(grace)

    def run(self):
        super().run()
        try:
            self._meter.flush(self.ledger)
        except LedgerUnavailable as error:
            log.warning("What was read of X last could not be noted: %s", error)
