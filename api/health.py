"""Whether the wall lives: how each source and push node is, what it missed, what it costs, and what a person has to do."""

import logging
from collections import Counter
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Count, Min, Q, Sum
from django.utils import timezone

from .controls import find_cost, read_budget
from .lease import LOST_AFTER
from .models import Gap, Lease, Missed, PushNodeState, ReadDay, SetAside, SourceState, Tweet
from .push_nodes import is_silent, is_untried, read_push_nodes
from .serializers.resource import format_time
from .serializers.sanitize import clean_line
from .sources.source import CONNECTED, ENDED, STARTING, STOPPED

OK, DEGRADED, FAILED = "ok", "degraded", "failed"
SEVERITY = (OK, DEGRADED, FAILED)
# Those that send something every few seconds, be it a keep-alive. A replay may be slow.
NEVER_SILENT = ("x", "bluesky")
SILENT_AFTER = timedelta(seconds=60)
# Filling begins with the connection and takes a search or two.
GAP_OPEN_TOO_LONG = timedelta(minutes=5)
RATE_OVER = timedelta(minutes=5)
REJECTED_OVER = timedelta(hours=24)
MOST_REASONS, MOST_NOTES = 5, 3
# How many rows are looked at for so many that differ.
LOOKED_AT = 50
# Strangers have written some of what these hold.
REASON_LIMIT, NOTE_LIMIT, REJECTION_LIMIT = 300, 300, 120

logger = logging.getLogger(__name__)


def read_health(*, name_readers=False):
    """What /api/health/ answers and `manage.py source status` shows; a database that is away is part of it.

    `name_readers` adds the machine and process that reads each source, which is nothing for the public.
    """
    now = timezone.now()
    try:
        rates = _read_rates(now)
        sources = [_check(source, now, rates) for source in settings.WALLPUSH_SOURCE]
        nodes = _check_push_nodes(now)
    except DatabaseError as error:
        logger.error("The database can not be read: %s", error)
        return _describe(FAILED, now, ["The database can not be read; the log says why."], [], [])
    if not name_readers:
        for source in sources:
            del source["reader"]
    worst = max((part["status"] for part in (*sources, *nodes)), key=SEVERITY.index)
    named = [(source["source"], source) for source in sources] + [(n["name"], n) for n in nodes]
    problems = [f"{name}: {sentence}" for name, part in named for sentence in part["problems"]]
    return _describe(worst, now, problems, sources, nodes)


def read_reads(source, now, state):
    """What a source was charged for since midnight UTC, and its limit. `state` is its row, if there is one."""
    day = ReadDay.objects.filter(source=source, day=now.date()).first() or ReadDay()
    budget = read_budget(source, state)
    return {
        "posts": day.posts,
        "users": day.users,
        "dollars": float(find_cost(source, day.posts, day.users)),
        "budget": None if budget is None else float(budget),
    }


def find_reader(lease, now):
    """Who holds the lease and keeps it up, or None."""
    is_kept = lease and lease.holder and now - lease.heartbeat_at < LOST_AFTER
    return lease.holder if is_kept else None


def _describe(status, now, problems, sources, nodes):
    return {
        "status": status,
        "checked_at": format_time(now),
        "problems": problems,
        "sources": sources,
        "push_nodes": nodes,
    }


def _check_push_nodes(now):
    """Without their addresses, which are nothing for the public."""
    nodes = read_push_nodes()
    states = {state.node: state for state in PushNodeState.objects.all()} if nodes else {}
    behind = dict(Missed.objects.values_list("node").annotate(Count("pk"))) if nodes[1:] else {}
    silent = {node.name for node in nodes if is_silent(states.get(node.name), now)}
    # Where another one delivers, only some of the screens stand still.
    severity = FAILED if len(silent) == len(nodes) else DEGRADED
    return [
        _describe_push_node(node, states.get(node.name), behind.get(node.name, 0), severity, now)
        for node in nodes
    ]


def _describe_push_node(node, state, missed, severity, now):
    status, problems = OK, []
    if is_silent(state, now):
        silence = (now - state.failing_since).total_seconds()
        status = severity
        problems = [
            f"For {silence:.0f} s nothing comes through. {clean_line(state.problem, REASON_LIMIT)}"
        ]
    elif node.subscribe_url and is_untried(state, now):
        status, problems = DEGRADED, ["No worker looks whether it delivers."]
    state = state or PushNodeState()
    return {
        "name": str(node),
        "status": status,
        "problems": problems,
        "last_proof_at": _format(state.proved_at),
        "round_trip": None if state.round_trip is None else round(state.round_trip, 1),
        "workers": state.workers,
        "missed": missed,
    }


def _check(source, now, rates):
    """One source, with a number of queries that does not depend on how much there is."""
    lease = Lease.objects.filter(source=source).first()
    row = SourceState.objects.filter(source=source).first()
    state = row or SourceState(source=source)
    reader = find_reader(lease, now)
    gaps, oldest_gap = _read_gaps(source)
    problems = list(_find_problems(state, reader, oldest_gap, now))
    return {
        "source": source,
        "status": max((status for status, _ in problems), key=SEVERITY.index, default=OK),
        "problems": [sentence for _, sentence in problems],
        # What was told last by a reader that is gone says nothing of now.
        "state": (state.state or STARTING) if reader else None,
        "reason": clean_line(state.reason, REASON_LIMIT) if reader else "",
        "since": _format(state.since) if reader else None,
        "wanted": state.wanted,
        "reading": bool(reader),
        "reader": reader,
        "last_message_at": _format(_find_last_message(lease, state)),
        "last_activity_at": _format(state.last_activity_at),
        "lag": round(state.lag, 1) if reader and state.lag is not None else None,
        "tweets_per_minute": rates.get(source, 0.0),
        "gaps": gaps,
        "rejected": _read_rejected(source, now),
        "reads": read_reads(source, now, row),
    }


def _find_problems(state, reader, oldest_gap, now):
    """What is not as it should be, and how bad that is."""
    yield from _find_problem_of_state(state, reader, now)
    if oldest_gap and now - oldest_gap > GAP_OPEN_TOO_LONG:
        yield (
            DEGRADED,
            f"A gap is open since {format_time(oldest_gap)}: tweets of that time may be missing.",
        )


def _find_problem_of_state(state, reader, now):
    name, reason = state.source, clean_line(state.reason, REASON_LIMIT)
    told = f": {reason}" if reason else "."
    if not reader:
        yield FAILED, f"No worker reads it: start one that names {name} after --source."
    elif not state.wanted:
        yield DEGRADED, f"A person stopped it; `manage.py source start {name}` goes on."
    elif state.state == STOPPED:
        yield FAILED, f"It has stopped{told}"
    elif state.state == ENDED:
        yield DEGRADED, "It has come to its end."
    elif state.state != CONNECTED:
        yield DEGRADED, f"It is {state.state or STARTING}{told}"
    elif name in NEVER_SILENT and (silence := _find_silence(state, now)) > SILENT_AFTER:
        yield DEGRADED, f"No sign of life for {silence.total_seconds():.0f} s."


def _find_silence(state, now):
    """Since the last sign of life, or since it connected without one."""
    heard = [moment for moment in (state.last_activity_at, state.since) if moment]
    return now - max(heard, default=now)


def _find_last_message(lease, state):
    times = [row.last_message_at for row in (lease, state) if row and row.last_message_at]
    return max(times, default=None)


def _read_rates(now):
    """Tweets stored per minute, by source, of the last five minutes."""
    since = now - RATE_OVER
    # A tweet changes when it is stored, and changes are indexed.
    fresh = Tweet.objects.filter(changed_at__gt=since, stored_at__gt=since)
    counts = fresh.values_list("source").annotate(Count("pk"))
    return {source: round(count / (RATE_OVER.total_seconds() / 60), 1) for source, count in counts}


def _read_gaps(source):
    """Counts and notes, and when the oldest of those that are open was opened."""
    gaps = Gap.objects.filter(source=source)
    counts = gaps.aggregate(
        open=Count("pk", filter=Q(filled_at=None)),
        filled=Count("pk", filter=Q(filled_at__isnull=False)),
        found=Sum("found", default=0),
        oldest=Min("opened_at", filter=Q(filled_at=None)),
    )
    oldest = counts.pop("oldest")
    notes = gaps.exclude(note="").order_by("-pk").values_list("note", flat=True)[:LOOKED_AT]
    unlike = dict.fromkeys(clean_line(note, NOTE_LIMIT) for note in notes)
    return counts | {"notes": list(unlike)[:MOST_NOTES]}, oldest


def _read_rejected(source, now):
    rows = SetAside.objects.filter(
        source=source, kind=SetAside.Kind.REJECTED, received_at__gt=now - REJECTED_OVER
    )
    frequent = rows.values_list("reason").annotate(count=Count("pk")).order_by("-count", "reason")
    reasons = Counter()
    for reason, count in frequent[:LOOKED_AT]:
        reasons[clean_line(reason, REJECTION_LIMIT)] += count
    return {
        "count": rows.count(),
        "reasons": [
            {"reason": reason, "count": count}
            for reason, count in reasons.most_common(MOST_REASONS)
        ],
    }


def _format(moment):
    return format_time(moment) if moment else None
