import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from api.models import Author, SetAside, Tweet
from api.publish import show_tweets
from api.removal import is_withheld, purge_authors, purge_tweets, remove_author, remove_tweets
from api.serializers.resource import tweet_resource
from tests.api.database import explain
from tests.api.factories import make_author, make_tweet

pytestmark = pytest.mark.django_db

# Words that stand in the row of a tweet before it is removed, and nowhere in it afterwards.
SECRET = "the cat is out of the bag"


def make_secret(**fields):
    return make_tweet(text=SECRET, raw={"data": {"text": SECRET}}, keywords=["cat"], **fields)


def make_original(source_id, author=None):
    author = author or make_author()
    return {
        "id": source_id,
        "url": None,
        "created_at": "2026-11-20T10:00:00.000Z",
        "text": SECRET,
        "lang": "en",
        "author": {"id": author.source_id, "username": author.username, "name": author.name},
        "entities": [],
        "media": [],
        "poll": None,
    }


def mark_published():
    Tweet.objects.update(published_at=timezone.now())


def get_row(tweet):
    return Tweet.objects.select_related("author").get(pk=tweet.pk)


def test_removed_tweet_says_nothing_any_more():
    tweet = make_secret(has_media=True, reply_to="5")
    mark_published()

    pks = remove_tweets([tweet.source_id], "deleted")

    row = Tweet.objects.values().get()
    assert pks == [tweet.pk]
    assert SECRET not in str(row)
    assert (row["removal"], row["published_at"], row["reply_to"]) == ("deleted", None, "")
    assert row["removed_at"] == row["hidden_at"] == row["changed_at"]
    assert tweet_resource(get_row(tweet)) == {"type": "delete", "id": tweet.source_id}


def test_removed_tweet_keeps_its_channels():
    tweet = make_secret()
    remove_tweets([tweet.source_id], "deleted")

    assert get_row(tweet).terms == ["cat"]


def test_any_id_of_an_edited_tweet_removes_it():
    tweet = make_secret(source_id="100", version_id="200")

    assert remove_tweets(["200"], "deleted") == [tweet.pk]


def test_tweet_is_removed_once():
    tweet = make_secret()
    remove_tweets([tweet.source_id], "deleted")
    before = Tweet.objects.values().get()

    assert remove_tweets([tweet.source_id], "suspended") == []
    assert Tweet.objects.values().get() == before


def test_unknown_id_removes_nothing():
    make_secret()

    assert remove_tweets(["7"], "deleted") == []
    assert Tweet.objects.filter(removed_at=None).count() == 1


def test_removed_tweet_is_not_shown_again():
    tweet = make_secret()
    remove_tweets([tweet.source_id], "deleted")

    assert show_tweets([tweet.pk]) == []
    assert get_row(tweet).hidden_at is not None


def test_hidden_tweet_that_is_removed_keeps_the_time_of_its_hiding():
    hidden_at = timezone.now()
    tweet = make_secret(hidden_at=hidden_at)

    assert remove_tweets([tweet.source_id], "deleted") == [tweet.pk]
    assert get_row(tweet).hidden_at == hidden_at


@pytest.mark.parametrize("is_stored", [True, False])
def test_retweets_go_with_their_original(is_stored):
    original = make_secret(source_id="100") if is_stored else None
    retweet = make_tweet(content={"retweet_of": make_original("100")})

    pks = remove_tweets(["100"], "deleted")

    assert set(pks) == {retweet.pk, *([original.pk] if original else [])}
    assert SECRET not in str(list(Tweet.objects.values()))


@pytest.mark.parametrize("is_stored", [True, False])
def test_quotes_say_that_the_quoted_tweet_is_missing(is_stored):
    if is_stored:
        make_secret(source_id="100")
    quoting = make_tweet(content={"quote_of": make_original("100")}, raw={"text": SECRET})
    mark_published()

    pks = remove_tweets(["100"], "deleted")

    row = get_row(quoting)
    assert quoting.pk in pks
    assert tweet_resource(row)["quote_of"] == {"id": "100", "missing": True}
    assert (row.text, row.removed_at, row.published_at) == (quoting.text, None, None)
    assert SECRET not in str(list(Tweet.objects.values()))


def test_hidden_quote_is_blanked_and_stays_hidden():
    quoting = make_tweet(content={"quote_of": make_original("100")}, hidden_at=timezone.now())

    assert remove_tweets(["100"], "deleted") == []
    assert get_row(quoting).content["quote_of"] == {"id": "100", "missing": True}


def test_removed_author_takes_every_tweet_along():
    author, other = make_author(), make_author()
    own = [make_secret(author=author) for _ in range(3)]
    retweet = make_tweet(author=other, content={"retweet_of": make_original("900", author)})
    quote = make_tweet(author=other, content={"quote_of": make_original("901", author)})
    kept = make_tweet(author=other)

    pks = remove_author(author.source_id, "purged")

    assert sorted(pks) == sorted([*(tweet.pk for tweet in own), retweet.pk, quote.pk])
    assert SECRET not in str(list(Tweet.objects.values()))
    assert get_row(kept).removed_at is None
    row = Author.objects.get(pk=author.pk)
    assert (row.username, row.name, row.avatar) == ("", "", "")
    assert Author.objects.get(pk=other.pk).username == other.username


def test_author_of_many_tweets_is_removed_in_parts(monkeypatch):
    monkeypatch.setattr("api.removal._CHUNK", 2)
    author = make_author()
    pks = [make_secret(author=author).pk for _ in range(5)]

    assert sorted(remove_author(author.source_id, "purged")) == pks
    assert Tweet.objects.filter(removed_at=None).count() == 0


@pytest.mark.parametrize(
    "remove",
    [
        lambda: remove_author("did:plc:nobody", "deleted"),
        lambda: remove_tweets(["did:plc:nobody~1", "did:plc:nobody~2"], "deleted"),
    ],
    ids=["author", "tweets"],
)
def test_what_is_not_here_costs_no_look_at_every_tweet(remove):
    """A Jetstream tells of every post and every account of the network that goes."""
    with CaptureQueriesContext(connection) as queries:
        assert remove() == []

    selects = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    for sql in selects:
        assert [step for step in explain(sql) if step.startswith(("SCAN", "Seq Scan"))] == [], sql
    assert len(selects) >= 2


@pytest.mark.parametrize("purge", [purge_tweets, purge_authors])
def test_what_was_set_aside_is_purged_too(purge):
    SetAside.objects.create(source="x", kind="rejected", reason="", message='{"id":"100"}')
    kept = SetAside.objects.create(source="x", kind="rejected", reason="", message='{"id":"1000"}')

    purge(["100"])

    assert list(SetAside.objects.all()) == [kept]


@pytest.mark.parametrize(
    ("here", "countries", "withheld"),
    [
        ("", [], False),
        ("", ["DE"], True),
        ("DE", ["DE", "FR"], True),
        ("DE", ["FR"], False),
        ("DE", ["XX"], True),
        ("DE", ["XY"], True),
        ("DE", [], False),
    ],
)
def test_withheld_where_the_wall_stands(settings, here, countries, withheld):
    settings.WALLPUSH_COUNTRY = here

    assert is_withheld(countries) == withheld


def test_many_removals_cost_few_queries(django_assert_num_queries):
    few = [make_secret().source_id for _ in range(2)]
    many = [make_secret().source_id for _ in range(20)]
    with django_assert_num_queries(6):
        remove_tweets(few, "deleted")
    with django_assert_num_queries(6):
        remove_tweets(many, "deleted")
