"""The stand-in knows posts whether or not somebody is connected: asked with requests and with tweepy."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import requests
import tweepy

from api.sources.x_client import FIELDS, TWEEPY_HOST, HostRewrite
from tests.x_query import Subject, matches
from tests.x_server import COUNTS_PATH, LOOKUP_PATH, RULES_PATH, SEARCH_PATH, STREAM_PATH, XServer
from tests.x_world import EVERYTHING, World, find_time, speak_post_dialect

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.fixture
def x():
    with XServer() as server:
        server.rules.add("#wall -is:retweet", tag="event")
        yield server


@pytest.fixture
def client(x):
    client = tweepy.Client(x.token, return_type=dict)
    client.session.mount(TWEEPY_HOST, HostRewrite(x.url, timeout=(5, 5)))
    with client.session:
        yield client


@pytest.fixture
def http(x):
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {x.token}"
        yield session


@pytest.fixture
def stream(x, http):
    """A connection that is being served, read line by line."""
    with http.get(x.url + STREAM_PATH, stream=True, timeout=5) as answer:
        x.wait_until_connected()
        yield (json.loads(line) for line in answer.iter_lines() if line)


def publish(x, text="Hello #wall", **options):
    return x.publish(x.world.compose(text, **options))


def find_ids(answer):
    return [post["id"] for post in answer.get("data", [])]


# What the stream sends.


def test_published_post_is_sent_with_the_rules_of_that_moment(x, stream):
    x.rules.add("hello")
    post_id = publish(x)
    x.rules.stored.clear()

    message = next(stream)
    assert message["data"]["id"] == post_id
    assert message["matching_rules"] == [
        {"id": "1900000000000000001", "tag": "event"},
        {"id": "1900000000000000002", "tag": ""},
    ]
    assert message["includes"]["users"][0]["username"] == "ada_l"
    assert message["data"]["entities"] == {"hashtags": [{"start": 6, "end": 11, "tag": "wall"}]}


def test_post_can_name_its_rules_itself(x, stream):
    x.publish(x.world.compose("no match") | {"matching_rules": [{"id": "5"}]})

    assert next(stream)["matching_rules"] == [{"id": "5"}]


def test_post_that_matches_nothing_is_filed_only(x, stream):
    other = publish(x, "something else")
    post_id = publish(x)

    assert next(stream)["data"]["id"] == post_id
    assert (x.missed, x.world.find_loss(other)) == ([], "")


def test_stream_misses_what_is_published_while_nobody_is_connected(x, http):
    missed = publish(x)
    with http.get(x.url + STREAM_PATH, stream=True, timeout=5) as answer:
        x.wait_until_connected()
        sent = publish(x)
        line = next(line for line in answer.iter_lines() if line)

    assert json.loads(line)["data"]["id"] == sent
    assert x.missed == [missed]


def test_post_behind_a_stall_is_missed(x, http):
    x.stall()
    with http.get(x.url + STREAM_PATH, stream=True, timeout=5):
        x.wait_until_connected()
        post_id = publish(x)
    x.wait_until_disconnected()
    x.send("next")
    x.close()
    lines = list(http.get(x.url + STREAM_PATH, timeout=5).iter_lines())

    assert (lines, x.missed) == ([b"next"], [post_id])


def test_edit_is_sent_under_a_new_id_and_includes_what_it_quotes(x, stream):
    quoted = publish(x, "an original", author="bob_ar")
    first = publish(x, quote=quoted)
    second = x.world.edit(first, "Hello again #wall")

    messages = [next(stream), next(stream)]
    assert [message["data"]["edit_history_tweet_ids"] for message in messages] == [
        [first],
        [first, second],
    ]
    assert [post["id"] for post in messages[1]["includes"]["tweets"]] == [quoted]
    assert [user["username"] for user in messages[1]["includes"]["users"]] == ["ada_l", "bob_ar"]


def test_stream_can_speak_the_new_dialect(x, stream):
    quoted = publish(x, "an original")
    x.dialect = "post"
    post_id = publish(x, quote=quoted)

    message = next(stream)
    assert message["data"]["edit_history_post_ids"] == [post_id]
    assert message["data"]["referenced_posts"] == [{"type": "quoted", "id": quoted}]
    assert [post["id"] for post in message["includes"]["posts"]] == [quoted]
    assert "tweets" not in message["includes"]


def test_authors_who_are_gone_are_not_sent(x, stream):
    author = x.world.add_user("bob_ar")
    x.world.protect(author["id"])
    publish(x, author="bob_ar")
    post_id = publish(x)

    assert next(stream)["data"]["id"] == post_id


# Search.


def test_search_is_newest_first_page_by_page(x, client):
    ids = [publish(x, age=100 - number) for number in range(25)][::-1]
    first = client.search_recent_tweets("#wall", max_results=10)
    pages = [first]
    while "next_token" in pages[-1]["meta"]:
        token = pages[-1]["meta"]["next_token"]
        pages.append(client.search_recent_tweets("#wall", max_results=10, next_token=token))

    assert [id for page in pages for id in find_ids(page)] == ids
    assert [page["meta"]["result_count"] for page in pages] == [10, 10, 5]
    assert (first["meta"]["newest_id"], first["meta"]["oldest_id"]) == (ids[0], ids[9])


def test_search_without_results_is_only_counted(client):
    assert client.search_recent_tweets("#wall") == {"meta": {"result_count": 0}}


def test_search_takes_ids_exclusively(x, client):
    ids = [publish(x) for _ in range(4)]
    found = client.search_recent_tweets("#wall", since_id=ids[0], until_id=ids[3])

    assert find_ids(found) == [ids[2], ids[1]]


def test_search_finds_no_retweets_gone_old_or_superseded_posts(x, client):
    kept = publish(x)
    publish(x, retweet=kept)
    x.world.delete(publish(x))
    x.world.suspend(x.world.add_user("bob_ar")["id"])
    publish(x, author="bob_ar")
    publish(x, age=7 * 86400 + 60)
    new = x.world.edit(publish(x), "edited #wall")
    x.world.edit(publish(x), "no longer about it")

    assert find_ids(client.search_recent_tweets("#wall")) == [new, kept]


def test_search_lags_behind(x, client):
    x.world.index_lag = 30
    old = publish(x, age=31)
    new = publish(x, age=29)
    lagging = client.search_recent_tweets("#wall")
    x.world.now = lambda: datetime.now(UTC) + timedelta(seconds=2)

    assert find_ids(lagging) == [old]
    assert find_ids(client.search_recent_tweets("#wall")) == [new, old]


def test_search_looks_at_the_post_alone_and_folds_accents(x, client):
    quoted = publish(x, "Café #wall")
    publish(x, "look at this", quote=quoted)

    assert find_ids(client.search_recent_tweets("cafe")) == [quoted]


def test_search_gives_what_was_asked_for(x, client, http):
    quoted = publish(x, "an original", author="bob_ar")
    post_id = publish(x, quote=quoted)
    bare = http.get(x.url + SEARCH_PATH, params={"query": "hello"}, timeout=5).json()
    full = client.search_recent_tweets("hello", **FIELDS)

    assert bare["data"] == [
        {"id": post_id, "text": "Hello #wall", "edit_history_tweet_ids": [post_id]}
    ]
    assert "includes" not in bare
    assert full["data"][0]["referenced_tweets"] == [{"type": "quoted", "id": quoted}]
    assert [user["username"] for user in full["includes"]["users"]] == ["ada_l", "bob_ar"]
    assert [post["id"] for post in full["includes"]["tweets"]] == [quoted]


def test_rest_speaks_as_it_is_asked(x, http):
    quoted = publish(x, "an original")
    publish(x, quote=quoted)
    asked = {"query": "hello", "post.fields": "created_at", "expansions": "referenced_posts"}
    answer = http.get(x.url + SEARCH_PATH, params=asked, timeout=5).json()

    assert {"edit_history_post_ids", "created_at", "referenced_posts"} <= answer["data"][0].keys()
    assert [post["id"] for post in answer["includes"]["posts"]] == [quoted]


@pytest.mark.parametrize(
    ("params", "detail"),
    [
        ({"query": "x" * 513}, "length [513] is not between 1 and 512"),
        ({}, "length [0] is not between 1 and 512"),
        ({"query": "-cat"}, "at least one positive"),
        ({"query": "cat sample:5"}, "invalid operator 'sample'"),
        ({"query": "cat", "max_results": "9"}, "value [9] is not between 10 and 100"),
        ({"query": "cat", "max_results": "101"}, "value [101] is not between 10 and 100"),
        ({"query": "cat", "since_id": "x"}, "value [x] is not valid"),
        ({"query": "cat", "next_token": "x"}, "value [x] is not valid"),
        ({"query": "cat", "limit": "5"}, "The query parameter [limit] is not one of"),
    ],
)
def test_wrong_searches_are_refused(x, http, params, detail):
    answer = http.get(x.url + SEARCH_PATH, params=params, timeout=5)

    assert (answer.status_code, answer.json()["title"]) == (400, "Invalid Request")
    assert detail in answer.json()["errors"][0]["message"]


def test_search_since_more_than_seven_days_is_refused(x, client):
    young, old = x.world.make_id(7 * 86400 - 60), x.world.make_id(7 * 86400 + 60)
    taken = client.search_recent_tweets("#wall", since_id=young)

    assert taken["meta"]["result_count"] == 0
    with pytest.raises(tweepy.BadRequest, match="'since_id' must be a tweet id created after"):
        client.search_recent_tweets("#wall", since_id=old)


# Lookup.


def test_lookup_tells_what_is_there_and_what_is_gone(x, client):
    kept, deleted = publish(x), publish(x)
    lost = publish(x, author="bob_ar"), publish(x, author="eve_m")
    x.world.delete(deleted)
    x.world.protect(x.world.add_user("bob_ar")["id"])
    x.world.suspend(x.world.add_user("eve_m")["id"])
    answer = client.get_tweets([kept, deleted, *lost, "77"])

    assert find_ids(answer) == [kept]
    assert [(error["value"], error["title"]) for error in answer["errors"]] == [
        (deleted, "Not Found Error"),
        (lost[0], "Authorization Error"),
        (lost[1], "Not Found Error"),
        ("77", "Not Found Error"),
    ]
    assert answer["errors"][1] == {
        "value": lost[0],
        "resource_type": "tweet",
        "parameter": "ids",
        "resource_id": lost[0],
        "title": "Authorization Error",
        "section": "data",
        "detail": f"Sorry, you are not authorized to see the Tweet with ids: [{lost[0]}].",
        "type": "https://api.twitter.com/2/problems/not-authorized-for-resource",
    }


def test_lookup_of_what_is_all_gone_has_no_data(client):
    assert list(client.get_tweets(["77"])) == ["errors"]


def test_lookup_shows_withheld_posts_and_the_chain_of_edits(x, client):
    first = publish(x)
    x.world.withhold(first, ["DE"])
    second = x.world.edit(first, "edited #wall")
    [post] = client.get_tweets([first], **FIELDS)["data"]

    assert post["withheld"] == {"copyright": False, "country_codes": ["DE"]}
    assert post["edit_history_tweet_ids"] == [first, second]
    assert post["text"] == "Hello #wall"


def test_lookup_tells_of_originals_that_are_gone(x, client):
    quoted = publish(x, "an original")
    post_id = publish(x, quote=quoted)
    x.world.delete(quoted)
    answer = client.get_tweets([post_id], **FIELDS)

    [error] = answer["errors"]
    assert (error["parameter"], error["resource_id"]) == ("referenced_tweets.id", quoted)
    assert "tweets" not in answer["includes"]


@pytest.mark.parametrize("ids", ["", ",".join(str(number) for number in range(101)), "1,a"])
def test_wrong_lookups_are_refused(x, http, ids):
    assert http.get(x.url + LOOKUP_PATH, params={"ids": ids}, timeout=5).status_code == 400


def test_media_and_polls_come_with_who_asks_for_them(x, client):
    media = {"media_key": "3_1", "type": "photo", "url": "https://pbs.twimg.com/media/a.jpg"}
    poll = {"id": "500", "options": [], "voting_status": "open"}
    attachments = {"media_keys": ["3_1"], "poll_ids": ["500"]}
    includes = {"media": [media], "polls": [poll]}
    post_id = publish(x, attachments=attachments, includes=includes)
    answer = client.get_tweets([post_id], **FIELDS)

    assert answer["data"][0]["attachments"] == attachments
    assert answer["includes"]["media"] == [media]
    assert answer["includes"]["polls"] == [{"id": "500", "options": []}]


# Rules, refusals and money.


def test_rules_are_counted_with_their_caps(x, http):
    x.rules.cap, x.rules.project_cap, x.rules.other_apps = 5, 15, {"27000002": 3}
    answer = http.get(x.url + COUNTS_PATH, timeout=5).json()

    assert answer == {
        "data": {
            "all_project_client_apps": [
                {"client_app_id": "27000001", "rule_count": 1},
                {"client_app_id": "27000002", "rule_count": 3},
            ],
            "cap_per_client_app": 5,
            "cap_per_project": 15,
            "client_app_rules_count": {"client_app_id": "27000001", "rule_count": 1},
            "project_rules_count": 4,
        }
    }


@pytest.mark.parametrize("caps", [(2, 15), (5, 4)])
def test_more_rules_than_the_cap_are_refused(x, http, caps):
    (x.rules.cap, x.rules.project_cap), x.rules.other_apps = caps, {"27000002": 2}
    taken = http.post(x.url + RULES_PATH, json={"add": [{"value": "cat"}]}, timeout=5)
    refused = http.post(x.url + RULES_PATH, json={"add": [{"value": "dog"}]}, timeout=5)

    assert (taken.status_code, refused.status_code) == (201, 422)
    assert refused.json()["type"] == "https://api.twitter.com/2/problems/rule-cap"
    assert [rule["value"] for rule in x.rules.stored] == ["#wall -is:retweet", "cat"]


def test_next_requests_of_a_path_can_be_refused(x, client):
    x.refuse_next(SEARCH_PATH, 429, headers={"x-rate-limit-reset": "1800000000"}, times=2)
    for _ in range(2):
        with pytest.raises(tweepy.TooManyRequests) as caught:
            client.search_recent_tweets("#wall")
        assert caught.value.response.headers["x-rate-limit-reset"] == "1800000000"

    assert client.search_recent_tweets("#wall")["meta"] == {"result_count": 0}


def test_each_post_and_user_is_charged_once_a_day(x, stream, client):
    x.world.now = lambda: NOW
    ada = x.world.add_user("ada_l")
    quoted = publish(x, "an original", author="bob_ar")
    post_id = publish(x, quote=quoted)
    next(stream)
    x.wait_until(lambda: x.sent, "the line is noted")
    streamed = x.charged[NOW.date()]
    other = publish(x, "another")
    client.search_recent_tweets("hello", **FIELDS)
    client.get_tweets([post_id, other, "77"])
    x.world.now = lambda: NOW + timedelta(days=1)
    client.get_tweets([other], **FIELDS)
    users = {user["id"] for user in x.world.users.values()}

    assert streamed == ({post_id, quoted}, users)
    assert x.charged[NOW.date()] == ({post_id, quoted, other}, users)
    assert x.charged[NOW.date() + timedelta(days=1)] == ({other}, {ada["id"]})


# Without the network.


@pytest.mark.parametrize(
    ("query", "text", "matched"),
    [
        ("wall", "The Wall!", True),
        ("wall", "wallpaper", False),
        ("#wall", "a #WALL here", True),
        ("#wall", "#wallpaper wall", False),
        ("@ada_l", "hi @Ada_L", True),
        ('"tweet wall"', "my tweet  wall", True),
        ('"tweet wall"', "wall tweet", False),
        ("a b", "b c a", True),
        ("a OR b c", "a", True),
        ("a OR b c", "b", False),
        ("(a OR b) c", "a", False),
        ("(a OR b) -c", "b", True),
        ("-c b", "b c", False),
        ("b -is:nullcast -is:retweet", "b", True),
        ("b is:quote", "b", False),
        ("from:Ada_L", "whatever", True),
        ("from:bob lang:en", "whatever", False),
        ("lang:en b", "b", True),
        ("cafe", "café", False),
        ("<b>", "&lt;b&gt;", True),
    ],
)
def test_queries(query, text, matched):
    assert matches(query, Subject((text,), "ada_l", frozenset(), "en")) is matched


def test_unknown_operator_is_told():
    with pytest.raises(ValueError, match="does not know the operator 'has:geo'"):
        matches("has:geo", Subject(("",), "", frozenset(), ""))


def test_rules_match_what_is_quoted_or_retweeted():
    world = World()
    original = world.compose("about #wall")
    world.file(original)
    quote = world.compose("look", quote=original["data"]["id"])
    retweet = world.compose("", retweet=original["data"]["id"])
    rules = [{"id": "1", "value": "#wall"}, {"id": "2", "value": "#wall -is:retweet"}]

    assert [rule["id"] for rule in world.find_matching_rules(quote, rules)] == ["1", "2"]
    assert [rule["id"] for rule in world.find_matching_rules(retweet, rules)] == ["1"]
    assert retweet["data"]["text"] == "RT @ada_l: about #wall"


def test_ids_tell_the_time_and_grow():
    world = World()
    world.now = lambda: NOW
    first, second = world.make_id(), world.make_id()

    assert int(first) < int(second)
    assert find_time(first) == find_time(second) == NOW


def test_other_names_of_the_new_dialect():
    body = {
        "data": [{"public_metrics": {"retweet_count": 1}, "withheld": {"scope": "tweet"}}],
        "includes": {"users": [{"id": "1", "public_metrics": {"tweet_count": 2}}]},
    }

    assert speak_post_dialect(body) == {
        "data": [{"public_metrics": {"repost_count": 1}, "withheld": {"scope": "post"}}],
        "includes": {"users": [{"id": "1", "public_metrics": {"post_count": 2}}]},
    }


def test_filed_message_is_described_as_it_came():
    world = World()
    message = world.compose("Hello @bob_ar", lang="de")
    world.file(message)

    assert world.describe([message["data"]], EVERYTHING, one=True) == message
