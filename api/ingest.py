"""From the lines of a stream to rows: each is classified, validated by itself, and stored with its batch."""

import gc
import json
import logging
import math
import re
import time
from collections import Counter
from threading import Event

from django.db import DataError, Error, IntegrityError, close_old_connections
from rest_framework.exceptions import ValidationError

from .models import SetAside
from .notes import Notes, read_notes
from .serializers.bluesky import BlueskyMessageSerializer
from .serializers.sanitize import clean_line, clean_text
from .serializers.x import XMessageSerializer
from .set_aside import Aside
from .sources.notes import NAME as NOTES
from .store import store_batch

SERIALIZERS = {
    "replay": XMessageSerializer,
    "x": XMessageSerializer,
    "bluesky": BlueskyMessageSerializer,
}

LINE_LIMIT = 1_000_000
REASON_LIMIT = 1_000
MESSAGE_LIMIT = 20_000
LOGGED_LIMIT = 300
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
REPORT_EVERY = 60.0
# New objects until the garbage collector looks at them. Python's own number is 700.
COLLECT_AFTER = 20_000

logger = logging.getLogger(__name__)

# What PostgreSQL takes in no string: zero characters and halves of surrogate pairs.
_UNSTORABLE_ESCAPE = re.compile(
    rb"\\u(?:0000|[dD][89abAB]..(?!\\u[dD][c-fC-F])"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u)[dD][c-fC-F])"
)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_PROBLEM_NAMES = ("title", "detail", "disconnect_type", "connection_issue", "type")


class Ingest:
    """Takes what has arrived from the queue, stores it, and does so until the queue is closed and empty."""

    def __init__(self, source, queue, *, announce=None):
        self.source = source
        self.queue = queue
        self.announce = announce
        self.hurry = Event()
        self.serializer = SERIALIZERS[source](context={"source": source})
        self._unreported = Counter()
        self._report_at = time.monotonic()

    def run(self):
        _spare_collector()
        while batch := self.queue.take():
            try:
                self._unreported += self.ingest(batch)
            finally:
                close_old_connections()
            if time.monotonic() >= self._report_at:
                self._report()
        self._report()

    def ingest(self, lines):
        """Stores what the lines say. Returns how many had which outcome."""
        return self._store_surely([item for line in lines for item in self.read(line)])

    def read(self, line):
        """What is in a line: the card of a tweet or what is to be set aside, and notes. Nothing for a keep-alive."""
        line = line.encode() if isinstance(line, str) else line
        if not line.strip():
            return []
        try:
            message = parse_line(line)
        except (ValueError, RecursionError) as error:
            return [self._set_aside(SetAside.Kind.REJECTED, f"not JSON: {error}", line)]
        if not isinstance(message, dict):
            return [self._set_aside(SetAside.Kind.UNKNOWN, "not an object", line)]
        try:
            return self._read_message(message, message.pop(NOTES, None) or {}, line)
        except Exception as error:
            logger.exception("A message could not be read: %s", _shorten(line))
            return [self._set_aside(SetAside.Kind.REJECTED, f"could not be read: {error!r}", line)]

    def _read_message(self, message, notes, line):
        items = [read_notes(notes)] if notes else []
        if message.get("data") is not None:
            items.insert(0, self._validate(message, notes, line))
        elif message or not notes:
            items.insert(0, self._set_aside(*classify(message), line))
        return items

    def _validate(self, message, notes, line):
        try:
            card = self.serializer.run_validation(message)
        except ValidationError as error:
            return self._set_aside(SetAside.Kind.REJECTED, describe_errors(error.detail), line)
        return card | {"raw": message, "line": line, "recheck": bool(notes.get("recheck"))}

    def _set_aside(self, kind, reason, line):
        reason = clean_line(str(reason), REASON_LIMIT)
        if kind == SetAside.Kind.PROBLEM:
            logger.warning("The source %s reports: %s", self.source, reason)
        else:
            logger.warning("Set aside (%s, %s): %s", kind, reason, _shorten(line))
        return Aside(kind, reason, clean_text(line[:MESSAGE_LIMIT].decode(errors="replace")))

    def _report(self):
        """The first batch at once, and from then on one line for many."""
        told = ", ".join(f"{count} {outcome}" for outcome, count in self._unreported.most_common())
        if told:
            logger.info("From %s: %s.", self.source, told)
            self._unreported.clear()
            self._report_at = time.monotonic() + REPORT_EVERY

    def _store_surely(self, items):
        """Keeps the batch and tries again for as long as the database can not be reached."""
        pause = FIRST_PAUSE
        while True:
            try:
                return self._store(items)
            except Error as error:
                if self.hurry.is_set():
                    logger.error("%d messages are lost, the database stayed away.", len(items))
                    raise
                logger.warning("The database fails, trying again in %.1f s: %s", pause, error)
            close_old_connections()
            self.hurry.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _store(self, items):
        asides = [item for item in items if isinstance(item, Aside)]
        notes = [item for item in items if isinstance(item, Notes)]
        cards = [item for item in items if not isinstance(item, Aside | Notes)]
        try:
            stored = store_batch(self.source, cards, asides, notes, announce=self.announce)
            return stored.outcomes
        except Exception as error:
            if _is_trouble_of_database(error):
                raise
            if len(items) == 1:
                return self._give_up(items[0], error)
            logger.warning("A batch of %d can not be stored, trying halves: %r", len(items), error)
        half = len(items) // 2
        return self._store(items[:half]) + self._store(items[half:])

    def _give_up(self, item, error):
        if isinstance(item, Aside):
            logger.error("What was set aside (%s) can not be kept: %r", item.reason, error)
            return Counter()
        if isinstance(item, Notes):
            logger.error("A note of %s can not be carried out: %r, %s", self.source, error, item)
            return Counter()
        reason = f"could not be stored: {error!r}"
        return self._store([self._set_aside(SetAside.Kind.REJECTED, reason, item["line"])])


def _spare_collector():
    """Looking for cycles again and again would take a sixth of the time of a burst.

    What the process holds by now it keeps, and a batch, of many small objects, holds none.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def _is_trouble_of_database(error):
    """Not of what is to be stored: a PostgreSQL that has become read-only raises InternalError, for one."""
    return isinstance(error, Error) and not isinstance(error, DataError | IntegrityError)


def parse_line(line):
    """The JSON value of a line, with nothing in it that a database refuses. Raises ValueError."""
    if len(line) > LINE_LIMIT:
        raise ValueError(f"longer than {LINE_LIMIT} bytes")
    message = _decode(line.decode())
    return _make_storable(message) if _UNSTORABLE_ESCAPE.search(line) else message


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def _read_float(text):
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:20]} is too large")
    return number


_decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_read_float).decode


def _make_storable(value):
    # One character for one: offsets into the text stay right.
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_make_storable(item) for item in value]
    if isinstance(value, dict):
        return {_make_storable(name): _make_storable(item) for name, item in value.items()}
    return value


def classify(message):
    """Of a message without data: a problem, in either of X's two forms, or of a kind that is not known."""
    errors = message.get("errors")
    problems = errors if isinstance(errors, list) else [message]
    told = [_describe_problem(item) for item in problems if isinstance(item, dict)]
    if reason := "; ".join(filter(None, told)):
        return SetAside.Kind.PROBLEM, reason
    return SetAside.Kind.UNKNOWN, f"a message with {', '.join(sorted(message)) or 'nothing'}"


def _describe_problem(problem):
    parts = (clean_line(problem.get(name), LOGGED_LIMIT) for name in _PROBLEM_NAMES)
    return ", ".join(filter(None, parts))


def describe_errors(detail, path=()):
    """The errors of a serializer in one line, each with the name of its field."""
    if isinstance(detail, dict):
        return "; ".join(describe_errors(item, (*path, name)) for name, item in detail.items())
    return f"{'.'.join(path)}: {' '.join(detail)}"


def _shorten(line):
    text = clean_line(line[: 4 * LOGGED_LIMIT].decode(errors="replace"), LOGGED_LIMIT)
    return f"{text}… ({len(line)} bytes)" if len(line) > LOGGED_LIMIT else text
