"""The ledger of a source, in the database."""

from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, connections, transaction
from django.db.models import F, Q
from django.utils import timezone

from . import models
from .controls import read_budget
from .sources.ledger import Gap, Ledger, LedgerUnavailable, Reads, Track

# What a wall shows at the most, and how far back X wants its deletions honoured.
ON_SCREENS = 200
RECHECKED = timedelta(days=1)


@contextmanager
def reaching_the_database():
    """A source's threads come and go: each call opens its connection, and closes it again."""
    try:
        yield
    except DatabaseError as error:
        raise LedgerUnavailable(str(error)) from error
    finally:
        connections.close_all()


class StoredLedger(Ledger):
    def __init__(self, source):
        super().__init__()
        self.source = source

    def read_tracks(self):
        with reaching_the_database():
            rows = models.Track.objects.order_by("pk")
            return tuple(Track(*row) for row in rows.values_list("text", "term", "added_at"))

    def note_rulings(self, rulings):
        with reaching_the_database(), transaction.atomic():
            tracks = dict(models.Track.objects.filter(text__in=rulings).values_list("text", "pk"))
            rows = [
                models.Ruling(
                    track_id=tracks[text],
                    source=self.source,
                    **ruling._asdict() | {"reason": ruling.reason[:1000]},
                    changed_at=timezone.now(),
                )
                for text, ruling in sorted(rulings.items())
                if text in tracks
            ]
            models.Ruling.objects.bulk_create(
                rows,
                update_conflicts=True,
                unique_fields=["track", "source"],
                update_fields=["state", "reason", "rule_id", "changed_at"],
            )

    def read_positions(self):
        with reaching_the_database():
            rows = models.Position.objects.filter(source=self.source)
            return dict(rows.values_list("term", "value"))

    def open_gaps(self, gaps):
        with reaching_the_database(), transaction.atomic():
            for gap in gaps:
                self._open_gap(gap)

    def _open_gap(self, gap):
        known = models.Gap.objects.select_for_update().filter(
            source=self.source, text=gap.text, filled_at=None
        )
        row = known.first()
        if row is None:
            models.Gap.objects.create(source=self.source, **gap._asdict() | {"id": None})
        else:
            known.update(after=min(row.after, gap.after), until=max(row.until, gap.until))

    def read_gaps(self):
        with reaching_the_database():
            rows = models.Gap.objects.filter(source=self.source, filled_at=None).order_by("pk")
            return [Gap(*row) for row in rows.values_list(*Gap._fields)]

    def read_reads(self, day):
        with reaching_the_database():
            rows = models.Read.objects.filter(day=day, source=self.source)
            ids = {
                kind: frozenset(rows.filter(kind=kind).values_list("resource_id", flat=True))
                for kind in models.Read.Kind
            }
            return Reads(posts=ids[models.Read.Kind.POST], users=ids[models.Read.Kind.USER])

    def note_reads(self, day, reads):
        with reaching_the_database(), transaction.atomic():
            kinds = ((models.Read.Kind.POST, reads.posts), (models.Read.Kind.USER, reads.users))
            models.Read.objects.bulk_create(
                [
                    models.Read(day=day, source=self.source, kind=kind, resource_id=resource_id)
                    for kind, ids in kinds
                    for resource_id in sorted(ids)
                ],
                ignore_conflicts=True,
            )
            models.ReadDay.objects.get_or_create(day=day, source=self.source)
            models.ReadDay.objects.filter(day=day, source=self.source).update(
                posts=F("posts") + len(reads.posts), users=F("users") + len(reads.users)
            )

    def read_budget(self):
        with reaching_the_database():
            state = models.SourceState.objects.filter(source=self.source).first()
            return read_budget(self.source, state)

    def read_due_tweets(self, limit):
        with reaching_the_database():
            return list(find_due_tweets(self.source).values_list("version_id", flat=True)[:limit])


def find_due_tweets(source):
    """Tweets that the source is to be asked about again: those of the last day, and those on screens."""
    now = timezone.now()
    kept = models.Tweet.objects.filter(source=source, removed_at=None)
    on_screens = list(
        kept.filter(hidden_at=None)
        .order_by("-created_at", "-id")
        .values_list("pk", flat=True)[:ON_SCREENS]
    )
    known_since = now - timedelta(minutes=settings.WALLPUSH_X_RECHECK_MINUTES)
    due = Q(checked_at__lt=known_since) | Q(checked_at=None, stored_at__lt=known_since)
    wanted = Q(pk__in=on_screens) | Q(created_at__gt=now - RECHECKED)
    return kept.filter(wanted, due).order_by(F("checked_at").asc(nulls_first=True), "pk")
