"""Takes out what is too old to be kept: tweets, as the settings say, and what was written down about the reading."""

import logging
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from .models import Author, Gap, Read, SetAside, Tweet
from .periodic import Periodic
from .removal import remove_tweets

INTERVAL, LONGEST_PAUSE = 60.0, 600.0
CHUNK = 500
EXPIRED = "expired"
# Longer than a client may be away and still learn from the list of changes what is gone.
TOMBSTONES_KEPT = timedelta(days=30)
# X wants what it has deleted gone within a day, and what was set aside is not asked about again.
ASIDES_KEPT = timedelta(days=1)
READS_KEPT = timedelta(days=2)
GAPS_KEPT = timedelta(days=30)

logger = logging.getLogger(__name__)


def remove_expired():
    """Removes a number of the tweets that are older than WALLPUSH_RETENTION_DAYS. True if there are more."""
    if not settings.WALLPUSH_RETENTION_DAYS:
        return False
    oldest = timezone.now() - timedelta(days=settings.WALLPUSH_RETENTION_DAYS)
    expired = Tweet.objects.filter(created_at__lt=oldest, removed_at=None).order_by("created_at")
    ids = list(expired.values_list("source_id", flat=True)[:CHUNK])
    if ids:
        remove_tweets(ids, EXPIRED)
        logger.info(
            "%d tweets are older than %d days and were removed.",
            len(ids),
            settings.WALLPUSH_RETENTION_DAYS,
        )
    return len(ids) == CHUNK


def forget_old():
    """Deletes tombstones that every screen has heard of, authors of whom nothing is left, and old notes."""
    now = timezone.now()
    tombstones = Tweet.objects.filter(
        removed_at__lt=now - TOMBSTONES_KEPT, published_at__isnull=False
    )
    pks = list(tombstones.order_by("pk").values_list("pk", "author_id")[:CHUNK])
    Tweet.objects.filter(pk__in=[pk for pk, _ in pks]).delete()
    Author.objects.filter(pk__in={author for _, author in pks}, tweets=None).delete()
    Read.objects.filter(day__lt=(now - READS_KEPT).date()).delete()
    Gap.objects.filter(filled_at__lt=now - GAPS_KEPT).delete()
    SetAside.objects.filter(received_at__lt=now - ASIDES_KEPT).exclude(message="").update(
        message=""
    )


class Retention(Periodic):
    name = "retention"

    def __init__(self):
        super().__init__(INTERVAL, LONGEST_PAUSE)

    def _work(self):
        while remove_expired() and not self._stopping.is_set():
            continue
        forget_old()
