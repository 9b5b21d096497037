import json
import logging
import math
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from .bluesky_directory import Directory, is_unshown
from .bluesky_events import (
    WRITTEN,
    Garbage,
    find_quoted,
    find_replied,
    make_address,
    make_post_id,
    read_commit,
    read_event,
    read_loss,
)
from .bluesky_link import TIMING, Link, LinkBroken
from .bluesky_watch import RETRY, Watch
from .ledger import LedgerUnavailable
from .notes import NAME, make_notes_line
from .source import CONNECTED, CONNECTING, STOPPED, WAITING, Source, SourceError

log = logging.getLogger(__name__)

# Public instances of Jetstream that speak its first wire; another one is tried when one fails.
HOSTS = (
    *("wss://jetstream.us-east.bsky.network", "wss://jetstream.us-west.bsky.network"),
    *("wss://jetstream1.us-east.bsky.network", "wss://jetstream2.us-west.bsky.network"),
)

# Seconds, first and longest, doubled each time; a connection that lasted so long was a good one.
PAUSES, STEADY = (0.5, 60.0), 60.0
# What `stop` leaves the reading thread to end by itself; looking up a name can not be interrupted.
GRACE = 1.5
TICK = 0.5
# Every how many seconds to tell how far it was read, and for how long removals wait for more of them.
TELL_EVERY, GATHER = 10.0, 1.0
MAX_REMOVALS = 100
# Hosts are not equally far: what the next one has is read again from a little before.
REWIND = timedelta(seconds=5) // timedelta(microseconds=1)
# How long a Jetstream keeps what it sent.
KEPT = timedelta(hours=36) // timedelta(microseconds=1)
# A refusal for too many connections counts as so many failures.
LIMIT_FAILURES = 6
GARBAGE_EVERY = 60.0


def read_urls(urls):
    urls = tuple(url.rstrip("/") for url in urls)
    for url in urls:
        if not re.fullmatch(r"wss?://[^\s/?#@]+(?:/[^\s?#]*)?", url) or not urlsplit(url).hostname:
            raise SourceError(
                f"WALLPUSH_BLUESKY_URLS: {url!r} must be an address like {HOSTS[0]}, without user or query."
            )
    if not urls:
        raise SourceError(f"WALLPUSH_BLUESKY_URLS must name a Jetstream, such as {HOSTS[0]}.")
    return urls


def now_in_microseconds():
    return time.time_ns() // 1000


class BlueskySource(Source):
    """Bluesky's Jetstream: every post of the network, of which those are delivered that answer to a track."""

    name = "bluesky"

    def __init__(
        self,
        *,
        urls=HOSTS,
        api_url="https://public.api.bsky.app",
        ledger=None,
        pauses=PAUSES,
        timing=TIMING,
        tell_every=TELL_EVERY,
        watch_every=2.0,
        retry=RETRY,
    ):
        super().__init__(ledger)
        self._urls = read_urls(urls)
        self._pauses = pauses
        self._timing = timing
        self._tell_every = tell_every
        self._directory = Directory(api_url)
        self._watch = Watch(self.ledger, self._directory, every=watch_every, retry=retry)
        self._deliver = None
        self._link = None
        self._cursor = None
        self._told, self._told_at = None, time.monotonic()
        # What was read and not yet delivered, in order: Post and Removals.
        self._outbox = []
        self._garbage_told_at = -math.inf
        self._over = threading.Event()
        self._failure = None

    def run(self, deliver):
        self._deliver = deliver
        reader = threading.Thread(target=self._read, name="bluesky", daemon=True)
        reader.start()
        self._over.wait()
        if self.stopping.is_set():
            self._hang_up()
            reader.join(GRACE)
            self.set_status(STOPPED)
        else:
            reader.join()
        if self._failure:
            raise self._failure

    def stop(self):
        super().stop()
        self._over.set()

    def _hang_up(self):
        self._directory.close()
        link = self._link
        if link:
            link.hang_up()

    # What the reading thread does.

    def _read(self):
        try:
            self._prepare()
            failures, turn = 0, 0
            while not self.stopping.is_set():
                started = time.monotonic()
                broken = self._read_from(self._urls[turn % len(self._urls)])
                turn += 1
                if time.monotonic() - started >= STEADY:
                    failures = 0
                if broken.status == 429:
                    failures = max(failures, LIMIT_FAILURES)
                self._pause(broken, failures)
                failures += 1
        except BaseException as error:  # it belongs to the thread that called `run`
            self._failure = error
        finally:
            self._directory.close()
            self._over.set()

    def _prepare(self):
        """Until it is known how far it was read, and what to look for."""
        while not self.stopping.is_set():
            try:
                self._cursor = self._find_cursor()
                self._watch.refresh()
                if self._watch.ready:
                    return
            except LedgerUnavailable as error:
                self.set_status(WAITING, f"What to look for can not be read: {error}")
            self.stopping.wait(TICK)

    def _find_cursor(self):
        stored = self.ledger.read_positions().get("")
        if not stored:
            return None
        missed = now_in_microseconds() - stored - KEPT
        if missed > 0:
            log.warning(
                "Bluesky was last read %.1f hours ago; a Jetstream keeps 36, so posts are missing.",
                (missed + KEPT) / 3.6e9,
            )
        return min(stored, now_in_microseconds())

    def _read_from(self, url):
        """One connection, to its end. Why it ended."""
        link = Link(url, self._timing)
        self._link = link
        if self.stopping.is_set():
            link.hang_up()
        self.set_status(CONNECTING, link.host)
        try:
            link.open(None if self._cursor is None else max(0, self._cursor - REWIND))
            self.note_activity()
            self.set_status(CONNECTED)
            log.info("Connected to the Jetstream at %s.", link.host)
            while not self.stopping.is_set():
                self._take(link.receive(TICK))
        except LinkBroken as broken:
            return broken
        finally:
            link.close()
        return LinkBroken("Stopped.")

    def _pause(self, broken, failures):
        if self.stopping.is_set():
            return
        first, longest = self._pauses
        pause = min(longest, first * 2 ** min(failures, 30))
        sentence = f"The Jetstream at {broken} Connecting again in {pause:g} s."
        log.warning("%s", sentence)
        self.set_status(WAITING, sentence)
        self.stopping.wait(pause)

    def _take(self, frames):
        if frames:
            self.note_activity()
        self._refresh_watch()
        known = self._cursor
        for frame in frames:
            try:
                event = read_event(frame)
            except Garbage as error:
                self._note_garbage(error, frame)
            else:
                # A time to come, from whose clock ever, would be a place to go on from where nothing is for long.
                moment = min(event["time_us"], now_in_microseconds())
                self._cursor = max(self._cursor or 0, moment)
                self._sort(event)
        # What is read again after a reconnection tells nothing of how far behind the reading is.
        if self._cursor != known:
            self.note_lag(datetime.fromtimestamp(self._cursor / 1e6, UTC))
        self._deliver_what_is_due()

    def _refresh_watch(self):
        try:
            self._watch.refresh()
        except LedgerUnavailable as error:
            log.warning("What to look for on Bluesky can not be read again: %s", error)

    def _note_garbage(self, error, frame):
        if time.monotonic() - self._garbage_told_at > GARBAGE_EVERY:
            self._garbage_told_at = time.monotonic()
            log.warning("A message of the Jetstream is of no use, %s: %.200r", error, frame[:200])

    def _sort(self, event):
        did = event["did"]
        if commit := read_commit(event):
            self._sort_commit(event, commit)
        elif status := read_loss(event):
            self._directory.forget(did)
            self._remove("removed_authors", did, status)
        elif event["kind"] == "identity":
            identity = event.get("identity")
            handle = identity.get("handle") if isinstance(identity, dict) else None
            self._directory.forget(did)
            self._watch.note_identity(did, handle.lower() if isinstance(handle, str) else "")

    def _sort_commit(self, event, commit):
        did, operation, record = event["did"], commit.get("operation"), commit.get("record")
        written = operation in WRITTEN and isinstance(record, dict)
        terms = self._watch.matcher.find_terms(did, record) if written else ()
        if operation in ("update", "delete"):
            self._directory.forget(make_address(did, commit["rkey"]))
        if terms:
            self._outbox.append(Post(event, terms, self._cursor))
        elif operation in ("update", "delete"):
            # What it became answers to nothing that is looked for: what it was may not stay on the wall.
            reason = "deleted" if operation == "delete" else "edited"
            self._remove("removed", make_post_id(did, commit["rkey"]), reason)

    def _remove(self, name, removed_id, reason):
        last = self._outbox[-1] if self._outbox else None
        if not isinstance(last, Removals) or last.count >= MAX_REMOVALS:
            last = Removals()
            self._outbox.append(last)
        last.add(name, removed_id, reason, self._cursor)

    # What goes to the store.

    def _deliver_what_is_due(self):
        posts = [item for item in self._outbox if isinstance(item, Post)]
        removals = [item for item in self._outbox if isinstance(item, Removals)]
        gathered = bool(removals) and time.monotonic() - removals[0].since >= GATHER
        due = time.monotonic() - self._told_at >= self._tell_every
        if posts or gathered or due:
            self._deliver_outbox(posts)
        if due and self._told != self._cursor:
            self._send(make_notes_line(position={"": self._cursor}), self._cursor)

    def _deliver_outbox(self, posts):
        profiles, quoted = self._look_up(posts)
        for item in self._outbox:
            if isinstance(item, Removals):
                self._send(make_notes_line(**item.notes), item.until)
            else:
                self._send(make_post_line(item, profiles, quoted), item.until)
        self._outbox.clear()

    def _look_up(self, posts):
        if not posts:
            return {}, {}
        dids, addresses = [], []
        for post in posts:
            record = post.event["commit"]["record"]
            dids += post.event["did"], find_replied(record)[0]
            addresses.append(make_address(*find_quoted(record)))
        return self._directory.find_profiles(dids), self._directory.find_posts(addresses)

    def _send(self, line, position):
        if not self.stopping.is_set():
            self._deliver(line)
            self._told, self._told_at = position, time.monotonic()


class Post(NamedTuple):
    event: dict
    terms: list
    until: int


class Removals:
    """Notes of posts and authors that must go, as one line."""

    def __init__(self):
        self.since = time.monotonic()
        self.until = 0
        self.count = 0
        self.notes = {}

    def add(self, name, removed_id, reason, until):
        self.notes.setdefault(name, []).append({"id": removed_id, "reason": reason})
        self.notes["position"] = {"": until}
        self.until = until
        self.count += 1


def make_post_line(post, profiles, quoted):
    """The post with what is known of it; how far it was read, alone, if its author does not want it shown."""
    event = post.event
    record = event["commit"]["record"]
    position = {"": post.until}
    author = profiles.get(event["did"])
    if author and is_unshown(author):
        return make_notes_line(position=position)
    found = {
        "profile": author,
        "quoted": quoted.get(make_address(*find_quoted(record))),
        "replied": profiles.get(find_replied(record)[0]),
    }
    message = {
        "data": event,
        "includes": {name: value for name, value in found.items() if value},
        "terms": post.terms,
        NAME: {"position": position},
    }
    return json.dumps(message, separators=(",", ":")).encode()
