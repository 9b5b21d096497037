"""Rows are inserted as Django would, only faster."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from api.models import Tweet, TweetKeyword
from api.rows import insert_rows
from tests.api.factories import make_author, make_keyword

pytestmark = pytest.mark.django_db

MOMENT = datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)
CONTENT = {"text": "Zażółć \U0001f389 %s ? '\"", "deep": [None, True, 1.5, {"n": 10**18}]}


def make_rows(count, **columns):
    author = make_author()
    return [
        Tweet(
            source="x",
            source_id=f"{author.pk}-{number}",
            version_id=str(number),
            author=author,
            created_at=MOMENT,
            changed_at=MOMENT,
            **columns,
        )
        for number in range(count)
    ]


def read_stored(row, *without):
    stored = Tweet.objects.values().get(pk=row.pk)
    return {name: value for name, value in stored.items() if name not in ("id", *without)}


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"text": "100 % of 'quotes' \\ ? %s \U0001f389", "lang": "pl", "sensitive": True},
        {"content": CONTENT, "raw": [CONTENT], "has_media": True, "receivers": 7},
        {"hidden_at": MOMENT, "removed_at": MOMENT, "published_at": MOMENT, "removal": "purged"},
    ],
)
def test_row_is_what_django_would_insert(columns):
    [ours] = make_rows(1, **columns)
    [other] = make_rows(1, **columns)

    insert_rows([ours])
    Tweet.objects.bulk_create([other])

    own = ("source_id", "author_id", "stored_at")
    assert read_stored(ours, *own) == read_stored(other, *own)
    assert Tweet.objects.get(pk=ours.pk).author == ours.author
    assert abs((timezone.now() - Tweet.objects.get(pk=ours.pk).stored_at).total_seconds()) < 60
    assert ours.search == other.search


def test_more_rows_than_fit_in_one_statement_get_their_keys(django_assert_max_num_queries):
    rows = make_rows(1000)

    with django_assert_max_num_queries(30):
        insert_rows(rows)

    stored = dict(Tweet.objects.values_list("pk", "source_id"))
    assert {row.pk: row.source_id for row in rows} == stored
    assert len(stored) == 1000


def test_row_can_be_changed_afterwards():
    [row] = make_rows(1)
    insert_rows([row])

    row.text = "Edited"
    row.save()

    assert Tweet.objects.get().text == "Edited"


def test_row_of_another_table():
    rows = make_rows(3)
    insert_rows(rows)
    keyword = make_keyword("wall")

    insert_rows(TweetKeyword(tweet=row, keyword=keyword, created_at=MOMENT) for row in rows)

    assert set(keyword.tweets.values_list("pk", flat=True)) == {row.pk for row in rows}


def test_nothing_to_insert_asks_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        insert_rows([])


def test_row_that_is_there_already_is_refused():
    rows = make_rows(2)
    rows[1].source_id = rows[0].source_id

    with pytest.raises(IntegrityError), transaction.atomic():
        insert_rows(rows)

    assert not Tweet.objects.exists()
