"""How things stand: what was stored, what waits, what went wrong, and who reads a source."""

from datetime import timedelta

from django.db.models import Q, Sum
from django.utils import timezone

from .lease import LOST_AFTER
from .models import Author, Keyword, Lease, SetAside, Tally, Tweet
from .serializers.resource import format_time

RECENT = timedelta(hours=24)


def read_stats():
    now = timezone.now()
    return {
        "tweets": Tweet.objects.count(),
        "authors": Author.objects.count(),
        "keywords": Keyword.objects.count(),
        "messages": _count_messages(now.date()),
        "unpublished": Tweet.objects.filter(published_at=None).count(),
        "set_aside": SetAside.objects.filter(received_at__gt=now - RECENT).count(),
        "sources": [_describe_lease(lease, now) for lease in Lease.objects.order_by("source")],
    }


def _count_messages(today):
    rows = Tally.objects.values_list("outcome").annotate(
        total=Sum("count"), today=Sum("count", filter=Q(day=today), default=0)
    )
    return {
        outcome: {"today": today, "total": total}
        for outcome, total, today in rows.order_by("outcome")
    }


def _describe_lease(lease, now):
    reading = bool(lease.holder) and now - lease.heartbeat_at < LOST_AFTER
    return {
        "source": lease.source,
        "reader": lease.holder if reading else None,
        "since": format_time(lease.acquired_at) if reading else None,
        "last_message_at": format_time(lease.last_message_at) if lease.last_message_at else None,
    }
