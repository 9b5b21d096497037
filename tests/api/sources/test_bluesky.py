import json
import socket
import threading
import time

import pytest

from api.sources import SourceError, make_source
from api.sources.bluesky import REWIND, BlueskySource
from api.sources.bluesky_link import Timing
from api.sources.ledger import ACTIVE, REFUSED, WAITING, Ledger, LedgerUnavailable, make_track
from api.sources.source import CONNECTED, CONNECTING, STOPPED
from api.sources.source import WAITING as PAUSING
from tests.api.waiting import wait_for
from tests.jetstream_server import JetstreamServer, make_mention, make_tag

ADA, BOB, EVE = "did:plc:ada", "did:plc:bob", "did:plc:eve"
POSTS = "app.bsky.feed.post"
# Seconds, well below any time-out.
AT_ONCE, SOON = 1, 2


@pytest.fixture
def jetstream():
    with JetstreamServer() as server:
        server.add_account(ADA, "ada.example", displayName="Ada", avatar="https://a.example/a.jpg")
        server.add_account(BOB, "bob.example")
        yield server


@pytest.fixture
def make(jetstream):
    def source(*tracks, ledger=None, **options):
        ledger = ledger or Ledger([make_track(text) for text in tracks])
        options = {"urls": [jetstream.url], "api_url": jetstream.api_url} | options
        options = {"pauses": (0.001, 0.01), "watch_every": 0.01} | options
        return BlueskySource(ledger=ledger, **options)

    return source


@pytest.fixture
def connect(jetstream, make, start):
    """A source that reads what the stand-in sends from now on."""

    def run(*tracks, **options):
        run = start(make(*tracks, **options))
        jetstream.wait_until_connected()
        return run

    return run


def read(run, count):
    return [json.loads(line) for line in run.wait_for_lines(count)]


def get_texts(messages):
    return [m["data"]["commit"]["record"]["text"] for m in messages if "data" in m]


def get_position(message):
    return message["wallpush"]["position"][""]


def make_id(event):
    return f"{event['did']}~{event['commit']['rkey']}"


def make_uri(event):
    return f"at://{event['did']}/{POSTS}/{event['commit']['rkey']}"


# Reading.


def test_matching_post_is_delivered_as_it_came_with_its_author(jetstream, connect):
    run = connect("#wall", "hello")
    jetstream.publish(BOB, "Nothing")
    event = jetstream.publish(ADA, "Hello #wall", facets=[make_tag("Hello #wall", "#wall")])

    assert read(run, 1) == [
        {
            "data": event,
            "includes": {
                "profile": {
                    "did": ADA,
                    "handle": "ada.example",
                    "displayName": "Ada",
                    "avatar": "https://a.example/a.jpg",
                    "labels": [],
                }
            },
            "terms": ["hello", "wall"],
            "wallpush": {"position": {"": event["time_us"]}},
        }
    ]


def test_settings_make_a_source_that_reads(jetstream, start):
    ledger = Ledger([make_track("#wall")])
    options = {"bluesky_urls": (jetstream.url,), "bluesky_api_url": jetstream.api_url}
    run = start(make_source("bluesky", options, ledger))
    jetstream.wait_until_connected()
    jetstream.publish(ADA, "#wall")

    assert get_texts(read(run, 1)) == ["#wall"]


def test_posts_alone_are_asked_for(jetstream, connect):
    connect("#wall")

    assert jetstream.connections == [{"wantedCollections": POSTS}]


def test_quoted_and_answered_posts_come_along(jetstream, connect):
    run = connect("#wall")
    quoted = jetstream.publish(BOB, "Quote me")
    embed = {"$type": "app.bsky.embed.record", "record": {"uri": make_uri(quoted), "cid": "b"}}
    ref = {"uri": make_uri(quoted), "cid": "b"}
    jetstream.publish(ADA, "Yes #wall", embed=embed, reply={"root": ref, "parent": ref})
    media = {"$type": "app.bsky.embed.recordWithMedia", "record": {"record": ref}}
    jetstream.publish(ADA, "Again #wall", embed=media)
    first, second = read(run, 2)

    assert first["includes"]["quoted"]["record"]["text"] == "Quote me"
    assert first["includes"]["quoted"]["author"]["handle"] == "bob.example"
    assert first["includes"]["replied"]["handle"] == "bob.example"
    assert second["includes"]["quoted"] == first["includes"]["quoted"]


def test_deleted_post_is_removed(jetstream, connect):
    run = connect("#wall")
    event = jetstream.publish(ADA, "#wall")
    run.wait_for_lines(1)
    others = [jetstream.delete(jetstream.publish(BOB, "else")) for _ in range(3)]
    gone = jetstream.delete(event)
    removed, position = [], 0
    for count in range(2, 6):
        notes = read(run, count)[-1]["wallpush"]
        removed += notes["removed"]
        position = notes["position"][""]
        if len(removed) == 4:
            break

    assert removed == [{"id": make_id(it), "reason": "deleted"} for it in (*others, event)]
    assert position == gone["time_us"]


def test_removal_does_not_pass_the_post_it_is_about(jetstream, connect):
    run = connect("#wall")
    event = jetstream.publish(ADA, "#wall one")
    jetstream.delete(event)
    jetstream.publish(ADA, "#wall two")
    first, removal, second = read(run, 3)

    assert get_texts([first, second]) == ["#wall one", "#wall two"]
    assert removal["wallpush"]["removed"] == [{"id": make_id(event), "reason": "deleted"}]
    assert get_position(first) < get_position(removal) < get_position(second)


@pytest.mark.parametrize("status", ["deactivated", "takendown", "suspended", "deleted"])
def test_account_that_is_gone_is_removed(jetstream, connect, status):
    run = connect("#wall")
    jetstream.lose(EVE, status)

    assert read(run, 1)[0]["wallpush"]["removed_authors"] == [{"id": EVE, "reason": status}]


def test_account_that_is_only_slowed_down_stays(jetstream, connect):
    run = connect("#wall")
    jetstream.lose(EVE, "throttled")
    jetstream.publish(ADA, "#wall")

    assert get_texts(read(run, 1)) == ["#wall"]


def test_later_version_is_delivered_and_one_that_says_something_else_removes(jetstream, connect):
    run = connect("#wall")
    event = jetstream.publish(ADA, "one #wall")
    jetstream.update(event, text="two #wall")
    jetstream.update(event, text="three")
    messages = read(run, 3)

    assert get_texts(messages) == ["one #wall", "two #wall"]
    assert messages[2]["wallpush"]["removed"] == [{"id": make_id(event), "reason": "edited"}]


def test_quoted_post_that_is_deleted_is_asked_for_again(jetstream, connect):
    run = connect("#wall")
    quoted = jetstream.publish(BOB, "Quote me")
    embed = {"$type": "app.bsky.embed.record", "record": {"uri": make_uri(quoted), "cid": "b"}}
    jetstream.publish(ADA, "#wall", embed=embed)
    run.wait_for_lines(1)
    jetstream.delete(quoted)
    jetstream.publish(ADA, "#wall", embed=embed)

    assert "quoted" not in read(run, 3)[2]["includes"]


def test_quiet_wall_is_told_how_far_it_was_read(jetstream, connect):
    run = connect("#wall", tell_every=0.01)
    events = [jetstream.publish(BOB, "Nothing") for _ in range(3)]
    wait_for(
        lambda: run.lines and get_position(json.loads(run.lines[-1])) == events[-1]["time_us"],
        "the last position",
    )

    assert all("data" not in json.loads(line) for line in run.lines)


def test_time_to_come_is_no_place_to_go_on_from(jetstream, connect):
    run = connect("#wall")
    now = time.time_ns() // 1000
    jetstream.publish(ADA, "#wall", time_us=now + 10**12)

    assert get_position(read(run, 1)[0]) <= time.time_ns() // 1000


@pytest.mark.parametrize(
    "frame",
    [
        b"not JSON",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"kind":"commit"}',
        b'{"kind":"commit","time_us":"1","did":"did:plc:a"}',
        b'{"kind":"commit","time_us":1,"did":"a"}',
        b"[" * 100_000,
        b'{"kind":"commit","did":"did:plc:a","time_us":1,"commit":"' + b"x" * 300_000 + b'"}',
    ],
    ids=range(9),
)
def test_garbage_is_told_once_and_left_out(jetstream, connect, warnings, frame):
    run = connect("#wall")
    jetstream.send(frame)
    jetstream.send(frame)
    jetstream.publish(ADA, "#wall")

    assert get_texts(read(run, 1)) == ["#wall"]
    [told] = warnings.read_all()
    assert told.startswith("A message of the Jetstream is of no use, it")
    assert len(jetstream.connections) == 1


@pytest.mark.parametrize(
    "parts",
    [
        {"kind": "commit"},
        {"kind": "commit", "commit": {"collection": POSTS, "operation": "create", "rkey": "a b"}},
        {"kind": "commit", "commit": {"collection": POSTS, "operation": "create", "rkey": "a"}},
        {"kind": "commit", "commit": {"collection": "x", "operation": "delete", "rkey": "a"}},
        {"kind": "account", "account": {"active": False}},
        {"kind": "account", "account": {"active": True, "status": "deleted"}},
        {"kind": "identity", "identity": None},
        {"kind": "identity", "identity": {"handle": 7}},
        {"kind": "new"},
    ],
    ids=range(9),
)
def test_event_that_says_nothing_does_no_harm(jetstream, connect, warnings, parts):
    run = connect("#wall")
    event = {"did": ADA, "time_us": time.time_ns() // 1000, **parts}
    jetstream.send(json.dumps(event).encode(), event["time_us"])
    jetstream.publish(ADA, "#wall")

    assert get_texts(read(run, 1)) == ["#wall"]
    assert warnings.read_all() == []


def test_error_of_deliver_comes_out_of_run(jetstream, make, start):
    error = OSError(28, "No space left")

    def deliver(line):
        raise error

    run = start(make("#wall"), deliver)
    jetstream.wait_until_connected()
    jetstream.publish(ADA, "#wall")
    run.wait_until_over()

    assert run.error is error
    assert len(jetstream.connections) == 1


def test_messages_are_signs_of_life_and_tell_the_lag(jetstream, connect):
    run = connect("#wall")
    run.source.last_activity = 0
    jetstream.publish(ADA, "#wall")
    run.wait_for_lines(1)

    assert run.source.last_activity > 0
    assert 0 <= run.source.lag < 60


def test_messages_that_are_read_again_tell_no_lag(jetstream, connect):
    run = connect("#wall")
    event = jetstream.publish(ADA, "#wall")
    run.wait_for_lines(1)
    run.source.lag = None
    jetstream.repeat(event)
    run.wait_for_lines(2)

    assert run.source.lag is None


# What is looked for.


def test_tracks_are_read_again_while_it_reads(jetstream, connect):
    run = connect("#wall")
    ledger = run.source.ledger
    ledger.set_tracks(make_track("#other"))
    wait_for(lambda: "#other" in ledger.rulings, "the ruling of the new track")
    jetstream.publish(ADA, "#wall")
    jetstream.publish(ADA, "#other")

    assert get_texts(read(run, 1)) == ["#other"]
    assert len(jetstream.connections) == 1


def test_accounts_are_looked_up_by_their_names(jetstream, connect):
    run = connect("from:Ada.example", "@bob.example")
    text = "Hello friend"
    jetstream.publish(ADA, "from her")
    jetstream.publish(EVE, text, facets=[make_mention(text, "friend", BOB)])

    assert [m["terms"] for m in read(run, 2)] == [["from:ada.example"], ["@bob.example"]]


def test_rulings_say_what_can_not_be_looked_for(jetstream, connect):
    tracks = ["wall", "#wall", "@bob.example", "@ada_l", "from:ada_l", "from:nobody.example"]
    run = connect(*tracks, "#", "from:x.1")
    rulings = run.source.ledger.rulings

    assert {text: ruling.state for text, ruling in rulings.items()} == {
        **dict.fromkeys(["wall", "#wall", "@bob.example"], ACTIVE),
        **dict.fromkeys(["@ada_l", "from:ada_l", "from:nobody.example", "#", "from:x.1"], REFUSED),
    }
    assert rulings["@ada_l"].reason == (
        "A name on Bluesky has a dot, as in ada.bsky.social, which ada_l has not."
    )
    assert rulings["from:nobody.example"].reason == (
        "Nobody on Bluesky has the name nobody.example now."
    )


def test_account_that_can_not_be_looked_up_now_is_looked_up_later(jetstream, make, start):
    jetstream.fail_api(503)
    run = start(make("from:ada.example", "#wall", retry=0.05))
    rulings = run.source.ledger.rulings
    wait_for(lambda: rulings, "the first rulings")
    assert (rulings["from:ada.example"].state, rulings["#wall"].state) == (WAITING, ACTIVE)
    jetstream.fail_api(200)
    wait_for(lambda: rulings["from:ada.example"].state == ACTIVE, "the account")
    jetstream.wait_until_connected()
    jetstream.publish(ADA, "from her")

    assert get_texts(read(run, 1)) == ["from her"]


def test_name_that_goes_to_somebody_else_is_followed(jetstream, connect):
    run = connect("from:ada.example")
    jetstream.rename(ADA, "away.example")
    ledger = run.source.ledger
    wait_for(lambda: ledger.rulings["from:ada.example"].state == REFUSED, "the name given up")
    jetstream.rename(BOB, "ada.example")
    wait_for(lambda: ledger.rulings["from:ada.example"].state == ACTIVE, "the name taken")
    jetstream.publish(ADA, "hers")
    jetstream.publish(BOB, "his")

    assert get_texts(read(run, 1)) == ["his"]


class Ailing(Ledger):
    """A ledger that can not be reached for a number of times."""

    def __init__(self, tracks, failures):
        super().__init__(tracks)
        self.failures = failures

    def read_tracks(self):
        if self.failures:
            self.failures -= 1
            raise LedgerUnavailable("The database is away.")
        return super().read_tracks()


def test_start_waits_for_what_is_remembered(jetstream, make, start):
    ledger = Ailing([make_track("#wall")], failures=1)
    run = start(make(ledger=ledger))
    wait_for(lambda: run.source.status.state == PAUSING, "the status")
    assert run.source.status.reason == "What to look for can not be read: The database is away."
    jetstream.wait_until_connected()
    jetstream.publish(ADA, "#wall")

    assert get_texts(read(run, 1)) == ["#wall"]


def test_reading_goes_on_while_the_ledger_is_away(jetstream, connect, warnings):
    ledger = Ailing([make_track("#wall")], failures=0)
    run = connect(ledger=ledger)
    ledger.failures = 10**6
    assert (
        warnings.wait()
        == "What to look for on Bluesky can not be read again: The database is away."
    )
    jetstream.publish(ADA, "#wall")

    assert get_texts(read(run, 1)) == ["#wall"]


# Who wrote it.


def test_card_goes_out_without_its_author_where_the_api_fails(jetstream, connect):
    run = connect("#wall")
    jetstream.fail_api(500)
    jetstream.publish(ADA, "#wall")

    assert read(run, 1)[0]["includes"] == {}


def test_change_of_name_is_followed(jetstream, connect):
    run = connect("#wall")
    jetstream.publish(ADA, "#wall")
    run.wait_for_lines(1)
    jetstream.rename(ADA, "lovelace.example")
    jetstream.publish(ADA, "#wall")

    handles = [message["includes"]["profile"]["handle"] for message in read(run, 2)]
    assert handles == ["ada.example", "lovelace.example"]


def test_author_who_asks_not_to_be_shown_is_not(jetstream, connect):
    jetstream.add_account(EVE, "eve.example", labels=[{"src": EVE, "val": "!no-unauthenticated"}])
    run = connect("#wall")
    event = jetstream.publish(EVE, "#wall")

    assert read(run, 1) == [{"wallpush": {"position": {"": event["time_us"]}}}]


def test_many_at_once_are_asked_for_together(jetstream, make, start):
    start_us = time.time_ns() // 1000 - 10**9
    for number in range(100):
        jetstream.add_account(f"did:plc:{number}", f"a{number}.example")
        jetstream.publish(f"did:plc:{number}", "#wall", time_us=start_us + number)
    ledger = Ledger([make_track("#wall")])
    ledger.positions[""] = start_us
    run = start(make(ledger=ledger))
    messages = read(run, 100)

    assert [m["data"]["did"] for m in messages] == [f"did:plc:{n}" for n in range(100)]
    assert all("profile" in message["includes"] for message in messages)
    assert len(jetstream.api_requests) < 50


# The connection.


def test_reading_goes_on_where_it_ended(jetstream, make, start):
    event = jetstream.publish(ADA, "missed #wall")
    ledger = Ledger([make_track("#wall")])
    ledger.positions[""] = event["time_us"] + 1
    run = start(make(ledger=ledger))

    assert get_texts(read(run, 1)) == ["missed #wall"]
    [asked] = jetstream.connections
    assert int(asked["cursor"]) == event["time_us"] + 1 - REWIND


def test_nothing_is_lost_when_the_connection_breaks(jetstream, connect):
    run = connect("#wall")
    jetstream.publish(ADA, "#wall one")
    run.wait_for_lines(1)
    jetstream.hang_up()
    jetstream.publish(ADA, "#wall two")

    assert get_texts(read(run, 3)) == ["#wall one", "#wall one", "#wall two"]


def test_long_absence_is_told(jetstream, make, start, warnings):
    ledger = Ledger([make_track("#wall")])
    ledger.positions[""] = time.time_ns() // 1000 - 40 * 3600 * 10**6
    start(make(ledger=ledger))

    assert warnings.wait() == (
        "Bluesky was last read 40.0 hours ago; a Jetstream keeps 36, so posts are missing."
    )


def test_another_host_is_tried_from_the_same_place(jetstream, make, start):
    with JetstreamServer() as other:
        run = start(make("#wall", urls=[jetstream.url, other.url]))
        jetstream.wait_until_connected()
        event = jetstream.publish(ADA, "#wall")
        run.wait_for_lines(1)
        jetstream.hang_up()
        other.wait_until_connected()
        assert int(other.connections[0]["cursor"]) == event["time_us"] - REWIND
        other.hang_up()
        jetstream.wait_until_connected(2)
        run.stop()


def test_refusals_are_told_and_waited_out_longer_each_time(jetstream, make, start, warnings):
    jetstream.refuse(503, times=3)
    run = start(make("#wall", pauses=(0.01, 0.02)))
    jetstream.wait_until_connected()
    host = jetstream.url.removeprefix("ws://")

    assert warnings.read_all() == [
        f"The Jetstream at {host} answered HTTP 503. Connecting again in {pause:g} s."
        for pause in (0.01, 0.02, 0.02)
    ]
    wait_for(lambda: run.source.status.state == CONNECTED, "the status")


def test_too_many_connections_are_waited_out_for_long(jetstream, make, start):
    jetstream.refuse(429)
    run = start(make("#wall", pauses=(1, 3600)))
    wait_for(lambda: run.source.status.state == PAUSING, "the status")

    assert run.source.status.reason.endswith("answered HTTP 429. Connecting again in 64 s.")


def test_pause_is_short_again_after_a_long_connection(jetstream, connect, monkeypatch, warnings):
    monkeypatch.setattr("api.sources.bluesky.STEADY", 0)
    connect("#wall", pauses=(0.01, 60))
    for times in range(2, 6):
        jetstream.hang_up()
        jetstream.wait_until_connected(times)

    assert [told.partition(". ")[2] for told in warnings.read_all()] == (
        ["Connecting again in 0.01 s."] * 4
    )


@pytest.mark.parametrize(
    ("dead", "timing", "reason"),
    [
        (False, Timing(silence=0.05), "has said nothing for 0.05 s."),
        (
            True,
            Timing(ping_every=0.05, ping=0.05, close=0.05),
            "is gone: it does not answer pings.",
        ),
    ],
)
def test_stalled_link_is_noticed(jetstream, connect, warnings, dead, timing, reason):
    run = connect("#wall", timing=timing)
    jetstream.stall(dead=dead)

    assert reason in warnings.wait()
    jetstream.wait_until_connected(2)
    run.stop()
    assert run.error is None


def test_default_timing_notices_within_30_seconds():
    timing = Timing()

    assert timing.silence <= 25
    assert timing.ping_every + timing.ping + timing.close <= 25


def test_nobody_listens(make, start):
    run = start(make("#wall", urls=["ws://127.0.0.1:9"]))
    wait_for(lambda: run.source.status.state == PAUSING, "the status")

    assert "The Jetstream at 127.0.0.1:9 can not be reached: " in run.source.status.reason


@pytest.mark.parametrize(
    "urls", [[], ["https://a.example"], ["wss://"], ["wss://u@a.example"], ["wss://a.example/?b"]]
)
def test_address_that_is_none_is_told(urls):
    with pytest.raises(SourceError, match="WALLPUSH_BLUESKY_URLS"):
        BlueskySource(urls=urls)


# Stopping.


def stop(run, limit=AT_ONCE):
    started = time.monotonic()
    run.stop()
    assert time.monotonic() - started < limit
    assert run.source.status.state == STOPPED
    assert run.error is None


def test_stop_while_it_reads(jetstream, connect):
    stop(connect("#wall"))
    jetstream.wait_until_disconnected()


def test_stop_before_the_start(jetstream, make, start):
    source = make("#wall")
    source.stop()
    start(source).wait_until_over(AT_ONCE)

    assert jetstream.connections == []


def test_stop_while_it_waits(jetstream, make, start):
    jetstream.refuse(503)
    run = start(make("#wall", pauses=(3600, 3600)))
    wait_for(lambda: run.source.status.state == PAUSING, "the status")

    stop(run)


def test_stop_while_it_connects(make, start):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        run = start(make("#wall", urls=[f"ws://127.0.0.1:{silent.getsockname()[1]}"]))
        connection, _ = silent.accept()
        with connection:
            connection.recv(1)  # it asks for the stream, and gets no answer
            stop(run)


def test_stop_while_nobody_takes_the_call(make, start):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, socket.socket() as first:
        first.connect(server.getsockname())  # now the kernel lets nobody in
        url = f"ws://127.0.0.1:{server.getsockname()[1]}"
        run = start(make("#wall", urls=[url], timing=Timing(open=2)))
        wait_for(lambda: run.source.status.state == CONNECTING, "the status")
        stop(run, SOON)
        wait_for(lambda: "bluesky" not in {it.name for it in threading.enumerate()}, "its thread")


def test_stop_while_it_asks_for_profiles(jetstream, connect):
    run = connect("#wall")
    jetstream.hold_api()
    jetstream.publish(ADA, "#wall")
    jetstream.wait_until_api_asked()

    stop(run, SOON)
    jetstream.hold_api(False)


def test_stop_while_the_ledger_is_away(jetstream, make, start):
    run = start(make(ledger=Ailing([], failures=10**6)))
    wait_for(lambda: run.source.status.state == PAUSING, "the status")

    stop(run)


def test_stop_while_the_store_holds_it_back(jetstream, make, start):
    held, entered = threading.Event(), threading.Event()

    def deliver(line):
        entered.set()
        held.wait(10)

    run = start(make("#wall"), deliver)
    jetstream.wait_until_connected()
    for _ in range(1500):  # more than fits between the two
        jetstream.publish(ADA, "#wall")
    assert entered.wait(10)
    stop(run, SOON)
    held.set()
