"""How things stand: what was stored, what waits, what went wrong, what was charged, and who reads a source."""

from datetime import timedelta

from django.db.models import Q, Sum
from django.utils import timezone

from .health import REASON_LIMIT, find_reader, read_reads
from .models import Author, Keyword, Lease, SetAside, SourceState, Tally, Tweet
from .serializers.resource import format_time
from .serializers.sanitize import clean_line

RECENT = timedelta(hours=24)


def read_stats():
    now = timezone.now()
    states = {state.source: state for state in SourceState.objects.all()}
    return {
        "tweets": Tweet.objects.count(),
        "authors": Author.objects.count(),
        "keywords": Keyword.objects.count(),
        "messages": _count_messages(now.date()),
        "unpublished": Tweet.objects.filter(published_at=None).count(),
        "set_aside": SetAside.objects.filter(received_at__gt=now - RECENT).count(),
        "reads": read_reads("x", now, states.get("x")),
        "sources": [
            _describe_lease(lease, states.get(lease.source), now)
            for lease in Lease.objects.order_by("source")
        ],
    }


def _count_messages(today):
    rows = Tally.objects.values_list("outcome").annotate(
        total=Sum("count"), today=Sum("count", filter=Q(day=today), default=0)
    )
    return {
        outcome: {"today": today, "total": total}
        for outcome, total, today in rows.order_by("outcome")
    }


def _describe_lease(lease, state, now):
    reader = find_reader(lease, now)
    told = state if reader and state else SourceState()
    return {
        "source": lease.source,
        "reader": reader,
        "since": format_time(lease.acquired_at) if reader else None,
        "last_message_at": format_time(lease.last_message_at) if lease.last_message_at else None,
        "state": told.state or None,
        "reason": clean_line(told.reason, REASON_LIMIT),
    }
