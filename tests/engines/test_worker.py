"""A worker on PostgreSQL with Redis, and with RabbitMQ: by settings alone, and through the loss of each."""

import queue
from collections import Counter

import pytest

from tests.api.waiting import wait_for

SPEED = 10
# What a loss may cost in the worker's main process, and in its log.
MEMORY, LINES = 64_000_000, 60


class Screen:
    """What a subscriber has been shown: a browser merges by id, so that a repeat of the same is nothing new."""

    def __init__(self, subscriber):
        self.subscriber = subscriber
        self.messages = Counter()
        self.shown = {}

    def look(self):
        """How many tweets are on it by now."""
        while True:
            try:
                body = self.subscriber.bodies.get_nowait()
            except queue.Empty:
                return len(self.shown)
            assert self.shown.setdefault(body["id"], body) == body
            self.messages[int(body["text"])] += 1

    def wait_for_more(self, number):
        wanted = self.look() + number
        wait_for(lambda: self.look() >= wanted, f"{number} more tweets")


@pytest.fixture
def screen(subscriber):
    return Screen(subscriber)


def finish(wall, screen):
    """Stops the worker in order. Then all that it read is stored and was shown."""
    assert wall.worker.stop() == 0
    stored = wall.stored()
    wait_for(lambda: screen.look() >= len(stored), "the last tweets")
    assert stored == list(range(len(stored)))
    assert sorted(screen.messages) == stored
    assert wall.waiting() == 0


def test_worker_needs_nothing_but_settings(wall, screen):
    began = wall.now()
    wall.replay(speed=SPEED)
    wait_for(lambda: wall.published_at_once_since(began) > SPEED, "tasks by the broker")
    finish(wall, screen)

    assert set(screen.messages.values()) == {1}
    assert "Traceback" not in wall.log()


def test_worker_goes_on_while_its_broker_is_away_and_when_it_is_back(wall, screen, broker):
    wall.replay(speed=SPEED)
    screen.wait_for_more(SPEED)
    memory, lines = wall.memory(), wall.log().count("\n")

    broker.kill()
    screen.wait_for_more(5 * SPEED)
    assert "The broker can not be reached, the sweep publishes" in wall.log()
    broker.start()
    back = wall.now()
    wait_for(lambda: wall.published_at_once_since(back) > SPEED, "tasks by the broker")
    assert wall.memory() - memory < MEMORY
    finish(wall, screen)

    assert set(screen.messages.values()) == {1}
    assert wall.log().count("\n") - lines < LINES
    assert "Traceback" not in wall.log()


@pytest.mark.parametrize("broker", ["redis"], indirect=True)
def test_worker_loses_nothing_with_its_database(wall, screen, postgresql):
    wall.replay(speed=SPEED)
    screen.wait_for_more(SPEED)
    memory, lines = wall.memory(), wall.log().count("\n")

    postgresql.kill()
    wait_for(lambda: "The database fails, trying again" in wall.log(), "a failure")
    wait_for(lambda: "The database fails the sweep" in wall.log(), "a failure of the sweep")
    postgresql.start()
    back = wall.now()
    wait_for(lambda: wall.published_at_once_since(back) > SPEED, "tasks")
    # What was under way is claimed for a while.
    wait_for(lambda: wall.waiting(before=back) == 0, "what waited")
    assert wall.memory() - memory < MEMORY
    finish(wall, screen)

    assert wall.log().count("\n") - lines < LINES
    assert "Traceback" not in wall.log()
