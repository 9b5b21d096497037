import pytest
from django.utils import timezone

from api.models import Lease, ReadDay, SetAside, SourceState, Tally
from tests.api.factories import START, make_keyword, make_tweet

pytestmark = pytest.mark.django_db
NOTHING_READ = {"posts": 0, "users": 0, "dollars": 0.0, "budget": None}


def make_lease(source, holder, **times):
    Lease.objects.create(source=source, holder=holder, acquired_at=START, **times)


def test_stats_of_nothing(client):
    assert client.get("/api/stats/").json() == {
        "tweets": 0,
        "authors": 0,
        "keywords": 0,
        "messages": {},
        "unpublished": 0,
        "set_aside": 0,
        "reads": NOTHING_READ,
        "sources": [],
    }


def test_stats_count_what_there_is(client):
    now = timezone.now()
    for fields in ({}, {"published_at": now}, {"hidden_at": now}):
        make_tweet(keywords=["wall"], **fields)
    make_keyword("other")
    Tally.objects.create(day=now.date(), source="x", outcome="stored", count=2)
    Tally.objects.create(day=now.date(), source="replay", outcome="stored", count=3)
    Tally.objects.create(day=START.date(), source="x", outcome="stored", count=10)
    Tally.objects.create(day=START.date(), source="x", outcome="rejected", count=1)
    SetAside.objects.create(source="x", kind="rejected", reason="no text")
    SetAside.objects.create(source="x", kind="rejected", reason="old")
    SetAside.objects.filter(reason="old").update(received_at=START)

    stats = client.get("/api/stats/").json()

    assert stats == {
        "tweets": 3,
        "authors": 3,
        "keywords": 2,
        "messages": {
            "rejected": {"today": 0, "total": 1},
            "stored": {"today": 5, "total": 15},
        },
        "unpublished": 2,
        "set_aside": 1,
        "reads": NOTHING_READ,
        "sources": [],
    }


def test_stats_tell_who_reads_a_source(client):
    make_lease("replay", "host:1:a", heartbeat_at=timezone.now(), last_message_at=START)
    make_lease("x", "host:2:b", heartbeat_at=START)
    make_lease("y", "", heartbeat_at=timezone.now())
    SourceState.objects.create(source="replay", state="waiting", reason="HTTP\n503" + "!" * 500)
    SourceState.objects.create(source="x", state="connected")
    nobody = {"reader": None, "since": None, "last_message_at": None, "state": None, "reason": ""}

    assert client.get("/api/stats/").json()["sources"] == [
        {
            "source": "replay",
            "reader": "host:1:a",
            "since": "2024-11-20T10:00:00.000Z",
            "last_message_at": "2024-11-20T10:00:00.000Z",
            "state": "waiting",
            "reason": "HTTP 503" + "!" * 292,
        },
        {"source": "x"} | nobody,
        {"source": "y"} | nobody,
    ]


def test_stats_tell_what_x_charged_today(client, settings):
    settings.WALLPUSH_X_DAILY_BUDGET = 5
    today = timezone.now().date()
    ReadDay.objects.create(day=today, source="x", posts=3, users=1)
    ReadDay.objects.create(day=START.date(), source="x", posts=100, users=100)

    assert client.get("/api/stats/").json()["reads"] == {
        "posts": 3,
        "users": 1,
        "dollars": 0.025,
        "budget": 5.0,
    }
    SourceState.objects.create(source="x", budget="2.5")
    assert client.get("/api/stats/").json()["reads"]["budget"] == 2.5
