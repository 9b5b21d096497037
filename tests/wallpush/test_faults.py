"""Push nodes that stop, hang, talk nonsense or are not there."""

import os
import pickle
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.wallpush.peers import (
    answer_and_close,
    answer_with,
    error_answer,
    hang_up,
    ok_answer,
    read_request,
    stay_silent,
)
from wallpush import (
    Message,
    Publisher,
    Refused,
    TimedOut,
    Unreachable,
)


@pytest.fixture
def unused_url():
    """An address where nothing listens; bound, so that nobody else gets the port."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


def stop_by_term(node):
    node.stop()


def stop_by_kill(node):
    """Master and worker: an orphaned worker would go on."""
    children = Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text().split()
    for pid in (node.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    node.process.wait()
    node.process = None


@pytest.fixture
def run():
    """Runs a function in a thread and gives its result back."""
    with ThreadPoolExecutor() as threads:
        yield threads.submit


@pytest.mark.parametrize("stop", [stop_by_term, stop_by_kill])
def test_a_node_that_stops_half_way(push_node, publisher, subscribe, run, stop):
    messages = [Message("global", n) for n in range(10_000)]
    subscriber = subscribe("global")
    batch = run(publisher.publish_many, messages)
    subscriber.receive(500)

    stop(push_node)
    outcomes = batch.result()

    answered = [outcome.ok for outcome in outcomes].index(False)
    assert answered >= 500 - 1
    assert {type(outcome.error) for outcome in outcomes[answered:]} == {Unreachable}

    push_node.start()
    late = subscribe("global")
    again = publisher.publish_many(messages[answered:])
    assert {outcome.ok for outcome in again} == {True}
    assert late.receive_messages(10_000 - answered) == [*range(answered, 10_000)]


def test_a_node_that_restarts_half_way(push_node, publisher, subscribe, run, monkeypatch):
    monkeypatch.setattr("wallpush.delivery.RESTART_SECONDS", 2)
    subscriber = subscribe("global")
    batch = run(publisher.publish_many, [Message("global", n) for n in range(10_000)])
    subscriber.receive(500)

    push_node.stop()
    push_node.start()

    assert {outcome.ok for outcome in batch.result()} == {True}


def test_a_node_that_restarts_between_two_messages(push_node, publisher):
    publisher.publish("global", 1)
    push_node.stop()
    push_node.start()

    assert publisher.publish("global", 2).channels[0].published_messages == 1


def test_an_idle_connection_that_the_node_closed(make_peer):
    peer = make_peer(answer_and_close(ok_answer(1)))
    with Publisher(peer.url, timeout=10) as publisher:
        subscribers = [publisher.publish("global", {}).subscribers for _ in range(5)]

    assert (subscribers, peer.accepted) == ([1] * 5, 5)


def test_an_idle_connection_that_breaks_when_it_is_used(make_peer):
    def answer_then_hang_up(connection):
        answer_with(ok_answer(1))(connection)
        hang_up(connection)

    peer = make_peer(answer_then_hang_up, answer_with(ok_answer(2), ok_answer(3)))
    with Publisher(peer.url, timeout=10) as publisher:
        assert [publisher.publish("global", {}).subscribers for _ in range(3)] == [1, 2, 3]


def test_a_node_that_closes_after_each_answer(make_peer):
    """Such as nginx with keepalive_requests: what was sent after that goes again."""
    peer = make_peer(answer_and_close(ok_answer(1, extra=b"Connection: close\r\n")))
    with Publisher(peer.url, timeout=10) as publisher:
        outcomes = publisher.publish_many(Message("global", {}) for _ in range(20))

    assert [outcome.subscribers for outcome in outcomes] == [1] * 20


def test_a_message_is_sent_twice_at_most(make_peer):
    peer = make_peer(hang_up)
    with Publisher(peer.url, timeout=10) as publisher, pytest.raises(Unreachable) as caught:
        publisher.publish("global", {})

    assert peer.accepted == 2
    assert str(caught.value) == (
        f"{peer.url}: the connection was closed before the answer; "
        "is it a push node, and does it run?"
    )


def test_a_message_that_breaks_connections_costs_only_itself(make_peer):
    def stumble(connection):
        """Hangs up on what is sent to "poison"."""
        while b"poison" not in (request := read_request(connection)) and request:
            connection.sendall(ok_answer(1))
        connection.close()

    peer = make_peer(stumble)
    channels = ["global"] * 10 + ["poison"] + ["global"] * 10
    with Publisher(peer.url, timeout=10) as publisher:
        outcomes = publisher.publish_many(Message(channel, {}) for channel in channels)

    assert [type(outcome.error) for outcome in outcomes] == (
        [type(None)] * 10 + [Unreachable] + [type(None)] * 10
    )


@pytest.mark.parametrize(
    "nonsense",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00" * 100,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ],
)
def test_nonsense_is_no_answer(make_peer, nonsense):
    peer = make_peer(answer_with(nonsense))
    with Publisher(peer.url, timeout=10) as publisher:
        outcomes = publisher.publish_many(Message("global", {}) for _ in range(50))

    assert {type(outcome.error) for outcome in outcomes} == {Unreachable}


def test_an_answer_that_nobody_asked_for_ends_the_connection(make_peer):
    peer = make_peer(answer_with(ok_answer(1) + ok_answer(2)))
    with Publisher(peer.url, timeout=10) as publisher:
        assert [publisher.publish("global", {}).subscribers for _ in range(2)] == [1, 1]
    assert peer.accepted == 2


@pytest.mark.parametrize("body", [b"{}", b'{"channel": 1', b'{"infos": 1}'])
def test_json_of_another_server(make_peer, body):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    peer = make_peer(answer_with(answer, answer))
    with Publisher(peer.url, timeout=10) as publisher:
        with pytest.raises(Unreachable, match="no push node"):
            publisher.publish("global", {}).subscribers  # noqa: B018
        with pytest.raises(Unreachable, match="no push node"):
            publisher.statistics()


@pytest.mark.parametrize(
    "handler",
    [
        stay_silent,
        answer_with(b"HTTP/1.1 200 OK\r\nContent-Le"),
        answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
        answer_with(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"),
        answer_with(b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silent", "half a head", "half a body", "half a chunk", "interim only"],
)
def test_an_answer_that_never_comes(make_peer, handler):
    peer = make_peer(handler)
    with Publisher(peer.url, timeout=0.2) as publisher, pytest.raises(TimedOut) as caught:
        publisher.publish("global", {})

    assert caught.value == TimedOut(peer.url, "no answer within 0.2 s.")


def test_an_answer_that_drips_is_late(make_peer):
    """Each byte arrives in time; the answer does not."""
    stopped = threading.Event()

    def drip(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not stopped.wait(0.02):
            connection.sendall(b"x")

    peer = make_peer(drip)
    with Publisher(peer.url, timeout=0.3) as publisher, pytest.raises(TimedOut):
        publisher.publish("global", {})
    stopped.set()


def test_answers_that_stop_half_way(make_peer):
    peer = make_peer(answer_with(*[ok_answer(1)] * 5))
    with Publisher(peer.url, timeout=0.2) as publisher:
        outcomes = publisher.publish_many(Message("global", {}) for _ in range(400))

    assert [outcome.ok for outcome in outcomes] == [True] * 5 + [False] * 395
    assert {outcome.error for outcome in outcomes[5:]} == {
        TimedOut(peer.url, "no answer within 0.2 s.")
    }


def test_a_node_that_answers_too_slowly_for_a_batch(make_peer, monkeypatch):
    monkeypatch.setattr("wallpush.delivery.MESSAGES_PER_TIMEOUT", 1000)
    stopped = threading.Event()

    def dawdle(connection):
        while read_request(connection):
            stopped.wait(0.1)
            connection.sendall(ok_answer())

    peer = make_peer(dawdle)
    with Publisher(peer.url, timeout=0.3) as publisher:
        outcomes = publisher.publish_many(Message("global", {}) for _ in range(30))

    assert outcomes[-1].error == TimedOut(peer.url, "slower than 1000 messages in 0.3 s.")
    stopped.set()


def test_nothing_listens(unused_url):
    with Publisher(unused_url, timeout=10) as publisher, pytest.raises(Unreachable) as caught:
        publisher.publish("global", {})

    assert str(caught.value) == f"{unused_url}: nothing listens there; start the push node."


def test_a_name_without_address():
    with (
        Publisher("http://push.invalid:8001", timeout=30) as publisher,
        pytest.raises(Unreachable) as caught,
    ):
        publisher.publish("global", {})

    assert str(caught.value) == (
        "http://push.invalid:8001: its name 'push.invalid' has no address; "
        "check the URL and the DNS."
    )


def test_a_name_that_is_not_resolved_in_time(monkeypatch):
    answered = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **kwargs: answered.wait(20) and [])
    with (
        Publisher("http://push.invalid", timeout=0.2) as publisher,
        pytest.raises(Unreachable, match="is not resolved in time; check the DNS"),
    ):
        publisher.publish("global", {})
    answered.set()


def test_a_node_that_does_not_accept():
    """A full backlog: the kernel drops what knocks."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            knocking = sockets.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        with (
            Publisher(url, timeout=0.3) as publisher,
            pytest.raises(Unreachable, match="no connection in time; check the host"),
        ):
            publisher.publish("global", {})


def test_several_nodes_each_get_every_message(make_push_node, subscribe):
    nodes = [make_push_node(), make_push_node()]
    subscribers = [subscribe("global", node=node) for node in nodes]
    with Publisher([node.publish_url for node in nodes]) as publisher:
        outcomes = publisher.publish_many(Message("global", n) for n in range(500))
        info = publisher.channel_info("global")
        statistics = publisher.statistics()

    assert {(outcome.ok, outcome.subscribers) for outcome in outcomes} == {(True, 2)}
    assert [subscriber.receive_messages(500) for subscriber in subscribers] == [[*range(500)]] * 2
    assert (info.published_messages, info.subscribers) == (500, 2)
    assert [counters.node for counters in statistics] == [node.publish_url for node in nodes]


def test_a_channel_that_one_of_two_nodes_knows(make_push_node):
    nodes = [make_push_node(), make_push_node()]
    with Publisher(nodes[1].publish_url) as one:
        one.publish("global", 1)
    with Publisher([node.publish_url for node in nodes]) as both:
        assert both.channel_info("global").published_messages == 1
        assert both.delete_channel("global") is True
        assert both.delete_channel("global") is False


def test_one_node_that_is_down_costs_the_others_nothing(push_node, subscribe, unused_url):
    subscriber = subscribe("global")
    with Publisher([unused_url, push_node.publish_url], timeout=10) as publisher:
        outcomes = publisher.publish_many(Message("global", n) for n in range(500))

    assert {outcome.errors for outcome in outcomes} == {
        (Unreachable(unused_url, "nothing listens there; start the push node."),)
    }
    assert {answer.node for outcome in outcomes for answer in outcome.answers} == {
        push_node.publish_url
    }
    assert subscriber.receive_messages(500) == [*range(500)]


def test_one_node_that_hangs_costs_the_others_nothing(push_node, subscribe, make_peer):
    subscriber = subscribe("global")
    silent = make_peer(stay_silent)
    with Publisher([silent.url, push_node.publish_url], timeout=1) as publisher:
        outcomes = publisher.publish_many(Message("global", n) for n in range(5000))

    assert {(type(outcome.error), outcome.subscribers) for outcome in outcomes} == {(TimedOut, 1)}
    assert subscriber.receive_messages(5000) == [*range(5000)]


def test_patience_ends_with_the_node_that_hangs(push_node, subscribe, make_peer):
    subscriber = subscribe("global")
    silent = make_peer(stay_silent)
    with Publisher([silent.url, push_node.publish_url], timeout=60, patience=0.2) as publisher:
        start = time.monotonic()
        outcomes = publisher.publish_many(Message("global", n) for n in range(500))
        passed = time.monotonic() - start

    assert {outcome.errors for outcome in outcomes} == {
        (TimedOut(silent.url, "slower than the other push nodes."),)
    }
    assert 0.2 <= passed < 20
    assert subscriber.receive_messages(500) == [*range(500)]


def test_patience_begins_with_a_node_that_took_all(unused_url, make_peer):
    slow = make_peer(lambda connection: (time.sleep(0.3), answer_with(ok_answer())(connection)))
    with Publisher([unused_url, slow.url], timeout=20, patience=0.01) as publisher:
        [outcome] = publisher.publish_many([Message("global", 1)])

    assert [answer.node for answer in outcome.answers] == [slow.url]
    assert outcome.error == Unreachable(unused_url, "nothing listens there; start the push node.")


def test_patience_is_for_several_nodes(make_peer):
    slow = make_peer(lambda connection: (time.sleep(0.1), answer_with(ok_answer())(connection)))
    with Publisher(slow.url, timeout=20, patience=0.01) as publisher:
        assert publisher.publish("global", 1).answers


def test_publish_to_some_of_the_nodes(make_push_node):
    urls = [make_push_node().publish_url for _ in range(3)]
    with Publisher(urls) as publisher:
        outcomes = publisher.publish_many([Message("global", 1)], nodes=urls[1:])
        statistics = publisher.statistics(nodes=urls[:2])
        assert publisher.nodes == tuple(urls)

    assert [answer.node for answer in outcomes[0].answers] == urls[1:]
    assert [(each.node, each.published_messages) for each in statistics] == [
        (urls[0], 0),
        (urls[1], 1),
    ]


def test_publish_tells_what_the_other_nodes_did(push_node, make_peer, unused_url):
    refusing = make_peer(answer_with(error_answer(403, b"no")))
    urls = [refusing.url, push_node.publish_url, unused_url]
    with Publisher(urls, timeout=10) as publisher, pytest.raises(Unreachable) as caught:
        publisher.publish("global", 1)

    error = caught.value
    assert (error.node, error.retryable) == (unused_url, True)
    assert [answer.node for answer in error.receipt.answers] == [push_node.publish_url]
    assert [info.published_messages for info in error.receipt.channels] == [1]
    assert error.others == (Refused(refusing.url, 403, "no"),)
    assert pickle.loads(pickle.dumps(error)) == error  # noqa: S301


def test_one_node_alone_leaves_no_receipt(unused_url):
    with Publisher(unused_url, timeout=10) as publisher, pytest.raises(Unreachable) as caught:
        publisher.publish("global", 1)

    assert (caught.value.receipt, caught.value.others) == (None, ())


class Interrupt(BaseException):
    """Such as KeyboardInterrupt, which pytest would take for its own."""


@pytest.fixture
def interrupt_soon():
    def interrupt(*args):
        raise Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    yield
    signal.signal(signal.SIGALRM, before)


def test_an_interrupted_batch_closes_its_connection(make_peer, interrupt_soon):
    ended = []
    peer = make_peer(
        lambda connection: ended.append((read_request(connection), connection.recv(1)))
    )

    with Publisher(peer.url, timeout=30) as publisher, pytest.raises(Interrupt):
        publisher.publish("global", {})

    peer.wait()
    assert [end for _, end in ended] == [b""]
