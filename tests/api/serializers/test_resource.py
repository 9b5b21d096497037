import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from api.models import Tweet
from api.serializers.resource import (
    AuthorSerializer,
    DeletionSerializer,
    KeywordSerializer,
    TweetSerializer,
    fill_terms,
    format_time,
    render_tweet,
    with_parts,
)
from tests.api.factories import make_author, make_keyword, make_tweet

pytestmark = pytest.mark.django_db


def test_render_tweet_shows_the_resource_in_its_order():
    author = make_author(source_id="101", username="ada_l", name="Ada <b>", verified="blue")
    tweet = make_tweet(
        source="x",
        source_id="2120000000000000006",
        version_id="2120000000000000007",
        author=author,
        created_at=datetime(2026, 11, 20, 10, tzinfo=UTC),
        text="5 < 6 #Wall 🎉",
        keywords=["wall", "5"],
        content={
            "url": "https://x.com/ada_l/status/2120000000000000007",
            "entities": [{"type": "hashtag", "start": 6, "end": 11, "tag": "Wall"}],
            "withheld_in": ["DE"],
            "edited": True,
        },
    )

    assert render_tweet(tweet).decode() == (
        '{"type":"tweet","id":"2120000000000000006","version":"2120000000000000007","source":"x",'
        '"url":"https://x.com/ada_l/status/2120000000000000007",'
        '"created_at":"2026-11-20T10:00:00.000Z","text":"5 \\u003c 6 #Wall 🎉","lang":"en",'
        '"author":{"id":"101","username":"ada_l","name":"Ada \\u003cb>",'
        '"avatar":"/sample/avatar.svg","verified":"blue"},'
        '"entities":[{"type":"hashtag","start":6,"end":11,"tag":"Wall"}],"media":[],"poll":null,'
        '"reply_to":null,"quote_of":null,"retweet_of":null,"sensitive":false,'
        '"withheld_in":["DE"],"edited":true,"keywords":["5","wall"]}'
    )


def test_render_tweet_hidden_is_its_deletion():
    tweet = make_tweet(source_id="7", hidden_at=datetime(2026, 11, 20, tzinfo=UTC))

    assert render_tweet(tweet) == b'{"type":"delete","id":"7"}'


@pytest.mark.parametrize(
    ("serializer", "make"),
    [
        (TweetSerializer, make_tweet),
        (AuthorSerializer, make_author),
        (KeywordSerializer, lambda: make_keyword("wall")),
        (DeletionSerializer, make_tweet),
    ],
)
def test_serializer_declares_the_fields_that_it_gives(serializer, make):
    assert list(serializer().fields) == list(serializer(make()).data)


def test_parts_and_terms_take_two_queries_however_many(django_assert_num_queries):
    for _ in range(3):
        make_tweet(keywords=["wall", "5"])

    for count in (1, 3):
        with django_assert_num_queries(2):
            tweets = list(with_parts(Tweet.objects.all())[:count])
            fill_terms(tweets)
            rendered = [render_tweet(tweet) for tweet in tweets]
        assert [json.loads(body)["keywords"] for body in rendered] == [["5", "wall"]] * count


def test_format_time_is_utc_in_milliseconds():
    moment = datetime(2026, 11, 20, 12, 0, 0, 123999, timezone(timedelta(hours=2)))

    assert format_time(moment) == "2026-11-20T10:00:00.123Z"
