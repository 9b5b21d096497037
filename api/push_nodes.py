"""The push nodes of the settings, and how the canaries of the workers last found them."""

from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.db.models.functions import Coalesce, Now

from wallpush.address import parse_address

from .models import PushNodeState

# Canaries fly every few seconds; one alone may be lost where a machine is busy.
SILENT_AFTER = timedelta(seconds=15)
UNTRIED_AFTER = timedelta(seconds=20)


class PushNode(NamedTuple):
    """number: its place in the settings, from 1; subscribe_url: empty if it is not known."""

    number: int
    name: str
    subscribe_url: str
    is_local: bool

    def __str__(self):
        return f"push node {self.number}"


def read_push_nodes():
    """Each push node once, by the name that the publisher has for it."""
    ports = settings.WALLPUSH_PUSH_PORT, settings.WALLPUSH_SUBSCRIBE_PORT
    local, subscribe_local = (f"http://127.0.0.1:{port}" for port in ports)
    given = settings.WALLPUSH_SUBSCRIBE_URLS or [""] * len(settings.WALLPUSH_PUBLISH_URLS)
    found = {}
    for url, subscribe_url in zip(settings.WALLPUSH_PUBLISH_URLS, given, strict=True):
        name = str(parse_address(url))
        is_local = name in (local, local.replace("127.0.0.1", "localhost"))
        known = subscribe_url or (subscribe_local if is_local else "")
        found.setdefault(name, PushNode(len(found) + 1, name, known, is_local))
    return list(found.values())


def note_proof(name, round_trip, workers):
    """A message reached a subscriber of each nginx worker. All times are the database's."""
    _note(
        name,
        proved_at=Now(),
        round_trip=round_trip,
        workers=workers,
        failing_since=None,
        problem="",
    )


def note_failure(name, problem, *, is_first=False):
    """`is_first`: what was noted before this process is no part of what fails now."""
    since = Now() if is_first else Coalesce("failing_since", Now())
    _note(name, failing_since=since, problem=problem)


def _note(name, **columns):
    rows = PushNodeState.objects.filter(node=name)
    if not rows.update(tried_at=Now(), **columns):
        PushNodeState.objects.bulk_create([PushNodeState(node=name)], ignore_conflicts=True)
        rows.update(tried_at=Now(), **columns)


def is_untried(state, now):
    """Whether no worker looks after it: what was found last says nothing of now."""
    return state is None or state.tried_at is None or now - state.tried_at > UNTRIED_AFTER


def is_silent(state, now):
    """Whether messages have not come through for a while, although this is tried."""
    if is_untried(state, now) or state.failing_since is None:
        return False
    return now - state.failing_since > SILENT_AFTER
