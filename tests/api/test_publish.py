import json
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta

import pytest
import requests
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from api import publish
from api.models import SetAside, Tweet
from api.publish import hide_tweets, publish_pending, publish_tweets, show_tweets
from api.serializers.resource import render_tweet
from tests.api.database import database_url
from tests.api.factories import make_author, make_tweet
from tests.api.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("publisher")]
NOW = timedelta()


def published():
    return sorted(Tweet.objects.exclude(published_at=None).values_list("pk", flat=True))


def test_publish_sends_the_resource_to_every_channel(subscribe):
    tweet = make_tweet(keywords=["wall", "café"], author=make_author(source_id="7"))
    channels = ("global", "user-7", "keyword-wall", "keyword-caf~C3~A9")
    subscribers = [subscribe(channel) for channel in channels]

    assert publish_tweets([tweet.pk]) == Counter(sent=1)

    for subscriber in subscribers:
        assert subscriber.take(1) == [json.loads(render_tweet(tweet))]
    tweet.refresh_from_db()
    assert (tweet.receivers, tweet.claimed_until) == (4, None)
    assert tweet.published_at is not None


def test_publish_in_the_order_asked_for(subscribe):
    tweets = [make_tweet() for _ in range(5)]
    subscriber = subscribe()

    publish_tweets([tweet.pk for tweet in tweets[::-1]])

    ids = [body["id"] for body in subscriber.take(5)]
    assert ids == [tweet.source_id for tweet in tweets[::-1]]


def test_publish_more_than_a_chunk(subscribe, monkeypatch):
    monkeypatch.setattr(publish, "CHUNK", 2)
    tweets = [make_tweet() for _ in range(5)]
    subscriber = subscribe()

    assert publish_tweets([tweet.pk for tweet in tweets]) == Counter(sent=5)
    assert [body["id"] for body in subscriber.take(5)] == [tweet.source_id for tweet in tweets]


def test_publish_once(subscribe):
    tweet, other = make_tweet(), make_tweet()
    subscriber = subscribe()

    counts = [publish_tweets([tweet.pk]), publish_tweets([tweet.pk]), publish_pending(NOW)]

    assert counts == [Counter(sent=1), Counter(), Counter(sent=1)]
    assert [body["id"] for body in subscriber.take(2)] == [tweet.source_id, other.source_id]


def test_publish_leaves_what_another_worker_has_claimed():
    tweet = make_tweet(claimed_until=timezone.now() + timedelta(seconds=60))

    assert publish_tweets([tweet.pk]) == Counter()
    assert published() == []


def test_publish_takes_over_an_old_claim():
    tweet = make_tweet(claimed_until=timezone.now() - timedelta(seconds=1))

    assert publish_tweets([tweet.pk]) == Counter(sent=1)


def test_publish_claims_for_longer_than_a_push_node_may_take(settings, publisher, monkeypatch):
    settings.WALLPUSH_PUBLISH_TIMEOUT = 60
    tweet = make_tweet()
    send, claims = publisher.publish_many, []

    def note_claim(messages, **options):
        claims.append(Tweet.objects.get().claimed_until)
        return send(messages, **options)

    monkeypatch.setattr(publisher, "publish_many", note_claim)
    start = timezone.now()

    assert publish_tweets([tweet.pk]) == Counter(sent=1)
    assert [claim - start > timedelta(seconds=2 * 60) for claim in claims] == [True]


def test_publish_again_what_changed_under_way(subscribe, publisher, monkeypatch):
    tweet = make_tweet(text="tpyo")
    subscriber = subscribe()
    send = publisher.publish_many

    def change_while_sending(messages, **options):
        outcomes = send(messages, **options)
        Tweet.objects.filter(text="tpyo").update(text="typo", changed_at=timezone.now())
        return outcomes

    monkeypatch.setattr(publisher, "publish_many", change_while_sending)

    assert publish_tweets([tweet.pk]) == Counter(sent=2)
    assert [body["text"] for body in subscriber.take(2)] == ["tpyo", "typo"]
    assert published() == [tweet.pk]


def test_publish_tweet_removed_under_way(publisher, monkeypatch):
    tweet = make_tweet()
    send = publisher.publish_many

    def remove_while_sending(messages, **options):
        Tweet.objects.all().delete()
        return send(messages, **options)

    monkeypatch.setattr(publisher, "publish_many", remove_while_sending)

    assert publish_tweets([tweet.pk]) == Counter(sent=1)


def take_over(text):
    """As another worker does that stores and publishes a newer version when the claim is over."""
    Tweet.objects.update(text=text, changed_at=timezone.now(), claimed_until=None)
    [pk] = Tweet.objects.values_list("pk", flat=True)
    publish_tweets([pk])


def test_publish_nothing_when_stopped_until_the_claim_is_over(subscribe, monkeypatch):
    tweet = make_tweet(text="old")
    subscriber = subscribe()
    monkeypatch.setattr(publish, "claim_time", lambda: timedelta(seconds=-1))

    assert publish_tweets([tweet.pk]) == Counter()

    monkeypatch.undo()
    assert publish_pending(NOW) == Counter(sent=1)
    assert [body["text"] for body in subscriber.take(1)] == ["old"]


def test_publish_the_newer_version_last_when_stopped_while_it_sent(
    subscribe, publisher, monkeypatch
):
    tweet = make_tweet(text="old")
    subscriber = subscribe()
    send = publisher.publish_many

    def be_stopped(messages, **options):
        monkeypatch.setattr(publisher, "publish_many", send)
        take_over("new")
        return send(messages, **options)

    monkeypatch.setattr(publisher, "publish_many", be_stopped)

    assert publish_tweets([tweet.pk]) == Counter(sent=1)
    assert published() == []
    assert publish_pending(NOW) == Counter(sent=1)
    assert [body["text"] for body in subscriber.take(3)] == ["new", "old", "new"]
    assert published() == [tweet.pk]


def test_publish_leaves_a_claim_that_another_worker_has_by_now(publisher, push_node, monkeypatch):
    tweet = make_tweet()
    later = timezone.now() + timedelta(seconds=60)
    send = publisher.publish_many

    def be_stopped(messages, **options):
        Tweet.objects.update(claimed_until=later)
        push_node.stop()
        return send(messages, **options)

    monkeypatch.setattr(publisher, "publish_many", be_stopped)

    assert publish_tweets([tweet.pk]) == Counter(waiting=1)
    assert Tweet.objects.get().claimed_until == later


def test_publish_waits_for_the_push_node(push_node, subscribe):
    tweets = [make_tweet() for _ in range(3)]
    pks = [tweet.pk for tweet in tweets]
    push_node.stop()

    assert publish_tweets(pks) == Counter(waiting=3)
    assert Tweet.objects.filter(published_at=None, claimed_until=None).count() == 3
    assert publish_pending(NOW) == Counter(waiting=3)

    push_node.start()
    subscriber = subscribe()
    assert publish_pending(NOW) == Counter(sent=3)
    assert [body["id"] for body in subscriber.take(3)] == [tweet.source_id for tweet in tweets]
    assert published() == pks


def test_publish_stops_at_the_first_chunk_that_waits(push_node, monkeypatch):
    monkeypatch.setattr(publish, "CHUNK", 2)
    tweets = [make_tweet() for _ in range(5)]
    push_node.stop()

    assert publish_tweets([tweet.pk for tweet in tweets]) == Counter(waiting=2)
    assert publish_pending(NOW) == Counter(waiting=2)


def test_publish_too_large_is_set_aside(subscribe):
    large, small = make_tweet(text="x" * 70_000), make_tweet()
    subscriber = subscribe()

    assert publish_tweets([large.pk, small.pk]) == Counter(sent=1, refused=1)

    assert [body["id"] for body in subscriber.take(1)] == [small.source_id]
    [aside] = SetAside.objects.all()
    assert (aside.kind, aside.message) == ("rejected", large.source_id)
    assert aside.reason.startswith("could not be published: The message has ")
    assert publish_pending(NOW) == Counter()


def test_publish_row_that_can_not_be_rendered_does_not_hold_up_others(subscribe):
    broken, good = make_tweet(), make_tweet()
    Tweet.objects.filter(pk=broken.pk).update(content={})
    subscriber = subscribe()

    assert publish_pending(NOW) == Counter(sent=1, refused=1)
    assert [body["id"] for body in subscriber.take(1)] == [good.source_id]
    assert SetAside.objects.get().message == broken.source_id
    assert publish_pending(NOW) == Counter()


def test_publish_more_keywords_than_one_message_can_go_to(subscribe, push_node):
    tweet = make_tweet(keywords=[f"{n:02}{'x' * 170}" for n in range(20)])
    subscriber = subscribe()

    assert publish_tweets([tweet.pk]) == Counter(sent=1)
    assert [body["id"] for body in subscriber.take(1)] == [tweet.source_id]


def test_pending_leaves_the_young_to_their_task():
    make_tweet()
    old = make_tweet(changed_at=timezone.now() - timedelta(seconds=5))

    assert publish_pending() == Counter(sent=1)
    assert published() == [old.pk]


def test_pending_oldest_change_first(subscribe):
    now = timezone.now()
    tweets = [make_tweet(changed_at=now - timedelta(seconds=n)) for n in range(5)]
    subscriber = subscribe()

    publish_pending(NOW)

    ids = [body["id"] for body in subscriber.take(5)]
    assert ids == [tweet.source_id for tweet in tweets[::-1]]


def test_hide_and_show(subscribe):
    tweet, other = make_tweet(), make_tweet()
    publish_pending(NOW)
    subscriber = subscribe()

    assert hide_tweets([tweet.pk]) == [tweet.pk]
    assert hide_tweets([tweet.pk]) == []
    publish_pending(NOW)
    assert show_tweets([tweet.pk, other.pk]) == [tweet.pk]
    publish_pending(NOW)

    tweet.refresh_from_db()
    assert subscriber.take(2) == [
        {"type": "delete", "id": tweet.source_id},
        json.loads(render_tweet(tweet)),
    ]


def test_publish_sends_the_bytes_that_rest_returns(push_node):
    tweet = make_tweet(text='<b> & \U0001f389 \u2028 "q"', keywords=["b", "a", "é", "z"])
    publish_tweets([tweet.pk])

    answer = requests.get(
        f"{push_node.subscribe_url}/events/lp/global",
        headers={"Last-Event-ID": "Thu, 01 Jan 1970 00:00:01 GMT|0"},
        timeout=10,
    )

    assert b'"text":' + render_tweet(tweet) + b',"tag"' in answer.content


def read_stored(push_node, event_id):
    url = f"{push_node.subscribe_url}/events/lp/global"
    answer = requests.get(url, headers={"Last-Event-ID": event_id}, timeout=10)
    return [json.loads(line) for line in answer.text.splitlines()]


def test_publish_event_id_lets_a_subscriber_go_on(push_node):
    tweets = [make_tweet() for _ in range(3)]
    publish_tweets([tweet.pk for tweet in tweets])

    stored = read_stored(push_node, "Thu, 01 Jan 1970 00:00:01 GMT|0")
    missed = read_stored(push_node, stored[0]["eventid"])

    assert [envelope["text"]["id"] for envelope in missed] == [
        tweet.source_id for tweet in tweets[1:]
    ]


def count_queries(number):
    pks = [make_tweet(keywords=["a", f"b{number}"]).pk for _ in range(number)]
    with CaptureQueriesContext(connection) as queries:
        publish_tweets(pks)
    return len(queries)


def test_publish_number_of_queries_does_not_grow():
    assert count_queries(2) == count_queries(20)


PUBLISH_ALL = """
import django
django.setup()
from datetime import timedelta
from api import publish
from api.models import Tweet
publish.CHUNK, publish.CLAIM_MARGIN = CHUNK, timedelta(seconds=1)
while Tweet.objects.filter(published_at=None).exists():
    publish.publish_pending(timedelta())
"""


@pytest.fixture
def start_publishing(push_node):
    """Processes that publish what waits, until nothing waits any more."""
    processes = []
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "api.settings",
        "DATABASE_URL": database_url(),
        "WALLPUSH_PUBLISH_URLS": push_node.publish_url,
        "WALLPUSH_PUBLISH_TIMEOUT": "1",
    }

    def start(chunk):
        code = PUBLISH_ALL.replace("= CHUNK", f"= {chunk}")
        processes.append(subprocess.Popen([sys.executable, "-c", code], env=env))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_processes_that_publish_together_send_each_tweet_once(start_publishing, subscribe):
    everything = [make_tweet().source_id for _ in range(60)]
    subscriber = subscribe()

    processes = [start_publishing(chunk=2) for _ in range(3)]

    assert sorted(body["id"] for body in subscriber.take(60)) == sorted(everything)
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert (len(published()), subscriber.bodies.qsize()) == (60, 0)


def test_process_stopped_in_the_middle_is_overtaken_and_sends_nothing_old(
    start_publishing, subscribe
):
    everything = [make_tweet().source_id for _ in range(200)]
    subscriber = subscribe()
    stopped = start_publishing(chunk=500)
    wait_for(lambda: Tweet.objects.exclude(claimed_until=None).exists(), "its claim")
    os.kill(stopped.pid, signal.SIGSTOP)
    assert Tweet.objects.filter(published_at=None).count() == 200
    # A newer version, stored while the old one is claimed.
    Tweet.objects.update(text="newer", changed_at=timezone.now())

    assert start_publishing(chunk=500).wait(60) == 0
    assert len(published()) == 200
    os.kill(stopped.pid, signal.SIGCONT)
    assert stopped.wait(60) == 0
    publish_pending(NOW)
    end = make_tweet(text="newer")
    publish_tweets([end.pk])

    last = {}
    while end.source_id not in last:
        [body] = subscriber.take(1)
        last[body["id"]] = body["text"]
    assert set(last) == {*everything, end.source_id}
    assert set(last.values()) == {"newer"}
    assert len(published()) == 201
