"""Subscribers of each kind that do what the wall does: subscribe, read what they missed, merge by id, and come back."""

import json
import random
import threading
import time
from contextlib import closing

import requests
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

# Longer than the push node's pings and polls are apart.
SILENCE = 35
# The front gives those who ask the same within a second one answer (nginx/front.conf): what is asked sooner after
# subscribing may be older than the subscription, and lack what was published in between.
MAX_AGE = 1.1
# What a connection may raise when its other end dies, or answers with what is no message.
LOSSES = (requests.RequestException, WebSocketException, OSError, ValueError, KeyError)


class Watcher(threading.Thread):
    """`shown` maps the id of each card to its version. `repeats` counts messages that merging took away."""

    kind = ""

    def __init__(self, front_url, channel="global"):
        super().__init__(name=f"watcher {self.kind}", daemon=True)
        self.front_url = front_url
        self.channel = channel
        self.shown = {}
        self.gone = set()
        self.connections = self.repeats = 0
        self._after = None
        self._event_id = ""
        self._stopping = threading.Event()

    def run(self):
        while not self._stopping.is_set():
            try:
                self.watch()
            except LOSSES:
                self._stopping.wait(random.uniform(0.1, 0.5))

    def stop(self):
        self._stopping.set()

    def watch(self):
        """One connection: `opened()` once it stands, then `receive(text)` for every envelope."""

    @property
    def url(self):
        return f"{self.front_url}/events/{self.kind}/{self.channel}"

    @property
    def params(self):
        return {"eventid": self._event_id} if self._event_id else {}

    def is_wanted(self):
        return not self._stopping.is_set()

    def opened(self):
        self.connections += 1
        if self._after:
            self._stopping.wait(MAX_AGE)
        more = True
        while more and self.is_wanted():
            query = {"after": self._after} if self._after else {"limit": 200}
            answer = requests.get(f"{self.front_url}/api/tweets/", params=query, timeout=15)
            page = answer.json()
            for resource in page["results"]:
                self.merge(resource)
            self._after = page["after"]
            more = page.get("more", False)

    def receive(self, text):
        envelope = json.loads(text)
        if envelope["id"] < 0:  # a ping
            return
        self._event_id = envelope["eventid"] or self._event_id
        self.merge(envelope["text"])

    def has(self, post_id):
        return post_id in self.shown

    def merge(self, resource):
        if resource["type"] == "delete":
            self.gone.add(resource["id"])
            self.shown.pop(resource["id"], None)
        elif resource["type"] == "tweet" and resource["id"] not in self.gone:
            known = self.shown.get(resource["id"], "")
            self.repeats += known == resource["version"]
            if (len(known), known) < (len(resource["version"]), resource["version"]):
                self.shown[resource["id"]] = resource["version"]


class WebSocketWatcher(Watcher):
    kind = "ws"

    def watch(self):
        address = requests.Request("GET", self.url, params=self.params).prepare().url
        # nginx dies of a ping that is no UTF-8 (push_stream.md §6).
        with connect(
            address.replace("http", "ws", 1), ping_interval=None, close_timeout=1
        ) as socket:
            self.opened()
            while self.is_wanted():
                self.receive(socket.recv(timeout=SILENCE))


class StreamWatcher(Watcher):
    kind = "sub"

    def watch(self):
        answer = requests.get(self.url, params=self.params, stream=True, timeout=(5, SILENCE))
        with closing(answer):
            answer.raise_for_status()
            self.opened()
            for line in answer.iter_lines(chunk_size=1):
                if not self.is_wanted():
                    return
                self.take_line(line)

    def take_line(self, line):
        if line.strip():
            self.receive(line)


class EventSourceWatcher(StreamWatcher):
    kind = "ev"

    def take_line(self, line):
        if line.startswith(b"data: "):
            self.receive(line.removeprefix(b"data: "))


class LongPollingWatcher(Watcher):
    kind = "lp"

    def watch(self):
        with requests.Session() as session:
            headers, is_open = {}, False
            while self.is_wanted():
                params = {} if headers else self.params
                answer = session.get(self.url, params=params, headers=headers, timeout=SILENCE)
                if answer.status_code != 304:
                    answer.raise_for_status()
                for line in filter(bytes.strip, answer.content.split(b"\r\n")):
                    self.receive(line)
                names = {"If-Modified-Since": "Last-Modified", "If-None-Match": "Etag"}
                headers = {ask: answer.headers[told] for ask, told in names.items()}
                if not is_open:
                    # From this position on nothing is missed, so what came before is asked for once.
                    self.opened()
                    is_open = True


WATCHERS = (WebSocketWatcher, EventSourceWatcher, LongPollingWatcher, StreamWatcher)


def wait_for_all(watchers, condition, seconds):
    """The kinds of those for which it did not come true in time."""
    deadline = time.monotonic() + seconds
    while (left := [each.kind for each in watchers if not condition(each)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.1)
    return left
