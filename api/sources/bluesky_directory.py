"""Who wrote a post, and what it quotes: asked of Bluesky's public API, many at a time, and remembered for a while.

A Jetstream sends ids of accounts and posts, no names and no pictures.
"""

import json
import logging
import time
from collections import OrderedDict

import requests
import urllib3

log = logging.getLogger(__name__)

# Bluesky answers for so many at once.
GROUP = 25
# Seconds to connect and to wait for a byte; and for an answer as a whole.
TIMEOUT, DEADLINE = (2, 3), 4.0
MAX_BYTES = 4_000_000
CHUNK = 65_536
# Seconds until it is asked again after a failure: doubled each time, up to the longest.
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
# How much is remembered, and for how many seconds.
PROFILES, PROFILE_AGE = 10_000, 3600.0
POSTS, POST_AGE = 2_000, 600.0
# Somebody who is not there may be in a moment: an account of today is not everywhere at once.
ABSENT_AGE = 60.0

# What is passed on of a profile: nobody can make more than this wait in the queue.
PROFILE_FIELDS = ("did", "handle", "displayName", "avatar")
FIELD_LIMIT = 2000
LABEL_LIMIT = 50
MAX_POST_CHARACTERS = 100_000

# A person's own wish not to be shown to people who are not logged in, and what Bluesky took down.
UNSHOWN_LABELS = frozenset({"!no-unauthenticated", "!hide", "!takedown"})


class Unavailable(Exception):
    """The API does not answer now, or not usefully. The sentence says why."""


class Refused(Unavailable):
    """The API does not like the question itself."""


class Memory:
    """What was found by key, and None for what is not there; the least recently used goes first."""

    def __init__(self, size, age, clock=time.monotonic):
        self._size, self._age, self._clock = size, age, clock
        self._known = OrderedDict()

    def __len__(self):
        return len(self._known)

    def holds(self, key):
        due, _ = self._known.get(key, (0, None))
        return due > self._clock()

    def get(self, key):
        if not self.holds(key):
            return None
        self._known.move_to_end(key)
        return self._known[key][1]

    def put(self, key, value):
        age = ABSENT_AGE if value is None else self._age
        self._known[key] = (self._clock() + age, value)
        self._known.move_to_end(key)
        while len(self._known) > self._size:
            self._known.popitem(last=False)

    def forget(self, key):
        self._known.pop(key, None)


class Directory:
    """For one thread; only `close` may be called from any."""

    def __init__(self, api_url, *, timeout=TIMEOUT, first_pause=FIRST_PAUSE):
        self._api_url = api_url.rstrip("/")
        self._timeout = timeout
        self._first_pause = self._pause = first_pause
        self._ask_again_at = 0.0
        self._session = requests.Session()
        self._closed = False
        self._profiles = Memory(PROFILES, PROFILE_AGE)
        self._posts = Memory(POSTS, POST_AGE)

    def close(self):
        self._closed = True
        self._session.close()

    def find_profiles(self, dids):
        """The profiles that there are, by did. Those that can not be asked for now are missing as well."""
        return self._find(dids, self._profiles, self._ask_for_profiles)

    def find_posts(self, uris):
        """The posts that there are, by at:// address."""
        return self._find(uris, self._posts, self._ask_for_posts)

    def resolve(self, handles):
        """The did of each handle that somebody has, by lower-case handle. Raises Unavailable."""
        try:
            found = self._ask_for_handles(handles)
        except Refused:
            # One that is no handle at all spoils the question for the others.
            found = {} if len(handles) == 1 else self._resolve_each(handles)
        return found

    def forget(self, key):
        """A did or an address of which the stream has told news."""
        self._profiles.forget(key)
        self._posts.forget(key)

    def _find(self, keys, memory, ask):
        keys = list(filter(None, dict.fromkeys(keys)))
        unknown = [key for key in keys if not memory.holds(key)]
        for group in (unknown[at : at + GROUP] for at in range(0, len(unknown), GROUP)):
            if self._closed or time.monotonic() < self._ask_again_at:
                break
            try:
                found = ask(group)
            except Unavailable as error:
                self._note_failure(error)
                break
            self._pause = self._first_pause
            for key in group:
                memory.put(key, found.get(key))
        known = ((key, memory.get(key)) for key in keys)
        return {key: value for key, value in known if value is not None}

    def _note_failure(self, error):
        log.warning("%s Posts are shown without names for %g s.", error, self._pause)
        self._ask_again_at = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _resolve_each(self, handles):
        found = {}
        for handle in handles:
            found |= self.resolve([handle])
        return found

    def _ask_for_handles(self, handles):
        profiles = self._ask("app.bsky.actor.getProfiles", "actors", handles, "profiles")
        for profile in profiles:
            self._profiles.put(profile["did"], profile)
        return {profile["handle"].lower(): profile["did"] for profile in profiles}

    def _ask_for_profiles(self, dids):
        profiles = self._ask("app.bsky.actor.getProfiles", "actors", dids, "profiles")
        return {profile["did"]: profile for profile in profiles}

    def _ask_for_posts(self, uris):
        posts = self._ask("app.bsky.feed.getPosts", "uris", uris, "posts")
        return {post["uri"]: post for post in posts}

    def _ask(self, method, name, values, key):
        answer = self._get(f"{self._api_url}/xrpc/{method}", [(name, value) for value in values])
        items = answer.get(key) if isinstance(answer, dict) else None
        if not isinstance(items, list):
            raise Unavailable(f"Bluesky answered {method} without {key}.")
        read = read_profile if key == "profiles" else read_post
        return [found for item in items[: 2 * GROUP] if (found := read(item))]

    def _get(self, url, params):
        try:
            with self._session.get(
                url, params=params, timeout=self._timeout, stream=True, allow_redirects=False
            ) as response:
                body = self._read_body(response)
                status = response.status_code
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            reason = type(error).__name__
            raise Unavailable(f"Bluesky's API can not be reached ({reason}).") from error
        if status == 400:
            raise Refused("Bluesky's API refused a question: HTTP 400.")
        if status != 200:
            raise Unavailable(f"Bluesky's API answered HTTP {status}.")
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Unavailable("Bluesky's API answered what is no JSON.") from error

    def _read_body(self, response):
        """All of it; an answer that is endless or comes drop by drop is given up."""
        deadline = time.monotonic() + DEADLINE
        body = bytearray()
        while chunk := response.raw.read1(CHUNK, decode_content=True):
            body += chunk
            if len(body) > MAX_BYTES:
                raise Unavailable("Bluesky's API answered with more than 4 MB.")
            if self._closed or time.monotonic() > deadline:
                raise Unavailable("Bluesky's API is too slow.")
        return bytes(body)


def read_profile(item):
    """What is passed on of it: strings, none of them endless. None if it tells not whose it is."""
    if not isinstance(item, dict):
        return None
    fields = ((name, item.get(name)) for name in PROFILE_FIELDS)
    profile = {
        name: value[:FIELD_LIMIT] for name, value in fields if isinstance(value, str) and value
    }
    profile["labels"] = read_labels(item)
    return profile if "did" in profile and "handle" in profile else None


def read_labels(item):
    labels = item.get("labels")
    labels = labels[:LABEL_LIMIT] if isinstance(labels, list) else ()
    values = (label.get("val") for label in labels if isinstance(label, dict))
    return sorted({value for value in values if isinstance(value, str) and len(value) < 100})


def read_post(item):
    """A post that somebody quotes, with its author; None if it may not be shown or has no address."""
    if not isinstance(item, dict) or not isinstance(item.get("uri"), str):
        return None
    author, record = read_profile(item.get("author")), item.get("record")
    if not author or not isinstance(record, dict):
        return None
    post = {
        "uri": item["uri"],
        "author": author,
        "record": record,
        "labels": read_labels(item),
        "indexedAt": item.get("indexedAt"),
    }
    usable = not is_unshown(author) and not is_unshown(post)
    return post if usable and len(json.dumps(post)) <= MAX_POST_CHARACTERS else None


def is_unshown(labelled):
    return not UNSHOWN_LABELS.isdisjoint(labelled["labels"])
