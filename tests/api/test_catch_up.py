"""Several push nodes: one that is down, hangs or comes back empty holds up nobody, and gets what it missed."""

import os
import signal
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from api import catch_up as catch_up_module
from api import missed, publish
from api.catch_up import CatchUp, catch_up
from api.missed import forget_others
from api.models import Missed, PushNodeState, Tweet
from api.publish import get_publisher, hide_tweets, publish_pending, publish_tweets
from tests.api.factories import make_tweet
from tests.api.subscriber import Subscriber
from tests.api.waiting import wait_for
from tests.e2e.processes import descendants

pytestmark = pytest.mark.django_db(transaction=True)
NOW = timedelta()


@pytest.fixture(autouse=True)
def forget_behind(monkeypatch):
    monkeypatch.setattr(missed, "_behind", frozenset())


@pytest.fixture
def nodes(make_push_node, settings):
    """Three push nodes to which everything is published."""
    nodes = [make_push_node() for _ in range(3)]
    settings.WALLPUSH_PUBLISH_URLS = [node.publish_url for node in nodes]
    settings.WALLPUSH_PUBLISH_TIMEOUT = 5
    get_publisher.cache_clear()
    yield nodes
    get_publisher().close()
    get_publisher.cache_clear()


@pytest.fixture
def subscribe():
    subscribers = []

    def make(node, **options):
        subscribers.append(Subscriber(node, **options))
        return subscribers[-1]

    yield make
    for subscriber in subscribers:
        subscriber.close()


@pytest.fixture
def hang():
    """Stops the processes of a push node, as one that swaps or whose machine freezes; they go on with the test's end."""
    stopped = []

    def stop(node):
        stopped.extend(pids := [node.pid, *descendants(node.pid)])
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)

    def go_on():
        while stopped:
            os.kill(stopped.pop(), signal.SIGCONT)

    stop.go_on = go_on
    yield stop
    go_on()


def publish_new(count):
    """Makes tweets and publishes them. Returns their ids."""
    tweets = [make_tweet() for _ in range(count)]
    assert publish_tweets([tweet.pk for tweet in tweets]) == Counter(sent=count)
    return [tweet.source_id for tweet in tweets]


def ids(bodies):
    return [body["id"] for body in bodies]


def test_push_node_that_is_down_gets_what_it_missed_in_order(nodes, subscribe, caplog):
    up, down, _ = nodes
    subscriber = subscribe(up)
    down.stop()

    first, second = publish_new(3), publish_new(2)

    assert ids(subscriber.take(5)) == first + second
    assert catch_up(down.publish_url) is False
    assert set(Missed.objects.values_list("node", flat=True)) == {down.publish_url}
    down.start()
    late = subscribe(down)
    third = publish_new(2)
    assert catch_up(down.publish_url) is True
    fourth = publish_new(2)
    assert ids(late.take(9)) == first + second + third + fourth
    assert not Missed.objects.exists()
    assert PushNodeState.objects.get().claimed_until is None
    assert caplog.messages == [
        f"{down.publish_url} takes no messages: it gets what it misses when it is back."
    ]


def test_push_node_that_hangs_is_waited_for_once(nodes, subscribe, hang, monkeypatch):
    monkeypatch.setattr(publish, "PATIENCE", 0.3)
    get_publisher.cache_clear()
    up, hung, down = nodes
    subscriber, late = subscribe(up), subscribe(hung)
    hang(hung)
    down.stop()
    start = time.monotonic()
    first = publish_new(3)
    assert 0.3 <= time.monotonic() - start < 4

    start = time.monotonic()
    rest = [publish_new(2) for _ in range(10)]
    assert time.monotonic() - start < 4
    everything = sum(rest, first)
    assert ids(subscriber.take(23)) == everything
    counts = Counter(Missed.objects.values_list("node", flat=True))
    assert counts == {hung.publish_url: 23, down.publish_url: 23}

    hang.go_on()
    assert catch_up(hung.publish_url) is True
    # What was on its way when it stopped comes as well.
    received = ids(late.take(23))
    while not set(received) >= set(everything):
        received += ids(late.take(1))
    assert list(dict.fromkeys(received)) == everything


def test_push_node_that_hangs_is_asked_before_it_is_sent_anything(nodes, hang, settings):
    settings.WALLPUSH_PUBLISH_TIMEOUT = 0.2
    get_publisher.cache_clear()
    hung = nodes[1]
    hang(hung)
    publish_new(3)
    assert [catch_up(hung.publish_url) for _ in range(3)] == [False] * 3
    hang.go_on()
    wait_for(lambda: catch_up(hung.publish_url), "the push node")
    [statistics] = get_publisher().statistics(nodes={hung.publish_url})
    # Each to two channels: once when it hung, and once when it had answered.
    assert 6 <= statistics.published_messages <= 12


def test_push_node_that_comes_back_empty_gets_what_is_still_of_use(nodes, subscribe):
    down = nodes[1]
    down.stop()
    old = publish_new(2)
    Missed.objects.update(since=timezone.now() - missed.KEPT - timedelta(seconds=1))
    new = publish_new(2)
    down.start()
    stored = subscribe(down, stored=True)

    assert catch_up(down.publish_url) is True

    assert ids(stored.take(2)) == new
    assert not set(old) & set(new)
    assert not Missed.objects.exists()


def test_missed_are_no_more_than_a_number(nodes, monkeypatch, subscribe):
    monkeypatch.setattr(missed, "MOST", 3)
    down = nodes[1]
    down.stop()
    everything = publish_new(5)
    catch_up(down.publish_url)
    assert Missed.objects.count() == 3

    down.start()
    late = subscribe(down)
    catch_up(down.publish_url)
    assert ids(late.take(3)) == everything[2:]


def test_missed_of_more_than_a_chunk(nodes, subscribe, monkeypatch):
    monkeypatch.setattr(catch_up_module, "CHUNK", 2)
    down = nodes[0]
    down.stop()
    everything = publish_new(5)
    down.start()
    late = subscribe(down)
    assert catch_up(down.publish_url) is True
    assert ids(late.take(5)) == everything


def test_all_push_nodes_down_is_no_reason_to_go_on(nodes, subscribe):
    for node in nodes:
        node.stop()
    tweet = make_tweet()
    assert publish_tweets([tweet.pk]) == Counter(waiting=1)
    assert not Missed.objects.exists()

    nodes[2].start()
    subscriber = subscribe(nodes[2])
    assert publish_pending(NOW) == Counter(sent=1)
    assert ids(subscriber.take(1)) == [tweet.source_id]
    assert Missed.objects.count() == 2


def test_push_nodes_that_are_all_behind_are_all_tried(nodes, subscribe):
    nodes[0].stop()
    publish_new(1)
    nodes[0].start()
    for node in nodes[1:]:
        node.stop()

    assert publish_tweets([make_tweet().pk]) == Counter(waiting=1)
    nodes[1].start()
    assert publish_pending(NOW) == Counter(sent=1)


def test_hidden_tweet_goes_from_the_screens_of_a_node_that_was_down(nodes, subscribe):
    down = nodes[1]
    [source_id] = publish_new(1)
    down.stop()
    publish_tweets(hide_tweets([Tweet.objects.get().pk]))
    down.start()
    late = subscribe(down)
    catch_up(down.publish_url)
    assert late.take(1) == [{"type": "delete", "id": source_id}]


def test_tweet_that_changes_while_it_is_caught_up_is_sent_once_more(nodes, subscribe, monkeypatch):
    down = nodes[1]
    down.stop()
    publish_new(1)
    down.start()
    late = subscribe(down)
    publisher, send = get_publisher(), get_publisher().publish_many

    def change_first(messages, **options):
        monkeypatch.setattr(publisher, "publish_many", send)
        Tweet.objects.update(text="newer", changed_at=timezone.now())
        return send(messages, **options)

    monkeypatch.setattr(publisher, "publish_many", change_first)
    assert catch_up(down.publish_url) is True
    assert [body["text"] == "newer" for body in late.take(2)] == [False, True]


def test_tweet_deleted_while_a_push_node_is_down_is_forgotten(nodes):
    nodes[1].stop()
    publish_new(1)
    Tweet.objects.all().delete()
    assert not Missed.objects.exists()
    nodes[1].start()
    assert catch_up(nodes[1].publish_url) is True


def test_tweet_too_large_for_a_push_node_is_not_tried_for_ever(nodes):
    nodes[1].stop()
    publish_new(1)
    Tweet.objects.update(text="x" * 70_000)
    nodes[1].start()
    assert catch_up(nodes[1].publish_url) is True
    assert not Missed.objects.exists()


def test_one_worker_at_a_time_sends_what_was_missed(nodes):
    down = nodes[1]
    down.stop()
    publish_new(1)
    down.start()
    until = timezone.now() + timedelta(seconds=60)
    PushNodeState.objects.create(node=down.publish_url, claimed_until=until)

    catch_up(down.publish_url)
    assert Missed.objects.count() == 1
    assert PushNodeState.objects.get().claimed_until == until

    PushNodeState.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    catch_up(down.publish_url)
    assert Missed.objects.count() == 0


def test_push_node_that_left_the_settings_is_forgotten(nodes):
    for node in nodes[1:]:
        node.stop()
    publish_new(2)
    forget_others([nodes[0].publish_url, nodes[1].publish_url])
    assert set(Missed.objects.values_list("node", flat=True)) == {nodes[1].publish_url}


def test_catching_up_goes_on_by_itself(nodes, subscribe, monkeypatch):
    monkeypatch.setattr(catch_up_module, "INTERVAL", 0.02)
    down = nodes[1]
    down.stop()
    everything = publish_new(2)
    running = CatchUp(down.publish_url)
    running.start()
    down.start()
    late = subscribe(down, stored=True)
    try:
        assert ids(late.take(2)) == everything
        wait_for(lambda: not Missed.objects.exists(), "the mark")
    finally:
        running.stop()
