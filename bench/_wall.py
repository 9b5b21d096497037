"""Fills a database with the tweets of a long night: by the database itself, as a million rows take Python minutes."""

import time
from datetime import UTC, datetime

START = datetime(2026, 1, 1, tzinfo=UTC)
FIRST_ID = 2 * 10**18
# Every tweet is in the first keyword, one in ten in the second, one in a thousand in each of the others in turn.
COMMON, MEDIUM = "wall", "keynote"
RARE_WORD_EVERY = 100_000
_CONTENT = (
    '{"url": null, "entities": [{"type": "hashtag", "start": 60, "end": 65, "tag": "wall"}], "media": [],'
    ' "poll": null, "reply_to": null, "quote_of": null, "retweet_of": null, "withheld_in": [],'
    ' "edited": false}'
)


def fill(tweets, authors, keywords):
    """Two tweets in each second, an author of many tweets and many of a few. Returns the seconds that it took."""
    from django.db import connection, transaction

    began = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in _make_statements(tweets, authors, keywords):
            cursor.execute(statement)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")  # what its autovacuum does after a while
    return time.perf_counter() - began


def _make_statements(tweets, authors, keywords):
    from django.db import connection

    dialect = _DIALECTS[connection.vendor]
    columns = _tweet_columns(dialect, _make_authors(authors), authors)
    numbers = dialect["numbers"].format(tweets - 1)
    # Nothing in these comes from elsewhere.
    yield (
        f"INSERT INTO api_tweet ({', '.join(columns)})"  # noqa: S608
        f" SELECT {', '.join(columns.values())} FROM {numbers} ORDER BY n"
    )
    first = _make_keywords(keywords)
    n = f"(CAST(source_id AS bigint) - {FIRST_ID})"
    for keyword, condition in (
        (first, "1 = 1"),
        (first + 1, f"{n} % 10 = 0"),
        (f"{first} + 2 + {n} / 1000 % {keywords - 2}", f"{n} % 1000 = 1"),
    ):
        yield (
            "INSERT INTO api_tweetkeyword (tweet_id, keyword_id, created_at)"  # noqa: S608
            f" SELECT id, {keyword}, created_at FROM api_tweet WHERE {condition}"
        )


def _make_authors(count):
    """The key of the first; the others follow."""
    from api.models import Author
    from api.rows import insert_rows

    rows = [
        Author(
            source="x", source_id=str(n + 1), username=f"author_{n}", name=f"Author {n}", avatar=""
        )
        for n in range(count)
    ]
    insert_rows(rows)
    return rows[0].pk


def _make_keywords(count):
    from api.models import Keyword
    from api.rows import insert_rows

    rows = [
        Keyword(term=term) for term in (COMMON, MEDIUM, *(f"rare{n}" for n in range(count - 2)))
    ]
    insert_rows(rows)
    return rows[0].pk


_DIALECTS = {
    "sqlite": {
        "numbers": "(WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {})"
        " SELECT n FROM numbers)",
        "moment": f"datetime({int(START.timestamp())} + n / 2, 'unixepoch')",
        "true": "1",
        "false": "0",
        "json": "'{}'",
    },
    "postgresql": {
        "numbers": "(SELECT n FROM generate_series(0, {}) AS n) AS numbers",
        "moment": f"to_timestamp({int(START.timestamp())} + n / 2)",
        "true": "true",
        "false": "false",
        "json": "'{}'::jsonb",
    },
}


def _tweet_columns(dialect, first_author, authors):
    """Each column of a tweet with what fills it. Those that may be empty are, but for the time of publishing."""
    from api.models import Tweet

    tweet_id = f"CAST({FIRST_ID} + n AS varchar)"
    word = f"CASE WHEN n % {RARE_WORD_EVERY} = 7 THEN 'zeppelin' ELSE 'tweet' END"
    text = (
        f"'A night full of words, and a ' || {word} || ' in each of them, number ' || n || ' #wall'"
    )
    filled = {
        "source": "'x'",
        "source_id": tweet_id,
        "version_id": tweet_id,
        "author_id": f"{first_author} + CASE WHEN n % 10 = 0 THEN 0 ELSE n % {authors} END",
        "text": text,
        "search": f"lower({text})",
        "lang": "CASE WHEN n % 10 = 3 THEN 'de' ELSE 'en' END",
        "content": f"'{_CONTENT}'",
        "raw": dialect["json"],
        "receivers": "0",
        "sensitive": dialect["false"],
        "has_media": f"CASE WHEN n % 5 = 0 THEN {dialect['true']} ELSE {dialect['false']} END",
        **dict.fromkeys(
            ("created_at", "stored_at", "changed_at", "published_at"), dialect["moment"]
        ),
    }
    if dialect is _DIALECTS["postgresql"]:
        filled["content"] += "::jsonb"
    needed = [
        field.column
        for field in Tweet._meta.concrete_fields
        if not (field.primary_key or field.null) and field.column not in filled
    ]
    return filled | dict.fromkeys(needed, "''")
