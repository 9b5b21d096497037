"""What an idle subscriber costs in memory, in each process of the way to it: ours against Django Channels.

    python -m bench.memory

The whole of wallpush runs, and 4000 WebSockets are opened to it through the front; then as many to Django Channels.
Counted is what each process has in memory for itself (PSS: what is shared is counted in parts), before and with them.
What the kernel keeps for a socket, the same for all, is not in it. Takes about a minute.
"""

import itertools
import os
import re
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench._result import describe_machine, keep_result
from bench._subscriber import ANSWERS, connect, make_request
from bench.fanout import AT_ONCE, SOURCES, read_head
from bench.peers.python import Channels
from tests.e2e.conftest import Stack
from tests.e2e.processes import descendants, find_program

SUBSCRIBERS = 4000
# Seconds in which memory may still grow after the last of them.
SETTLE = 3
PARTS = {
    "push node": "nginx/push/nginx.conf",
    "front": "nginx/front/nginx.conf",
    "Django (gunicorn)": "gunicorn",
    "worker": "celery",
}


class Ours:
    def start(self, folder):
        self.stack = Stack(folder / "var", WALLPUSH_REPLAY_LOOP="false").start()
        front = urlsplit(self.stack.front_url)
        self.address = (front.hostname, front.port)

    def path(self):
        return "/events/ws/nobody-talks-here"

    def processes(self):
        return {part: find_program(self.stack.process.pid, word) for part, word in PARTS.items()}

    def stop(self):
        self.stack.stop()


class Theirs:
    def __init__(self):
        self.peer = Channels()

    def start(self, folder):
        self.peer.start(folder)
        self.address = self.peer.address

    def path(self):
        return self.peer.path("ws")

    def processes(self):
        return {part: pid for part, [pid] in self.peer.processes().items()}

    def stop(self):
        self.peer.stop()


WAYS = {"wallpush": Ours, "Django Channels, Redis": Theirs}


def subscribe(address, path, count):
    sources, sockets = itertools.cycle(SOURCES), []
    request = make_request("ws", address, path)
    for start in range(0, count, AT_ONCE):
        some = [connect(address, source=next(sources)) for _ in range(min(AT_ONCE, count - start))]
        for sock in some:
            sock.sendall(request)
        for sock in some:
            read_head(sock, ANSWERS["ws"])
        sockets += some
    return sockets


def read_memory(processes):
    """Of each part with all that it has started: bytes."""
    return {
        part: sum(map(proportional_size, [pid, *descendants(pid)]))
        for part, pid in processes.items()
    }


def proportional_size(pid):
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)[1])


def measure(way):
    with tempfile.TemporaryDirectory(prefix="wallpush-bench-") as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - nginx's workers are nobody, as they are where it is installed
        way.start(Path(folder))
        try:
            return measure_started(way)
        finally:
            way.stop()


def measure_started(way):
    # What a first subscriber makes a process load is not counted for each.
    first = subscribe(way.address, way.path(), 100)
    time.sleep(SETTLE)
    before = read_memory(way.processes())
    sockets = subscribe(way.address, way.path(), SUBSCRIBERS)
    time.sleep(SETTLE)
    after = read_memory(way.processes())
    for sock in first + sockets:
        sock.close()
    return {
        part: {
            "at_rest": before[part],
            "per_subscriber": round((after[part] - before[part]) / SUBSCRIBERS),
        }
        for part in before
    }


def report(results):
    print(f"{SUBSCRIBERS} idle WebSockets{'':<22}{'at rest':>10}{'each':>12}")
    for way, parts in results.items():
        for part, found in parts.items():
            print(
                f"{way + ': ' + part:<44}{found['at_rest'] / 1e6:>7.1f} MB"
                f"{found['per_subscriber'] / 1000:>9.1f} kB"
            )


def main():
    machine = describe_machine()
    results = {name: measure(way()) for name, way in WAYS.items()}
    print(machine)
    report(results)
    keep_result({"bench": "memory", "subscribers": SUBSCRIBERS, "results": results})


if __name__ == "__main__":
    main()
