"""One publisher in many threads and in forked processes."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

from tests.wallpush.peers import answer_with, ok_answer
from wallpush import Message, Publisher


def test_eight_threads(publisher, subscribe):
    subscriber = subscribe("global")

    def publish(thread):
        return [publisher.publish("global", [thread, n]).subscribers for n in range(200)]

    with ThreadPoolExecutor(8) as threads:
        received = list(threads.map(publish, range(8)))

    assert received == [[1] * 200] * 8
    messages = subscriber.receive_messages(1600)
    for thread in range(8):
        assert [n for origin, n in messages if origin == thread] == [*range(200)]


def test_batches_in_threads(publisher, subscribe):
    subscriber = subscribe("global")

    def publish(thread):
        outcomes = publisher.publish_many(Message("global", [thread, n]) for n in range(500))
        return all(outcome.ok for outcome in outcomes)

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(publish, range(4))) == [True] * 4

    messages = subscriber.receive_messages(2000)
    for thread in range(4):
        assert [n for origin, n in messages if origin == thread] == [*range(500)]


def in_child(work):
    """Fork, run it there, and return whether it came back True."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if work() is True else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_parent_and_child_both_publish(publisher, subscribe):
    subscriber = subscribe("global")
    publisher.publish("global", "before")

    def publish_in_child():
        outcomes = publisher.publish_many(Message("global", f"child {n}") for n in range(100))
        return all(outcome.subscribers == 1 for outcome in outcomes)

    assert in_child(publish_in_child)
    for n in range(100):
        publisher.publish("global", f"parent {n}")

    assert subscriber.receive_messages(201) == [
        "before",
        *(f"child {n}" for n in range(100)),
        *(f"parent {n}" for n in range(100)),
    ]


def test_a_child_uses_a_connection_of_its_own(make_peer):
    peer = make_peer(answer_with(*[ok_answer(1)] * 3))
    with Publisher(peer.url, timeout=10) as publisher:
        publisher.publish("global", {})
        assert in_child(lambda: publisher.publish("global", {}).subscribers == 1)
        publisher.publish("global", {})

    assert peer.accepted == 2


def test_a_fork_while_another_thread_publishes(publisher, make_peer):
    """The thread is not there in the child: neither its lock nor its connection may be missed."""
    asked, may_answer = threading.Event(), threading.Event()

    def answer_later(connection):
        asked.set()
        may_answer.wait(20)
        answer_with(ok_answer(1))(connection)

    peer = make_peer(answer_later, answer_with(ok_answer(2)))
    with Publisher(peer.url, timeout=20) as publisher, ThreadPoolExecutor() as threads:
        slow = threads.submit(publisher.publish, "global", {})
        asked.wait(20)
        with publisher._nodes[0].pool._lock:
            assert in_child(lambda: publisher.publish("global", {}).subscribers == 2)
        may_answer.set()
        assert slow.result().subscribers == 1
