import json
import os
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from api.controls import NO_LIMIT
from api.health import read_health
from api.models import Gap, Lease, Missed, PushNodeState, ReadDay, SetAside, SourceState, Tweet
from tests.api.factories import make_tweet

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def read_x(settings):
    settings.WALLPUSH_SOURCE = ["x"]


def ago(**amount):
    return timezone.now() - timedelta(**amount)


def make_reader(source="x", *, heartbeat_at=None, **state):
    """A source that a worker reads, connected and well unless something else is said."""
    now = timezone.now()
    Lease.objects.create(
        source=source,
        holder="host:1:a",
        acquired_at=now,
        heartbeat_at=heartbeat_at or now,
        last_message_at=ago(seconds=3),
    )
    defaults = {"state": "connected", "since": ago(hours=1), "last_activity_at": now, "lag": 2.345}
    return SourceState.objects.create(source=source, **defaults | state)


def check(source="x"):
    """The health of one source."""
    [found] = [each for each in read_health()["sources"] if each["source"] == source]
    return found


def test_wall_that_is_read_is_well(client):
    make_reader()

    answer = client.get("/api/health/")
    [source] = answer.json()["sources"]

    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert answer.json()["status"] == source["status"] == "ok"
    assert answer.json()["problems"] == source["problems"] == []
    assert (source["state"], source["reading"], source["lag"]) == ("connected", True, 2.3)
    assert None not in (source["since"], source["last_message_at"], source["last_activity_at"])


def test_wall_that_nobody_reads_has_failed(client):
    answer = client.get("/api/health/")
    [source] = answer.json()["sources"]

    assert answer.status_code == 503
    assert answer["Cache-Control"] == "no-store"
    assert answer.json()["status"] == "failed"
    assert answer.json()["problems"] == [
        "x: No worker reads it: start one that names x after --source."
    ]
    assert (source["state"], source["reading"]) == (None, False)


def test_reader_that_died_has_failed_whatever_it_told_last():
    make_reader(heartbeat_at=ago(seconds=11), reason="all is well")

    source = check()

    assert source["status"] == "failed"
    assert (source["state"], source["reason"], source["since"]) == (None, "", None)
    assert source["lag"] is None
    assert source["last_message_at"]


@pytest.mark.parametrize(
    ("state", "status", "problem"),
    [
        ({"state": "stopped", "reason": "X does not accept it."}, "failed", "It has stopped: X does not accept it."),
        ({"state": "stopped", "wanted": False}, "degraded", "A person stopped it; `manage.py source start x` goes on."),
        ({"state": "waiting", "reason": "HTTP 503."}, "degraded", "It is waiting: HTTP 503."),
        ({"state": "paused", "reason": "The budget."}, "degraded", "It is paused: The budget."),
        ({"state": "connecting"}, "degraded", "It is connecting."),
        ({"state": ""}, "degraded", "It is starting."),
        ({"state": "ended"}, "degraded", "It has come to its end."),
    ],
)  # fmt: skip
def test_state_decides_how_the_source_is(client, state, status, problem):
    make_reader(**state)

    assert (check()["status"], check()["problems"]) == (status, [problem])
    assert client.get("/api/health/").status_code == (503 if status == "failed" else 200)


def test_connection_without_a_sign_of_life_is_told():
    make_reader(last_activity_at=ago(seconds=75))

    [problem] = check()["problems"]

    assert problem in ("No sign of life for 75 s.", "No sign of life for 76 s.")
    assert check()["status"] == "degraded"


def test_connection_just_made_has_time_for_its_first_sign():
    make_reader(since=ago(seconds=5), last_activity_at=ago(hours=1))

    assert check()["status"] == "ok"


def test_replay_may_be_slow(settings):
    settings.WALLPUSH_SOURCE = ["replay"]
    make_reader("replay", last_activity_at=ago(hours=1))

    assert check("replay")["status"] == "ok"


def test_worst_source_decides(settings):
    settings.WALLPUSH_SOURCE = ["bluesky", "x"]
    make_reader("bluesky")
    assert read_health()["status"] == "failed"
    make_reader("x", state="paused", reason="The budget.")

    health = read_health()

    assert health["status"] == "degraded"
    assert health["problems"] == ["x: It is paused: The budget."]
    assert [source["source"] for source in health["sources"]] == ["bluesky", "x"]


def make_gap(text, **fields):
    opened_at = fields.pop("opened_at", None)
    defaults = {"source": "x", "term": text, "after": 1, "until": 9}
    gap = Gap.objects.create(text=text, **defaults | fields)
    if opened_at:
        Gap.objects.filter(pk=gap.pk).update(opened_at=opened_at)


def test_gaps_are_counted():
    make_reader()
    now = timezone.now()
    make_gap("one", filled_at=now, found=3, note="X returns no retweets.")
    make_gap("two", filled_at=now, found=4, note="X returns no retweets.")
    make_gap("three", found=0, note="Only 7 days can be searched.\x1b\n" + "!" * 500)
    make_gap("other", source="bluesky")

    gaps = check()["gaps"]

    assert (gaps["open"], gaps["filled"], gaps["found"]) == (1, 2, 7)
    assert gaps["notes"][1:] == ["X returns no retweets."]
    assert gaps["notes"][0].startswith("Only 7 days can be searched. !!!")
    assert len(gaps["notes"][0]) == 300
    assert check()["status"] == "ok"


def test_gap_that_stays_open_is_told():
    make_reader()
    make_gap("one", opened_at=ago(minutes=6))

    [problem] = check()["problems"]

    assert problem.startswith("A gap is open since 20")
    assert check()["status"] == "degraded"


def test_rejected_are_counted_by_reason_of_the_last_day():
    make_reader()
    for number, reason in enumerate(["a", "b\x1b", "c", "d", "e", "f"], start=1):
        for _ in range(number):
            SetAside.objects.create(source="x", kind="rejected", reason=reason)
    long = [SetAside(source="x", kind="rejected", reason="!" * 500 + tail) for tail in "1234567"]
    SetAside.objects.bulk_create(long)
    SetAside.objects.create(source="x", kind="problem", reason="no credits")
    SetAside.objects.create(source="replay", kind="rejected", reason="other")
    SetAside.objects.create(source="x", kind="rejected", reason="old")
    SetAside.objects.filter(reason="old").update(received_at=ago(hours=25))

    rejected = check()["rejected"]

    assert rejected["count"] == 28
    assert [(each["reason"], each["count"]) for each in rejected["reasons"]] == [
        ("!" * 120, 7),
        ("f", 6),
        ("e", 5),
        ("d", 4),
        ("c", 3),
    ]


def test_rate_is_that_of_the_last_five_minutes():
    make_reader()
    for _ in range(7):
        make_tweet(source="x")
    make_tweet(source="replay")
    old = make_tweet(source="x")  # an edit or hiding changes it, and stores no tweet
    Tweet.objects.filter(pk=old.pk).update(stored_at=ago(minutes=6))

    assert check()["tweets_per_minute"] == 1.4


@pytest.mark.parametrize(
    ("own", "setting", "budget"),
    [
        (None, None, None),
        (None, Decimal("7.5"), 7.5),
        (Decimal(2), Decimal("7.5"), 2.0),
        (Decimal(0), None, 0.0),
        (NO_LIMIT, Decimal("7.5"), None),
    ],
)
def test_reads_of_today_are_counted_against_the_budget(settings, own, setting, budget):
    settings.WALLPUSH_X_DAILY_BUDGET = setting
    make_reader(budget=own)
    today = timezone.now().date()
    ReadDay.objects.create(day=today, source="x", posts=100, users=31)
    ReadDay.objects.create(day=today - timedelta(days=1), source="x", posts=9, users=9)

    assert check()["reads"] == {"posts": 100, "users": 31, "dollars": 0.81, "budget": budget}


def test_public_is_not_told_which_machine_reads(client):
    make_reader(reason="X" * 2000)

    answer = client.get("/api/health/")

    assert b"host:1:a" not in answer.content
    assert len(answer.content) < 2000
    assert read_health(name_readers=True)["sources"][0]["reader"] == "host:1:a"


@pytest.fixture
def nodes(settings):
    settings.WALLPUSH_PUBLISH_URLS = ["http://push-a:1", "http://push-b:1"]
    settings.WALLPUSH_SUBSCRIBE_URLS = ["http://push-a:2", "http://push-b:2"]
    make_reader()
    return settings.WALLPUSH_PUBLISH_URLS


def make_state(node, **columns):
    defaults = {"proved_at": timezone.now(), "tried_at": timezone.now(), "round_trip": 1.23456}
    return PushNodeState.objects.create(node=node, **defaults | {"workers": 1} | columns)


def make_silent(node):
    return make_state(
        node, failing_since=ago(seconds=16), problem="It takes messages and delivers none."
    )


def test_push_nodes_that_deliver_are_well(nodes, client):
    for node in nodes:
        make_state(node)
    Missed.objects.create(node=nodes[1], tweet=make_tweet(), since=timezone.now())

    answer = client.get("/api/health/")
    first, second = answer.json()["push_nodes"]

    assert answer.json()["status"] == "ok"
    assert first.pop("last_proof_at").startswith("20")
    assert first == {
        "name": "push node 1",
        "status": "ok",
        "problems": [],
        "round_trip": 1.2,
        "workers": 1,
        "missed": 0,
    }
    assert (second["name"], second["missed"]) == ("push node 2", 1)
    assert b"push-" not in answer.content


def test_push_node_that_is_silent_beside_another_is_told(nodes):
    make_state(nodes[0])
    make_silent(nodes[1])

    health = read_health()

    assert health["status"] == "degraded"
    assert health["problems"] == [
        "push node 2: For 16 s nothing comes through. It takes messages and delivers none."
    ]


def test_push_nodes_that_are_all_silent_have_failed(nodes, client):
    for node in nodes:
        make_silent(node)

    assert client.get("/api/health/").status_code == 503


def test_push_node_that_was_lost_a_moment_ago_may_come_back(nodes):
    for node in nodes:
        make_state(node, failing_since=ago(seconds=5), problem="It takes no messages.")

    assert read_health()["status"] == "ok"


def test_push_node_that_nobody_tries_is_told(nodes):
    make_state(nodes[0], tried_at=ago(seconds=21), failing_since=ago(hours=1))

    health = read_health()

    assert health["status"] == "degraded"
    assert health["problems"] == [
        "push node 1: No worker looks whether it delivers.",
        "push node 2: No worker looks whether it delivers.",
    ]


def test_push_node_without_a_known_subscribe_address_is_not_judged(nodes, settings):
    settings.WALLPUSH_SUBSCRIBE_URLS = []

    health = read_health()

    assert health["status"] == "ok"
    assert [node["last_proof_at"] for node in health["push_nodes"]] == [None, None]


def test_queries_do_not_grow_with_the_rows(django_assert_num_queries):
    make_reader()
    for number in range(1, 40):
        with django_assert_num_queries(8):
            read_health()
        if number % 13 == 0:
            make_gap(f"term{number}", note=f"note {number}")
            SetAside.objects.create(source="x", kind="rejected", reason=f"reason {number}")
            make_tweet(source="x")


ASK = """
import django
django.setup()
from django.test import Client
answer = Client().get("/api/health/")
print(answer.status_code, answer["Cache-Control"])
print(answer.content.decode())
"""


@pytest.mark.parametrize("database", ["nowhere/db.sqlite3", "empty.sqlite3"])
def test_database_that_is_away_is_a_failure_and_no_traceback(tmp_path, database):
    result = subprocess.run(
        [sys.executable, "-c", ASK],
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "api.settings",
            "DATABASE_URL": f"sqlite:///{tmp_path / database}",
            "WALLPUSH_ALLOWED_HOSTS": "testserver",
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    status, body = result.stdout.splitlines()
    health = json.loads(body)
    assert status == "503 no-store"
    assert health["status"] == "failed"
    assert health["problems"] == ["The database can not be read; the log says why."]
    assert health["sources"] == []
    assert "Traceback" not in result.stderr
    assert "The database can not be read" in result.stderr
