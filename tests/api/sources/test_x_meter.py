"""What X charges for is counted as X counts it, and stays within the day's budget."""

import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest

from api.sources import x_meter
from api.sources.ledger import Ledger, LedgerUnavailable, Reads, make_track
from api.sources.source import CONNECTED, PAUSED
from api.sources.x_meter import NO_LIMIT, Meter
from tests.api.waiting import wait_for
from tests.x_server import LOOKUP_PATH, RULES_PATH, SEARCH_PATH, STREAM_PATH
from tests.x_world import EVERYTHING

TODAY = date(2026, 11, 24)
PRICES = {"post_price": Decimal("0.005"), "user_price": Decimal("0.010")}


class SetClock:
    def __init__(self, day=TODAY):
        self.now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)

    def __call__(self):
        return self.now


@pytest.fixture
def day():
    return SetClock()


@pytest.fixture
def meter(day):
    return Meter(**PRICES, clock=day)


def make_message(post_id, *, user="u1", included=(), name="tweets"):
    includes = {"users": [{"id": user}], name: [{"id": each} for each in included]}
    return {"data": {"id": post_id}, "includes": includes}


def read_all(ledger, day=None):
    return ledger.read_reads(day or datetime.now(UTC).date())


# Counting.


@pytest.mark.parametrize("name", ["tweets", "posts"])
def test_posts_and_users_count_once_a_day(meter, name):
    meter.count(make_message("1", included=["8"], name=name))
    meter.count(make_message("1", included=["8"], name=name))
    meter.count(make_message("2", user="u2", included=["1"], name=name))
    page = {"data": [{"id": "2"}, {"id": "3"}], "includes": {"users": [{"id": "u3"}]}}

    assert meter.count(page) == 1
    assert (meter.counts, meter.spent) == ((4, 3), Decimal("0.050"))


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"errors": [{"title": "ConnectionException"}]},
        {"data": None, "includes": None},
        {"data": {"id": 5}, "includes": {"users": [{}, None, {"id": 3}], "tweets": "none"}},
        {"data": [None, 4], "includes": []},
    ],
)
def test_message_that_holds_nothing_costs_nothing(meter, message):
    meter.count(message)

    assert meter.counts == (0, 0)


def test_next_utc_day_begins_at_nothing(meter, day):
    meter.count(make_message("1"))
    day.now += timedelta(hours=11, minutes=59)
    before = meter.counts
    day.now += timedelta(minutes=1)

    assert (before, meter.counts, meter.is_charged("1")) == ((1, 1), (0, 0), False)


def test_what_was_charged_before_is_not_counted_again(meter):
    meter.load(TODAY, Reads(frozenset({"1", "2"}), frozenset({"u1"})))
    meter.count(make_message("2"))
    ledger = Ledger()
    meter.flush(ledger)

    assert meter.counts == (2, 1)
    assert read_all(ledger, TODAY) == Reads(frozenset(), frozenset())


def test_what_is_new_is_noted_once_and_under_its_day(meter, day):
    ledger = Ledger()
    noted = []
    ledger.note_reads = lambda *what: noted.append(what)
    meter.count(make_message("1"))
    day.now += timedelta(days=1)
    meter.count(make_message("1"))
    meter.flush(ledger)
    meter.flush(ledger)

    each = Reads(frozenset({"1"}), frozenset({"u1"}))
    assert noted == [(TODAY, each), (TODAY + timedelta(days=1), each)]


def test_what_could_not_be_noted_is_noted_later(meter):
    ledger = Ledger()
    note = ledger.note_reads

    def fail(*what):
        raise LedgerUnavailable("locked")

    ledger.note_reads = fail
    meter.count(make_message("1"))
    with pytest.raises(LedgerUnavailable):
        meter.flush(ledger)
    meter.count(make_message("2"))
    ledger.note_reads = note
    meter.flush(ledger)

    assert read_all(ledger, TODAY) == Reads(frozenset({"1", "2"}), frozenset({"u1"}))


def test_more_ids_than_are_told_apart_still_cost(meter, monkeypatch):
    monkeypatch.setattr(x_meter, "MOST_IDS", 3)
    ledger = Ledger()
    for number in range(5):
        meter.count({"data": {"id": str(number)}})
    meter.count({"data": {"id": "4"}})
    meter.flush(ledger)

    assert meter.counts == (6, 0)
    assert len(read_all(ledger, TODAY).posts) == 3


# The budget.


def test_no_budget_is_never_spent(meter):
    for number in range(100):
        meter.count(make_message(str(number)))

    assert (meter.is_spent(), meter.find_affordable()) == (False, NO_LIMIT)


@pytest.mark.parametrize(("budget", "reserve"), [("1", "0.09"), ("20", "0.40")])
def test_reading_ends_before_the_budget_is_passed(meter, budget, reserve):
    meter.set_budget(Decimal(budget))
    number = 0
    while not meter.is_spent():
        number += 1
        meter.count({"data": {"id": str(number)}})

    assert Decimal(budget) - Decimal(reserve) == meter.spent


def test_raised_budget_is_not_spent(meter):
    meter.set_budget(Decimal("0.05"))
    spent = meter.is_spent()
    meter.set_budget(Decimal("5"))

    assert (spent, meter.is_spent()) == (True, False)


def test_budget_of_nothing_is_spent_whatever_the_price(day):
    meter = Meter(post_price=Decimal(0), user_price=Decimal(0), clock=day)
    meter.set_budget(Decimal(0))

    assert meter.is_spent()


def test_half_of_the_budget_may_be_spent_aside(meter):
    meter.set_budget(Decimal("6"))
    first = meter.find_affordable()
    meter.count({"data": [{"id": str(number)} for number in range(400)]}, aside=True)
    second = meter.find_affordable()
    meter.count({"data": [{"id": str(number)} for number in range(1000)]})

    # A post may cost 0.03: with its author, and one that it quotes with its author.
    assert (first, second) == (100, 33)
    assert meter.find_affordable() == 29


# With the stream.


@pytest.fixture
def ledger():
    return Ledger([make_track("#wall", added_at=datetime.now(UTC) - timedelta(hours=1))])


def test_count_is_that_of_x_over_stream_search_and_lookup(x, make, start, ledger):
    for age in range(130, 0, -1):
        quoted = x.world.compose("quoted", author=f"quoted_{age % 7}", age=age + 200)
        x.world.file(quoted)
        message = x.world.compose(
            "#wall", author=f"author_{age % 11}", quote=quoted["data"]["id"], age=age
        )
        x.world.file(message)
        if age < 40:
            ledger.due.append(message["data"]["id"])
    run = start(make(ledger=ledger, settle=0))
    x.wait_until_connected()
    live = [x.publish(x.world.compose("live #wall", author="live")) for _ in range(20)]
    x.send(x.world.describe([x.world.posts[live[0]]], EVERYTHING, one=True))
    # Two notes of filled gaps (X takes a rule that is new), one of what was checked.
    run.wait_for_notes(2)
    run.wait_for(lambda: {m["data"]["id"] for m in run.messages} >= set(live), "the live ones")
    x.wait_until_played()
    run.stop()

    [charged] = x.charged.values()
    noted = read_all(ledger)
    assert (noted.posts, noted.users) == (charged.posts, charged.users)
    assert len(noted.posts) == 280
    assert len(noted.users) == 19


def is_read_or_over(x, run, before):
    return len(run.messages) > before or not x.connected


def test_stream_is_closed_before_the_budget_is_passed(x, make, start, ledger, clock, warnings):
    ledger.set_budget("0.50")
    run = start(make(ledger=ledger))
    x.wait_until_connected()
    while x.connected:
        before = len(run.messages)
        x.publish(x.world.compose("live #wall", author=f"author_{before}"))
        wait_for(partial(is_read_or_over, x, run, before), "the tweet")
    told = run.wait_for_status(PAUSED)
    paused = x.connections
    [charged] = x.charged.values()

    cost = len(charged.posts) * PRICES["post_price"] + len(charged.users) * PRICES["user_price"]
    assert Decimal("0.40") < cost <= Decimal("0.50")
    assert told == (
        "$0.42 of the day's budget of $0.50 is spent, for 28 posts and 28 users."
        " It goes on at 00:00 UTC, or when the budget is raised: manage.py source budget x 20."
    )
    assert warnings.read_all() == [f"Reading X is paused. {told}"]

    ledger.set_budget("20")
    x.wait_until_connected(paused + 1)
    run.wait_for_status(CONNECTED)


def test_paused_stream_goes_on_the_next_day(x, make, start, ledger, clock):
    ledger.set_budget("0.50")
    today = clock().date()
    ledger.note_reads(today, Reads(frozenset(map(str, range(100))), frozenset()))
    run = start(make(ledger=ledger))
    run.wait_for_status(PAUSED)
    asked = [request.path for request in x.requests]
    clock.move(days=1)
    x.wait_until_connected()

    assert not any(path.endswith("/stream") for path in asked)
    assert run.wait_for_status(CONNECTED) == ""


def test_lowered_budget_closes_a_quiet_stream(x, make, start, ledger):
    run = start(make(ledger=ledger))
    x.wait_until_connected()
    ledger.set_budget("0.01")
    x.wait_until_disconnected()

    assert run.wait_for_status(PAUSED).startswith("$0.00 of the day's budget of $0.01 is spent,")


def test_stop_while_paused(x, make, start, ledger):
    ledger.set_budget("0")
    run = start(make(ledger=ledger, tick=3600))
    run.wait_for_status(PAUSED)
    run.stop(1)

    assert run.error is None


def test_search_asks_for_no_more_than_is_left(x, make, start, ledger):
    for age in range(90, 0, -1):
        x.world.file(x.world.compose("#wall", age=age))
    ledger.set_budget("1.20")
    x.rules.add("#wall -is:nullcast", "wallpush:wall")
    run = start(make(ledger=ledger, settle=0))
    run.wait_for(lambda: len(run.messages) >= 40, "what is affordable")
    x.wait_until_requested(2, SEARCH_PATH)
    before = [
        int(request.params["max_results"]) for request in x.requests if request.path == SEARCH_PATH
    ]
    ledger.set_budget(None)
    run.wait_for_notes()

    # Half of it, at 0.03 for each; then what these left, and so on down to the smallest page.
    assert before[0] == 20
    assert all(10 <= size <= 20 for size in before)
    assert len({message["data"]["id"] for message in run.messages}) == 90


def test_nothing_is_asked_aside_when_nothing_is_left(x, make, start):
    looks = Counter()

    class Watched(Ledger):
        def read_gaps(self):
            looks["gaps"] += 1
            return super().read_gaps()

        def read_due_tweets(self, limit):
            looks["due"] += 1
            return super().read_due_tweets(limit)

    ledger = Watched([make_track("#wall")], budget=Decimal("0.10"))
    message = x.world.compose("#wall", age=50)
    x.world.file(message)
    ledger.due.append(message["data"]["id"])
    x.rules.add("#wall -is:nullcast", "wallpush:wall")
    run = start(make(ledger=ledger, settle=0))
    run.wait_for_status(CONNECTED)
    wait_for(lambda: looks["gaps"] > 2 and looks["due"] > 2, "looks for what there is to ask")
    before = {request.path for request in x.requests}
    ledger.set_budget(None)
    run.wait_for_notes(2)

    assert before == {RULES_PATH, STREAM_PATH}
    assert {request.path for request in x.requests} - before == {SEARCH_PATH, LOOKUP_PATH}


def test_reads_are_noted_when_the_run_ends_even_after_an_outage(x, make, start, monkeypatch):
    monkeypatch.setattr("api.sources.x_chores.LEDGER_PAUSE", 0.01)
    away = threading.Event()

    class Away(Ledger):
        def note_reads(self, day, reads):
            if away.is_set():
                raise LedgerUnavailable("locked")
            super().note_reads(day, reads)

    ledger = Away([make_track("#wall")])
    run = start(make(ledger=ledger))
    x.wait_until_connected()
    away.set()
    ids = {x.publish(x.world.compose("#wall")) for _ in range(3)}
    run.wait_for(lambda: len(run.messages) == 3, "the tweets")
    away.clear()
    run.stop()

    assert read_all(ledger).posts == ids


def test_nothing_is_read_until_it_is_known_what_was_read(x, make, start, monkeypatch, warnings):
    monkeypatch.setattr("api.sources.x_chores.LEDGER_PAUSE", 0.01)
    there = threading.Event()

    class Away(Ledger):
        def read_reads(self, day):
            if not there.is_set():
                raise LedgerUnavailable("locked")
            return super().read_reads(day)

    run = start(make(ledger=Away([make_track("#wall")])))
    told = warnings.wait()
    before = run.source.status.state, x.connections
    there.set()
    x.wait_until_connected()

    assert told == "X waits, what is remembered can not be reached: locked"
    assert before == ("waiting", 0)
