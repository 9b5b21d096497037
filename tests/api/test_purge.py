"""`manage.py purge` against a real push node: what it removes is gone from the screens when it returns."""

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from api.models import SetAside, Tweet
from tests.api.factories import make_author, make_tweet

pytestmark = pytest.mark.django_db(transaction=True)


def purge(capsys, *arguments):
    call_command("purge", *arguments)
    return capsys.readouterr().out.splitlines()


def mark_published():
    Tweet.objects.update(published_at=timezone.now())


def ids_gone(subscriber, count):
    return sorted(body["id"] for body in subscriber.take(count) if body["type"] == "delete")


@pytest.mark.usefixtures("publisher")
@pytest.mark.parametrize(
    "name",
    [
        "2120000000000000001",
        "https://x.com/ada_l/status/2120000000000000001",
        "https://twitter.com/ada_l/status/2120000000000000001?s=20",
    ],
)
def test_purged_tweet_leaves_every_screen(subscribe, capsys, name):
    tweet = make_tweet(source_id="2120000000000000001", keywords=["tea"])
    SetAside.objects.create(kind="rejected", reason="r", message='"2120000000000000001"')
    mark_published()
    subscriber = subscribe("keyword-tea")

    said = purge(capsys, "tweet", name)

    assert ids_gone(subscriber, 1) == [tweet.source_id]
    assert said == [
        "1 tweet was changed or removed in the store.",
        "Every screen that is connected was told.",
    ]
    assert (Tweet.objects.get().removal, SetAside.objects.count()) == ("purged", 0)


@pytest.mark.usefixtures("publisher")
def test_purged_tweet_of_bluesky(subscribe, capsys):
    make_tweet(source="bluesky", source_id="did:plc:abc~3mpt")
    subscriber = subscribe()

    purge(capsys, "tweet", "https://bsky.app/profile/did:plc:abc/post/3mpt")

    assert ids_gone(subscriber, 1) == ["did:plc:abc~3mpt"]


@pytest.mark.usefixtures("publisher")
@pytest.mark.parametrize("name", ["@Ada_L", "ada_l", "77"])
def test_purged_author_leaves_every_screen(subscribe, capsys, name):
    author = make_author(username="ada_l", source_id="77")
    tweets = [make_tweet(author=author) for _ in range(3)]
    kept = make_tweet()
    mark_published()
    subscriber = subscribe()

    said = purge(capsys, "author", name)

    assert ids_gone(subscriber, 3) == sorted(tweet.source_id for tweet in tweets)
    assert said[0] == "3 tweets were changed or removed in the store."
    assert list(Tweet.objects.filter(removed_at=None)) == [kept]


def test_purge_while_no_push_node_answers_is_told(settings, capsys, push_node):
    from api.publish import get_publisher

    settings.WALLPUSH_PUBLISH_URLS = [push_node.publish_url]
    get_publisher.cache_clear()
    push_node.stop()
    tweet = make_tweet()

    said = purge(capsys, "tweet", tweet.source_id)

    assert said[1] == "1 still wait to be published: a running worker tells the screens."
    assert Tweet.objects.get().removed_at is not None
    get_publisher().close()
    get_publisher.cache_clear()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("tweet", "5"), "No tweet here has the id 5. Nothing was removed."),
        (("author", "@nobody"), "No author here is @nobody. Nothing was removed."),
    ],
)
def test_purge_of_what_is_not_there_removes_nothing(arguments, sentence):
    make_tweet()

    with pytest.raises(CommandError) as caught:
        call_command("purge", *arguments)

    assert str(caught.value) == sentence
    assert Tweet.objects.filter(removed_at=None).count() == 1


def test_purge_removes_nothing_if_one_of_several_is_not_there():
    author = make_author(username="ada_l")
    make_tweet(author=author)

    with pytest.raises(CommandError):
        call_command("purge", "author", "@ada_l", "@nobody")

    assert Tweet.objects.filter(removed_at=None).count() == 1
