"""The stand-in is tested with the library that the source uses, and nothing of the source."""

import json
import time

import pytest
import requests
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from tests.jetstream_server import JetstreamServer, make_mention, make_tag, make_tid

ADA = "did:plc:ada"
HOUR = 3600 * 1_000_000


@pytest.fixture
def jetstream():
    with JetstreamServer() as server:
        yield server


def subscribe(jetstream, **params):
    query = "&".join(f"{name}={value}" for name, value in params.items())
    return connect(f"{jetstream.url}/subscribe?{query}", close_timeout=1)


def receive(connection, count):
    return [json.loads(connection.recv(5)) for _ in range(count)]


def test_events_have_the_shape_of_the_first_wire(jetstream):
    text = "Hé #wall"
    with subscribe(jetstream) as connection:
        jetstream.wait_until_connected()
        event = jetstream.publish(ADA, text, rkey="3m", facets=[make_tag(text, "#wall")])
        [received] = receive(connection, 1)

    assert received == event
    assert (received["did"], received["kind"]) == (ADA, "commit")
    assert abs(received["time_us"] / 1e6 - time.time()) < 60
    commit = received["commit"]
    assert (commit["operation"], commit["collection"]) == ("create", "app.bsky.feed.post")
    assert (commit["rkey"], len(commit["rev"])) == ("3m", 13)
    assert commit["record"]["facets"][0]["index"] == {"byteStart": 4, "byteEnd": 9}


def test_a_connection_without_a_cursor_hears_what_comes(jetstream):
    jetstream.publish(ADA, "before")
    with subscribe(jetstream) as connection:
        jetstream.wait_until_connected()
        jetstream.publish(ADA, "after")

        assert receive(connection, 1)[0]["commit"]["record"]["text"] == "after"


def test_a_cursor_is_inclusive_and_goes_back_for_36_hours(jetstream):
    now = time.time_ns() // 1000
    old = jetstream.publish(ADA, "old", time_us=now - 37 * HOUR)
    events = [jetstream.publish(ADA, str(n), time_us=now - n * HOUR) for n in (3, 2, 1)]
    with subscribe(jetstream, cursor=events[1]["time_us"]) as connection:
        assert receive(connection, 2) == events[1:]
    with subscribe(jetstream, cursor=old["time_us"]) as connection:
        assert receive(connection, 3) == events


def test_only_wanted_collections_come_and_always_accounts(jetstream):
    with subscribe(jetstream, wantedCollections="app.bsky.feed.like") as connection:
        jetstream.wait_until_connected()
        jetstream.publish(ADA, "no")
        lost = jetstream.lose(ADA, "takendown")

        assert receive(connection, 1) == [lost]


def test_versions_deletes_repeats_and_garbage(jetstream):
    jetstream.add_account(ADA, "ada.example")
    with subscribe(jetstream) as connection:
        jetstream.wait_until_connected()
        first = jetstream.publish(ADA, "one")
        jetstream.update(first, text="two")
        jetstream.repeat(first)
        jetstream.delete(first)
        jetstream.rename(ADA, "a.example")
        jetstream.send(b"\xff")
        events = receive(connection, 5)
        garbage = connection.recv(5)

    assert [event["commit"]["operation"] for event in events[:4]] == [
        *("create", "update", "create", "delete")
    ]
    assert len({event["commit"]["rkey"] for event in events[:4]}) == 1
    assert "record" not in events[3]["commit"]
    assert events[4]["identity"]["handle"] == "a.example"
    assert garbage == b"\xff"


def test_hanging_up_is_no_farewell(jetstream):
    with subscribe(jetstream) as connection:
        jetstream.wait_until_connected()
        jetstream.hang_up()
        with pytest.raises(ConnectionClosedError):
            connection.recv(5)
    jetstream.wait_until_disconnected()


def test_stalled_connection_hears_nothing_and_the_next_one_does(jetstream):
    with subscribe(jetstream) as stalled:
        jetstream.wait_until_connected()
        jetstream.stall()
        with subscribe(jetstream) as connection:
            jetstream.wait_until_connected(2)
            jetstream.publish(ADA, "Hello")
            receive(connection, 1)
        with pytest.raises(TimeoutError):
            stalled.recv(0)
        assert stalled.ping().wait(5)


def test_dead_connection_does_not_even_answer(jetstream):
    with subscribe(jetstream) as connection:
        jetstream.wait_until_connected()
        jetstream.stall(dead=True)
        connection.ping().wait(0.1)  # the stand-in may have been waiting for this one already
        assert not connection.ping().wait(0.1)
        jetstream.hang_up()


@pytest.mark.parametrize(("path", "status"), [("/subscribe", 503), ("/else", 404)])
def test_refusal(jetstream, path, status):
    if status == 503:
        jetstream.refuse(503)
    with pytest.raises(InvalidStatus) as caught, connect(jetstream.url + path):
        pass

    assert caught.value.response.status_code == status


def ask(jetstream, method, **params):
    return requests.get(f"{jetstream.api_url}/xrpc/{method}", params=params, timeout=5)


def test_api_knows_accounts_by_did_and_handle(jetstream):
    jetstream.add_account(ADA, "ada.example", displayName="Ada")
    for actor in (ADA, "Ada.Example"):
        answer = ask(jetstream, "app.bsky.actor.getProfiles", actors=[actor, "did:plc:nobody"])
        assert answer.json()["profiles"] == [
            {"did": ADA, "handle": "ada.example", "displayName": "Ada"}
        ]


@pytest.mark.parametrize("actors", [[], [ADA] * 26, [ADA, "no handle"], [ADA, "x.1"]])
def test_api_refuses_what_it_can_not_answer(jetstream, actors):
    assert ask(jetstream, "app.bsky.actor.getProfiles", actors=actors).status_code == 400


def test_api_shows_posts_until_they_are_deleted(jetstream):
    jetstream.add_account(ADA, "ada.example")
    event = jetstream.publish(ADA, "Hello")
    uri = f"at://{ADA}/app.bsky.feed.post/{event['commit']['rkey']}"

    [post] = ask(jetstream, "app.bsky.feed.getPosts", uris=[uri]).json()["posts"]
    assert (post["uri"], post["author"]["handle"]) == (uri, "ada.example")
    assert post["record"]["text"] == "Hello"
    jetstream.delete(event)
    assert ask(jetstream, "app.bsky.feed.getPosts", uris=[uri]).json() == {"posts": []}


def test_api_fails_when_told(jetstream):
    jetstream.fail_api(500)
    assert ask(jetstream, "app.bsky.actor.getProfiles", actors=[ADA]).status_code == 500
    jetstream.fail_api(0)
    with pytest.raises(requests.JSONDecodeError):
        ask(jetstream, "app.bsky.actor.getProfiles", actors=[ADA]).json()


def test_tids_sort_by_time():
    tids = [make_tid(time_us) for time_us in (1, 10**15, 10**15 + 1, 2 * 10**15)]

    assert tids == sorted(tids)
    assert {len(tid) for tid in tids} == {13}


def test_facet_counts_bytes():
    assert make_mention("Hé 🎉 @ada", "@ada", ADA)["index"] == {"byteStart": 9, "byteEnd": 13}
