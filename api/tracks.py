"""What the wall watches for: who adds and removes tracks, and what each source says of them."""

from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from wallpush.channels import keyword_channel

from .models import Gap, Position, Ruling, Track
from .serializers.resource import format_time
from .serializers.sanitize import clean_line, clean_text
from .sources.tracks import TrackError, read_track

MAX_TRACKS = 1000
REASON_LIMIT = 300
# Those that ask for tracks, as people write their names. A replay plays what its file holds.
WATCHING = {"x": "X", "bluesky": "Bluesky"}


class TrackOfSettings(TrackError):
    """It stands in WALLPUSH_KEYWORDS, so only they can take it away."""


class Added(NamedTuple):
    track: Track
    is_new: bool


def read_subject(text):
    """What is meant by a text, as read_track says it; nothing in it that a database or a terminal refuses."""
    text = " ".join(text.split())
    if clean_text(text) != text:
        raise TrackError("There are control characters or half characters in this text.")
    return read_track(text)


def look_up(text):
    """What is meant by a text, and the track of it if there is one. Raises TrackError if none can be added."""
    subject = read_subject(text)
    known = _find_same(subject)
    if known is None and Track.objects.count() >= MAX_TRACKS:
        raise TrackError(f"{MAX_TRACKS} tracks are watched for, which is the most: remove one.")
    return subject, known


@transaction.atomic
def add_track(text, *, added_by="", origin=Track.Origin.ADDED):
    """The track of this text, and whether it is new. Raises TrackError."""
    subject, known = look_up(text)
    return Added(known, is_new=False) if known else _create(subject, added_by[:150], origin)


def find_track(text):
    """The track of this text. Raises TrackError if there is none."""
    subject = read_subject(text)
    track = _find_same(subject)
    if track is None:
        raise TrackError(
            f"{subject.text} is not watched for. `manage.py track list` shows what is."
        )
    return track


@transaction.atomic
def remove_track(track):
    """Raises TrackOfSettings for one that would be back when a worker starts."""
    if is_of_settings(track):
        raise TrackOfSettings(
            f"{track} stands in WALLPUSH_KEYWORDS: take it out there and start the worker again."
        )
    _remove(track)


def is_of_settings(track):
    return track.origin == Track.Origin.SETTINGS or _fold(track.text) in _read_keywords(
        settings.WALLPUSH_KEYWORDS
    )


@transaction.atomic
def sync_settings_tracks(keywords):
    """Makes the tracks of the settings exactly these. What a person has added stays as it is.

    Raises TrackError if one of the keywords can not be watched for; nothing is changed then.
    """
    wanted = _read_keywords(keywords)
    stale = []
    # What people added comes first: such a track needs no second one.
    for track in Track.objects.select_for_update().order_by("origin", "pk"):
        same = wanted.get(_fold(track.text))
        if same and (track.origin == Track.Origin.ADDED or same.text == track.text):
            del wanted[_fold(track.text)]
        elif track.origin == Track.Origin.SETTINGS:
            stale.append(track)
    for subject in wanted.values():
        _create(subject, "", Track.Origin.SETTINGS)
    for track in stale:
        _remove(track)


def list_tracks():
    """All of them with their rulings, in two queries."""
    return Track.objects.prefetch_related("rulings").order_by("pk")


def watching_sources():
    """Those of WALLPUSH_SOURCE that ask for tracks."""
    return [source for source in settings.WALLPUSH_SOURCE if source in WATCHING]


def describe_track(track):
    """The resource: what it is, and what each source that is read says of it."""
    return {
        "id": str(track.pk),
        "text": track.text,
        "kind": str(read_track(track.text).kind),
        "keyword": track.term,
        "channel": keyword_channel(track.term),
        "origin": track.origin,
        "added_by": track.added_by,
        "added_at": format_time(track.added_at),
        "rulings": _describe_rulings(track),
    }


def tell_known(track):
    """Of one that is added again: that it is there, and who refuses it."""
    refusals = [
        f" {WATCHING[ruling['source']]} refuses it: {ruling['reason']}"
        for ruling in describe_track(track)["rulings"]
        if ruling["state"] == Ruling.State.REFUSED
    ]
    return f"{track} is watched for already.{''.join(refusals)}"


def tell_next():
    """What happens after a change, in one sentence."""
    names = [WATCHING[source] for source in watching_sources()]
    if not names:
        return "No source that watches for tracks is read: WALLPUSH_SOURCE names neither x nor bluesky."
    verb, them = ("is", "it") if len(names) == 1 else ("are", "them")
    return f"{' and '.join(names)} {verb} told within seconds while a worker reads {them}."


def _find_same(subject):
    """Upper and lower case mean the same to every source, so one track is enough for both."""
    for track in Track.objects.filter(term=subject.term):
        if _fold(track.text) == _fold(subject.text):
            return track
    return None


def _read_keywords(keywords):
    subjects = [read_subject(keyword) for keyword in keywords]
    return {_fold(subject.text): subject for subject in reversed(subjects)}


def _fold(text):
    return text.casefold()


def _create(subject, added_by, origin):
    track, is_new = Track.objects.get_or_create(
        text=subject.text,
        defaults={"term": subject.term, "added_by": added_by, "origin": origin},
    )
    if is_new:
        _forget_past(track)
    return Added(track, is_new)


def _remove(track):
    text, term = track.text, track.term
    track.delete()
    _forget_past(Track(text=text, term=term))


def _forget_past(track):
    """What was missed while nobody watched is no gap, neither now nor when it is watched for again.

    Done at both ends: tweets that were on their way when a track went still leave their position.
    """
    Gap.objects.filter(text=track.text, filled_at=None).delete()
    if not Track.objects.filter(term=track.term).exclude(text=track.text).exists():
        Position.objects.filter(term=track.term).delete()


def _describe_rulings(track):
    known = {ruling.source: ruling for ruling in track.rulings.all()}
    return [_describe_ruling(source, known.get(source)) for source in watching_sources()]


def _describe_ruling(source, ruling):
    if ruling is None:
        reason = f"{WATCHING[source]} has not been asked yet."
        return _ruling(source, Ruling.State.WAITING, reason, None)
    reason = clean_line(ruling.reason, REASON_LIMIT)
    return _ruling(source, ruling.state, reason, format_time(ruling.changed_at))


def _ruling(source, state, reason, changed_at):
    return {"source": source, "state": str(state), "reason": reason, "changed_at": changed_at}
