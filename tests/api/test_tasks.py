import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from celery import current_app

from api import tasks
from api.announcer import Announcer, publish_here
from api.celery import app
from api.models import Tweet
from tests.api.factories import make_tweet
from tests.api.waiting import DEADLINE, wait_for

PROJECT = Path(__file__).parent.parent.parent


def test_app_is_the_one_that_tasks_are_bound_to():
    assert tasks.publish_tweets.app is app
    assert current_app.tasks["wallpush.publish_tweets"].name == "wallpush.publish_tweets"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("publisher")
def test_task_publishes():
    tweet = make_tweet()

    tasks.publish_tweets([tweet.pk])

    assert Tweet.objects.exclude(published_at=None).get().pk == tweet.pk


def test_announce_survives_a_broker_that_is_gone():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "api.settings",
        "CELERY_BROKER_URL": f"amqp://127.0.0.1:{port}//",
    }
    script = "import django; django.setup(); from api.tasks import announce; announce([1])"

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, env=env, capture_output=True, timeout=DEADLINE
    )

    assert done.returncode == 0
    assert b"The broker can not be reached, the sweep publishes" in done.stderr
    assert b"Traceback" not in done.stderr


def test_announce_does_not_fill_a_broker_that_nobody_empties(tmp_path):
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "api.settings", "WALLPUSH_VAR": str(tmp_path)}
    script = (
        "import django; django.setup(); from api import tasks\n"
        "for pk in range(tasks.MOST_WAITING + 20): tasks.announce([pk])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, env=env, capture_output=True, timeout=DEADLINE
    )

    assert done.returncode == 0
    assert len(list((tmp_path / "broker" / "messages").iterdir())) == 1000
    assert done.stderr.count(b"1000 tasks wait for a worker, the sweep publishes.") == 1
    assert done.stderr.count(b"\n") == 1


def test_announcer_does_not_wait(caplog):
    held, released, announced = threading.Event(), threading.Event(), []

    def hang(pks):
        held.set()
        released.wait()
        announced.append(pks)

    announcer = Announcer(hang)
    announcer([0])
    wait_for(held.is_set, "the broker to hang")

    for number in range(1, 106):
        announcer([number])
    assert caplog.messages == ["Publishing is too slow: the sweep publishes 1 tweets."]
    released.set()

    wait_for(lambda: len(announced) == 2, "what was not too much")
    assert announced == [[0], list(range(1, 101))]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("publisher")
def test_worker_of_a_broker_in_a_folder_publishes_itself():
    tweets = [make_tweet() for _ in range(3)]
    announcer = Announcer(publish_here)

    announcer([tweets[0].pk])
    announcer([tweets[1].pk, tweets[2].pk])

    wait_for(lambda: not Tweet.objects.filter(published_at=None).exists(), "all to be published")


def test_publishing_here_survives_a_database_that_is_of_no_use(tmp_path):
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "api.settings", "WALLPUSH_VAR": str(tmp_path)}
    script = (
        "import django; django.setup(); from api.announcer import publish_here; publish_here([1])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, env=env, capture_output=True, timeout=DEADLINE
    )

    assert done.returncode == 0
    assert b"The database fails, the sweep publishes: no such table" in done.stderr
    assert b"Traceback" not in done.stderr
