"""How many messages a second reach 100, 1000 and 5000 subscribers: ours against others that push to browsers.

    python -m bench.fanout

Each system has the same message of 1 kB for all subscribers. First one at a time: from publishing to the moment
that each has it. Then with a few under way at once, which is as fast as it goes. Every subscriber must get every
message once, or the run ends. The client is one Python process that reads bare sockets and counts a sign that
stands once in each message; what it could count at most is measured too. Takes about four minutes.
"""

import itertools
import json
import select
import socket
import sys
import tempfile
import time
from pathlib import Path

from bench._result import describe_machine, keep_result
from bench._subscriber import ANSWERS, connect, make_request
from bench.peers.nginx import BarePushStream, Nchan, Wallpush
from bench.peers.python import Channels, EventStream

SUBSCRIBERS = (100, 1000, 5000)
# How many deliveries a measurement takes, at least: of nginx's modules, and of those in Python.
DELIVERIES, DELIVERIES_IN_PYTHON = 200_000, 10_000
SINGLES, SINGLES_IN_PYTHON = 20, 5
# Messages that are under way at once: enough that nobody waits for the publisher.
WINDOW = 6
WITHIN = 60
# How many subscribe together.
AT_ONCE = 100
# No other byte of a message is this one, nor one of a WebSocket frame of this length.
MARK = b"`"
BODY = 1000
SOURCES = [f"127.0.0.{number}" for number in range(2, 52)]

PEERS = {
    "wallpush, push node": lambda: Wallpush(through_front=False),
    "wallpush, through the front": lambda: Wallpush(through_front=True),
    "push-stream, bare": BarePushStream,
    "nchan": Nchan,
    "Django Channels, Redis": Channels,
    "Django Channels, Redis pub/sub": lambda: Channels("pubsub.RedisPubSubChannelLayer"),
    "django-eventstream": EventStream,
}


class Audience:
    """Subscribers on bare sockets: how many messages each has got."""

    def __init__(self, peer, transport, count):
        self.sockets = []
        sources = itertools.cycle(SOURCES)
        request = make_request(transport, peer.address, peer.path(transport))
        for start in range(0, count, 500):
            some = [
                connect(peer.address, source=next(sources)) for _ in range(min(500, count - start))
            ]
            for sock in some:
                sock.sendall(request)
            for sock in some:
                read_head(sock, ANSWERS[transport])
            self.sockets += some
        self.attend()

    def attend(self):
        self.poll = select.epoll()
        self.by_fd = {sock.fileno(): sock for sock in self.sockets}
        self.got = dict.fromkeys(self.by_fd, 0)
        self.buffer = bytearray(262_144)
        for sock in self.sockets:
            sock.setblocking(False)
            self.poll.register(sock, select.EPOLLIN)

    def __len__(self):
        return len(self.sockets)

    def read(self):
        """Once whatever has come: how many messages, and the moment of each."""
        counts = []
        buffer, by_fd, got, now = self.buffer, self.by_fd, self.got, time.perf_counter
        for fd, _ in self.poll.poll(1):
            size = by_fd[fd].recv_into(buffer)
            if not size:
                raise ConnectionError("a subscriber was cut off")
            if count := buffer.count(MARK, 0, size):
                got[fd] += count
                counts.append((count, now()))
        return counts

    def read_until(self, total):
        """Reads until so many messages more have come. The moment of each read."""
        moments, deadline = [], time.monotonic() + WITHIN
        while total > 0:
            moments += (read := self.read())
            total -= sum(count for count, _ in read)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{total} messages have not come within {WITHIN} s")
        assert total == 0, "more messages came than were sent"
        return moments

    def close(self):
        self.poll.close()
        for sock in self.sockets:
            sock.close()


def read_head(sock, answer):
    """Up to the end of the answer's head; nothing is published yet."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(65536)
        if not part:
            raise ConnectionError(f"a subscription was refused: {data[:200]!r}")
        data += part
    if not data.replace(b"HTTP/1.0", b"HTTP/1.1").startswith(answer):
        raise ConnectionError(f"a subscription was refused: {data[:200]!r}")


def make_body(number):
    body = {"type": "tweet", "id": f"{number:019}", "text": MARK.decode(), "lang": "en", "more": ""}
    body["more"] = "x" * (BODY - len(json.dumps(body)))
    return json.dumps(body).encode()


def settle(peer, audience):
    """Until all of them get what is published: some take a moment after their answer."""
    deadline = time.monotonic() + WITHIN
    rounds = 0
    while not rounds or min(audience.got.values()) == 0 or len(set(audience.got.values())) > 1:
        if rounds and time.monotonic() > deadline:
            raise TimeoutError(f"{peer.name} does not reach every subscriber")
        peer.publish(make_body(0))
        rounds += 1
        quiet = time.monotonic() + 15
        while time.monotonic() < quiet and min(audience.got.values()) < rounds:
            audience.read()
        if min(audience.got.values()) < rounds:
            # Those that came late have missed it: all begin anew, once nothing comes any more.
            quiet = time.monotonic() + 3
            while time.monotonic() < quiet:
                if audience.read():
                    quiet = time.monotonic() + 3
            audience.got = dict.fromkeys(audience.got, 0)
            rounds = 0
    audience.got = dict.fromkeys(audience.got, 0)


def measure_delay(peer, audience, count):
    """Milliseconds from publishing to each delivery, one message at a time: p50, p99."""
    delays = []
    for number in range(count):
        sent = time.perf_counter()
        peer.publish(make_body(number))
        for got, moment in audience.read_until(len(audience)):
            delays += [1000 * (moment - sent)] * got
    delays.sort()
    return [round(delays[len(delays) * percent // 100], 1) for percent in (50, 99)]


def measure_rate(peer, audience, total):
    """Messages delivered a second, with a few under way at once."""
    size = len(audience)
    sent = received = 0
    start = last = time.perf_counter()
    deadline = time.monotonic() + WITHIN
    while received < total * size:
        while sent < total and sent * size - received < WINDOW * size:
            peer.publish(make_body(sent))
            sent += 1
        for count, moment in audience.read():
            received += count
            last = moment
        if time.monotonic() > deadline:
            raise TimeoutError(f"{total * size - received} of {total * size} messages are lost")
    return total * size / (last - start)


def try_measure(peer, transport, subscribers, folder):
    """Of others, that they can not do it is a result."""
    try:
        return measure(peer, transport, subscribers, folder)
    except (OSError, AssertionError) as error:
        if isinstance(peer, Wallpush):
            raise
        print(f"{peer.name} fails: {error}", file=sys.stderr)
        for log in folder.glob("*.log"):
            print(log.read_text(errors="replace")[-600:], file=sys.stderr)
        return {"failure": str(error)}


def measure(peer, transport, subscribers, folder):
    in_python = isinstance(peer, Channels | EventStream)
    deliveries = DELIVERIES_IN_PYTHON if in_python else DELIVERIES
    singles = SINGLES_IN_PYTHON if in_python else SINGLES
    total = max(deliveries // subscribers, 3)
    peer.start(folder)
    try:
        audience = Audience(peer, transport, subscribers)
        try:
            settle(peer, audience)
            p50, p99 = measure_delay(peer, audience, singles)
            rate = measure_rate(peer, audience, total)
        finally:
            audience.close()
    finally:
        peer.stop()
    assert set(audience.got.values()) == {singles + total}, "not each has got each message once"
    return {"rate": round(rate), "p50": p50, "p99": p99, "messages": total, "lost": 0}


class Datagrams(Audience):
    """Full sockets without anybody who writes: each read is one message, the hardest case for the client."""

    DEPTH = 8

    def __init__(self, count):
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(count)]
        self.sockets = [reader for reader, _ in pairs]
        self.writers = [writer for _, writer in pairs]
        self.attend()

    def fill(self):
        for writer in self.writers:
            for number in range(self.DEPTH):
                writer.send(make_body(number))

    def close(self):
        super().close()
        for writer in self.writers:
            writer.close()


def measure_client(rounds=5):
    """How many messages a second the client could count if they cost nobody else anything."""
    audience, seconds = Datagrams(1000), 0.0
    for _ in range(rounds):
        audience.fill()
        start = time.perf_counter()
        audience.read_until(len(audience) * Datagrams.DEPTH)
        seconds += time.perf_counter() - start
    audience.close()
    return round(rounds * len(audience) * Datagrams.DEPTH / seconds)


def measure_all():
    results = []
    for number, subscribers in enumerate(SUBSCRIBERS):
        names = list(PEERS)[number:] + list(PEERS)[:number]
        for name in names:
            for transport in PEERS[name]().transports:
                print(f"{subscribers} x {transport}: {name}", file=sys.stderr, flush=True)
                with tempfile.TemporaryDirectory(prefix="wallpush-bench-") as folder:
                    found = try_measure(PEERS[name](), transport, subscribers, Path(folder))
                results.append(
                    {"name": name, "transport": transport, "subscribers": subscribers} | found
                )
    return results


def report(results, client):
    print(f"The client could count {client} messages/s if nothing else ran.")
    print(f"{'':<42}{'':<4}{'messages/s':>11}{'ratio':>8}{'p50 ms':>9}{'p99 ms':>9}{'lost':>6}")
    for subscribers in SUBSCRIBERS:
        print(f"{subscribers} subscribers")
        for name in PEERS:
            for found in results:
                if (found["name"], found["subscribers"]) == (name, subscribers):
                    print(f"  {name:<40}{found['transport']:<4}{describe(found, results)}")


def describe(found, results):
    if "failure" in found:
        return f"  fails: {found['failure'][:60]}"
    return (
        f"{found['rate']:>11}{find_ratio(found, results):>8.2f}"
        f"{found['p50']:>9}{found['p99']:>9}{found['lost']:>6}"
    )


def find_ratio(found, results):
    """Against the bare module with the same transport and as many subscribers."""
    [bare] = (
        other["rate"]
        for other in results
        if other["name"] == "push-stream, bare"
        and (other["transport"], other["subscribers"]) == (found["transport"], found["subscribers"])
    )
    return found["rate"] / bare


def main():
    machine = describe_machine()
    client = measure_client()
    results = measure_all()
    print(machine)
    report(results, client)
    keep_result({"bench": "fanout", "client": client, "results": results})


if __name__ == "__main__":
    main()
