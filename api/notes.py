"""What a source notes beside its messages (sources/notes.py), read with care and carried out in the batch's transaction."""

from collections import Counter
from dataclasses import dataclass, field

from django.db.models import F
from django.utils import timezone

from .models import Gap, Position, Tweet
from .removal import find_by_any_id, remove_author, remove_tweets

REMOVED = "removed"


@dataclass(frozen=True)
class Notes:
    """Of one line. Each part may be empty."""

    position: dict = field(default_factory=dict)
    filled: dict = field(default_factory=dict)
    removed: tuple = ()
    removed_authors: tuple = ()
    checked: tuple = ()


def read_notes(values):
    """The notes under that name in a line. Raises ValueError where a source wrote something else."""
    try:
        return Notes(
            position={str(term): int(value) for term, value in values.get("position", {}).items()},
            filled=values.get("filled", {}),
            removed=_read_removals(values.get("removed", ())),
            removed_authors=_read_removals(values.get("removed_authors", ())),
            checked=tuple(map(str, values.get("checked", ()))),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"notes that can not be read: {error!r}") from error


def _read_removals(items):
    return tuple((str(item["id"]), str(item["reason"])) for item in items)


def carry_out(source, notes):
    """Does what the notes say, in their order. Returns the keys to be published, and counts of what was done."""
    pks, outcomes = [], Counter()
    for note in notes:
        removed = _remove(note)
        outcomes[REMOVED] += len(removed)
        pks += removed
        if note.checked:
            Tweet.objects.filter(find_by_any_id(note.checked)).update(checked_at=timezone.now())
        if note.filled:
            _close_gap(**note.filled)
    _move_positions(source, notes)
    return list(dict.fromkeys(pks)), +outcomes


def _remove(note):
    by_reason = {}
    for tweet_id, reason in note.removed:
        by_reason.setdefault(reason, []).append(tweet_id)
    pks = [pk for reason, ids in by_reason.items() for pk in remove_tweets(ids, reason)]
    for author_id, reason in note.removed_authors:
        pks += remove_author(author_id, reason)
    return pks


def _close_gap(gap, after, until, found=0, note=""):
    """A gap that was widened while it was being filled stays open for the rest."""
    told = {"found": F("found") + found, "note": note}
    open_gap = Gap.objects.filter(pk=gap, filled_at=None)
    searched = open_gap.filter(after__gte=after)
    open_gap.filter(after__lt=after).update(**told)
    searched.filter(until__lte=until).update(filled_at=timezone.now(), **told)
    searched.filter(until__gt=until).update(after=until, **told)


def _move_positions(source, notes):
    highest = {}
    for note in notes:
        for term, value in note.position.items():
            highest[term] = max(value, highest.get(term, value))
    if not highest:
        return
    rows = Position.objects.filter(source=source, term__in=highest)
    known = dict(rows.values_list("term", "value"))
    moved = [
        Position(source=source, term=term, value=value)
        for term, value in sorted(highest.items())
        if value > known.get(term, -1)
    ]
    Position.objects.bulk_create(
        moved, update_conflicts=True, unique_fields=["source", "term"], update_fields=["value"]
    )
