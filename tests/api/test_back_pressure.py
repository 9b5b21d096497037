"""A database that does not answer, and no broker: what comes in is held back, what can not be is found again, and counted."""

import itertools
import os
import re
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import Sum

from api.ledger import StoredLedger
from api.models import Gap, Tally, Tweet
from api.reader import Reader
from api.sources.x import XSource
from api.tracks import add_track
from tests.api.test_worker import Worker
from tests.api.waiting import wait_for
from tests.api.x_messages import make_line
from tests.x_server import TOKEN, XServer

pytestmark = pytest.mark.django_db(transaction=True)

BURST, TWEETS = 50_000, 2_000
PADDING = "x" * 3_000
# It takes 150 MB, of which 16 MB are its queue; one that kept the whole burst took 310 MB.
MOST_MEMORY = 220_000_000


@pytest.fixture
def burst(tmp_path):
    """The tweets, and then the same again and again: what is known costs the database little."""
    lines = [make_line(id=str(10**18 + n), context=PADDING) + b"\n" for n in range(TWEETS)]
    path = tmp_path / "burst.jsonl"
    with path.open("wb") as file:
        for _ in range(BURST // TWEETS):
            file.writelines(lines)
    return path


@pytest.fixture
def worker(burst, tmp_path, push_node):
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "api.settings",
        "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
        "WALLPUSH_VAR": str(tmp_path),
        "WALLPUSH_PUBLISH_URLS": push_node.publish_url,
        "WALLPUSH_REPLAY_FILE": str(burst),
        "WALLPUSH_REPLAY_SPEED": "1000000",
        "WALLPUSH_REPLAY_LOOP": "false",
    }
    worker = Worker(env, tmp_path / "worker.log", "--source", "replay")
    yield worker
    if worker.process.poll() is None:
        worker.kill()


class Process:
    """What the kernel says of a process."""

    def __init__(self, pid):
        self.folder = Path(f"/proc/{pid}")

    def most_memory(self):
        """Bytes that it had in memory at its largest."""
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", (self.folder / "status").read_text())[1])

    def position(self, path):
        """How far it has read the file; nothing while it has not opened it."""
        for link in (self.folder / "fd").iterdir():
            if link.resolve() == path:
                return int(
                    re.match(r"pos:\s+(\d+)", (self.folder / "fdinfo" / link.name).read_text())[1]
                )
        return None


@contextmanager
def locked_database():
    """Somebody else writes, and takes a long time over it."""
    with closing(
        sqlite3.connect(connection.settings_dict["NAME"], timeout=20, isolation_level=None)
    ) as outsider:
        outsider.execute("BEGIN IMMEDIATE")
        yield
        outsider.execute("ROLLBACK")


def count():
    return Tally.objects.aggregate(total=Sum("count"))["total"] or 0


def test_burst_is_held_back_and_none_of_it_is_lost(worker, burst, tmp_path, subscribe):
    subscriber = subscribe()
    process = Process(worker.process.pid)
    wait_for(count, "the first tweets")

    messages = tmp_path / "broker" / "messages"
    messages.rename(tmp_path / "broker" / "gone")
    messages.touch()
    positions = []

    def stands_still():
        positions.append(process.position(burst))
        return len(positions) > 75 and len(set(positions[-75:])) == 1

    with locked_database():
        wait_for(stands_still, "the source to be held back")
    assert 0 < positions[-1] < burst.stat().st_size / 2

    wait_for(lambda: count() == BURST, "all of the burst to be counted")
    wait_for(lambda: not Tweet.objects.filter(published_at=None).exists(), "the marks")
    assert Tally.objects.get(outcome="stored").count == Tweet.objects.count() == TWEETS
    bodies = subscriber.take(TWEETS)
    assert len({body["id"] for body in bodies}) == TWEETS
    assert process.most_memory() < MOST_MEMORY
    assert worker.stop() == 0
    assert not worker.said("Traceback")


@pytest.fixture
def x():
    with XServer() as server:
        yield server


@pytest.fixture
def reader(x):
    """Reads the stand-in for X, with room for three messages that wait to be stored."""
    add_track("#wall")
    reader = Reader("x", lambda: make_source(x), announce=None)
    reader.queue.max_messages = 3
    reader.start()
    yield reader
    reader.stop()


def make_source(x):
    return XSource(TOKEN, base_url=x.url, ledger=StoredLedger("x"), settle=0, tick=0.05)


def test_what_x_did_not_wait_for_is_found_by_search(x, reader):
    x.wait_until_connected()
    numbers = iter(range(100))

    def publish(count):
        for number in itertools.islice(numbers, count):
            x.publish(x.world.compose(f"{number} #wall"))

    publish(1)
    wait_for(lambda: Tweet.objects.count() == 1, "the first tweet")
    with locked_database():
        publish(20)
        wait_for(lambda: len(reader.queue) == 3, "a full queue")
        x.hang_up()
        x.wait_until_disconnected()
        publish(20)
    assert len(x.missed) >= 20

    wait_for(lambda: Tweet.objects.count() == 41, "what was missed")
    assert Tally.objects.get(outcome="stored").count == 41
    wait_for(lambda: not Gap.objects.filter(filled_at=None).exists(), "no gap")
    assert Gap.objects.exists()
