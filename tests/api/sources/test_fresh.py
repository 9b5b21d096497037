import json
from pathlib import Path

import pytest

from api.sources.fresh import FreshTweets, SnowflakeIds, read_snowflake, read_time, write_time

SAMPLE = Path("tests/samples/x_stream.jsonl")
NOW = 1_800_000_000.5  # 2027-01-15T08:00:00.500Z
NOW_TEXT = "2027-01-15T08:00:00.500Z"
TEN = "2026-11-20T10:00:00.000Z"


@pytest.fixture
def fresh():
    """One pass of a recording, all of it played at the same moment."""
    tweets = FreshTweets(SnowflakeIds(clock=lambda: NOW))

    def refresh(message):
        return json.loads(tweets.refresh(json.dumps(message).encode()))

    return refresh


def test_tweet_is_written_now(fresh):
    tweet = fresh({"data": {"id": "2120000000000000001", "created_at": TEN}})["data"]

    assert tweet["created_at"] == NOW_TEXT
    assert write_time(read_snowflake(int(tweet["id"]))) == NOW_TEXT


def test_tweet_without_time_gets_none(fresh):
    assert list(fresh({"data": {"id": "1", "text": ""}})["data"]) == ["id", "text"]


def test_ids_of_one_moment_are_distinct_and_increase():
    ids = SnowflakeIds(clock=lambda: NOW)
    made = [ids.make_now() for _ in range(10_000)]

    assert made == sorted(set(made))


def test_ids_increase_when_the_clock_goes_back():
    times = iter([NOW, NOW - 3600, NOW + 1])
    ids = SnowflakeIds(clock=lambda: next(times))
    made = [ids.make_now() for _ in range(3)]

    assert made == sorted(set(made))


def test_older_ids_are_distinct_from_those_made_then():
    times = iter([NOW - 60, NOW])
    ids = SnowflakeIds(clock=lambda: next(times))
    then, now = ids.make_now(), ids.make_now()
    older = {ids.make_before(now, 60_000) for _ in range(1000)}

    assert len(older | {then}) == 1001


def test_repeated_line_is_repeated(fresh):
    message = {"data": {"id": "7", "created_at": TEN}}

    assert fresh(message) == fresh(message)


def test_next_pass_has_other_ids():
    ids = SnowflakeIds(clock=lambda: NOW)
    line = b'{"data":{"id":"7"}}'

    assert FreshTweets(ids).refresh(line) != FreshTweets(ids).refresh(line)


@pytest.mark.parametrize("history", ["edit_history_tweet_ids", "edit_history_post_ids"])
def test_edit_keeps_its_history(fresh, history):
    first = fresh({"data": {"id": "5", history: ["5"]}})["data"]
    second = fresh({"data": {"id": "6", history: ["5", "6"]}})["data"]

    assert first[history] == [first["id"]]
    assert second[history] == [first["id"], second["id"]]
    assert int(first["id"]) < int(second["id"])


@pytest.mark.parametrize(
    ("references", "included"), [("referenced_tweets", "tweets"), ("referenced_posts", "posts")]
)
def test_original_keeps_its_distance(fresh, references, included):
    message = fresh(
        {
            "data": {"id": "9", "created_at": TEN, references: [{"type": "quoted", "id": "3"}]},
            "includes": {included: [{"id": "3", "created_at": "2026-11-20T09:59:30.000Z"}]},
        }
    )

    [original] = message["includes"][included]
    assert message["data"][references] == [{"type": "quoted", "id": original["id"]}]
    assert original["created_at"] == "2027-01-15T07:59:30.500Z"
    assert write_time(read_snowflake(int(original["id"]))) == original["created_at"]


def test_original_of_the_same_moment_is_a_little_older(fresh):
    message = fresh(
        {
            "data": {"id": "9", "created_at": TEN},
            "includes": {"tweets": [{"id": "3", "created_at": TEN}]},
        }
    )

    assert message["includes"]["tweets"][0]["created_at"] == "2027-01-15T08:00:00.499Z"


def test_original_that_was_a_tweet_before_is_the_same(fresh):
    first = fresh({"data": {"id": "3", "created_at": TEN}})["data"]
    second = fresh(
        {
            "data": {"id": "9", "created_at": TEN, "conversation_id": "3"},
            "includes": {"tweets": [{"id": "3", "created_at": TEN}]},
        }
    )

    assert second["includes"]["tweets"] == [first]
    assert second["data"]["conversation_id"] == first["id"]


def test_missing_original_keeps_the_age_in_its_id(fresh):
    day = 24 * 3600 * 1000
    old = 2120000000000000001
    message = fresh(
        {
            "data": {
                "id": str(old),
                "referenced_tweets": [{"type": "quoted", "id": str(old - (day << 22))}],
            }
        }
    )

    [reference] = message["data"]["referenced_tweets"]
    made = read_snowflake(int(message["data"]["id"]))
    assert made - read_snowflake(int(reference["id"])) == day


def test_problem_of_a_missing_original_follows(fresh):
    message = fresh(
        {
            "data": {"id": "2120", "referenced_tweets": [{"type": "quoted", "id": "2111"}]},
            "errors": [
                {
                    "value": "2111",
                    "detail": "Could not find tweet with referenced_tweets.id: [2111].",
                    "resource_type": "tweet",
                    "resource_id": "2111",
                },
                {"value": "101", "resource_type": "user", "resource_id": "101"},
            ],
        }
    )

    [reference] = message["data"]["referenced_tweets"]
    new = reference["id"]
    assert message["errors"] == [
        {
            "value": new,
            "detail": f"Could not find tweet with referenced_tweets.id: [{new}].",
            "resource_type": "tweet",
            "resource_id": new,
        },
        {"value": "101", "resource_type": "user", "resource_id": "101"},
    ]


def test_addresses_of_the_tweet_follow(fresh):
    def entities(tweet_id, other):
        return {
            "urls": [
                {
                    "start": 0,
                    "end": 5,
                    "expanded_url": f"https://x.com/a/status/{tweet_id}/photo/1",
                },
                {"expanded_url": f"https://twitter.com/a/status/{other}"},
            ]
        }

    message = fresh(
        {
            "data": {
                "id": "77",
                "entities": entities("77", "5"),
                "note_tweet": {"entities": entities("77", "5")},
            }
        }
    )

    new = message["data"]["id"]
    assert message["data"]["entities"] == entities(new, "5")
    assert message["data"]["note_tweet"] == {"entities": entities(new, "5")}


def test_poll_ends_as_long_after_its_tweet(fresh):
    message = fresh(
        {
            "data": {"id": "1", "created_at": TEN},
            "includes": {"polls": [{"id": "500", "end_datetime": "2026-11-21T10:00:00.000Z"}]},
        }
    )

    assert message["includes"]["polls"] == [
        {"id": "500", "end_datetime": "2027-01-16T08:00:00.500Z"}
    ]


def test_people_media_and_rules_keep_their_ids(fresh):
    message = {
        "data": {"id": "1", "author_id": "1", "attachments": {"media_keys": ["3_1"]}},
        "includes": {"users": [{"id": "1"}], "media": [{"media_key": "3_1"}]},
        "matching_rules": [{"id": "1", "tag": "wallpush:wall"}],
    }
    played = fresh(message)

    played["data"]["id"] = "1"
    assert played == message


@pytest.mark.parametrize(
    "message",
    [
        {"data": {"id": "1"}, "includes": []},
        {"data": {"id": "1"}, "includes": {"tweets": {}, "posts": [1, None], "polls": [{}]}},
        {"data": {"id": "1", "entities": None, "referenced_tweets": [[], {"type": "quoted"}]}},
        {"data": {"id": "1", "entities": {"urls": ["", {"url": None}]}, "note_tweet": "long"}},
        {"data": {"id": "1"}, "errors": ["text", {"resource_type": "tweet"}], "matching_rules": 1},
    ],
)
def test_odd_shapes_pass(fresh, message):
    played = fresh(message)

    played["data"]["id"] = "1"
    assert played == message


def test_odd_times_pass(fresh):
    message = fresh(
        {
            "data": {"id": "1", "created_at": TEN},
            "includes": {
                "tweets": [{"id": "2", "created_at": "yesterday"}, {"id": "3", "created_at": 5}],
                "polls": [{"end_datetime": "9999-12-31T23:59:59.000Z"}, {"end_datetime": None}],
            },
        }
    )

    assert message["includes"]["polls"] == [
        {"end_datetime": "9999-12-31T23:59:59.999Z"},
        {"end_datetime": None},
    ]
    assert [tweet["created_at"] for tweet in message["includes"]["tweets"]] == [
        "2027-01-15T08:00:00.499Z"
    ] * 2


@pytest.mark.parametrize("depth", [300, 900, 960, 980, 985, 990, 995, 1000, 2000])
def test_deep_nesting_passes(depth):
    line = b'{"data":{"id":"1","deep":' + b"[" * depth + b"]" * depth + b"}}"
    played = FreshTweets(SnowflakeIds()).refresh(line)

    assert played.endswith(b"[" * depth + b"]" * depth + b"}}")


def test_lone_surrogate_passes(fresh):
    assert fresh({"data": {"id": "1", "text": "\ud83d"}})["data"]["text"] == "\ud83d"


def test_memory_of_a_pass_is_bounded(monkeypatch):
    monkeypatch.setattr("api.sources.fresh.REMEMBERED", 100)
    tweets = FreshTweets(SnowflakeIds(clock=lambda: NOW))
    for number in range(1000):
        tweets.refresh(b'{"data":{"id":"%d","conversation_id":"%d"}}' % (number, number + 5000))

    assert len(tweets._fresh) == 100


def test_time_reads_as_written():
    assert write_time(read_time("2026-11-20T10:00:00.007Z")) == "2026-11-20T10:00:00.007Z"


def test_sample_has_no_old_id_or_time_left():
    lines = SAMPLE.read_bytes().splitlines()
    tweets = FreshTweets(SnowflakeIds(clock=lambda: NOW))
    played = b"\n".join(tweets.refresh(line) for line in lines if b'"data"' in line)

    assert [
        old for old in (b"21200000000000", b"21199999999999", b"2111111111") if old in played
    ] == []
    assert b'"created_at":"2026' not in played
