from datetime import timedelta

import pytest
from django.utils import timezone

from api import retention
from api.models import Author, Gap, Read, SetAside, Tweet
from api.retention import Retention, forget_old, remove_expired
from tests.api.factories import make_author, make_tweet
from tests.api.waiting import wait_for

DAY = timedelta(days=1)


def make_aged(days, **fields):
    return make_tweet(created_at=timezone.now() - days * DAY, **fields)


@pytest.mark.django_db
def test_expired_tweets_are_removed_and_others_stay(settings):
    settings.WALLPUSH_RETENTION_DAYS = 7
    expired, young = make_aged(8), make_aged(6)

    assert remove_expired() is False

    rows = dict(Tweet.objects.values_list("pk", "removal"))
    assert rows == {expired.pk: "expired", young.pk: ""}
    assert Tweet.objects.get(pk=expired.pk).published_at is None


@pytest.mark.django_db
def test_tweets_are_kept_by_default():
    make_aged(1000)

    assert remove_expired() is False
    assert Tweet.objects.filter(removed_at=None).count() == 1


@pytest.mark.django_db
def test_many_expired_tweets_are_removed_in_parts(settings, monkeypatch):
    monkeypatch.setattr(retention, "CHUNK", 2)
    settings.WALLPUSH_RETENTION_DAYS = 7
    for _ in range(3):
        make_aged(8)

    assert [remove_expired(), remove_expired()] == [True, False]
    assert Tweet.objects.filter(removed_at=None).count() == 0


@pytest.mark.django_db
def test_old_tombstones_go_with_authors_of_whom_nothing_is_left():
    now = timezone.now()
    lonely, busy = make_author(), make_author()
    old = {"removed_at": now - 31 * DAY, "published_at": now - 31 * DAY, "hidden_at": now}
    make_tweet(author=lonely, **old)
    make_tweet(author=busy, **old)
    unpublished = make_tweet(author=busy, **old | {"published_at": None})
    recent = make_tweet(author=busy, **old | {"removed_at": now - 29 * DAY})
    shown = make_aged(100, author=busy, published_at=now - 99 * DAY)

    forget_old()

    assert set(Tweet.objects.all()) == {unpublished, recent, shown}
    assert list(Author.objects.all()) == [busy]


@pytest.mark.django_db
def test_old_notes_go():
    now = timezone.now()
    for days in (0, 3):
        Read.objects.create(day=(now - days * DAY).date(), source="x", kind="post", resource_id="1")
    gap = {"source": "x", "text": "#wall", "term": "wall", "after": 1, "until": 2}
    Gap.objects.create(**gap, filled_at=now - 31 * DAY)
    recent = Gap.objects.create(**gap, filled_at=now - DAY)
    still_open = Gap.objects.create(**gap)
    asides = [SetAside.objects.create(kind="rejected", reason="r", message="m") for _ in range(2)]
    SetAside.objects.filter(pk=asides[0].pk).update(received_at=now - 2 * DAY)

    forget_old()

    assert [read.day for read in Read.objects.all()] == [now.date()]
    assert list(Gap.objects.order_by("pk")) == [recent, still_open]
    kept = SetAside.objects.order_by("pk").values_list("reason", "message")
    assert list(kept) == [("r", ""), ("r", "m")]


@pytest.mark.django_db(transaction=True)
def test_retention_works_by_itself(settings, monkeypatch):
    monkeypatch.setattr(retention, "INTERVAL", 0.01)
    settings.WALLPUSH_RETENTION_DAYS = 7
    make_aged(8)
    running = Retention()
    running.start()

    wait_for(lambda: Tweet.objects.exclude(removed_at=None).exists(), "the removal")
    running.stop()
