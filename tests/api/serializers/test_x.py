import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rest_framework.exceptions import ValidationError

from api.serializers.x import TEXT_LIMIT, XMessageSerializer
from tests.api.x_messages import ADA, make_message

SAMPLE = Path(__file__).parent.parent.parent / "samples" / "x_stream.jsonl"


def read(message, source="x"):
    return XMessageSerializer(context={"source": source}).run_validation(message)


def read_data(**data):
    return read(make_message(**data))


def sample(tweet_id, number=0):
    lines = [json.loads(line) for line in SAMPLE.read_text().splitlines() if line.strip()]
    return [line for line in lines if line.get("data", {}).get("id") == tweet_id][number]


def slices(card):
    text = card["text"]
    return [text[entity["start"] : entity["end"]] for entity in card["content"]["entities"]]


def test_serializer_whole_tweet():
    assert read(sample("2120000000000000001")) == {
        "source_id": "2120000000000000001",
        "version_id": "2120000000000000001",
        "author": {
            "source_id": "101",
            "username": "ada_l",
            "name": "Ada 🚀 <b>Love</b>",
            "avatar": "https://pbs.twimg.com/profile_images/101/a_400x400.jpg",
            "verified": "blue",
            "protected": False,
        },
        "created_at": datetime(2026, 11, 20, 10, tzinfo=UTC),
        "text": "👩‍👩‍👧 5 < 6 && #Wall 🎉 $TSLA by @bob_ar https://t.co/aaaaaaaaaa",
        "lang": "en",
        "sensitive": False,
        "has_media": False,
        "retweet_of": "",
        "quote_of": "",
        "reply_to": "",
        "content": {
            "url": "https://x.com/ada_l/status/2120000000000000001",
            "entities": [
                {"type": "hashtag", "start": 15, "end": 20, "tag": "Wall"},
                {"type": "cashtag", "start": 23, "end": 28, "tag": "TSLA"},
                {"type": "mention", "start": 32, "end": 39, "username": "bob_ar", "id": "102"},
                {
                    "type": "url",
                    "start": 40,
                    "end": 63,
                    "url": "https://t.co/aaaaaaaaaa",
                    "expanded_url": "https://example.com/?a=1&b=2",
                    "display_url": "example.com/?a=1&b=2",
                    "title": "A <i>title</i>",
                },
            ],
            "media": [],
            "poll": None,
            "reply_to": None,
            "quote_of": None,
            "retweet_of": None,
            "withheld_in": [],
            "edited": False,
        },
        "keywords": ["event"],
    }


def test_serializer_replay_does_not_link_to_x():
    message = make_message(
        referenced_tweets=[{"type": "quoted", "id": "7"}],
        includes={"tweets": [{"id": "7", "text": "seven", "author_id": "101"}]},
    )

    content = read(message, source="replay")["content"]

    assert (content["url"], content["quote_of"]["url"]) == (None, None)


def test_serializer_long_tweet_is_read_from_its_note():
    card = read(sample("2120000000000000002"))

    assert card["text"].endswith("The end 🎬 https://t.co/bbbbbbbbbb")
    assert slices(card) == ["#Wall", "https://t.co/bbbbbbbbbb"]
    assert card["keywords"] == ["event", "second rule"]


def test_serializer_media_replaces_its_link():
    card = read(sample("2120000000000000003"))

    assert card["text"] == "مرحبا بالعالم #حائط 😀"
    assert slices(card) == ["#حائط"]
    assert card["has_media"] is True
    assert card["content"]["media"] == [
        {
            "type": "photo",
            "url": "https://pbs.twimg.com/media/a.jpg",
            "width": 1200,
            "height": 800,
            "alt": 'قطة "نائمة"',
        },
        {
            "type": "photo",
            "url": "https://pbs.twimg.com/media/b.jpg",
            "width": 800,
            "height": 1200,
            "alt": "",
        },
    ]


def test_serializer_retweet_shows_the_original():
    card = read(sample("2120000000000000004"))

    assert card["text"] == "RT @eve: Original text that is longer than the retwe…"
    assert (card["retweet_of"], card["has_media"]) == ("2119999999999999990", True)
    assert card["content"]["media"] == []
    assert card["content"]["retweet_of"] == {
        "id": "2119999999999999990",
        "url": "https://x.com/eve/status/2119999999999999990",
        "created_at": "2026-11-20T10:00:00.000Z",
        "text": "Original text that is longer than the retweet shows it, with a tail. #Wall",
        "lang": "en",
        "author": {
            "id": "103",
            "username": "eve",
            "name": "Eve & Co",
            "avatar": "https://pbs.twimg.com/profile_images/103/a_400x400.jpg",
            "verified": "",
        },
        "entities": [],
        "media": [
            {
                "type": "video",
                "url": "https://video.twimg.com/9/a.mp4",
                "preview_url": "https://pbs.twimg.com/ext_tw_video_thumb/9/pu/img/p.jpg",
                "width": 1280,
                "height": 720,
                "alt": "",
                "duration_ms": 15000,
            }
        ],
        "poll": None,
    }


def test_serializer_missing_original_and_author():
    card = read(sample("2120000000000000005"))

    assert card["text"] == "look at this #Wall"
    assert card["content"]["quote_of"] == {"id": "2111111111111111111", "missing": True}
    assert card["content"]["url"] is None
    assert card["author"] == {
        "source_id": "999",
        "username": "",
        "name": "",
        "avatar": "",
        "verified": "",
        "protected": False,
    }


def test_serializer_edit_is_the_same_card():
    first, second = read(sample("2120000000000000006")), read(sample("2120000000000000007"))

    assert (first["source_id"], first["version_id"]) == ("2120000000000000006",) * 2
    assert second["source_id"] == "2120000000000000006"
    assert second["version_id"] == "2120000000000000007"
    assert (first["content"]["edited"], second["content"]["edited"]) == (False, True)
    assert second["content"]["url"] == "https://x.com/ada_l/status/2120000000000000007"


def test_serializer_edit_was_created_with_its_first_version():
    # The first id was made at 10:00:00, the edit says 10:20.
    first = str((1795168800000 - 1288834974657) << 22)
    card = read_data(
        id=str(int(first) + 1),
        edit_history_tweet_ids=[first, str(int(first) + 1)],
        created_at="2026-11-20T10:20:00.000Z",
    )

    assert card["created_at"] == datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_serializer_poll():
    assert read(sample("2120000000000000008"))["content"]["poll"] == {
        "id": "500",
        "status": "open",
        "ends_at": "2026-11-21T10:00:00.000Z",
        "options": [{"label": "Tabs", "votes": 0}, {"label": "Spaces", "votes": 2}],
    }


def test_serializer_reply_withheld_sensitive():
    card = read(sample("2120000000000000009"))

    assert card["reply_to"] == "2120000000000000001"
    assert card["content"]["reply_to"] == {
        "id": "2120000000000000001",
        "author": {"id": "101", "username": "ada_l"},
    }
    assert (card["sensitive"], card["content"]["withheld_in"]) == (True, ["DE"])


def test_serializer_reply_to_a_missing_tweet_names_the_mentioned_author():
    card = read_data(
        text="@zoe yes",
        in_reply_to_user_id="77",
        referenced_tweets=[{"type": "replied_to", "id": "5"}],
        entities={"mentions": [{"start": 0, "end": 4, "username": "zoe", "id": "77"}]},
    )

    assert card["content"]["reply_to"] == {"id": "5", "author": {"id": "77", "username": "zoe"}}


def test_serializer_reply_to_an_unknown_author():
    card = read_data(referenced_tweets=[{"type": "replied_to", "id": "5"}])

    assert card["content"]["reply_to"] == {"id": "5", "author": {"id": "0", "username": ""}}


def test_serializer_markup_stays_text_and_bad_avatar_goes():
    card = read(sample("2120000000000000010"))

    assert card["text"] == "<img src=x onerror=alert(1)> #Wall"
    assert slices(card) == ["#Wall"]
    assert card["author"]["name"] == "<script>alert(1)</script>"
    assert card["author"]["avatar"] == ""


def test_serializer_post_dialect():
    card = read(sample("2120000000000000011"))

    assert card["text"] == "new dialect #Wall in full"
    assert card["content"]["quote_of"]["author"]["username"] == "ada_l"
    assert card["keywords"] == []


def test_serializer_dialects_give_the_same_card():
    original = {"id": "7", "text": "seven", "author_id": "101", "note_tweet": {"text": "seven!"}}
    tweet = make_message(
        id="20",
        edit_history_tweet_ids=["19", "20"],
        note_tweet={"text": "long"},
        referenced_tweets=[{"type": "quoted", "id": "7"}],
        includes={"tweets": [original]},
    )
    names = {
        "edit_history_tweet_ids": "edit_history_post_ids",
        "note_tweet": "note_post",
        "referenced_tweets": "referenced_posts",
        "tweets": "posts",
    }
    post = json.dumps(tweet)
    for old, new in names.items():
        post = post.replace(f'"{old}"', f'"{new}"')

    assert read(json.loads(post)) == read(tweet)
    assert read(tweet)["content"]["quote_of"]["text"] == "seven!"


def test_serializer_leaves_the_message_as_it_came():
    message = sample("2120000000000000011")

    read(message)

    assert message == sample("2120000000000000011")


def test_serializer_bare_minimum():
    card = read(sample("2120000000000000012"))

    assert card["author"]["source_id"] == "0"
    assert card["created_at"] == datetime(2026, 11, 10, 3, 46, 2, 352000, tzinfo=UTC)
    assert card["keywords"] == ["climate"]


def test_serializer_null_is_absent():
    message = {
        "data": {"id": "5", "text": "x", "author_id": None, "created_at": None, "entities": None},
        "includes": None,
        "matching_rules": None,
    }

    assert read(message)["author"]["source_id"] == "0"


@pytest.mark.parametrize(
    ("tags", "terms"),
    [
        (["wall"], ["wall"]),
        (["wallpush:#Wall", "WALL"], ["wall"]),
        (["wallpush:Café", "b", "a"], ["a", "b", "café"]),
        (["", "   ", "#", "wallpush:", "x" * 400, "x" * 4000, "\x00"], []),
    ],
)
def test_serializer_terms_of_rules(tags, terms):
    assert read(make_message(tags=tags))["keywords"] == terms


def test_serializer_rules_of_odd_shapes():
    message = make_message()
    message["matching_rules"] = [{"id": 1}, {"id": 2, "tag": None}, {"tag": 3}, "x", {"tag": "ok"}]

    assert read(message)["keywords"] == ["ok"]


@pytest.mark.parametrize(
    ("created_at", "expected"),
    [
        ("2026-11-20T10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T10:00:00.123Z", datetime(2026, 11, 20, 10, 0, 0, 123000, tzinfo=UTC)),
        ("2026-11-20T12:00:00+02:00", datetime(2026, 11, 20, 10, tzinfo=UTC)),
    ],
)
def test_serializer_times(created_at, expected):
    assert read_data(created_at=created_at)["created_at"] == expected


def test_serializer_id_may_be_a_number():
    assert read_data(id=2120000000000000005)["source_id"] == "2120000000000000005"


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"id": "abc"}, "id"),
        ({"id": "1" * 21}, "id"),
        ({"id": "012"}, "id"),
        ({"id": "\u0661\u0662"}, "id"),
        ({"id": True}, "id"),
        ({"id": -5}, "id"),
        ({"id": ["1"]}, "id"),
        ({"text": 5}, "text"),
        ({"text": "x" * (TEXT_LIMIT + 1)}, "text"),
        ({"author_id": "ada"}, "author_id"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"created_at": 5}, "created_at"),
        ({"created_at": "9999-12-31T23:59:59-23:00"}, "created_at"),
    ],
)
def test_serializer_names_the_wrong_field(data, field):
    message = make_message()
    message["data"] |= data

    with pytest.raises(ValidationError) as caught:
        read(message)

    assert {"data": [field]} == {key: list(value) for key, value in caught.value.detail.items()}


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"data": 5}, "data"),
        ({"data": {"id": "1", "text": "x"}, "includes": []}, "includes"),
        ({"data": {"id": "1", "text": "x"}, "matching_rules": {}}, "matching_rules"),
    ],
)
def test_serializer_names_the_wrong_part(message, field):
    with pytest.raises(ValidationError) as caught:
        read(message)

    assert list(caught.value.detail) == [field]


def test_serializer_is_not_spoilt_by_a_wrong_message():
    serializer = XMessageSerializer(context={"source": "x"})
    good = make_message()
    before = serializer.run_validation(good)
    with pytest.raises(ValidationError):
        serializer.run_validation({"data": {}})

    assert serializer.run_validation(good) == before


ODD = [None, 5, "x", [], {}, [5], ["x"], [None], [{}], {"x": 5}, [[]], True, 1.5, {"id": []}]


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize(
    "name",
    [
        *("entities", "attachments", "referenced_tweets", "note_tweet", "withheld"),
        *("edit_history_tweet_ids", "lang", "possibly_sensitive", "in_reply_to_user_id"),
    ],
)
def test_serializer_does_without_odd_parts_of_a_tweet(name, odd):
    assert read_data(id="20", text="still here", **{name: odd})["text"] == "still here"


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("kind", ["users", "tweets", "media", "polls"])
def test_serializer_does_without_odd_includes(kind, odd):
    message = make_message(
        text="still here",
        attachments={"media_keys": ["3_1", [], {}], "poll_ids": ["500", []]},
        referenced_tweets=[{"type": "quoted", "id": "7"}, {"type": [], "id": "8"}],
        includes={kind: odd},
    )

    assert read(message)["text"] == "still here"


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize(
    "name",
    [
        *("type", "url", "width", "height", "alt_text", "variants", "preview_image_url"),
        *("duration_ms", "name", "username", "profile_image_url", "verified_type", "protected"),
        *("options", "voting_status", "end_datetime", "text", "author_id", "created_at"),
    ],
)
def test_serializer_does_without_odd_parts_of_includes(name, odd):
    included = {
        "users": ADA | {name: odd},
        "tweets": {"id": "7", "text": "seven", "author_id": "101", name: odd},
        "media": {"media_key": "3_1", "type": "video", name: odd},
        "polls": {"id": "500", "options": [{"label": odd, "position": odd}], name: odd},
    }
    message = make_message(
        text="still here",
        attachments={"media_keys": ["3_1"], "poll_ids": ["500"]},
        referenced_tweets=[{"type": "quoted", "id": "7"}],
        includes={kind: [item] for kind, item in included.items()},
    )

    assert read(message)["text"] == "still here"


def test_serializer_cleans_what_no_database_takes():
    card = read_data(
        text="a\x00b\ud800c\r\nd #Wall",
        entities={"hashtags": [{"start": 9, "end": 14, "tag": "Wall"}]},
        includes={"users": [ADA | {"name": "A\x00d\u0007a\n \udfff"}]},
    )

    assert card["text"] == "ab\ufffdc\nd #Wall"
    assert slices(card) == ["#Wall"]
    assert card["author"]["name"] == "Ada \ufffd"


def test_serializer_limits_what_is_long():
    card = read_data(
        includes={
            "users": [ADA | {"name": "n" * 5000, "profile_image_url": "https://x.co/" + "a" * 5000}]
        },
        withheld={"country_codes": ["DE"] * 10_000},
    )

    assert len(card["author"]["name"]) == 200
    assert card["author"]["avatar"] == ""
    assert len(card["content"]["withheld_in"]) == 300
