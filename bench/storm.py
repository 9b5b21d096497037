"""A reconnect storm: 5000 walls come back at once after a push node was restarted, and each catches up.

    python -m bench.storm

The whole of wallpush runs with its defaults while tweets come in. Each wall does what frontend/js does: it subscribes,
reads the first page, and when its connection ends it waits a little by chance, subscribes, waits until a shared answer
can not be older than its connection, and asks for what has changed, page by page. Once through the front, once
with each wall's questions straight to Django, as they would come without the front's sharing. What counts: how many
questions reach Django, how long until the last wall has caught up, and that none lacks a tweet.
Takes about six minutes.
"""

import asyncio
import json
import os
import random
import re
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench._result import describe_machine, keep_result
from bench._subscriber import make_request
from bench.latency import make_post
from tests.e2e.conftest import Stack
from tests.e2e.processes import find_program
from tests.x_server import XServer

WALLS = 5000
# Seconds over which the walls were opened, as people come to a hall: so far apart are their resume points.
OPENING = 75
RATE = 2
LATEST = 120
# frontend/js/feed.js and history.js, in seconds.
FIRST_DELAY, MAX_DELAY = 1.0, 20.0
MAX_AGE, SPREAD = 1.5, 2.0
CONNECT_TIMEOUT, TIMEOUT = 10, 15
FIRST_PAGE, NEXT_PAGE = 60, 200
SOURCES = 50
# Whom the walls ask.
WAYS = ("front", "django")
IDS = re.compile(rb'"type":"tweet","id":"(\d+)"')


class Hall:
    """What all walls share: where they ask, and what they must have in the end."""

    def __init__(self, front):
        self.front = self.questions = front
        self.asked = self.refused = self.handshakes = 0
        self.rebuffed = 0


class Wall:
    """One page in a browser."""

    def __init__(self, hall, number):
        self.hall = hall
        self.source = f"127.0.1.{number % SOURCES + 1}"
        self.cursor = None
        self.seen = set()
        self.writer = None
        self.attempt = 0
        self.open_at = random.random() * OPENING
        self.caught_up_at = 0.0
        self.times = 0

    async def live(self):
        await asyncio.sleep(self.open_at)
        while True:
            if await self.subscribe():
                catching_up = asyncio.create_task(self.catch_up())
                await self.listen()
                catching_up.cancel()
                self.attempt = 0
            else:
                self.attempt += 1
            await asyncio.sleep(self.back_off(self.attempt))

    def back_off(self, attempt):
        return random.random() * min(MAX_DELAY, FIRST_DELAY * 2**attempt)

    async def subscribe(self):
        self.hall.handshakes += 1
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                self.reader, self.writer = await asyncio.open_connection(
                    *self.hall.front, local_addr=(self.source, 0)
                )
                self.writer.write(make_request("ws", self.hall.front, "/events/ws/global"))
                head = await self.reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError):
            return False
        if b" 101 " in head:
            return True
        self.hall.rebuffed += 1
        self.writer.close()
        return False

    async def listen(self):
        rest = b""
        try:
            while data := await self.reader.read(65536):
                rest += data
                self.seen.update(map(int, IDS.findall(rest)))
                rest = rest[-60:]
        except OSError:
            pass
        self.writer.close()

    async def catch_up(self):
        if self.cursor:
            await asyncio.sleep(MAX_AGE + random.random() * SPREAD)
        attempt, more = 0, True
        while more:
            start = (
                {"after": self.cursor, "limit": NEXT_PAGE} if self.cursor else {"limit": FIRST_PAGE}
            )
            page = await self.ask("&".join(f"{name}={value}" for name, value in start.items()))
            if page is None:
                await asyncio.sleep(self.back_off(attempt))
                attempt += 1
                continue
            self.seen.update(int(item["id"]) for item in page["results"] if item["type"] == "tweet")
            self.cursor, more = page["after"], page.get("more", False)
        self.caught_up_at = time.monotonic()
        self.times += 1

    async def ask(self, query):
        """The page, or None if it was not to be had."""
        self.hall.asked += 1
        host, port = self.hall.questions
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await asyncio.open_connection(
                    host, port, local_addr=(self.source, 0)
                )
                writer.write(
                    f"GET /api/tweets/?{query} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()
                )
                answer = await reader.read()
                writer.close()
        except OSError:
            answer = b""
        head, _, body = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            self.hall.refused += 1
            return None
        return read_page(body)


_pages = {}


def read_page(body):
    """Most walls are given the same: the client need not read it each time."""
    if body not in _pages:
        if len(_pages) > 200:
            _pages.clear()
        _pages[body] = json.loads(body)
    return _pages[body]


class Tweets(threading.Thread):
    """Come in at a steady rate until it is stopped."""

    def __init__(self, x, first):
        super().__init__(daemon=True)
        self.x = x
        self.numbers = []
        self.first = first
        self.stopping = threading.Event()

    def run(self):
        number = self.first
        while not self.stopping.wait(1 / RATE):
            self.x.send(make_post(number))
            self.numbers.append(number)
            number += 1


def count_questions(stack):
    """Of what Django was asked for tweets, by its own access log."""
    return stack.log("django").count('"GET /api/tweets/?')


async def storm(stack, x, questions, first):
    front = urlsplit(stack.front_url)
    hall = Hall((front.hostname, front.port))
    walls = [Wall(hall, number) for number in range(WALLS)]
    tasks = [asyncio.create_task(wall.live()) for wall in walls]
    tweets = Tweets(x, first)
    tweets.start()
    if late := await count_late(lambda wall: wall.times, walls, OPENING + LATEST):
        raise TimeoutError(f"{late} walls are not open")
    # A first page holds 60 tweets: what came before that is not on every wall.
    known = len(tweets.numbers)
    opened = {"questions": hall.asked, "reached_django": count_questions(stack)}
    hall.questions = questions
    hall.asked = hall.refused = hall.handshakes = hall.rebuffed = 0
    node = find_program(stack.process.pid, "nginx/push/nginx.conf")
    os.kill(node, signal.SIGTERM)
    began = time.monotonic()
    late = await count_late(lambda wall: wall.times > 1, walls, LATEST)
    seconds = (max(wall.caught_up_at for wall in walls) if not late else time.monotonic()) - began
    asked, reached = hall.asked, count_questions(stack) - opened["reached_django"]
    tweets.stopping.set()
    wanted = {int(make_post(number)["data"]["id"]) for number in tweets.numbers[known:]}
    lacking = await count_late(lambda wall: wanted <= wall.seen, walls, 20)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for wall in walls:
        wall.writer.close()
    return {
        "walls": WALLS,
        "seconds": round(seconds, 1),
        "handshakes": hall.handshakes,
        "rebuffed": hall.rebuffed,
        "questions": asked,
        "refused": hall.refused,
        "reached_django": reached,
        "opening": opened,
        "late": late,
        "lacking": lacking,
    }


async def count_late(is_done, walls, seconds):
    """How many walls are not so far within this time."""
    deadline = time.monotonic() + seconds
    while missing := sum(not is_done(wall) for wall in walls):
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.2)
    return missing


def measure(name, first):
    print(name, file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="wallpush-bench-") as folder, XServer() as x:
        stack = Stack(
            Path(folder) / "var",
            WALLPUSH_SOURCE="x",
            WALLPUSH_X_BASE_URL=x.url,
            WALLPUSH_X_BEARER_TOKEN=x.token,
            WALLPUSH_KEYWORDS="#wall",
            GUNICORN_CMD_ARGS="--access-logfile -",
        )
        try:
            stack.start()
            x.wait_until_connected()
            front, django = (
                ("127.0.0.1", int(stack.environment[f"WALLPUSH_{place}_PORT"]))
                for place in ("FRONT", "DJANGO")
            )
            found = asyncio.run(storm(stack, x, {"front": front, "django": django}[name], first))
        finally:
            stack.stop()
    # Django by itself may be too slow; through the front, nobody may be late or lack a tweet.
    assert name != "front" or not (found["late"] or found["lacking"]), found
    print(name, found, file=sys.stderr, flush=True)
    return found


def report(results):
    titles = ("seconds", "questions", "reached_django", "refused", "rebuffed", "late", "lacking")
    print(
        f"{WALLS} walls come back" + "".join(f"{title.replace('_', ' '):>16}" for title in titles)
    )
    for name, found in results.items():
        print(f"{'asking the ' + name:<21}" + "".join(f"{found[title]:>16}" for title in titles))


def main():
    machine = describe_machine()
    results = {name: measure(name, 0) for name in WAYS}
    print(machine)
    report(results)
    keep_result({"bench": "storm", "results": results})


if __name__ == "__main__":
    main()
