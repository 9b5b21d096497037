import gc
import json
import logging
import threading
from collections import Counter
from pathlib import Path

import pytest
from django.db import (
    DataError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connection,
)

from api import ingest
from api.ingest import COLLECT_AFTER, Ingest
from api.message_queue import MessageQueue
from api.models import Author, Position, SetAside, Tally, Tweet
from tests.api.x_messages import make_line, make_message

SAMPLE = Path(__file__).parent.parent / "samples" / "x_stream.jsonl"
DEADLINE = 20

pytestmark = pytest.mark.django_db


def make_ingest(**options):
    return Ingest("x", MessageQueue(), **options)


def asides():
    return list(SetAside.objects.order_by("pk").values_list("kind", "reason"))


def test_ingest_accounts_for_every_line_of_the_sample():
    lines = SAMPLE.read_bytes().splitlines()

    outcomes = make_ingest().ingest(lines)

    assert outcomes == Counter(stored=10, updated=1, unchanged=1, withheld=1, problem=3, unknown=1)
    assert sum(outcomes.values()) == len([line for line in lines if line.strip()])
    assert dict(Tally.objects.values_list("outcome", "count")) == outcomes
    assert Tweet.objects.get(source_id="2120000000000000006").text == "typo #Wall"
    assert Author.objects.get(source_id="0").username == ""
    assert [reason for kind, reason in asides() if kind == "problem"] == [
        "operational-disconnect, This stream has been disconnected upstream for operational"
        " reasons., UpstreamOperationalDisconnect, https://api.x.com/2/problems/operational-disconnect",
        "ConnectionException, This stream is currently at the maximum allowed connection limit.,"
        " TooManyConnections, https://api.x.com/2/problems/streaming-connection",
        "UsageCapExceeded, Usage cap exceeded: Monthly product cap,"
        " https://api.x.com/2/problems/usage-capped",
    ]
    assert asides()[-1] == ("unknown", "a message with something_new")


def test_ingest_sample_line_by_line_gives_the_same():
    together, apart = make_ingest(), make_ingest()
    lines = SAMPLE.read_bytes().splitlines()
    outcomes = together.ingest(lines)
    before = sorted(Tweet.objects.values_list("source_id", "version_id", "text"))
    Tweet.objects.all().delete()

    assert sum((apart.ingest([line]) for line in lines), Counter()) == outcomes
    assert sorted(Tweet.objects.values_list("source_id", "version_id", "text")) == before


def test_ingest_is_idempotent():
    lines = SAMPLE.read_bytes().splitlines()
    make_ingest().ingest(lines)
    before = list(Tweet.objects.order_by("pk").values())

    outcomes = make_ingest().ingest(lines)

    assert outcomes == Counter(unchanged=12, withheld=1, problem=3, unknown=1)
    assert list(Tweet.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(
    ("line", "kind", "reason"),
    [
        (b"{", "rejected", "not JSON: Expecting property name enclosed in double quotes: "),
        (b'{"data":{"id":"1","te', "rejected", "not JSON: Unterminated string"),
        (b"\xff\xfe", "rejected", "not JSON: 'utf-8' codec can't decode"),
        (b'{"data":{"id":"1","text":"x","n":NaN}}', "rejected", "not JSON: NaN is not JSON"),
        (b'{"data":{"id":"1","text":"x","n":1e999}}', "rejected", "not JSON: 1e999 is too large"),
        (b'{"data":{"id":"1","text":"x","n":' + b"9" * 5000 + b"}}", "rejected", "not JSON: "),
        (b"[" * 100_000, "rejected", "not JSON: maximum recursion depth exceeded"),
        (b'"' + b"x" * 1_000_000 + b'"', "rejected", "not JSON: longer than 1000000 bytes"),
        (b"[]", "unknown", "not an object"),
        (b"null", "unknown", "not an object"),
        (b"{}", "unknown", "a message with nothing"),
        (b'{"data":null,"b":1}', "unknown", "a message with b, data"),
        (b'{"errors":[]}', "unknown", "a message with errors"),
        (b'{"errors":[5]}', "unknown", "a message with errors"),
        (b'{"data":[]}', "rejected", "data: Must be an object."),
        (b'{"data":{}}', "rejected", "data.id: This field is required.; data.text: This field"),
        (b'{"data":{"id":"x","text":"y"}}', "rejected", "data.id: Must be a string of 1 to 20"),
        (b'{"errors":[{"title":"Gone"},{"detail":"Far"}]}', "problem", "Gone; Far"),
        (b'{"account_id":"1","title":"CreditsDepleted"}', "problem", "CreditsDepleted"),
    ],
)
def test_ingest_sets_aside_what_is_no_tweet(line, kind, reason):
    outcomes = make_ingest().ingest([make_line(), line, make_line()])

    assert outcomes == Counter({"stored": 2, kind: 1})
    [aside] = SetAside.objects.all()
    assert (aside.kind, aside.reason[: len(reason)]) == (kind, reason)
    assert aside.message == line[:20_000].decode(errors="replace")


def test_ingest_ignores_keep_alives():
    assert make_ingest().ingest([b"", b"\r\n", b"  "]) == Counter()


def test_ingest_takes_text_as_well():
    assert make_ingest().ingest([make_line().decode()]) == Counter(stored=1)


def test_ingest_logs_problems_and_cuts_what_is_long(caplog):
    long = b'{"data":{"id":"1","text":5,"x":"' + b"y" * 50_000 + b'"}}'

    with caplog.at_level(logging.WARNING):
        make_ingest().ingest([b'{"title":"Gone","detail":"for good"}', long])

    problem, rejected = [record.getMessage() for record in caplog.records]
    assert problem == "The source x reports: Gone, for good"
    assert rejected.startswith("Set aside (rejected, data.text: Must be a string.): ")
    assert len(rejected) < 500


def test_ingest_keeps_the_raw_message():
    message = make_message(text="caf\u00e9 \U0001f389")

    make_ingest().ingest([json.dumps(message).encode()])

    assert Tweet.objects.get().raw == message


def test_ingest_raw_holds_nothing_that_postgresql_refuses():
    line = rb'{"data":{"id":"1","text":"a\u0000b\ud83dc \ud83c\udf89","x":{"\u0000":"\udc00"}}}'

    assert make_ingest().ingest([line]) == Counter(stored=1)

    tweet = Tweet.objects.get()
    assert tweet.text == "a\ufffdb\ufffdc \U0001f389"
    assert tweet.raw["data"]["x"] == {"\ufffd": "\ufffd"}


def poison(text, error, table="api_tweet"):
    """Makes the database refuse every row of the table that holds this text."""

    def refuse(execute, sql, params, many, context):
        if f'"{table}"' in sql and any(text in str(param) for param in params or ()):
            raise error
        return execute(sql, params, many, context)

    return connection.execute_wrapper(refuse)


def test_ingest_isolates_a_row_that_the_database_refuses():
    lines = [make_line(text=f"tweet {n}") for n in range(9)]
    lines.insert(5, make_line(id="13", text="poison"))

    with poison("poison", DataError("too odd")):
        outcomes = make_ingest().ingest(lines)

    assert outcomes == Counter(stored=9, rejected=1)
    assert sorted(Tweet.objects.values_list("text", flat=True)) == [f"tweet {n}" for n in range(9)]
    assert asides() == [("rejected", "could not be stored: DataError('too odd')")]


def test_ingest_goes_on_when_what_is_set_aside_can_not_be_kept(caplog):
    lines = [b"[1]", b'{"title":"poison"}', b"[2]", make_line()]

    with poison("poison", DataError("too odd"), table="api_setaside"):
        outcomes = make_ingest().ingest(lines)

    assert outcomes == Counter(stored=1, unknown=2)
    assert asides() == [("unknown", "not an object")] * 2
    assert "What was set aside (poison) can not be kept: DataError('too odd')" in caplog.messages


def test_ingest_accounts_for_messages_of_any_depth():
    """Somewhere in between, JSON can still be read and no longer be written."""
    depths = range(850, 1000, 5)
    lines = [
        b'{"data":{"id":"%d","text":"x","x":%b}}' % (depth, b"[" * depth + b"]" * depth)
        for depth in depths
    ]

    outcomes = make_ingest().ingest([*lines, make_line(text="good")])

    assert outcomes["stored"] + outcomes["rejected"] == len(depths) + 1
    assert Tweet.objects.filter(text="good").count() == 1


@pytest.mark.django_db(transaction=True)
def test_ingest_announces_what_was_stored():
    seen = []

    make_ingest(announce=seen.append).ingest(SAMPLE.read_bytes().splitlines())

    assert seen == [list(Tweet.objects.order_by("pk").values_list("pk", flat=True))]


class Outage:
    """The database is away for this many transactions."""

    def __init__(self, number, error=OperationalError):
        self.left = number
        self.error = error

    def __call__(self, execute, sql, params, many, context):
        if self.left > 0:
            self.left -= 1
            raise self.error("gone")
        return execute(sql, params, many, context)


@pytest.fixture
def no_pause(monkeypatch):
    monkeypatch.setattr(ingest, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(ingest, "LONGEST_PAUSE", 0.001)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize(
    "error", [OperationalError, InterfaceError, InternalError, ProgrammingError]
)
def test_ingest_keeps_the_batch_while_the_database_is_away(caplog, error):
    with connection.execute_wrapper(Outage(5, error)):
        outcomes = make_ingest().ingest([make_line(), make_line(), b"{"])

    assert outcomes == Counter(stored=2, rejected=1)
    assert dict(Tally.objects.values_list("outcome", "count")) == outcomes
    assert sum("The database fails" in record.getMessage() for record in caplog.records) == 5


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("no_pause")
def test_ingest_gives_up_only_when_the_worker_must_stop():
    work = make_ingest()
    work.hurry.set()

    with connection.execute_wrapper(Outage(1)), pytest.raises(OperationalError):
        work.ingest([make_line()])


@pytest.mark.django_db(transaction=True)
def test_ingest_runs_until_the_queue_is_closed_and_empty():
    work = make_ingest()

    def run():
        work.run()
        connection.close()

    thread = threading.Thread(target=run)
    for _ in range(1200):
        work.queue.put(make_line())
    thread.start()
    for _ in range(20):
        work.queue.put(make_line())
    work.queue.close()
    thread.join(DEADLINE)

    assert not thread.is_alive()
    assert Tweet.objects.count() == 1220


def test_ingest_spares_the_collector_what_stays():
    threshold = gc.get_threshold()
    gc.unfreeze()
    work = make_ingest()
    work.queue.close()

    work.run()

    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold() == (COLLECT_AFTER, *threshold[1:])
    assert gc.isenabled()


@pytest.mark.django_db(transaction=True)
def test_ingest_says_now_and_then_what_came_in(caplog):
    caplog.set_level(logging.INFO)
    work = make_ingest()
    for _ in range(1600):
        work.queue.put(make_line())
    work.queue.put(b"[]")
    work.queue.close()

    work.run()

    told = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert told == ["From x: 1000 stored.", "From x: 600 stored, 1 unknown."]


def test_ingest_line_with_a_message_and_notes():
    message = make_message() | {"wallpush": {"position": {"tea": 7}}}

    outcomes = make_ingest().ingest([json.dumps(message)])

    tweet = Tweet.objects.get()
    assert outcomes == Counter(stored=1)
    assert "wallpush" not in tweet.raw
    assert dict(Position.objects.values_list("term", "value")) == {
        "tea": 7,
        "wall": int(tweet.source_id),
    }


def test_ingest_line_with_notes_alone():
    message = make_message()
    make_ingest().ingest([json.dumps(message)])
    gone = {"removed": [{"id": message["data"]["id"], "reason": "deleted"}]}

    outcomes = make_ingest().ingest([json.dumps({"wallpush": gone})])

    assert outcomes == Counter(removed=1)
    assert (Tweet.objects.get().removal, SetAside.objects.count()) == ("deleted", 0)


def test_ingest_recheck_is_passed_on():
    message = make_message(text="before")
    make_ingest().ingest([json.dumps(message)])
    message["data"]["text"] = "after"
    lines = [json.dumps(message), json.dumps(message | {"wallpush": {"recheck": True}})]

    assert make_ingest().ingest(lines) == Counter(unchanged=1, updated=1)
    assert Tweet.objects.get().text == "after"


@pytest.mark.parametrize("notes", [5, [1], {"removed": 5}, {"position": {"a": None}}])
def test_ingest_notes_that_can_not_be_read_are_set_aside(notes):
    outcomes = make_ingest().ingest([json.dumps({"wallpush": notes}), json.dumps(make_message())])

    assert outcomes == Counter(rejected=1, stored=1)


def test_ingest_notes_that_can_not_be_carried_out_cost_nothing_else(caplog):
    lines = [json.dumps({"wallpush": {"filled": {"gap": 1}}}), json.dumps(make_message())]

    assert make_ingest().ingest(lines) == Counter(stored=1)
    assert "A note of x can not be carried out" in caplog.text
