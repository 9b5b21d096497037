"""How long from X's stream to a subscriber: the whole of wallpush on one machine, with its defaults.

    python -m bench.latency

A stand-in for X writes tweets at a steady rate; tweepy reads them, the worker stores and publishes them, and
subscribers of each transport get them through the front. From the moment that the stand-in is told to write a
line to the moment that a subscriber has read it. At last once more in Chromium: until the card is on the page.
Takes about two minutes.
"""

import http.client
import re
import socket
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench._result import describe_machine, keep_result
from bench._subscriber import connect, make_request
from tests.e2e.conftest import Stack
from tests.x_server import XServer

# Tweets a second, and for how many seconds. The first is not measured: it warms all up.
RATES = {"warm-up": (20, 5), "1": (1, 25), "20": (20, 25), "200": (200, 15)}
BROWSER_RATE = (20, 15)
LATEST = 20
TARGETS = {50: 60, 99: 200}
NUMBER = re.compile(rb'"text":"Post (\d+) ')
FIRST_ID = 2120000000000000000

WATCH_CARDS = """
() => {
  window.shown = {};
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) {
      const cards = node.querySelectorAll ? [node, ...node.querySelectorAll("[data-id]")] : [];
      for (const card of cards) if (card.dataset.id) window.shown[card.dataset.id] ??= Date.now();
    }
  }).observe(document.getElementById("posts"), { childList: true, subtree: true });
}
"""


class Subscriber(threading.Thread):
    """Notes when each numbered post arrives."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address = address
        self.seen = {}
        self.standing = threading.Event()

    def note(self, data):
        now = time.perf_counter()
        for number in NUMBER.findall(data):
            self.seen.setdefault(int(number), now)


class StreamSubscriber(Subscriber):
    """WebSocket and EventSource: one answer that does not end."""

    def __init__(self, address, transport):
        super().__init__(address)
        self.sock = connect(address)
        self.sock.sendall(make_request(transport, address, f"/events/{transport}/global"))

    def run(self):
        self.sock.settimeout(None)
        rest = b""
        while data := self.sock.recv(65536):
            self.standing.set()
            rest += data
            self.note(rest)
            rest = rest[-30:]

    def stop(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.join()
        self.sock.close()


class PollSubscriber(Subscriber):
    """Long-polling: each answer says from where the next request goes on.

    Under a fast stream the module cuts one poll in some hundreds, which the front answers with 502; the next one
    takes up where the last good one ended, as the module's own JavaScript client does.
    """

    def __init__(self, address, transport):
        super().__init__(address)
        self.transport = transport
        self.connection = http.client.HTTPConnection(*address, timeout=40)
        self.connection.connect()
        self.is_stopping = False
        self.headers = {}
        self.polls = self.cut = 0

    def run(self):
        while not self.is_stopping:
            self.polls += 1
            try:
                self.poll()
            except (OSError, http.client.HTTPException):
                self.cut += 1
                self.connection.close()

    def poll(self):
        path = f"/events/{self.transport}/global"
        self.connection.request("GET", path, headers=self.headers)
        self.standing.set()
        answer = self.connection.getresponse()
        self.note(answer.read())
        if answer.status not in (200, 304):
            raise http.client.HTTPException(answer.status)
        self.headers = {
            "If-Modified-Since": answer.headers["Last-Modified"],
            "If-None-Match": answer.headers["Etag"],
        }

    def stop(self):
        self.is_stopping = True
        if sock := self.connection.sock:
            sock.shutdown(socket.SHUT_RDWR)
        self.join()
        self.connection.close()
        print(f"{self.cut} of {self.polls} long polls were cut and asked again")


KINDS = {"ws": StreamSubscriber, "ev": StreamSubscriber, "lp": PollSubscriber}


class Source:
    """Has the stand-in write numbered posts at a steady rate, whatever becomes of them."""

    def __init__(self, x):
        self.x = x
        self.sent = {}
        self.next = 0

    def send(self, rate, seconds):
        """The numbers of the posts."""
        start, numbers = time.perf_counter(), range(self.next, self.next + int(rate * seconds))
        for count, number in enumerate(numbers):
            time.sleep(max(0, start + count / rate - time.perf_counter()))
            self.sent[number] = time.perf_counter()
            self.x.send(make_post(number))
        self.next = numbers.stop
        return numbers


def make_post(number):
    post_id, author_id = str(FIRST_ID + number), str(number % 50 + 1)
    text = f"Post {number} of a night full of tweets, with a word for everybody. #wall"
    return {
        "data": {
            "id": post_id,
            "text": text,
            "author_id": author_id,
            "created_at": "2026-11-20T10:00:00.000Z",
            "edit_history_tweet_ids": [post_id],
            "lang": "en",
            "entities": {"hashtags": [{"start": len(text) - 5, "end": len(text), "tag": "wall"}]},
        },
        "includes": {
            "users": [{"id": author_id, "name": "Ada Lovelace", "username": f"ada_{author_id}"}]
        },
        "matching_rules": [{"id": "1", "tag": "wallpush:wall"}],
    }


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def summarize(milliseconds):
    return {f"p{percent}": round(percentile(milliseconds, percent), 1) for percent in (50, 99)} | {
        "max": round(max(milliseconds), 1)
    }


def find_missing(subscribers, numbers):
    """How many each transport still lacks, of those that lack any."""
    missing = {kind: len(set(numbers) - set(it.seen)) for kind, it in subscribers.items()}
    return {kind: count for kind, count in missing.items() if count}


def measure(source, subscribers, rate, seconds):
    """Of each transport: how long it took. Raises AssertionError if one has not got everything."""
    numbers = source.send(rate, seconds)
    deadline = time.monotonic() + LATEST
    while missing := find_missing(subscribers, numbers):
        assert time.monotonic() < deadline, f"not every tweet has come: {missing}"
        time.sleep(0.05)
    return {
        kind: summarize([1000 * (subscriber.seen[n] - source.sent[n]) for n in numbers])
        for kind, subscriber in subscribers.items()
    }


def measure_in_chromium(source, stack):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.goto(stack.front_url)
        page.wait_for_selector("[data-state=live]")
        page.evaluate(WATCH_CARDS)
        # Both clocks are the machine's.
        offset = time.time() - time.perf_counter()
        numbers = source.send(*BROWSER_RATE)
        page.wait_for_function(f"() => {FIRST_ID + numbers[-1]}n in window.shown")
        shown = page.evaluate("window.shown")
        browser.close()
    return summarize([shown[str(FIRST_ID + n)] - 1000 * (source.sent[n] + offset) for n in numbers])


def run(stack, x):
    front = urlsplit(stack.front_url)
    address = (front.hostname, front.port)
    subscribers = {kind: make(address, kind) for kind, make in KINDS.items()}
    for subscriber in subscribers.values():
        subscriber.start()
    for subscriber in subscribers.values():
        assert subscriber.standing.wait(10)
    source = Source(x)
    results = {rate: measure(source, subscribers, *plan) for rate, plan in RATES.items()}
    for subscriber in subscribers.values():
        subscriber.stop()
    del results["warm-up"]
    return results | {"20, on the page in Chromium": {"ws": measure_in_chromium(source, stack)}}


def report(results):
    print(describe_machine())
    print(f"{'tweets/s':<30}{'':<6}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
    for rate, by_kind in results.items():
        for kind, times in by_kind.items():
            print(f"{rate:<30}{kind:<6}" + "".join(f"{value:>9.1f}" for value in times.values()))
    met = all(
        times[f"p{percent}"] <= limit
        for times in results["20"].values()
        for percent, limit in TARGETS.items()
    )
    keep_result({"bench": "latency", "results": results, "targets_met": met})


def main():
    with tempfile.TemporaryDirectory(prefix="wallpush-bench-") as folder, XServer() as x:
        stack = Stack(
            Path(folder) / "var",
            WALLPUSH_SOURCE="x",
            WALLPUSH_X_BASE_URL=x.url,
            WALLPUSH_X_BEARER_TOKEN=x.token,
            WALLPUSH_KEYWORDS="#wall",
            # A minute of 200 tweets a second, three channels each, and what is kept of them.
            WALLPUSH_PUSH_MEMORY="1024M",
        )
        try:
            stack.start()
            x.wait_until_connected()
            report(run(stack, x))
        finally:
            stack.stop()


if __name__ == "__main__":
    main()
