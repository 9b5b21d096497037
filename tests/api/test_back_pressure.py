"""A burst meets a database that does not answer, and no broker: a real worker slows its source, and counts everything."""

import os
import re
import sqlite3
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import Sum

from api.models import Tally, Tweet
from tests.api.test_worker import Worker
from tests.api.waiting import wait_for
from tests.api.x_messages import make_line

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


def count():
    return Tally.objects.aggregate(total=Sum("count"))["total"] or 0


def test_burst_is_held_back_and_none_of_it_is_lost(worker, burst, tmp_path, subscribe):
    subscriber = subscribe()
    process = Process(worker.process.pid)
    wait_for(count, "the first tweets")

    messages = tmp_path / "broker" / "messages"
    messages.rename(tmp_path / "broker" / "gone")
    messages.touch()
    outsider = sqlite3.connect(connection.settings_dict["NAME"], timeout=20, isolation_level=None)
    outsider.execute("BEGIN IMMEDIATE")
    positions = []

    def stands_still():
        positions.append(process.position(burst))
        return len(positions) > 75 and len(set(positions[-75:])) == 1

    wait_for(stands_still, "the source to be held back")
    assert 0 < positions[-1] < burst.stat().st_size / 2
    outsider.execute("ROLLBACK")
    outsider.close()

    wait_for(lambda: count() == BURST, "all of the burst to be counted")
    wait_for(lambda: not Tweet.objects.filter(published_at=None).exists(), "the marks")
    assert Tally.objects.get(outcome="stored").count == Tweet.objects.count() == TWEETS
    bodies = subscriber.take(TWEETS)
    assert len({body["id"] for body in bodies}) == TWEETS
    assert process.most_memory() < MOST_MEMORY
    assert worker.stop() == 0
    assert not worker.said("Traceback")
