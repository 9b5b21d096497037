import json
import math
import os
import time
from collections import deque
from pathlib import Path

from .fresh import FreshTweets, SnowflakeIds
from .source import CONNECTED, Source, SourceError

MAX_LINE_BYTES = 1024 * 1024
SLOWEST, FASTEST = 0.001, 1_000_000
# After a longer hold-up the rest is not rushed through.
MAX_LAG = 1.0


def read_speed(value):
    try:
        speed = float(value)
    except (TypeError, ValueError):
        speed = math.nan
    if not SLOWEST <= speed <= FASTEST:
        raise SourceError(
            f"WALLPUSH_REPLAY_SPEED must be a number of messages per second from {SLOWEST} to {FASTEST}, not {value!r}."
        )
    return speed


def read_lines(path):
    """The lines of a recording without their ends. Raises SourceError if the file is of no use."""
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                yield check_line(line, f"WALLPUSH_REPLAY_FILE: line {number} of {path}")
    except OSError as error:
        raise SourceError(
            f"WALLPUSH_REPLAY_FILE: {path} can not be read: {error.strerror}."
        ) from error


def check_line(line, place):
    if len(line) > MAX_LINE_BYTES:
        raise SourceError(f"{place} is longer than 1 MiB; a stream has one message in a line.")
    try:
        line.decode()
    except UnicodeDecodeError as error:
        raise SourceError(f"{place} is not UTF-8; write it again as UTF-8 text.") from error
    return line.rstrip(b"\r\n")


def check_recording(path):
    """Reads it once, so that what is wrong in it is told at the start and not on the wall."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise SourceError(f"WALLPUSH_REPLAY_FILE: {path} is not a file.")
    lines = read_lines(path)
    # One is enough: a bad line among good ones is for the ingest step to set aside.
    if not any(map(holds_message, lines)):
        raise SourceError(
            f"WALLPUSH_REPLAY_FILE: {path} holds no message; it needs one JSON object in each line."
        )
    deque(lines, maxlen=0)


def holds_message(line):
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


class Pace:
    """When each message is due: by a timetable, so that slow deliveries do not add up."""

    def __init__(self, speed, clock=time.monotonic):
        self._interval = 1 / speed
        self._clock = clock
        self._due = clock()

    def find_wait(self):
        """Seconds until the next message is due; 0 or less if it is late."""
        now = self._clock()
        wait = self._due - now
        self._due = max(self._due, now - MAX_LAG) + self._interval
        return wait


class ReplaySource(Source):
    """Plays a recording of X stream messages, each tweet as if it had just been written."""

    name = "replay"

    def __init__(self, file, *, speed=1, loop=True, ledger=None):
        super().__init__(ledger)
        self._path = Path(file)
        self._speed = read_speed(speed)
        self._loop = loop
        check_recording(self._path)

    def run(self, deliver):
        ids = SnowflakeIds()
        pace = Pace(self._speed)
        self.set_status(CONNECTED)
        while not self.stopping.is_set():
            played = self._play(deliver, FreshTweets(ids), pace)
            if not self._loop:
                return
            if not played and not self.stopping.is_set():
                raise SourceError(f"WALLPUSH_REPLAY_FILE: {self._path} has become empty.")

    def _play(self, deliver, tweets, pace):
        """Plays the file once. The number of messages."""
        played = 0
        for line in read_lines(self._path):
            if not line.strip():
                self.note_activity()
                continue
            wait = pace.find_wait()
            if self.stopping.wait(wait) if wait > 0 else self.stopping.is_set():
                break
            self.note_activity()
            deliver(tweets.refresh(line))
            played += 1
        return played
