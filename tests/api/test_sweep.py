from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from api import publish, sweep
from api.models import Tweet
from api.seldom import Seldom
from api.sweep import Sweep
from tests.api.factories import make_tweet
from tests.api.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("publisher")]


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(sweep, "INTERVAL", 0.02)
    monkeypatch.setattr(publish, "seldom", Seldom(publish.logger))
    monkeypatch.setattr(sweep, "LONGEST_PAUSE", 0.05)


@pytest.fixture
def sweeping():
    running = Sweep()
    running.start()
    yield running
    running.stop()


def make_old_tweet():
    return make_tweet(changed_at=timezone.now() - timedelta(seconds=5))


def waiting():
    return Tweet.objects.filter(published_at=None).count()


def test_sweep_publishes_what_waits(sweeping, subscribe):
    subscriber = subscribe()
    tweet = make_old_tweet()

    assert [body["id"] for body in subscriber.take(1)] == [tweet.source_id]
    wait_for(lambda: waiting() == 0, "the mark")


def test_sweep_publishes_at_last_what_is_young():
    make_tweet()
    running = Sweep()
    running.start()

    running.stop()

    assert waiting() == 0


def test_sweep_goes_on_when_the_push_node_is_back(sweeping, push_node, caplog):
    push_node.stop()
    make_old_tweet()
    wait_for(lambda: "1 tweets wait to be published" in caplog.text, "a failure")

    push_node.start()

    wait_for(lambda: waiting() == 0, "the tweet")


@pytest.mark.parametrize("error", [OperationalError("gone"), ValueError("a bug")])
def test_sweep_survives_errors(monkeypatch, caplog, error):
    publish_pending, failures = sweep.publish_pending, []

    def fail_once(grace):
        if not failures:
            failures.append(error)
            raise error
        return publish_pending(grace)

    monkeypatch.setattr(sweep, "publish_pending", fail_once)
    make_old_tweet()
    running = Sweep()
    running.start()

    wait_for(lambda: waiting() == 0, "the tweet")
    running.stop()
    assert ("The database fails the sweep of the outbox: gone" in caplog.messages) == (
        not isinstance(error, ValueError)
    )
