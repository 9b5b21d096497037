from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from api import models
from api.controls import NO_LIMIT, set_budget
from api.ledger import StoredLedger
from api.sources.ledger import ACTIVE, REFUSED, Gap, Ledger, LedgerUnavailable, Reads, Ruling
from tests.api.factories import make_tweet

pytestmark = pytest.mark.django_db(transaction=True)

DAY = date(2026, 11, 24)
GAP = Gap("#wall", "wall", after=100, until=200)


@pytest.fixture
def ledger():
    return StoredLedger("x")


@pytest.fixture(params=["in memory", "stored"])
def either(request):
    """What the one remembers the other remembers too: sources are tested with the one in memory."""
    return Ledger() if request.param == "in memory" else StoredLedger("x")


def without_ids(gaps):
    return [gap._replace(id=0) for gap in gaps]


def test_gap_is_kept_until_it_is_filled(either):
    other = GAP._replace(text="tea", term="tea")
    either.open_gaps([GAP, other])

    assert without_ids(either.read_gaps()) == [GAP, other]
    assert all(gap.id for gap in either.read_gaps())


def test_second_gap_widens_the_first(either):
    either.open_gaps([GAP])
    [first] = either.read_gaps()
    either.open_gaps([GAP._replace(after=150, until=300)])
    either.open_gaps([GAP._replace(after=50, until=60)])

    assert either.read_gaps() == [first._replace(after=50, until=300)]


def test_reads_add_up_within_their_day(either):
    either.note_reads(DAY, Reads(frozenset({"1", "2"}), frozenset({"9"})))
    either.note_reads(DAY, Reads(frozenset({"3"}), frozenset()))
    either.note_reads(DAY + timedelta(days=1), Reads(frozenset({"4"}), frozenset()))

    assert either.read_reads(DAY) == Reads(frozenset({"1", "2", "3"}), frozenset({"9"}))
    assert either.read_reads(date(2026, 1, 1)) == Reads(frozenset(), frozenset())


def test_reads_are_counted(ledger):
    ledger.note_reads(DAY, Reads(frozenset({"1", "2"}), frozenset({"9"})))
    ledger.note_reads(DAY, Reads(frozenset({"3"}), frozenset()))

    [row] = models.ReadDay.objects.all()
    assert (row.day, row.source, row.posts, row.users) == (DAY, "x", 3, 1)


def test_tracks_are_those_of_the_database(ledger):
    for text in ("#wall", "from:ada_l"):
        models.Track.objects.create(text=text, term=text.lstrip("#"))

    assert [track[:2] for track in ledger.read_tracks()] == [
        ("#wall", "wall"),
        ("from:ada_l", "from:ada_l"),
    ]


def test_rulings_are_kept_for_tracks_that_are_there(ledger):
    track = models.Track.objects.create(text="#wall", term="wall")
    ledger.note_rulings({"#wall": Ruling(REFUSED, "No."), "gone": Ruling(ACTIVE)})
    ledger.note_rulings({"#wall": Ruling(ACTIVE, rule_id="19")})
    StoredLedger("bluesky").note_rulings({"#wall": Ruling(REFUSED, "Why?")})

    rows = models.Ruling.objects.order_by("source")
    assert list(rows.values_list("track", "source", "state", "reason", "rule_id")) == [
        (track.pk, "bluesky", "refused", "Why?", ""),
        (track.pk, "x", "active", "", "19"),
    ]


def test_positions_are_those_of_the_source(ledger):
    models.Position.objects.create(source="x", term="wall", value=2**62)
    models.Position.objects.create(source="bluesky", term="", value=5)

    assert ledger.read_positions() == {"wall": 2**62}


def test_budget_of_the_settings_is_overridden_while_running(ledger, settings):
    settings.WALLPUSH_X_DAILY_BUDGET = Decimal("10.00")
    assert ledger.read_budget() == Decimal("10.00")

    set_budget("x", Decimal("20.50"))
    assert ledger.read_budget() == Decimal("20.50")

    set_budget("x", NO_LIMIT)
    assert ledger.read_budget() is None

    set_budget("x", None)
    assert ledger.read_budget() == Decimal("10.00")


def test_due_are_tweets_of_the_last_day_and_those_on_screens(ledger, monkeypatch):
    monkeypatch.setattr("api.ledger.ON_SCREENS", 2)
    now = timezone.now()
    early = datetime(2026, 1, 1, tzinfo=UTC)

    def make(version, **fields):
        made = make_tweet(source="x", version_id=version, **{"created_at": early} | fields)
        models.Tweet.objects.filter(pk=made.pk).update(stored_at=now - timedelta(hours=2))
        return made

    make("1")  # neither of the last day nor on a screen
    make("2", created_at=now - timedelta(hours=20), hidden_at=now)
    make("3", created_at=now - timedelta(hours=3), checked_at=now - timedelta(minutes=30))
    make("4", created_at=now - timedelta(hours=2), checked_at=now - timedelta(minutes=5))
    make("5", created_at=now - timedelta(hours=30))
    make("6", created_at=now - timedelta(hours=4), removed_at=now, hidden_at=now)
    make_tweet(source="replay", created_at=now)

    assert ledger.read_due_tweets(10) == ["2", "3"]
    assert ledger.read_due_tweets(1) == ["2"]
    monkeypatch.setattr("api.ledger.ON_SCREENS", 3)
    assert ledger.read_due_tweets(10) == ["2", "5", "3"]


def test_tweet_just_stored_is_not_due(ledger):
    make_tweet(source="x", created_at=timezone.now())

    assert ledger.read_due_tweets(10) == []


def test_database_that_is_away_is_told(ledger, monkeypatch):
    name = connection.settings_dict["NAME"]
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "NAME", "/nowhere/at/all.sqlite3")

    with pytest.raises(LedgerUnavailable, match=r"unable to open|does not exist"):
        ledger.read_gaps()
    monkeypatch.setitem(connection.settings_dict, "NAME", name)


def test_ledger_leaves_no_connection_behind(ledger):
    ledger.read_gaps()

    assert connection.connection is None
