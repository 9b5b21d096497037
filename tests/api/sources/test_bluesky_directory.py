import socket
import threading

import pytest

from api.sources import bluesky_directory
from api.sources.bluesky_directory import Directory, Memory, Unavailable, read_profile
from tests.api.waiting import wait_for
from tests.jetstream_server import JetstreamServer


@pytest.fixture
def jetstream():
    with JetstreamServer() as server:
        yield server


@pytest.fixture
def directory(jetstream):
    directory = Directory(jetstream.api_url, timeout=(1, 0.3), first_pause=0.05)
    yield directory
    directory.close()


def did(number):
    return f"did:plc:{number}"


def add(jetstream, *numbers):
    for number in numbers:
        jetstream.add_account(did(number), f"a{number}.example", displayName=f"A {number}")


def test_profiles_are_asked_for_in_groups_and_remembered(jetstream, directory):
    add(jetstream, *range(60))
    dids = [did(number) for number in range(61)]

    found = directory.find_profiles(dids)
    again = directory.find_profiles(dids)

    assert found == again
    assert [profile["handle"] for profile in found.values()] == [f"a{n}.example" for n in range(60)]
    assert [len(actors) for _, actors in jetstream.api_requests] == [25, 25, 11]


def test_news_of_an_account_make_it_asked_for_again(jetstream, directory):
    add(jetstream, 1)
    directory.find_profiles([did(1)])
    jetstream.rename(did(1), "b.example")
    directory.forget(did(1))

    assert directory.find_profiles([did(1)])[did(1)]["handle"] == "b.example"


@pytest.mark.parametrize("status", [0, 400, 404, 429, 500, 503])
def test_failure_is_told_and_the_api_is_left_alone_for_a_while(
    jetstream, directory, warnings, status
):
    add(jetstream, 1)
    jetstream.fail_api(status)

    assert directory.find_profiles([did(1)]) == {}
    assert directory.find_profiles([did(1)]) == {}
    assert len(jetstream.api_requests) == 1
    assert warnings.wait().endswith(" Posts are shown without names for 0.05 s.")

    jetstream.fail_api(200)
    wait_for(lambda: directory.find_profiles([did(1)]), "another question")
    assert len(jetstream.api_requests) == 2


def test_answer_that_does_not_come_is_given_up(jetstream, directory):
    jetstream.hold_api()

    with pytest.raises(Unavailable, match="can not be reached"):
        directory.resolve(["a1.example"])


@pytest.mark.parametrize(("endless", "reason"), [(b"x" * 50_000, "4 MB"), (b"x", "too slow")])
def test_endless_answer_is_given_up(monkeypatch, endless, reason):
    monkeypatch.setattr(bluesky_directory, "MAX_BYTES", 1_000_000)
    monkeypatch.setattr(bluesky_directory, "DEADLINE", 0.3)
    stopped = threading.Event()

    def drip(server):
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
                while not stopped.wait(0.001):
                    connection.sendall(endless)
            except OSError:
                pass  # it was given up

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,))
        thread.start()
        directory = Directory(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=(1, 1))
        with pytest.raises(Unavailable, match=reason):
            directory.resolve(["a1.example"])
        directory.close()
        stopped.set()
        thread.join()


def test_nobody_listens(jetstream):
    directory = Directory("http://127.0.0.1:9", timeout=(1, 1))

    with pytest.raises(Unavailable, match=r"can not be reached \(ConnectionError\)"):
        directory.resolve(["a1.example"])
    directory.close()


def test_handles_become_dids_and_one_that_is_none_spoils_nothing(jetstream, directory):
    add(jetstream, 1, 2)

    assert directory.resolve(["a1.example", "x.1", "a2.example", "nobody.example"]) == {
        "a1.example": did(1),
        "a2.example": did(2),
    }


def test_posts_come_with_their_authors(jetstream, directory):
    add(jetstream, 1)
    event = jetstream.publish(did(1), "Hello")
    uri = f"at://{did(1)}/app.bsky.feed.post/{event['commit']['rkey']}"

    [post] = directory.find_posts([uri, "at://did:plc:1/app.bsky.feed.post/gone"]).values()
    assert (post["author"]["handle"], post["record"]["text"]) == ("a1.example", "Hello")


def test_post_whose_author_does_not_want_it_shown_is_missing(jetstream, directory):
    label = {"src": did(1), "val": "!no-unauthenticated"}
    jetstream.add_account(did(1), "a1.example", labels=[label])
    event = jetstream.publish(did(1), "Hello")

    assert (
        directory.find_posts([f"at://{did(1)}/app.bsky.feed.post/{event['commit']['rkey']}"]) == {}
    )


def test_memory_is_bounded_and_forgets_what_was_not_used():
    memory = Memory(2, 10, clock=lambda: 0)
    memory.put("a", 1)
    memory.put("b", 2)
    memory.get("a")
    memory.put("c", 3)

    assert [memory.get(key) for key in "abc"] == [1, None, 3]
    assert len(memory) == 2


def test_memory_keeps_what_is_there_longer_than_what_is_not():
    now = 0
    memory = Memory(9, 100, clock=lambda: now)
    memory.put("a", 1)
    memory.put("b", None)
    now = 70

    assert (memory.holds("a"), memory.holds("b")) == (True, False)
    now = 101
    assert memory.holds("a") is False


@pytest.mark.parametrize(
    "item", [None, 7, {}, {"did": 1, "handle": "a.example"}, {"did": "did:plc:1"}], ids=repr
)
def test_profile_that_names_nobody_is_none(item):
    assert read_profile(item) is None


def test_profile_is_bounded():
    item = {
        "did": "did:plc:1",
        "handle": "a.example",
        "displayName": "x" * 10**6,
        "more": "y" * 10**6,
    }
    item["labels"] = [{"val": "z"}, None, {"val": 7}] * 1000

    profile = read_profile(item)
    assert (profile["displayName"], profile["labels"]) == ("x" * 2000, ["z"])
    assert "more" not in profile
