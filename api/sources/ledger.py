"""What a source is told by the rest of wallpush, and what it leaves there to be remembered.

`Ledger` keeps all of it in memory; api/ledger.py keeps it in the database. Every method may be called from any
thread of a source and may raise LedgerUnavailable: the caller waits and asks again.
"""

import itertools
import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

ACTIVE, REFUSED, WAITING = "active", "refused", "waiting"


class LedgerUnavailable(Exception):
    """What is remembered can not be reached now."""


class Track(NamedTuple):
    """Something to watch for.

    `text` is what a person wrote: a word, #hashtag, "a phrase", @name, from:account. `term` is the keyword in whose
    channel its tweets appear.
    """

    text: str
    term: str
    added_at: datetime


class Ruling(NamedTuple):
    """What the source says of a track: ACTIVE, REFUSED with the reason, or WAITING."""

    state: str
    reason: str = ""
    rule_id: str = ""


class Gap(NamedTuple):
    """A time in which tweets of a track may have been missed: ids above `after`, up to `until`.

    There is at most one of a track: another one widens it. `id` is 0 until it is kept.
    """

    text: str
    term: str
    after: int
    until: int
    id: int = 0


class Reads(NamedTuple):
    """The ids of posts and users that the source was charged for on a UTC day."""

    posts: frozenset
    users: frozenset


class Ledger:
    def __init__(self, tracks=(), *, budget=None):
        self._lock = threading.Lock()
        self._tracks = tuple(tracks)
        self._budget = budget
        self._ids = itertools.count(1)
        self._gaps = {}
        self._reads = {}
        self.rulings = {}
        self.positions = {}
        self.due = []

    def read_tracks(self):
        """What to watch for, oldest first."""
        return self._tracks

    def set_tracks(self, *tracks):
        self._tracks = tracks

    def note_rulings(self, rulings):
        """What the source says of tracks, by their text. A track that is not named keeps its ruling."""
        with self._lock:
            self.rulings |= rulings

    def read_positions(self):
        """How far each term was stored, by term: the highest id for X, "" → the cursor for Bluesky."""
        return dict(self.positions)

    def open_gaps(self, gaps):
        """Remembers these until the line that says `filled` is stored."""
        with self._lock:
            for gap in gaps:
                known = self._gaps.get(gap.text)
                if known:
                    gap = known._replace(
                        after=min(known.after, gap.after), until=max(known.until, gap.until)
                    )
                self._gaps[gap.text] = gap._replace(id=gap.id or next(self._ids))

    def read_gaps(self):
        """Those that are open, oldest first."""
        with self._lock:
            return list(self._gaps.values())

    def read_reads(self, day):
        """What was charged on this day, a date."""
        with self._lock:
            return self._reads.get(day, Reads(frozenset(), frozenset()))

    def note_reads(self, day, reads):
        """Adds what was charged; nothing in it was noted for that day before."""
        with self._lock:
            known = self._reads.get(day, Reads(frozenset(), frozenset()))
            self._reads[day] = Reads(known.posts | reads.posts, known.users | reads.users)

    def read_budget(self):
        """US dollars a day, a Decimal; None: no limit."""
        return self._budget

    def set_budget(self, dollars):
        self._budget = None if dollars is None else Decimal(dollars)

    def read_due_tweets(self, limit):
        """The newest version ids of tweets whose recheck is due, longest unchecked first."""
        with self._lock:
            return self.due[:limit]


def make_track(text, term="", added_at=datetime(2026, 1, 1, tzinfo=UTC)):
    return Track(text, term or text.lstrip("#").casefold(), added_at)
