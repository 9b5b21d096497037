"""Every row of push_stream.md §5 that a publisher can meet: our check before the wire, and what
nginx answers to one who does not check."""

import socket

import pytest

from tests.wallpush.peers import answer_with, error_answer, ok_answer
from wallpush import (
    InvalidChannel,
    InvalidMessage,
    Message,
    Overloaded,
    Publisher,
    PublishError,
    Refused,
    encode_message,
)
from wallpush.address import parse_address
from wallpush.delivery import Delivery, Node, Request
from wallpush.loop import run_together


def ask(node, method, path, body=b"", headers=b""):
    """The status of a raw request, and the reason of the module."""
    request = (
        b"%b %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%bContent-Length: %d\r\n\r\n%b"
        % (
            method.encode(),
            path.encode(),
            headers,
            len(body),
            body,
        )
    )
    with socket.create_connection((node.publish_address, node.publish_port), 20) as sock:
        sock.sendall(request)
        answer = sock.makefile("rb").read()
    head = answer.partition(b"\r\n\r\n")[0].decode()
    name = "X-Nginx-PushStream-Explain: "
    explain = [line.removeprefix(name) for line in head.split("\r\n") if line.startswith(name)]
    return int(head[9:12]), "".join(explain)


ROWS = [
    ("", 404, ""),
    ("/", 404, ""),
    ("a//b", 200, ""),
    ("a" * 201, 400, "Channel id is too large."),
    ("a%2Fb", 200, ""),
    ("a%252Fb", 404, ""),
    ("a.b5", 404, ""),
    ("vitamin.b12", 404, ""),
    ("caf%C3%A9", 404, ""),
    ("a%20b", 404, ""),
    ("%22", 404, ""),
    ("a\\b", 404, ""),
    ("ALL", 403, "Channel id not authorized for this method."),
    ("ALL2", 200, ""),
    ("all", 200, ""),
    ("a*", 404, ""),
    ("_ctl", 403, "Only internal routines can change events channel."),
    ("%00", 400, ""),
    ("%0A", 404, ""),
    ("a%25b", 404, ""),
]


@pytest.mark.parametrize(("path", "status", "explain"), ROWS, ids=lambda value: ascii(value)[:20])
def test_what_nginx_answers_to_a_path(push_node, path, status, explain):
    assert ask(push_node, "POST", f"/events/pub/{path}", b"{}") == (status, explain)


@pytest.mark.parametrize(
    "name",
    ["", "/", "a//b", "a" * 201, "a%2Fb", "a%252Fb", "a.b5", "vitamin.b12", "café", "日本語", "a b",
     '"', "a\\b", "ALL", "a*", "_ctl", "\x00", "a\n", "a%25b", "#x"],
)  # fmt: skip
def test_such_a_name_is_never_sent(publisher, name):
    with pytest.raises(InvalidChannel):
        publisher.publish(name, {})

    assert publisher.statistics()[0].published_messages == 0


@pytest.mark.parametrize("name", ["ALL2", "all", "a" * 190, "~", "_ctl2"])
def test_such_a_name_is_taken(publisher, name):
    assert [info.channel for info in publisher.publish(name, {}).channels] == [name]


def test_an_empty_body(push_node, publisher):
    assert ask(push_node, "POST", "/events/pub/a") == (400, "Empty post requests are not allowed.")
    with pytest.raises(InvalidMessage):
        publisher.publish("a", b"")


def test_a_body_that_is_too_large(push_node, publisher):
    assert ask(push_node, "POST", "/events/pub/a", b"x" * 65_537)[0] == 413
    with pytest.raises(InvalidMessage):
        publisher.publish("a", "x" * 65_535)


@pytest.mark.parametrize("method", ["PATCH", "HEAD"])
def test_a_method_that_nginx_does_not_know(push_node, method):
    assert ask(push_node, method, "/events/pub/a")[0] == 405


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "explain"),
    [
        (b"POST", b"/events/pub/ALL", b"{}", 403, "Channel id not authorized for this method."),
        (b"POST", b"/events/pub/" + b"a" * 201, b"{}", 400, "Channel id is too large."),
        (b"POST", b"/events/pub/a", b"", 400, "Empty post requests are not allowed."),
        (b"POST", b"/events/pub/a", b"x" * 65_537, 413, ""),
        (b"PATCH", b"/events/pub/a", b"{}", 405, ""),
        (b"POST", b"/elsewhere", b"{}", 404, ""),
    ],
)
def test_a_refusal_costs_only_its_own_message(push_node, method, path, body, status, explain):
    """Sent past our checks: each leaves its body unread, or closes, in the middle of a batch."""
    good = [Request(b"POST", b"/events/pub/global", b"", b"%d" % n) for n in range(9)]
    bad = Request(method, path, b"", body)

    results = deliver(push_node.publish_url, [*good[:4], bad, bad, *good[4:]])

    refused = Refused(push_node.publish_url, status, explain)
    assert results[4:6] == [refused, refused]
    assert [isinstance(result, bytes) for result in results] == [True] * 4 + [False] * 2 + [
        True
    ] * 5
    with Publisher(push_node.publish_url) as publisher:
        assert publisher.channel_info("global").published_messages >= 9


def deliver(url, requests, timeout=10):
    delivery = Delivery(Node(parse_address(url), None), requests, timeout)
    run_together([delivery.run()])
    delivery.node.pool.close()
    return delivery.results


def test_a_body_behind_a_refusal_is_not_executed(push_node):
    smuggled = b"POST /events/pub/smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"

    deliver(push_node.publish_url, [Request(b"POST", b"/elsewhere", b"", smuggled)] * 2)

    with Publisher(push_node.publish_url) as publisher:
        assert publisher.channel_info("smuggled") is None


def test_a_refusal_of_a_batch_that_nobody_wants(push_node):
    """Wrong address: every message is told so, with one short connection each."""
    with Publisher(push_node.publish_url + "/elsewhere") as publisher:
        outcomes = publisher.publish_many(Message("global", n) for n in range(300))

    assert {outcome.error for outcome in outcomes} == {
        Refused(push_node.publish_url + "/elsewhere", 404, "")
    }


def test_a_refusal_counts_only_on_a_new_connection(make_peer):
    peer = make_peer(answer_with(ok_answer(), error_answer(400)), answer_with(ok_answer(7)))
    with Publisher(peer.url, timeout=10) as publisher:
        publisher.publish("global", {})

        assert publisher.publish("global", {}).subscribers == 7
    assert peer.accepted == 2


@pytest.mark.parametrize("status", [300, 400, 401, 403, 404, 405, 413, 201])
def test_statuses_that_are_permanent(make_peer, status):
    peer = make_peer(answer_with(error_answer(status, b"because")))
    with Publisher(peer.url, timeout=10) as publisher, pytest.raises(Refused) as caught:
        publisher.publish("global", {})

    assert (caught.value.status, caught.value.explain, caught.value.retryable) == (
        status,
        "because",
        False,
    )


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_statuses_that_pass(make_peer, status):
    peer = make_peer(answer_with(error_answer(status, b"later")))
    with Publisher(peer.url, timeout=10) as publisher, pytest.raises(Overloaded) as caught:
        publisher.publish("global", {})

    assert (caught.value.status, caught.value.explain, caught.value.retryable) == (
        status,
        "later",
        True,
    )


def test_an_overloaded_node_is_left_alone(make_peer):
    """Three in a row, then the rest of the batch is for later."""
    peer = make_peer(answer_with(error_answer(503)))
    with Publisher(peer.url, timeout=10) as publisher:
        outcomes = publisher.publish_many(Message("global", {}) for _ in range(50))

    assert [outcome.error for outcome in outcomes] == [Overloaded(peer.url, 503, "")] * 50
    assert peer.accepted == 3


def test_a_full_shared_memory(make_push_node):
    """nginx answers 500 and closes. A new start is the quick way to an empty memory."""
    node = make_push_node(shared_memory="2M")
    body = encode_message("x" * 3000)
    with Publisher(node.publish_url) as publisher:
        outcomes = publisher.publish_many(Message("global", body) for _ in range(600))
        taken = [outcome.ok for outcome in outcomes]
        full = next(outcome.error for outcome in outcomes if outcome.error)

        assert (type(full), full.status, full.retryable) == (Overloaded, 500, True)
        assert taken == sorted(taken, reverse=True)
        with pytest.raises(Overloaded):
            publisher.publish("global", body)
        node.stop()
        node.start()
        assert publisher.publish("global", body).channels[0].published_messages == 1


def test_publish_error_is_the_base(make_peer):
    peer = make_peer(answer_with(error_answer(503)))
    with Publisher(peer.url, timeout=10) as publisher, pytest.raises(PublishError, match=peer.url):
        publisher.publish("global", {})
