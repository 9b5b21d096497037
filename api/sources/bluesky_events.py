"""The events of a Jetstream, and what of them concerns a wall. Shapes as on its first wire."""

import json
import re

POSTS = "app.bsky.feed.post"
WRITTEN = ("create", "update")
# Words of Bluesky for an account whose posts it no longer shows.
GONE = frozenset({"deactivated", "takendown", "suspended", "deleted"})
# No post that people write is near it.
MAX_EVENT_BYTES = 200_000
# Microseconds since 1970, more than any clock has; what comes out of it is still a date.
LAST_MOMENT = 10**17

DID = re.compile(r"did:[a-z]{1,20}:[A-Za-z0-9._:%-]{1,80}")
KEY = re.compile(r"[A-Za-z0-9._:~-]{1,64}")
_ADDRESS = re.compile(rf"at://({DID.pattern})/{re.escape(POSTS)}/({KEY.pattern})")


class Garbage(ValueError):
    """What came is no event. The sentence says why."""


def read_event(frame):
    """The event. Raises Garbage unless it has a kind, a did and a time that can be."""
    if len(frame) > MAX_EVENT_BYTES:
        raise Garbage(f"it has {len(frame)} bytes")
    try:
        event = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise Garbage("it is no JSON") from error
    if not isinstance(event, dict) or not isinstance(event.get("kind"), str):
        raise Garbage("it has no kind")
    moment = event.get("time_us")
    if type(moment) is not int or not 0 < moment < LAST_MOMENT:
        raise Garbage("its time can not be")
    if not isinstance(event.get("did"), str) or not DID.fullmatch(event["did"]):
        raise Garbage("it has no did")
    return event


def read_commit(event):
    """The commit of an event about a post; None for any other."""
    commit = event.get("commit")
    if event["kind"] != "commit" or not isinstance(commit, dict):
        return None
    key = commit.get("rkey")
    usable = isinstance(key, str) and KEY.fullmatch(key)
    return commit if usable and commit.get("collection") == POSTS else None


def read_loss(event):
    """Why an account is no longer shown; "" if it is, or if this is another kind of event."""
    account = event.get("account")
    if event["kind"] != "account" or not isinstance(account, dict):
        return ""
    status = account.get("status")
    lost = account.get("active") is False and isinstance(status, str) and status in GONE
    return status if lost else ""


def make_post_id(did, key):
    """The id of a post in the store: two accounts may have used the same key."""
    return f"{did}~{key}"


def make_address(did, key):
    """The at:// address of a post; "" for none."""
    return f"at://{did}/{POSTS}/{key}" if did else ""


def read_address(address):
    """The did and key of an at:// address of a post; two empty strings for anything else."""
    found = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
    return found.groups() if found else ("", "")


def find_quoted(record):
    """The did and key of the post that this one quotes, or two empty strings."""
    embed = read_dict(record, "embed")
    quoted = read_dict(embed, "record")
    if embed.get("$type") == "app.bsky.embed.recordWithMedia":
        quoted = read_dict(quoted, "record")
    return read_address(quoted.get("uri"))


def find_replied(record):
    """The did and key of the post that this one answers, or two empty strings."""
    return read_address(read_dict(read_dict(record, "reply"), "parent").get("uri"))


def read_dict(value, name):
    """The object of this name; an empty one if there is none."""
    value = value.get(name)
    return value if isinstance(value, dict) else {}


def read_dicts(value, name, limit):
    """The first objects in the list of this name."""
    items = value.get(name)
    items = items[:limit] if isinstance(items, list) else ()
    return [item for item in items if isinstance(item, dict)]
