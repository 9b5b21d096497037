import socket
import threading

import pytest
from celery import current_app

from api import tasks
from api.announcer import Announcer
from api.celery import app
from api.models import Tweet
from tests.api.factories import make_tweet
from tests.api.waiting import wait_for


def test_app_is_the_one_that_tasks_are_bound_to():
    assert tasks.publish_tweets.app is app
    assert current_app.tasks["wallpush.publish_tweets"].name == "wallpush.publish_tweets"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("publisher")
def test_task_publishes():
    tweet = make_tweet()

    tasks.publish_tweets([tweet.pk])

    assert Tweet.objects.exclude(published_at=None).get().pk == tweet.pk


@pytest.fixture
def broker(monkeypatch):
    """Announcements go to the broker of this address."""

    def use(url):
        monkeypatch.setattr(app.conf, "broker_url", url)
        monkeypatch.setattr(app.conf, "broker_write_url", url)
        app.pool.force_close_all()
        app.amqp._producer_pool = None
        app._pool = None

    yield use
    app.amqp._producer_pool = None
    app._pool = None


def test_announce_survives_a_broker_that_is_gone(broker, caplog):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    broker(f"amqp://127.0.0.1:{port}//")

    tasks.announce([1])

    assert "The broker can not be reached, the sweep publishes" in caplog.text


def test_announcer_does_not_wait(monkeypatch, caplog):
    held, released = threading.Event(), threading.Event()

    def hang(pks):
        held.set()
        released.wait()

    monkeypatch.setattr("api.announcer.announce", hang)
    announcer = Announcer()
    announcer([0])
    wait_for(held.is_set, "the broker to hang")

    for number in range(105):
        announcer([number])
    released.set()

    assert caplog.messages == ["The broker is too slow: the sweep publishes 1 tweets."] * 5
