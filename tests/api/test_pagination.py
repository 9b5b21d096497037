from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from api.models import Tweet
from api.pagination import (
    OVERLAP,
    ROUND,
    ChangeCursor,
    InvalidCursor,
    PageCursor,
    decode_cursor,
    encode_cursor,
    to_moment,
    to_number,
)
from api.query import TweetParameters, TweetSelection
from tests.api.database import prefer_indexes
from tests.api.factories import START, make_author, make_keyword, make_tweet

pytestmark = pytest.mark.django_db


def read(client, address, **parameters):
    answer = client.get(address, parameters)
    assert answer.status_code == 200, answer.content
    return answer.json()


def ids(page):
    return [item["id"] for item in page["results"]]


def make_tweets(numbers, **fields):
    for number in numbers:
        make_tweet(source_id=str(number), created_at=START + timedelta(seconds=number), **fields)


@pytest.mark.parametrize(
    "cursor", [PageCursor(1, 1763632800000000, 7), PageCursor(0, -5, 2**62), ChangeCursor(0, 0, 0)]
)
def test_cursor_survives_the_way_there_and_back(cursor):
    text = encode_cursor(cursor)

    assert decode_cursor(text, type(cursor)) == cursor


def test_cursor_changed_anywhere_is_refused():
    text = encode_cursor(PageCursor(0, 1763632800000000, 7))

    for position, sign in enumerate(text):
        changed = text[:position] + ("A" if sign != "A" else "B") + text[position + 1 :]
        with pytest.raises(InvalidCursor):
            decode_cursor(changed, PageCursor)


@pytest.mark.parametrize("change", ["{}=", "{} ", "{}A", "\n{}"])
def test_cursor_written_otherwise_is_refused(change):
    text = encode_cursor(PageCursor(0, 1763632800000000, 7))

    with pytest.raises(InvalidCursor):
        decode_cursor(change.format(text), PageCursor)


def test_cursor_of_another_kind_is_refused():
    with pytest.raises(InvalidCursor):
        decode_cursor(encode_cursor(ChangeCursor(1, 2, 3)), PageCursor)


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1])
def test_moment_out_of_the_calendar_is_its_end(number):
    assert to_moment(number) in (
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    )


@pytest.mark.parametrize("parameters", [{}, {"keyword": "wall"}, {"author": "ada"}])
def test_pages_hold_each_tweet_once_in_both_directions(client, parameters):
    make_tweets(range(10, 17), author=make_author(username="ada"), keywords=["wall", "other"])
    first = read(client, "/api/tweets/", limit=3, **parameters)
    second = read(client, first["next"])
    third = read(client, second["next"])

    assert ids(first) == ["16", "15", "14"]
    assert ids(second) == ["13", "12", "11"]
    assert ids(third) == ["10"]
    assert (first["previous"], third["next"]) == (None, None)
    back = read(client, third["previous"])
    assert ids(back) == ids(second)
    assert ids(read(client, back["previous"])) == ids(first)
    assert read(client, back["previous"])["previous"] is None
    assert ids(read(client, back["next"])) == ids(third)


def test_pages_of_tweets_of_the_same_moment_are_in_the_order_of_storing(client):
    for number in range(5):
        make_tweet(source_id=str(number), created_at=START)
    first = read(client, "/api/tweets/", limit=2)
    second = read(client, first["next"])

    assert ids(first) + ids(second) + ids(read(client, second["next"])) == ["4", "3", "2", "1", "0"]


def test_pages_are_stable_while_tweets_arrive_and_are_hidden(client):
    make_tweets(range(10, 20))
    first = read(client, "/api/tweets/", limit=3)
    make_tweets(range(20, 25))
    Tweet.objects.filter(source_id__in=["17", "15"]).update(hidden_at=timezone.now())
    make_tweet(source_id="late", created_at=START + timedelta(seconds=14, milliseconds=500))
    second = read(client, first["next"])

    assert ids(first) == ["19", "18", "17"]
    assert ids(second) == ["16", "late", "14"]
    assert ids(read(client, second["previous"])) == ["20", "19", "18"]


def test_pages_keep_the_parameters(client):
    make_tweets(range(4), lang="de")
    make_tweets(range(4, 8))
    page = read(client, "/api/tweets/", limit=2, lang="de", text="tweet")

    assert ids(read(client, page["next"])) == ["1", "0"]


@pytest.mark.parametrize("path", ["/api/authors/", "/api/keywords/"])
def test_pages_of_authors_and_keywords(client, path):
    names = [f"name{number}" for number in range(5)]
    for name in names:
        make_author(source_id=name)
        make_keyword(name)
    first = read(client, path, limit=2)
    second = read(client, first["next"])
    pages = [first, second, read(client, second["next"])]

    found = [item.get("id") or item["term"] for page in pages for item in page["results"]]
    assert found == names[::-1]
    assert read(client, pages[1]["previous"])["results"] == first["results"]


def test_page_beyond_the_last_is_empty(client):
    cursor = encode_cursor(PageCursor(0, 0, 0))
    make_tweet()

    page = read(client, "/api/tweets/", cursor=cursor)

    assert (page["results"], page["next"], page["previous"]) == ([], None, None)


def follow(client, after, **parameters):
    """Every change after the cursor, read page by page, and the cursor for the next time."""
    items, more = [], True
    while more:
        page = read(client, "/api/tweets/", after=after, **parameters)
        items += page["results"]
        after, more = page["after"], page["more"]
    return items, after


def long_ago(**fields):
    return make_tweet(changed_at=START, **fields)


def test_changes_are_what_came_was_edited_or_hidden_oldest_first(client):
    for number in range(3):
        long_ago(source_id=str(number))
    make_tweet(source_id="newest", changed_at=START + OVERLAP + ROUND)
    after = read(client, "/api/tweets/")["after"]
    now = timezone.now()
    Tweet.objects.filter(source_id="2").update(hidden_at=now, changed_at=now)
    later = now + timedelta(seconds=1)
    Tweet.objects.filter(source_id="1").update(version_id="1b", text="edited", changed_at=later)
    make_tweet(source_id="new", changed_at=later + timedelta(seconds=1))

    items, _ = follow(client, after)

    assert [(item["type"], item["id"]) for item in items] == [
        ("tweet", "newest"),  # within the overlap
        ("delete", "2"),
        ("tweet", "1"),
        ("tweet", "new"),
    ]
    assert items[2]["version"] == "1b"


def test_changes_in_pages_end_and_come_each_once(client):
    after = read(client, "/api/tweets/")["after"]
    moment = timezone.now()
    for number in range(7):
        make_tweet(source_id=str(number), changed_at=moment)

    items, after = follow(client, after, limit=2)

    assert [item["id"] for item in items] == ["0", "1", "2", "3", "4", "5", "6"]
    again, _ = follow(client, after, limit=2)
    assert again == items


def test_resume_points_of_one_half_minute_are_the_same(client):
    """So that walls that come back together ask the same."""
    points = set()
    for second in (0, 10, 29):
        make_tweet(changed_at=START + OVERLAP + timedelta(seconds=second))
        points.add(read(client, "/api/tweets/")["after"])
    make_tweet(changed_at=START + OVERLAP + ROUND)

    assert len(points) == 1
    assert read(client, "/api/tweets/")["after"] not in points


def test_changes_committed_late_are_not_skipped(client):
    """A batch takes its time, then commits after another one that began later was already given out."""
    start = timezone.now() - timedelta(minutes=10)
    make_tweet(source_id="1", changed_at=start - OVERLAP - ROUND)
    after = read(client, "/api/tweets/")["after"]
    make_tweet(source_id="2", changed_at=start + OVERLAP)
    _, after = follow(client, after)

    make_tweet(source_id="late", changed_at=start + timedelta(milliseconds=1))
    items, _ = follow(client, after)

    assert [item["id"] for item in items] == ["late", "2"]


def test_changes_committed_late_during_a_run_of_pages_are_not_skipped(client):
    start = timezone.now() - timedelta(minutes=10)
    for number in range(4):
        make_tweet(source_id=str(number), changed_at=start + timedelta(seconds=number))
    beginning = encode_cursor(ChangeCursor(0, 0, 0))
    page = read(client, "/api/tweets/", after=beginning, limit=3)
    make_tweet(source_id="late", changed_at=start)
    rest, after = follow(client, page["after"], limit=3)

    assert [item["id"] for item in rest] == ["3"]
    assert "late" in [item["id"] for item in follow(client, after)[0]]


def test_changes_once_quiet_are_only_those_of_the_overlap(client):
    long_ago(source_id="1")
    make_tweet(source_id="2", changed_at=START + OVERLAP + ROUND)
    after = encode_cursor(ChangeCursor(0, 0, 0))

    items, after = follow(client, after)
    again, same = follow(client, after)

    assert [item["id"] for item in items] == ["1", "2"]
    assert [item["id"] for item in again] == ["2"]
    assert same == after


def test_changes_after_a_cursor_from_the_future_find_their_way_back(client):
    future = encode_cursor(ChangeCursor(2**62, 0, 0))
    long_ago(source_id="1")

    items, after = follow(client, future)

    assert items == []
    assert [item["id"] for item in follow(client, after)[0]] == ["1"]


def test_changes_stamped_by_a_clock_ahead_do_not_hide_later_ones(client):
    make_tweet(source_id="1", changed_at=timezone.now() + timedelta(days=1))
    after = read(client, "/api/tweets/")["after"]
    make_tweet(source_id="2")

    assert [item["id"] for item in follow(client, after)[0]] == ["2", "1"]


def test_changes_of_an_empty_table(client):
    after = read(client, "/api/tweets/")["after"]

    assert follow(client, after) == ([], after)


@pytest.mark.parametrize(
    ("parameters", "index"),
    [
        ({}, "tweet_newest"),
        ({"keyword": "wall"}, "keyword_newest"),
        ({"author": "ada"}, "tweet_author_newest"),
        ({"lang": "en"}, "tweet_lang_newest"),
        ({"since": "2024-11-20"}, "tweet_newest"),
        ({"text": "tweet"}, "tweet_newest"),
        ({"media": "true"}, "media_newest"),
        ({"media": "false"}, "tweet_newest"),
        ({"retweets": "true"}, "retweet_newest"),
        ({"retweets": "false"}, "tweet_newest"),
    ],
)
@pytest.mark.parametrize("newer", [0, 1])
def test_page_is_read_from_an_index_without_sorting(rf, parameters, index, newer):
    make_tweet(author=make_author(username="ada"), keywords=["wall"])
    query = rf.get("/", parameters).GET
    selection = TweetSelection(TweetParameters.read(query)).newest_first()

    plan = explain(selection.rows_of(PageCursor(newer, to_number(START), 5)))

    assert index in plan
    assert not sorts(plan)
    assert "SCAN api_tweet\n" not in plan


def test_changes_are_read_from_their_index(rf):
    rows = TweetSelection(TweetParameters.read(rf.get("/").GET)).rows
    plan = explain(rows.filter(changed_at__gte=START).order_by("changed_at", "id"))

    assert "tweet_changed" in plan
    assert not sorts(plan)


def explain(rows):
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            prefer_indexes(cursor)
    return rows.explain() + "\n"


def sorts(plan):
    return "TEMP B-TREE" in plan or "Sort" in plan
