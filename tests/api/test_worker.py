"""Real workers: `celery -A api worker` as processes of their own, with the filesystem broker and nginx."""

import json
import os
from collections import Counter

import pytest

from api.models import Lease, Missed, PushNodeState, Tally, Tweet
from tests.api.database import database_url
from tests.api.subscriber import Subscriber
from tests.api.waiting import DEADLINE, wait_for
from tests.api.worker_process import Worker, make_lines

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def start_worker(tmp_path, push_node):
    """Workers on this test's database and push node. They replay `lines` once."""
    workers = []

    def start(*arguments, lines=(), **settings):
        replay = tmp_path / "replay.jsonl"
        replay.write_bytes(b"".join(line + b"\n" for line in lines))
        env = os.environ | {
            "DJANGO_SETTINGS_MODULE": "api.settings",
            "DATABASE_URL": database_url(),
            "WALLPUSH_VAR": str(tmp_path),
            "WALLPUSH_PUBLISH_URLS": push_node.publish_url,
            "WALLPUSH_REPLAY_FILE": str(replay),
            "WALLPUSH_REPLAY_SPEED": "100",
            "WALLPUSH_REPLAY_LOOP": "false",
        }
        worker = Worker(env | settings, tmp_path / "worker.log", *arguments)
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        if worker.process.poll() is None:
            worker.kill()


def stored():
    return Tweet.objects.count()


def waiting():
    return Tweet.objects.filter(published_at=None).count()


def texts(bodies):
    return Counter(body["text"] for body in bodies)


ONCE = Counter(str(number) for number in range(30))


def test_worker_reads_stores_publishes_and_stops(start_worker, subscribe):
    subscriber = subscribe()
    worker = start_worker("--source", "replay", "--loglevel", "INFO", lines=make_lines(30))

    assert texts(subscriber.take(30)) == ONCE
    assert Lease.objects.get().holder != ""
    assert worker.stop() == 0

    assert (stored(), waiting(), subscriber.bodies.qsize()) == (30, 0, 0)
    assert Lease.objects.get().holder == ""
    assert dict(Tally.objects.values_list("outcome", "count")) == {"stored": 30}
    assert not worker.said("Traceback")
    assert worker.said("From replay: ")
    assert not worker.said("wallpush.publish_tweets[")


def test_worker_stopped_while_it_reads_publishes_all_it_has_stored(start_worker, subscribe):
    subscriber = subscribe()
    worker = start_worker("--source", "replay", lines=make_lines(5000))
    subscriber.take(1)

    assert worker.stop() == 0

    assert waiting() == 0
    assert len(subscriber.take(stored() - 1)) == stored() - 1
    assert stored() < 5000


def test_worker_publishes_what_was_stored_while_nginx_was_down(start_worker, push_node, subscribe):
    push_node.stop()
    worker = start_worker("--source", "replay", lines=make_lines(30))
    wait_for(lambda: stored() == 30, "30 tweets")
    wait_for(lambda: worker.said("tweets wait to be published"), "a failure")

    push_node.start()
    subscriber = subscribe(stored=True)

    assert texts(subscriber.take(30)) == ONCE
    wait_for(lambda: waiting() == 0, "the marks")
    assert worker.stop() == 0
    assert subscriber.bodies.qsize() == 0


def test_worker_publishes_what_a_killed_one_has_stored(start_worker, push_node, subscribe):
    push_node.stop()
    worker = start_worker("--source", "replay", lines=make_lines(30))
    wait_for(lambda: stored() == 30, "30 tweets")
    worker.kill()
    assert waiting() == 30

    push_node.start()
    subscriber = subscribe()
    start_worker()

    assert texts(subscriber.take(30)) == ONCE
    wait_for(lambda: waiting() == 0, "the marks")
    assert subscriber.bodies.qsize() == 0


def test_worker_does_without_its_broker(start_worker, tmp_path, subscribe):
    subscriber = subscribe()
    worker = start_worker("--source", "replay", lines=make_lines(30), WALLPUSH_REPLAY_SPEED="20")
    subscriber.take(1)

    (tmp_path / "broker" / "messages").rename(tmp_path / "broker" / "gone")
    (tmp_path / "broker" / "messages").touch()

    assert len(subscriber.take(29)) == 29
    wait_for(lambda: waiting() == 0, "the marks")
    assert worker.process.poll() is None


@pytest.mark.parametrize(
    ("arguments", "settings", "sentence"),
    [
        (
            ["--source", "nope"],
            {},
            "WALLPUSH_SOURCE must be one of replay, x, bluesky, not 'nope'.",
        ),
        (["--source", "x"], {}, "WALLPUSH_X_BEARER_TOKEN"),
        (["--source", "replay"], {"WALLPUSH_REPLAY_FILE": "/none"}, "WALLPUSH_REPLAY_FILE"),
    ],
)
def test_worker_says_what_is_wrong(start_worker, arguments, settings, sentence):
    worker = start_worker(*arguments, **settings)

    assert worker.process.wait(DEADLINE) == 2
    assert worker.said(sentence)
    assert not worker.said("Traceback")


def test_worker_ignores_half_a_message_of_the_broker(start_worker, tmp_path, subscribe):
    subscriber = subscribe()
    start_worker("--source", "replay", lines=make_lines(2), WALLPUSH_REPLAY_SPEED="1")
    subscriber.take(1)

    (tmp_path / "broker" / "messages" / "1_a.celery.msg").write_bytes(b'{"body": "W')

    assert json.dumps(subscriber.take(1)[0]["text"]) == '"1"'


def test_worker_catches_up_a_push_node_that_was_down(start_worker, make_push_node, push_node):
    down = make_push_node()
    down.stop()
    subscriber = Subscriber(push_node)
    urls = f"{push_node.publish_url},{down.publish_url}"
    worker = start_worker("--source", "replay", lines=make_lines(30), WALLPUSH_PUBLISH_URLS=urls)
    assert texts(subscriber.take(30)) == ONCE
    wait_for(lambda: Missed.objects.count() == 30, "what it missed")

    down.start()
    late = Subscriber(down, stored=True)

    assert texts(late.take(30)) == ONCE
    wait_for(lambda: not Missed.objects.exists(), "the mark")
    assert worker.stop() == 0
    assert (subscriber.bodies.qsize(), late.bodies.qsize()) == (0, 0)
    assert not worker.said("Traceback")
    subscriber.close()
    late.close()


def test_worker_proves_that_push_nodes_deliver(start_worker, make_push_node, push_node):
    down = make_push_node(start=False)
    nodes = [push_node, down]
    worker = start_worker(
        WALLPUSH_PUBLISH_URLS=",".join(node.publish_url for node in nodes),
        WALLPUSH_SUBSCRIBE_URLS=",".join(node.subscribe_url for node in nodes),
    )
    proved = PushNodeState.objects.exclude(proved_at=None)
    assert wait_for(proved.first, "proof").node == push_node.publish_url
    failing = PushNodeState.objects.exclude(failing_since=None)
    assert wait_for(failing.first, "the lack of it").node == down.publish_url
    assert worker.stop() == 0
    assert not worker.said("Traceback")


def test_worker_says_that_nobody_watches_a_push_node(start_worker, push_node):
    worker = start_worker()
    wait_for(
        lambda: worker.said(f"Nobody sees whether push node 1 ({push_node.publish_url})"), "it"
    )
