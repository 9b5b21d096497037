import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from api.controls import NO_LIMIT
from api.management.table import align
from api.models import Gap, Lease, Missed, PushNodeState, ReadDay, SetAside, SourceState
from tests.api.factories import make_tweet

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def read_x(settings):
    settings.WALLPUSH_SOURCE = ["x"]


class Told:
    """What a command says, and its exit code."""

    def __init__(self, *arguments):
        out, err = StringIO(), StringIO()
        try:
            call_command("source", *arguments, stdout=out, stderr=err, skip_checks=False)
            self.code = 0
        except SystemExit as stop:
            self.code = stop.code
        self.out, self.err = out.getvalue(), err.getvalue()


def make_reader(source="x", **state):
    now = timezone.now()
    Lease.objects.create(source=source, holder="host:1:a", acquired_at=now, heartbeat_at=now)
    since = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    defaults = {"state": "connected", "since": since, "last_activity_at": now, "lag": 6.23}
    SourceState.objects.create(source=source, **defaults | state)


def test_status_is_plain_and_aligned():
    make_reader(last_message_at=datetime(2026, 11, 24, 20, 0, 1, tzinfo=UTC), budget=5)
    filled = timezone.now()
    Gap.objects.create(
        source="x", text="#wall", after=1, until=9, found=3, filled_at=filled, note="No retweets."
    )
    SetAside.objects.create(source="x", kind="rejected", reason="no text")
    ReadDay.objects.create(day=timezone.now().date(), source="x", posts=100, users=31)

    told = Told("status")

    first, empty, *lines = told.out.splitlines()
    activity = next(line for line in lines if "sign of life" in line)
    assert told.code == 0
    assert first.startswith("ok at 20")
    assert first.endswith(" UTC")
    assert empty == ""
    assert activity.startswith("  last sign of life   20")
    assert [line for line in lines if line != activity] == [
        "x: ok",
        "  state               connected since 2026-11-24 09:30:00 UTC",
        "  reader              host:1:a",
        "  last message        2026-11-24 20:00:01 UTC",
        "  lag                 6.2 s",
        "  tweets per minute   0.0",
        "  gaps                0 open, 1 filled, 3 tweets found",
        "                      No retweets.",
        "  rejected in 24 h    1",
        "                      1x no text",
        "  read today          100 posts and 31 users, US dollars: 0.81 of 5.00",
    ]


def test_status_shows_how_push_nodes_deliver(settings):
    settings.WALLPUSH_PUBLISH_URLS = ["http://push-a:1", "http://push-b:1"]
    make_reader("x")
    PushNodeState.objects.create(
        node="http://push-a:1",
        proved_at=parse_datetime("2026-11-24T20:00:01Z"),
        tried_at=timezone.now(),
        round_trip=2.34,
        workers=1,
    )
    Missed.objects.create(node="http://push-b:1", tweet=make_tweet(), since=timezone.now())

    told = Told("status")

    assert told.out.splitlines()[-2:] == [
        "push node 1: ok   delivered 2026-11-24 20:00:01 UTC   2.3 ms",
        "push node 2: ok   delivered -                                  1 messages wait for it",
    ]


def test_status_of_a_wall_that_nobody_reads_fails(settings):
    settings.WALLPUSH_SOURCE = ["replay", "x"]
    make_reader("replay")

    told = Told("status")

    assert told.code == 1
    assert told.out.startswith("failed at ")
    assert "\n  ! x: No worker reads it: start one that names x after --source.\n" in told.out
    assert "\nreplay: ok\n" in told.out
    assert "\n  state               not read\n" in told.out
    assert told.out.count("read today") == 1


def test_status_with_troubles_that_pass_is_no_failure():
    make_reader(state="paused", reason="The budget of 5.00 is spent.")

    told = Told("status")

    assert told.code == 0
    assert told.out.startswith("degraded at ")
    assert "\n  ! x: It is paused: The budget of 5.00 is spent.\n" in told.out
    assert "\n  state               paused since 2026-11-24 09:30:00 UTC\n" in told.out


def test_status_tells_a_remark_of_a_source_that_is_well():
    make_reader(reason="Nothing is tracked here.")

    assert (
        "connected since 2026-11-24 09:30:00 UTC (Nothing is tracked here.)" in Told("status").out
    )


def test_costs_are_rounded_up():
    make_reader()
    ReadDay.objects.create(day=timezone.now().date(), source="x", posts=13, users=4)

    assert "US dollars: 0.11, no limit" in Told("status").out


def test_status_as_json_is_that_of_the_api_with_the_reader(client):
    make_reader()

    health = json.loads(Told("status", "--json").out)

    [source] = health["sources"]
    assert source.pop("reader") == "host:1:a"
    assert health | {"checked_at": ""} == client.get("/api/health/").json() | {"checked_at": ""}
    SourceState.objects.update(state="stopped")
    assert Told("status", "--json").code == 1


def test_source_is_stopped_and_started():
    make_reader()

    told = Told("stop", "x")
    assert told.out == "x is stopped within seconds, until `source start x`.\n"
    assert SourceState.objects.get().wanted is False

    told = Told("start", "x")
    state = SourceState.objects.get()
    assert told.out == "x is started within seconds, if a worker runs that reads it.\n"
    assert state.wanted is True
    assert timezone.now() - state.start_asked_at < timedelta(minutes=1)
    assert state.state == "connected"


def test_source_that_was_never_read_can_be_stopped_and_says_so():
    told = Told("start", "bluesky")

    assert told.err == "bluesky is not in WALLPUSH_SOURCE, so no worker reads it.\n"
    assert SourceState.objects.get().source == "bluesky"


@pytest.mark.parametrize(
    ("amount", "budget", "sentence"),
    [
        ("10", 10, "x pauses before it has cost 10.00 US dollars on a day (UTC)."),
        ("2.5", 2.5, "x pauses before it has cost 2.50 US dollars on a day (UTC)."),
        ("0", 0, "x pauses before it has cost 0.00 US dollars on a day (UTC)."),
        ("none", NO_LIMIT, "x may cost what it does."),
        ("default", None, "x has the budget of WALLPUSH_X_DAILY_BUDGET again: no limit."),
    ],
)
def test_budget_is_set(amount, budget, sentence):
    SourceState.objects.create(source="x", budget=7)

    told = Told("budget", "x", amount)

    assert told.out == f"{sentence} It takes effect within seconds.\n"
    assert SourceState.objects.get().budget == budget


def test_budget_of_the_settings_is_named(settings):
    settings.WALLPUSH_X_DAILY_BUDGET = 5

    assert "again: 5.00 US dollars a day." in Told("budget", "x", "default").out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["stop", "y"], "There is no source 'y'. There are replay, x, bluesky."),
        (["start", "X"], "There is no source 'X'."),
        (["budget", "y", "5"], "There is no source 'y'."),
        (["budget", "bluesky", "5"], "bluesky costs nothing, so it needs no budget."),
        (["budget", "x", "-5"], "not '-5'"),
        (["budget", "x", "1e9"], "A budget is an amount of US dollars such as 10 or 2.50"),
        (["budget", "x", "nan"], "not 'nan'"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(arguments, sentence):
    with pytest.raises(CommandError, match=sentence):
        Told(*arguments)
    assert not SourceState.objects.exists()


@pytest.mark.parametrize("arguments", [["status"], ["stop", "x"]])
def test_database_that_is_away_is_told_in_a_sentence(tmp_path, arguments):
    result = subprocess.run(
        [sys.executable, "manage.py", "source", *arguments],
        env=os.environ | {"DATABASE_URL": f"sqlite:///{tmp_path}/nowhere/db.sqlite3"},
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert result.returncode == 1
    assert "The database can not be" in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def test_columns_stand_below_each_other_whatever_the_signs():
    rows = [("one", "two", "three"), ("\u65e5\u672c", "e\u0301", ""), ("a", "", "b")]

    assert align(rows) == [
        "one    two   three",
        "\u65e5\u672c   e\u0301",
        "a            b",
    ]
