import http.client
import json
import socket
from pathlib import Path

import pytest

import wallpush
from tests.e2e.processes import children
from wallpush import (
    ChannelInfo,
    InvalidAddress,
    InvalidChannel,
    InvalidMessage,
    Message,
    NullPublisher,
    Outcome,
    Publisher,
    PublisherClosed,
    Receipt,
    encode_message,
    keyword_channel,
    make_event_id,
    make_publisher,
)


def test_publish_reaches_a_subscriber(publisher, subscribe):
    subscriber = subscribe("global")

    publisher.publish("global", {"hello": "5 < 6 🎉"}, event_id="date|7")

    [envelope] = subscriber.receive(1)
    assert envelope == {
        "id": 1,
        "channel": "global",
        "text": {"hello": "5 < 6 🎉"},
        "tag": envelope["tag"],
        "time": envelope["time"],
        "eventid": "date|7",
    }


def test_publish_to_several_channels_tells_who_received(publisher, push_node, subscribe):
    subscribe("global")
    subscribe("global", "user-1")

    receipt = publisher.publish(["global", "user-1", "global"], "hi")

    assert receipt.subscribers == 3
    assert receipt.channels == (
        ChannelInfo("global", published_messages=1, stored_messages=1, subscribers=2),
        ChannelInfo("user-1", published_messages=1, stored_messages=1, subscribers=1),
    )
    assert [answer.node for answer in receipt.answers] == [push_node.publish_url]


def test_publish_takes_bytes_that_are_already_encoded(publisher, subscribe):
    subscriber = subscribe("global")
    body = encode_message({"text": "a < b"})

    publisher.publish("global", body)

    assert b'"text":{"text":"a \\u003c b"},' in subscriber.receive_line()


def test_publish_of_unicode_keywords(publisher, subscribe):
    terms = ["#Café", "日本語", "שלום", "🎉", "C++", "new york", "100%", "a/b.b12"]
    subscriber = subscribe(*map(keyword_channel, terms))

    for term in terms:
        publisher.publish(keyword_channel(term), term)

    assert [(sent["channel"], sent["text"]) for sent in subscriber.receive(len(terms))] == [
        (keyword_channel(term), term) for term in terms
    ]


@pytest.mark.parametrize("event_id", ["~text~ ~id~", "it's & more", "!#$%&()*+,-./:;=>?@[]^_`{|}~"])
def test_an_event_id_stays_as_it_is(publisher, subscribe, event_id):
    subscriber = subscribe("global")

    publisher.publish("global", "~event-id~", event_id=event_id)

    assert [(sent["eventid"], sent["text"]) for sent in subscriber.receive(1)] == [
        (event_id, "~event-id~")
    ]


def test_a_made_event_id_resumes(publisher, push_node):
    event_ids = [make_event_id(number) for number in range(3)]
    for number, event_id in enumerate(event_ids):
        publisher.publish("global", number, event_id=event_id)
    connection = http.client.HTTPConnection("127.0.0.1", push_node.subscribe_port, timeout=20)
    connection.request("GET", "/events/sub/global", headers={"Last-Event-ID": event_ids[0]})
    answer = connection.getresponse()

    assert answer.readline() == b"\r\n"
    assert [json.loads(answer.readline())["text"] for _ in range(2)] == [1, 2]
    answer.close()
    connection.close()


@pytest.mark.parametrize("size", [3_000, 60_000, 65_536])
def test_publish_of_a_large_body(publisher, subscribe, size):
    subscriber = subscribe("global")
    message = "x" * (size - 2)

    publisher.publish("global", message)

    assert subscriber.receive_messages(1) == [message]


def test_publish_many_keeps_the_order(publisher, subscribe):
    subscriber = subscribe("global")

    outcomes = publisher.publish_many(
        Message(["global", f"user-{n % 7}"], {"n": n}, f"date|{n}") for n in range(3000)
    )

    assert {(outcome.ok, outcome.subscribers) for outcome in outcomes} == {(True, 1)}
    assert [outcome.channels[0].published_messages for outcome in outcomes] == [*range(1, 3001)]
    assert subscriber.receive_messages(3000) == [{"n": n} for n in range(3000)]


def test_publish_many_of_large_bodies_does_not_lock_up(publisher):
    outcomes = publisher.publish_many(Message("global", "x" * 60_000) for _ in range(200))

    assert [outcome.ok for outcome in outcomes] == [True] * 200


def test_publish_many_sends_the_valid_ones(publisher, subscribe):
    subscriber = subscribe("global")
    messages = [
        Message("global", 1),
        Message("a.b", 2),
        Message("global", float("nan")),
        Message("global", b"x\ny"),
        Message("global", "x" * 70_000),
        Message("global", 3, event_id="a\r\nX: b"),
        Message((), 4),
        Message(["global", 7], 5),
        Message(None, 6),
        Message([["global"]], 7),
        Message("global", 8),
    ]

    outcomes = publisher.publish_many(messages)

    assert [type(outcome.error) for outcome in outcomes] == [
        type(None),
        InvalidChannel,
        InvalidMessage,
        InvalidMessage,
        InvalidMessage,
        InvalidMessage,
        InvalidChannel,
        InvalidChannel,
        InvalidChannel,
        InvalidChannel,
        type(None),
    ]
    assert subscriber.receive_messages(2) == [1, 8]


def test_the_outcome_of_an_invalid_message_has_no_receipt(publisher):
    [outcome] = publisher.publish_many([Message("a.b", 1)])

    with pytest.raises(InvalidChannel):
        outcome.receipt()


def test_publish_many_of_nothing(publisher):
    assert publisher.publish_many([]) == []


@pytest.mark.parametrize(
    ("channels", "message", "error"),
    [
        ("ALL", 1, InvalidChannel),
        (["global", "a*"], 1, InvalidChannel),
        ([f"user-{n:0100}" for n in range(20)], 1, InvalidChannel),
        ("global", object(), InvalidMessage),
        ("global", b'"<"', InvalidMessage),
    ],
)
def test_publish_raises_before_anything_is_sent(publisher, channels, message, error):
    with pytest.raises(error):
        publisher.publish(channels, message)

    assert publisher.statistics()[0].published_messages == 0


def test_one_connection_is_used_again(publisher, push_node):
    for number in range(5):
        publisher.publish("global", number)
    publisher.publish_many(Message("global", n) for n in range(1000))

    assert count_connections(push_node.publish_port) == 1


def count_connections(port):
    """Established connections of this machine's clients to the port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def test_channel_info(publisher, subscribe):
    subscribe("user-1")
    publisher.publish("user-1", "hi")

    assert publisher.channel_info("user-1") == ChannelInfo("user-1", 1, 1, 1)
    assert publisher.channel_info("user-2") is None


def test_statistics(publisher, push_node, subscribe):
    subscribe("user-1")
    publisher.publish(["global", "user-1"], "hi")

    [statistics] = publisher.statistics()

    assert (statistics.node, statistics.channels, statistics.subscribers) == (
        push_node.publish_url,
        3,  # the module's own control channel among them
        1,
    )
    assert (statistics.published_messages, statistics.stored_messages) == (2, 2)


def test_statistics_name_the_workers_of_nginx(make_push_node):
    push_node = make_push_node(workers=2)
    with Publisher(push_node.publish_url) as publisher:
        # Each writes down its own once it runs.
        while len(workers := publisher.statistics()[0].workers) < 2:
            pass

    assert set(workers) == set(children(push_node.pid))


def test_delete_channel(publisher, subscribe):
    publisher.publish("user-1", "hi")

    assert publisher.delete_channel("user-1") is True
    assert publisher.channel_info("user-1") is None
    assert publisher.delete_channel("user-1") is False


def test_delete_channel_tells_its_subscribers_in_json(publisher, subscribe):
    subscriber = subscribe("user-1")

    publisher.delete_channel("user-1")

    [envelope] = subscriber.receive(1)
    assert (envelope["id"], envelope["channel"]) == (-2, "user-1")
    assert subscriber.receive_line() == b""


@pytest.mark.parametrize("channel", ["ALL", "a/b", ""])
def test_questions_about_no_channel_are_refused(publisher, channel):
    with pytest.raises(InvalidChannel):
        publisher.channel_info(channel)
    with pytest.raises(InvalidChannel):
        publisher.delete_channel(channel)


def test_a_closed_publisher(publisher):
    publisher.publish("global", 1)
    publisher.close()
    publisher.close()

    with pytest.raises(PublisherClosed, match="make a new one"):
        publisher.publish("global", 2)
    with pytest.raises(PublisherClosed):
        publisher.statistics()


def test_a_path_before_the_publish_address(make_peer):
    received = []

    def handle(connection):
        received.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    peer = make_peer(handle)
    with Publisher(peer.url + "/push/", timeout=10) as publisher:
        receipt = publisher.publish("global", {}, event_id="1")

    assert received == [
        f"POST /push/events/pub/global HTTP/1.1\r\nHost: {peer.url[7:]}\r\n"
        "Event-Id: 1\r\nContent-Length: 2\r\n\r\n{}".encode()
    ]
    assert (receipt.subscribers, receipt.channels) == (0, ())


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_a_bracketed_host(make_push_node):
    node = make_push_node(start=False, publish_address="[::1]")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(node), "addresses", lambda node: [("::1", node.publish_port)])
        node.start()

    with Publisher(f"http://[::1]:{node.publish_port}") as publisher:
        assert publisher.publish("global", 1).channels == (ChannelInfo("global", 1, 1, 0),)


def test_a_host_name(push_node):
    with Publisher(f"http://localhost:{push_node.publish_port}") as publisher:
        assert publisher.publish("global", 1).channels == (ChannelInfo("global", 1, 1, 0),)


@pytest.mark.parametrize("urls", ["", " , ", []])
def test_no_url_makes_a_null_publisher(urls):
    assert type(make_publisher(urls)) is NullPublisher
    with pytest.raises(InvalidAddress, match="No push URL"):
        Publisher(urls)


def test_a_url_makes_a_publisher():
    with make_publisher("http://127.0.0.1:9", timeout=1) as publisher:
        assert type(publisher) is Publisher


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
def test_a_timeout_that_never_comes(timeout):
    with pytest.raises(ValueError, match="greater than 0"):
        Publisher("http://127.0.0.1:9", timeout=timeout)


def test_null_publisher():
    with NullPublisher() as publisher:
        assert publisher.publish("global", 1) == Receipt()
        outcomes = publisher.publish_many([Message("global", 1), Message("a.b", 2)])
        assert (outcomes[0], outcomes[0].ok, outcomes[0].subscribers) == (Outcome(), True, 0)
        assert type(outcomes[1].error) is InvalidChannel
        assert publisher.statistics() == ()
        assert publisher.channel_info("global") is None
        assert publisher.delete_channel("global") is False
    with pytest.raises(PublisherClosed):
        publisher.publish("global", 1)


def test_exported_names():
    public = {
        name
        for name, value in vars(wallpush).items()
        if not name.startswith("_") and type(value) is not type(wallpush)
    }

    assert set(wallpush.__all__) == public
    assert len(wallpush.__all__) == len(public)
