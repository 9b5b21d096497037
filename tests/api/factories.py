"""Rows for tests. What a test does not name is invented; ids and times count up."""

import itertools
from datetime import UTC, datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from api.models import Author, Keyword, Tweet, TweetKeyword

START = datetime(2024, 11, 20, 10, tzinfo=UTC)
_numbers = itertools.count(1)


def make_author(**fields):
    number = next(_numbers)
    defaults = {
        "source": "replay",
        "source_id": str(100 + number),
        "username": f"author_{number}",
        "name": f"Author {number}",
        "avatar": "/sample/avatar.svg",
    }
    return Author.objects.create(**defaults | fields)


def make_content(**parts):
    return {
        "url": None,
        "entities": [],
        "media": [],
        "poll": None,
        "reply_to": None,
        "quote_of": None,
        "retweet_of": None,
        "withheld_in": [],
        "edited": False,
    } | parts


def find_original_author(content):
    original = content["retweet_of"] or content["quote_of"] or {}
    return original.get("author", {}).get("id", "")


def make_keyword(term):
    return Keyword.objects.get_or_create(term=term)[0]


def make_tweet(*, keywords=(), content=None, **fields):
    """A tweet as the store writes it; `content` names the parts that are not empty."""
    number = next(_numbers)
    source_id = fields.pop("source_id", str(2120000000000000000 + number))
    content = make_content(**content or {})
    defaults = {
        "source": "replay",
        "source_id": source_id,
        "version_id": source_id,
        "created_at": START + timedelta(seconds=number),
        "text": f"Tweet number {number}",
        "lang": "en",
        "has_media": bool(content["media"]),
        "retweet_of": (content["retweet_of"] or {}).get("id", ""),
        "quote_of": (content["quote_of"] or {}).get("id", ""),
        "reply_to": (content["reply_to"] or {}).get("id", ""),
        "original_author": find_original_author(content),
        "changed_at": timezone.now(),
    }
    if "author" not in fields:
        fields["author"] = make_author()
    tweet = Tweet.objects.create(**defaults | fields, content=content)
    TweetKeyword.objects.bulk_create(
        TweetKeyword(tweet=tweet, keyword=make_keyword(term), created_at=tweet.created_at)
        for term in keywords
    )
    return tweet


def store_resource(resource):
    """The rows that REST shows as this resource, whatever its strings are: no serializer has checked them."""
    author = dict(resource["author"])
    author_id = author.pop("id")
    return make_tweet(
        source=resource["source"],
        source_id=resource["id"],
        version_id=resource["version"],
        author=Author.objects.update_or_create(
            source_id=author_id, defaults=author | {"source": resource["source"]}
        )[0],
        created_at=parse_datetime(resource["created_at"]),
        text=resource["text"],
        lang=resource["lang"],
        sensitive=resource["sensitive"],
        keywords=resource["keywords"],
        content={part: resource[part] for part in make_content()},
    )
