"""Pages by position: what arrives or goes in the meantime neither repeats nor hides a row."""

import base64
import binascii
import hashlib
import struct
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db.models import Max, Q
from django.utils import timezone

from .models import Tweet

# Longer than a transaction takes from taking its time to being seen, and than clocks differ.
OVERLAP = timedelta(seconds=10)
# Resume points are multiples of it: walls that lost their connections together ask the same, and the front
# asks Django once for all of them.
ROUND = timedelta(seconds=30)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
CHECK_BYTES = 4


class InvalidCursor(ValueError):
    pass


class PageCursor(NamedTuple):
    """The rows before (newer) or after (older) a position."""

    newer: int
    time: int
    id: int


class ChangeCursor(NamedTuple):
    """The changes after a position. `resume` is where the run that is being read ends, 0 before one begins."""

    time: int
    id: int
    resume: int


LAYOUTS = {PageCursor: (b"p", struct.Struct(">bqq")), ChangeCursor: (b"a", struct.Struct(">qqq"))}


def encode_cursor(cursor):
    kind, layout = LAYOUTS[type(cursor)]
    body = kind + layout.pack(*cursor)
    return base64.urlsafe_b64encode(body + _checksum(body)).rstrip(b"=").decode()


def decode_cursor(text, cursor_type):
    kind, layout = LAYOUTS[cursor_type]
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise InvalidCursor from error
    body, checksum = data[:-CHECK_BYTES], data[-CHECK_BYTES:]
    if len(body) != 1 + layout.size or body[:1] != kind or checksum != _checksum(body):
        raise InvalidCursor
    cursor = cursor_type(*layout.unpack(body[1:]))
    if encode_cursor(cursor) != text:  # base64 leaves a few bits free
        raise InvalidCursor
    return cursor


def _checksum(body):
    return hashlib.blake2s(body, digest_size=CHECK_BYTES).digest()


def to_number(moment):
    return (moment - EPOCH) // MICROSECOND


def to_moment(number):
    try:
        return EPOCH + number * MICROSECOND
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if number > 0 else EPOCH


class Page(NamedTuple):
    items: list
    newer: PageCursor | None
    older: PageCursor | None


class NewestFirst:
    """Rows by a time and their id, or by their id alone. An index has to lead in this order.

    `time` and `id` are lookups: they may lie in another table than the attributes of the rows.
    """

    def __init__(self, rows, *, time=None, id="id"):
        self.rows = rows
        self.time = time
        self.id = id

    def page(self, cursor, limit):
        newer = bool(cursor and cursor.newer)
        items = list(self.rows_of(cursor)[: limit + 1])
        more, items = len(items) > limit, items[:limit]
        if newer:
            items.reverse()
        has_newer, has_older = (more, True) if newer else (bool(cursor), more)
        return Page(
            items,
            self._cursor(items[0], newer=1) if items and has_newer else None,
            self._cursor(items[-1], newer=0) if items and has_older else None,
        )

    def rows_of(self, cursor):
        """From the position of the cursor on, in its direction."""
        rows = self._beyond(cursor) if cursor else self.rows
        return rows.order_by(*self._order(bool(cursor and cursor.newer)))

    def _order(self, newer):
        sign = "" if newer else "-"
        return [sign + name for name in (self.time, self.id) if name]

    def _beyond(self, cursor):
        sign = "gt" if cursor.newer else "lt"
        beyond_id = Q(**{f"{self.id}__{sign}": cursor.id})
        if not self.time:
            return self.rows.filter(beyond_id)
        moment = to_moment(cursor.time)
        # The outer condition is what an index can use; the inner one decides between equal times.
        return self.rows.filter(
            Q(**{f"{self.time}__{sign}": moment}) | beyond_id, **{f"{self.time}__{sign}e": moment}
        )

    def _cursor(self, row, newer):
        time = to_number(row.created_at) if self.time else 0
        return PageCursor(newer, time, row.id)


class Changes(NamedTuple):
    items: list
    after: ChangeCursor
    more: bool


def resume_point():
    """Where to look for changes from now on: a little before the last, as an older one may yet be committed.

    To be taken before the rows that are given out with it.
    """
    newest = Tweet.objects.aggregate(newest=Max("changed_at"))["newest"]
    moment = min(newest, timezone.now()) - OVERLAP if newest else EPOCH
    return ChangeCursor(to_number(moment - (moment - EPOCH) % ROUND), 0, 0)


def changes_after(tweets, cursor, limit):
    """Changes, oldest first. A run of pages ends where it was safe to go on when the run began."""
    resume = cursor.resume or resume_point().time
    moment = to_moment(cursor.time)
    beyond = tweets.filter(Q(changed_at__gt=moment) | Q(id__gt=cursor.id), changed_at__gte=moment)
    items = list(beyond.order_by("changed_at", "id")[: limit + 1])
    if len(items) <= limit:
        return Changes(items, ChangeCursor(resume, 0, 0), more=False)
    last = items[limit - 1]
    after = ChangeCursor(to_number(last.changed_at), last.id, resume)
    return Changes(items[:limit], after, more=True)
