import logging
import threading
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from api import reader
from api.controls import start_source, stop_source
from api.lease import acquire_lease, release_lease
from api.models import Lease, SetAside, SourceState, Tweet
from api.reader import Reader
from api.sources import Source, SourceError
from tests.api.waiting import wait_for
from tests.api.x_messages import make_line

pytestmark = pytest.mark.django_db(transaction=True)


class ListSource(Source):
    """Delivers these lines, raises the error if there is one, else waits to be stopped."""

    name = "x"

    def __init__(self, lines, error=None, ends=False):
        super().__init__()
        self.lines, self.error, self.ends = lines, error, ends

    def run(self, deliver):
        for line in self.lines:
            deliver(line)
        if self.error:
            raise self.error
        if not self.ends:
            self.stopping.wait()


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(reader, "HEARTBEAT", 0.05)
    monkeypatch.setattr(reader, "FIRST_PAUSE", 0.01)


@pytest.fixture
def read():
    """Starts a reader of these sources, one after the other."""
    readers = []

    def start(*sources):
        left = iter(sources)
        started = Reader("x", lambda: next(left), announce=None)
        readers.append(started)
        started.start()
        return started

    yield start
    for started in readers:
        started.stop()


def texts():
    return sorted(Tweet.objects.values_list("text", flat=True))


def test_reader_stores_what_the_source_delivers(read):
    read(ListSource([make_line(text="a"), make_line(text="b")]))

    wait_for(lambda: texts() == ["a", "b"], "two tweets")
    lease = wait_for(lambda: Lease.objects.exclude(last_message_at=None).first(), "a heartbeat")
    assert lease.source == "x"


def test_reader_stores_what_it_has_read_before_it_stops(read):
    source = ListSource([make_line(text=f"{n:04}") for n in range(2000)])
    started = read(source)
    wait_for(lambda: started.last_message_at, "a message")

    started.stop()

    # A reading that the stop cut short delivered a beginning of the list: all of that is there.
    stored = texts()
    assert stored == [f"{n:04}" for n in range(len(stored) or 1)]
    assert source.stopping.is_set()
    assert len(started.queue) == 0
    assert Lease.objects.get().holder == ""


def test_reader_says_that_a_message_comes_too_late_to_be_stored(read, caplog):
    deliveries = []

    class SlowSource(ListSource):
        def run(self, deliver):
            deliveries.append(deliver)
            super().run(deliver)

    started = read(SlowSource([]))
    wait_for(lambda: deliveries, "the source")
    started.stop()

    deliveries[0](make_line())

    assert "A message of x was read and not stored." in caplog.messages
    assert started.last_message_at is None


@pytest.mark.parametrize("error", [SourceError("Buy a new token."), ValueError("a bug")])
def test_reader_starts_a_failed_source_again(read, caplog, error):
    read(ListSource([make_line(text="a")], error), ListSource([make_line(text="b")]))

    wait_for(lambda: texts() == ["a", "b"], "tweets of both lives")
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage().startswith("The source x failed")
    # A sentence for a person needs no traceback, a bug does.
    assert bool(record.exc_info) == isinstance(error, ValueError)


def test_reader_waits_longer_after_each_failure(read, monkeypatch):
    started = read(*(ListSource([], ValueError(str(n))) for n in range(4)), ListSource([]))

    wait_for(lambda: started._pause > 8 * reader.FIRST_PAUSE, "four failures")


def test_reader_does_not_repeat_a_source_that_has_ended(read, caplog):
    caplog.set_level(logging.WARNING)
    started = read(ListSource([make_line(text="a")], ends=True))

    wait_for(lambda: "The source x has come to its end." in caplog.messages, "the end")
    wait_for(lambda: texts() == ["a"], "the tweet")
    assert started._start_at == float("inf")


def test_reader_source_that_can_not_be_made_is_tried_again(caplog):
    attempts = []

    def make_source():
        attempts.append(1)
        if len(attempts) == 1:
            raise SourceError("The file is gone.")
        return ListSource([make_line(text="a")])

    started = Reader("x", make_source, announce=None)
    started.start()
    wait_for(lambda: texts() == ["a"], "a tweet")
    started.stop()

    assert "The source x can not be read: The file is gone." in caplog.messages


def test_reader_stands_by_while_another_one_reads(read, monkeypatch):
    acquire_lease("x", "another")
    attempts = []

    def acquire(*args):
        attempts.append(acquire_lease(*args))
        return attempts[-1]

    monkeypatch.setattr(reader, "acquire_lease", acquire)
    read(ListSource([make_line(text="a")]))
    wait_for(lambda: len(attempts) > 2, "attempts")
    assert set(attempts) == {False}

    release_lease("x", "another")

    wait_for(lambda: texts() == ["a"], "the take-over")


def test_reader_ends_its_source_when_it_loses_the_lease(read):
    first, second = ListSource([make_line(text="a")]), ListSource([make_line(text="b")])
    read(first, second)
    wait_for(lambda: texts() == ["a"], "a tweet")

    Lease.objects.update(holder="another", heartbeat_at=timezone.now())
    wait_for(first.stopping.is_set, "the end of the first")
    release_lease("x", "another")

    wait_for(lambda: texts() == ["a", "b"], "the second reading")


def test_reader_two_workers_read_once(read):
    lines = [make_line(text="a")]
    readers = [read(ListSource(lines), ListSource(lines)) for _ in range(2)]
    wait_for(lambda: texts() == ["a"], "a tweet")

    runs = [started for started in readers if started._run]
    assert len(runs) == 1
    runs[0].stop()
    wait_for(lambda: [r for r in readers if r._run and r is not runs[0]], "the other one")


def test_reader_goes_on_reading_while_the_lease_can_not_be_renewed(read, monkeypatch, caplog):
    failed = threading.Event()

    def fail(*args):
        failed.set()
        raise OperationalError("gone")

    source = ListSource([make_line(text="a")])
    read(source)
    wait_for(lambda: texts() == ["a"], "a tweet")
    monkeypatch.setattr(reader, "renew_lease", fail)

    wait_for(failed.is_set, "a heartbeat")
    wait_for(lambda: "The lease of x can not be renewed: gone" in caplog.messages, "the log")
    assert not source.stopping.is_set()


def test_reader_survives_a_bug_in_storing(read, monkeypatch, caplog):
    broken, ingest = threading.Event(), reader.Ingest.ingest

    def fail_once(self, lines):
        if not broken.is_set():
            broken.set()
            raise ValueError("a bug")
        return ingest(self, lines)

    monkeypatch.setattr(reader.Ingest, "ingest", fail_once)
    started = read(ListSource([make_line(text="lost")]))
    wait_for(broken.is_set, "the failure")
    started.queue.put(make_line(text="a"))

    wait_for(lambda: texts() == ["a"], "the next batch")
    assert SetAside.objects.count() == 0
    assert "Storing failed." in caplog.messages


def state():
    row = SourceState.objects.filter(source="x").first()
    return (row.state, row.reason) if row else None


def test_reader_tells_how_its_source_is(read):
    class TalkingSource(ListSource):
        def run(self, deliver):
            self.set_status("connected", "All is well.")
            self.note_activity()
            self.note_lag(timezone.now() - timedelta(seconds=7))
            super().run(deliver)

    read(TalkingSource([make_line(text="a")]))

    wait_for(lambda: state() == ("connected", "All is well."), "the state")
    row = wait_for(
        lambda: SourceState.objects.exclude(last_message_at=None).first(), "the last message"
    )
    assert 7 <= row.lag < 8
    assert row.last_activity_at >= row.since


def test_reader_leaves_alone_what_failed_for_good_until_it_is_asked(read):
    final = SourceError("Buy some credits.", final=True)
    started = read(ListSource([], final), ListSource([make_line(text="a")]))
    stopped = ("stopped", "Buy some credits. Then: manage.py source start x.")
    wait_for(lambda: state() == stopped, "the alarm")
    assert started._start_at == float("inf")

    start_source("x")

    wait_for(lambda: texts() == ["a"], "the second life")


def test_reader_tells_when_it_tries_again(read, monkeypatch):
    monkeypatch.setattr(reader, "FIRST_PAUSE", 3600.0)
    read(ListSource([], SourceError("The file is gone.")))

    wait_for(
        lambda: state() == ("waiting", "The file is gone. Reading again in 3600 s."), "the state"
    )


def test_reader_stops_and_starts_when_it_is_asked(read):
    first, second = ListSource([make_line(text="a")]), ListSource([make_line(text="b")])
    read(first, second)
    wait_for(lambda: texts() == ["a"], "a tweet")

    stop_source("x")
    wait_for(first.stopping.is_set, "the end of the first")
    told = ("stopped", "Stopped by hand; manage.py source start x goes on.")
    wait_for(lambda: state() == told, "the state")
    assert texts() == ["a"]

    start_source("x")
    wait_for(lambda: texts() == ["a", "b"], "the second life")
