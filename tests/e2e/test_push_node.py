"""A push node that runs and delivers nothing is healed without a hand, and its subscribers miss nothing."""

import os
import signal
import socket
import threading
import time
from contextlib import suppress

import pytest

from tests.e2e.processes import children, find_program
from tests.e2e.watchers import StreamWatcher, WebSocketWatcher
from wallpush import Publisher

HANDSHAKE = (
    b"GET /events/ws/global HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Crowd:
    """WebSockets straight at the push node, back at once when it ends them, and a publisher that never rests.

    With these, a reload ends delivery for good (push_stream.md §0.1).
    """

    def __init__(self, stack, size=60):
        self.address = ("127.0.0.1", int(stack.environment["WALLPUSH_SUBSCRIBE_PORT"]))
        self.publish_url = stack.publish_url
        self.received = 0
        self.threads = [threading.Thread(target=self.subscribe) for _ in range(size)]
        self.threads.append(threading.Thread(target=self.publish))
        self.is_over = threading.Event()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    def subscribe(self):
        while not self.is_over.wait(0.02):
            with suppress(OSError), socket.create_connection(self.address, timeout=2) as sock:
                sock.sendall(HANDSHAKE)
                self.read(sock)

    def read(self, sock):
        while not self.is_over.is_set():
            with suppress(TimeoutError):
                if not sock.recv(65536):
                    return
                self.received += 1

    def publish(self):
        with Publisher(self.publish_url) as publisher:
            while not self.is_over.wait(0.01):
                publisher.publish_many(
                    [(["global", "user-1", "keyword-x"], {"type": "noise"}, None)]
                )

    def hears_nothing(self):
        """For two seconds, once those that were disconnected have had the time to come back."""
        time.sleep(1)
        before = self.received
        deadline = time.monotonic() + 2
        while self.received == before:
            if time.monotonic() > deadline:
                return True
            time.sleep(0.01)
        return False


@pytest.fixture
def stack(make_stack):
    return make_stack(WALLPUSH_REPLAY_SPEED="2").start()


@pytest.fixture
def watchers(stack):
    watchers = [kind(stack.front_url) for kind in (WebSocketWatcher, StreamWatcher)]
    for watcher in watchers:
        watcher.start()
    yield watchers
    for watcher in watchers:
        watcher.stop()
    # The end of the push node ends their connections.
    stack.stop()
    for watcher in watchers:
        watcher.join(60)


def find_proof(stack):
    """When the push node last delivered, if it is well now."""
    answer = stack.answers("/api/health/")
    [node] = answer.json()["push_nodes"] if answer else [None]
    return node and node["status"] == "ok" and node["last_proof_at"]


def freeze(stack, nginx):
    """Its master, too, so that it does not even end when it is told to."""
    for pid in (nginx, *children(nginx)):
        os.kill(pid, signal.SIGSTOP)
    return "It takes no messages: no answer in time."


def reload(stack, nginx):
    with Crowd(stack) as crowd:
        stack.wait_until(lambda: crowd.received > 100)
        for _ in range(5):
            os.kill(nginx, signal.SIGHUP)
            if crowd.hears_nothing():
                return "It takes messages and delivers none."
    raise AssertionError("it delivers in spite of five reloads")


@pytest.mark.parametrize("break_push_node", [freeze, reload])
def test_push_node_that_delivers_nothing_is_restarted(stack, watchers, break_push_node):
    before = stack.wait_until(lambda: find_proof(stack))
    stack.wait_until(lambda: all(watcher.shown for watcher in watchers))
    nginx = find_program(stack.process.pid, "/nginx/push")

    problem = break_push_node(stack, nginx)

    stack.wait_until(lambda: "The push node delivers nothing: it is restarted" in stack.output)
    assert f"does not deliver. {problem}" in stack.log("worker")
    stack.wait_until(lambda: (find_proof(stack) or before) > before)
    known = {tweet["id"] for tweet in stack.tweets(limit=200)}
    # Some are taken back meanwhile, as the sample has it.
    stack.wait_until(
        lambda: all(known <= watcher.shown.keys() | watcher.gone for watcher in watchers)
    )
    assert find_program(stack.process.pid, "/nginx/push") not in (nginx, None)
    assert "delivers again" in stack.log("worker")
    assert stack.output.count("it is restarted") == 1
