"""Gives the tweets of a recording new ids and times, as if they had just been written."""

import json
import re
import secrets
import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
# X's ids hold their time: milliseconds since this moment, above 22 bits that tell ids apart.
SNOWFLAKE_EPOCH = 1288834974657
SNOWFLAKE_BITS = 22
OLDER = 1 << (SNOWFLAKE_BITS - 1)
SEQUENCE_BITS = 12
# Ids of this many tweets are remembered; whoever refers further back gets an id of its own.
REMEMBERED = 200_000

HISTORIES = ("edit_history_tweet_ids", "edit_history_post_ids")
REFERENCES = ("referenced_tweets", "referenced_posts")
INCLUDED = ("tweets", "posts")
SINGLE_IDS = ("id", "conversation_id", "most_recent_tweet_id", "most_recent_post_id")
NOTES = ("note_tweet", "note_post")
STATUS_IN_URL = re.compile(r"(?<=/status/)[0-9]+")


def read_snowflake(snowflake):
    """The time in an id, in milliseconds since 1970."""
    return (snowflake >> SNOWFLAKE_BITS) + SNOWFLAKE_EPOCH


def write_time(milliseconds):
    """Milliseconds since 1970 as X writes them."""
    moment = EPOCH + timedelta(milliseconds=min(milliseconds, LATEST))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_time(text):
    """Milliseconds since 1970, or None."""
    try:
        return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)
    except (TypeError, ValueError):  # no text, no time, or none with a time zone
        return None


def pick(container, keys, kind):
    """The values under these keys that are of this kind: a recording may hold anything."""
    return [container[key] for key in keys if isinstance(container.get(key), kind)]


def pick_objects(container, keys):
    return [
        item for found in pick(container, keys, list) for item in found if isinstance(item, dict)
    ]


def is_id(value):
    return isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20


class SnowflakeIds:
    """New ids. `clock` gives seconds since 1970."""

    def __init__(self, clock=time.time):
        self._clock = clock
        # Tells this process from one that ran before and whose clock was ahead.
        self._process = secrets.randbits(SNOWFLAKE_BITS - 1 - SEQUENCE_BITS) << SEQUENCE_BITS
        self._last = 0
        self._older = secrets.randbits(SNOWFLAKE_BITS - 1)

    def make_now(self):
        """The id of a tweet written now: higher than all before it."""
        milliseconds = int(self._clock() * 1000) - SNOWFLAKE_EPOCH
        self._last = max(self._last + 1, milliseconds << SNOWFLAKE_BITS | self._process)
        return self._last

    def make_before(self, snowflake, milliseconds):
        """The id of a tweet written so much before another one."""
        self._older = (self._older + 1) % OLDER
        moment = max((snowflake >> SNOWFLAKE_BITS) - max(milliseconds, 1), 0)
        return moment << SNOWFLAKE_BITS | OLDER | self._older


class FreshTweets:
    """Rewrites the lines of one pass over a recording. An id keeps its meaning within the pass."""

    def __init__(self, ids):
        self._ids = ids
        self._fresh = {}
        self._anchor = None

    def refresh(self, line):
        """The line with new ids and times; one that holds no tweet comes back as it is."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return line
        if not isinstance(message, dict) or not isinstance(message.get("data"), dict):
            return line
        if not is_id(message["data"].get("id")):
            return line
        self._refresh_message(message, message["data"])
        return json.dumps(message, separators=(",", ":")).encode()

    def _refresh_message(self, message, tweet):
        includes = pick(message, ["includes"], dict)
        originals = [other for each in includes for other in pick_objects(each, INCLUDED)]
        written = read_time(tweet.get("created_at"))
        self._anchor = tweet["id"]
        self._take_id(self._anchor)
        for original in originals:
            self._renew_id(original.get("id"), self._find_age(original, written))
        for each in (tweet, *originals):
            self._refresh_tweet(each)
        for error in pick_objects(message, ["errors"]):
            self._refresh_error(error)
        for each in includes:
            self._refresh_polls(each, written)

    def _take_id(self, old):
        if old not in self._fresh:
            self._remember(old, self._ids.make_now())

    def _renew_id(self, old, age=None):
        """The new id for an old one, made so much (ms) older than the message's own tweet."""
        if not is_id(old):
            return old
        if old not in self._fresh:
            if age is None:
                age = (int(self._anchor) >> SNOWFLAKE_BITS) - (int(old) >> SNOWFLAKE_BITS)
            self._remember(old, self._ids.make_before(self._fresh[self._anchor], age))
        return str(self._fresh[old])

    def _remember(self, old, new):
        if len(self._fresh) >= REMEMBERED:
            oldest = next(each for each in self._fresh if each != self._anchor)
            del self._fresh[oldest]
        self._fresh[old] = new

    def _find_age(self, original, written):
        before = read_time(original.get("created_at"))
        return None if before is None or written is None else written - before

    def _refresh_tweet(self, tweet):
        for key in SINGLE_IDS:
            if key in tweet:
                tweet[key] = self._renew_id(tweet[key])
        if "created_at" in tweet and is_id(tweet.get("id")):
            tweet["created_at"] = write_time(read_snowflake(int(tweet["id"])))
        for history in pick(tweet, HISTORIES, list):
            history[:] = map(self._renew_id, history)
        for reference in pick_objects(tweet, REFERENCES):
            if "id" in reference:
                reference["id"] = self._renew_id(reference["id"])
        for text in (tweet, *pick(tweet, NOTES, dict)):
            self._refresh_urls(text)

    def _refresh_urls(self, text):
        for entities in pick(text, ["entities"], dict):
            for url in pick_objects(entities, ["urls"]):
                for key, value in url.items():
                    if isinstance(value, str):
                        url[key] = STATUS_IN_URL.sub(self._renew_known, value)

    def _renew_known(self, match):
        return str(self._fresh.get(match[0], match[0]))

    def _refresh_error(self, error):
        old = error.get("resource_id")
        if error.get("resource_type") in ("tweet", "post") and is_id(old):
            new = self._renew_id(old)
            for key, value in error.items():
                if isinstance(value, str):
                    error[key] = value.replace(old, new)

    def _refresh_polls(self, includes, written):
        """A poll ends as long after its tweet as it did in the recording."""
        now = read_snowflake(self._fresh[self._anchor])
        for poll in pick_objects(includes, ["polls"]):
            end = read_time(poll.get("end_datetime"))
            if end is not None and written is not None:
                poll["end_datetime"] = write_time(now + end - written)
