import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError

from api.models import Author, Tweet
from api.serializers.bluesky import TEXT_LIMIT, BlueskyMessageSerializer
from api.serializers.resource import render_tweet
from tests.jetstream_server import make_facet, make_link, make_mention, make_tag

ADA, BOB = "did:plc:ada", "did:plc:bob"
SEEN_AT = datetime(2026, 11, 20, 10, 0, 1, tzinfo=UTC)
CID = "bafkreiinventedinventedinvented"
PROFILE = {
    "did": ADA,
    "handle": "ada.example",
    "displayName": "Ada 🚀\n<b>Love</b>",
    "avatar": "https://cdn.example/ada.jpg",
    "labels": [],
}


def make_message(text="Hello #wall", *, includes=None, terms=("wall",), commit=(), **record):
    record = {
        "$type": "app.bsky.feed.post",
        "createdAt": "2026-11-20T10:00:00.123Z",
        "langs": ["en"],
        "text": text,
        **record,
    }
    commit = {
        "rev": "3mptbypfywk2v",
        "operation": "create",
        "collection": "app.bsky.feed.post",
        "rkey": "3mptbypfywk2a",
        "cid": CID,
        "record": record,
        **dict(commit),
    }
    event = {
        "did": ADA,
        "time_us": int(SEEN_AT.timestamp() * 1e6),
        "kind": "commit",
        "commit": commit,
    }
    return {"data": event, "includes": includes or {"profile": PROFILE}, "terms": list(terms)}


serializer = BlueskyMessageSerializer(context={"source": "bluesky"})


def read(*args, **fields):
    return serializer.run_validation(make_message(*args, **fields))


def read_content(*args, **fields):
    return read(*args, **fields)["content"]


def slices(card):
    text = card["text"]
    return [text[entity["start"] : entity["end"]] for entity in card["content"]["entities"]]


def make_image(**fields):
    blob = {"$type": "blob", "ref": {"$link": CID}, "mimeType": "image/jpeg", "size": 1}
    ratio = {"width": 1200, "height": 800}
    return {"image": blob, "alt": "A tower", "aspectRatio": ratio, **fields}


def make_images(*images):
    return {"$type": "app.bsky.embed.images", "images": list(images)}


def make_uri(did, key):
    return f"at://{did}/app.bsky.feed.post/{key}"


def make_quote(key="3q", **record):
    record = {"text": "Quote me", "createdAt": "2026-11-20T09:00:00Z", **record}
    author = {"did": BOB, "handle": "bob.example", "labels": []}
    return {"uri": make_uri(BOB, key), "author": author, "record": record, "labels": []}


QUOTE = {"$type": "app.bsky.embed.record", "record": {"uri": make_uri(BOB, "3q"), "cid": CID}}


def test_whole_post():
    text = "Hé 🎉 #wall by @bob.example: example.com/…"
    facets = [
        make_tag(text, "#wall"),
        make_mention(text, "@bob.example", BOB),
        make_link(text, "example.com/…", "https://example.com/long"),
    ]

    assert read(text, facets=facets, embed=make_images(make_image())) == {
        "source_id": "did:plc:ada~3mptbypfywk2a",
        "version_id": "3mptbypfywk2v",
        "author": {
            "source_id": ADA,
            "username": "ada.example",
            "name": "Ada 🚀 <b>Love</b>",
            "avatar": "https://cdn.example/ada.jpg",
            "verified": "",
            "protected": False,
        },
        "created_at": datetime(2026, 11, 20, 10, 0, 0, 123000, tzinfo=UTC),
        "text": text,
        "lang": "en",
        "sensitive": False,
        "has_media": True,
        "retweet_of": "",
        "quote_of": "",
        "reply_to": "",
        "content": {
            "url": "https://bsky.app/profile/did:plc:ada/post/3mptbypfywk2a",
            "entities": [
                {"type": "hashtag", "start": 5, "end": 10, "tag": "wall"},
                {"type": "mention", "start": 14, "end": 26, "username": "bob.example", "id": BOB},
                {
                    "type": "url",
                    "start": 28,
                    "end": 41,
                    "url": "https://example.com/long",
                    "expanded_url": "https://example.com/long",
                    "display_url": "example.com/…",
                    "title": "",
                },
            ],
            "media": [
                {
                    "type": "photo",
                    "url": f"https://cdn.bsky.app/img/feed_thumbnail/plain/{ADA}/{CID}@jpeg",
                    "width": 1200,
                    "height": 800,
                    "alt": "A tower",
                }
            ],
            "poll": None,
            "reply_to": None,
            "quote_of": None,
            "retweet_of": None,
            "withheld_in": [],
            "edited": False,
        },
        "keywords": ["wall"],
    }


# Text.


def test_bytes_become_characters_also_where_control_characters_go():
    text = "\x07👩‍👩‍👧 \ud83c#wall\x00 日本 #wall"
    first = make_tag("\x07👩‍👩‍👧 xxx#wall", "#wall")  # half a pair counts three bytes
    card = read(text, facets=[first])

    assert card["text"] == "👩‍👩‍👧 \ufffd#wall 日本 #wall"
    assert slices(card) == ["#wall"]


@pytest.mark.parametrize(
    "index",
    [
        {"byteStart": 1, "byteEnd": 5},  # in the middle of é
        {"byteStart": 0, "byteEnd": 1},
        {"byteStart": 3, "byteEnd": 99},
        {"byteStart": 5, "byteEnd": 3},
        {"byteStart": 3, "byteEnd": 3},
        {"byteStart": -3, "byteEnd": 3},
        {"byteStart": "0", "byteEnd": 2},
        {"byteStart": 0.0, "byteEnd": 2},
        {"byteStart": False, "byteEnd": 2},
        {},
        None,
    ],
    ids=str,
)
def test_facet_that_marks_no_whole_characters_is_left_out(index):
    feature = {"$type": "app.bsky.richtext.facet#tag", "tag": "x"}
    card = read("é #wall", facets=[{"index": index, "features": [feature]}])

    assert (card["text"], card["content"]["entities"]) == ("é #wall", [])


def test_overlapping_facets_are_left_out():
    text = "#wall #tower"
    both = make_facet(text, "#wall #tower", "tag", tag="both")
    card = read(text, facets=[make_tag(text, "#tower"), make_tag(text, "#wall"), both])

    assert slices(card) == ["#wall", "#tower"]


def test_first_feature_that_can_be_shown_counts():
    text = "#wall"
    facet = make_tag(text, "#wall")
    facet["features"] = [None, {"$type": 7}, {"$type": "new"}, {"$type": []}, *facet["features"]]

    assert slices(read(text, facets=[facet])) == ["#wall"]


@pytest.mark.parametrize(
    "uri",
    [
        "http://a.example/",
        "javascript:alert(1)",
        "https://x@evil.example/",
        "",
        None,
        "https://a b",
    ],
)
def test_link_that_is_not_safe_stays_text(uri):
    text = "see here"
    card = read(text, facets=[make_link(text, "here", uri)])

    assert (card["text"], card["content"]["entities"]) == (text, [])


def test_mention_of_words_has_no_name():
    text = "my friend"

    assert read_content(text, facets=[make_mention(text, "friend", BOB)])["entities"] == [
        {"type": "mention", "start": 3, "end": 9, "username": "", "id": BOB}
    ]


@pytest.mark.parametrize(
    ("langs", "lang"),
    [
        (["pt-BR", "en"], "pt"),
        (["zh-Hant-TW"], "zh"),
        ([], ""),
        (None, ""),
        (["<b>"], ""),
        ("en", ""),
    ],
)
def test_language_alone(langs, lang):
    assert read(langs=langs)["lang"] == lang


# Times.


@pytest.mark.parametrize(
    ("claimed", "created_at"),
    [
        ("2026-11-20T12:00:00+02:00", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2025-01-01T00:00:00Z", datetime(2025, 1, 1, tzinfo=UTC)),
        ("2099-01-01T00:00:00Z", SEEN_AT),
        ("2026-11-20T10:00:02Z", SEEN_AT),
        ("1970-01-01T00:00:00Z", SEEN_AT),
        ("0001-01-01T00:00:00+14:00", SEEN_AT),
        ("yesterday", SEEN_AT),
        (None, SEEN_AT),
    ],
)
def test_time_that_can_not_be_is_the_time_when_it_was_seen(claimed, created_at):
    assert read(createdAt=claimed)["created_at"] == created_at


# Authors.


def test_author_without_a_profile_has_an_id():
    author = read(includes={"profile": None})["author"]

    assert author["source_id"] == ADA
    assert {author[name] for name in ("username", "name", "avatar", "verified")} == {""}


def test_author_without_a_name_has_the_handle():
    assert read(includes={"profile": PROFILE | {"displayName": "  "}})["author"]["name"] == (
        "ada.example"
    )


def test_handle_that_is_too_long_is_not_cut():
    handle = "a." * 60 + "example"
    author = read(includes={"profile": PROFILE | {"handle": handle}})["author"]

    assert author["username"] == ADA


def test_avatar_that_is_not_safe_is_left_out():
    author = read(includes={"profile": PROFILE | {"avatar": "javascript:alert(1)"}})["author"]

    assert author["avatar"] == ""


# Pictures.


def test_pictures_beside_a_quote():
    embed = {
        "$type": "app.bsky.embed.recordWithMedia",
        "record": {"record": QUOTE["record"]},
        "media": make_images(make_image(), make_image(alt=None, aspectRatio=None), {}, None),
    }
    card = read(embed=embed)

    assert [(m["alt"], m["width"]) for m in card["content"]["media"]] == [
        ("A tower", 1200),
        ("", 0),
    ]
    assert card["quote_of"] == "did:plc:bob~3q"


def test_video_shows_its_picture():
    embed = {"$type": "app.bsky.embed.video", "video": {"ref": {"$link": CID}}, "alt": "A film"}

    [video] = read_content(embed=embed)["media"]
    assert (video["type"], video["url"], video["alt"]) == ("video", "", "A film")
    assert video["preview_url"] == (
        f"https://video.bsky.app/watch/did%3Aplc%3Aada/{CID}/thumbnail.jpg"
    )


def test_card_of_a_page_is_no_picture():
    external = {"uri": "https://a.example/", "title": "A", "thumb": {"ref": {"$link": CID}}}

    assert (
        read(embed={"$type": "app.bsky.embed.external", "external": external})["has_media"] is False
    )


@pytest.mark.parametrize("label", ["porn", "sexual", "nudity", "graphic-media"])
def test_sensitive_by_label(label):
    labels = {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": label}]}

    assert read(labels=labels)["sensitive"] is True
    assert read(includes={"profile": PROFILE | {"labels": [label]}})["sensitive"] is True
    quoted = {"profile": PROFILE, "quoted": make_quote(labels=labels)}
    assert read(embed=QUOTE, includes=quoted)["sensitive"] is True
    assert read(labels={"values": [{"val": "!warn"}, None, {"val": []}]})["sensitive"] is False


# What it refers to.


def test_quoted_post_is_shown():
    quoted = make_quote(text="#a", facets=[make_tag("#a", "#a")], embed=make_images(make_image()))
    card = read(embed=QUOTE, includes={"profile": PROFILE, "quoted": quoted})
    shown = card["content"]["quote_of"]

    assert card["quote_of"] == shown["id"] == "did:plc:bob~3q"
    assert (shown["url"], shown["text"]) == ("https://bsky.app/profile/did:plc:bob/post/3q", "#a")
    assert shown["author"]["username"] == "bob.example"
    assert shown["created_at"] == "2026-11-20T09:00:00.000Z"
    assert shown["media"][0]["url"].startswith(
        f"https://cdn.bsky.app/img/feed_thumbnail/plain/{BOB}/"
    )
    assert [entity["tag"] for entity in shown["entities"]] == ["a"]


@pytest.mark.parametrize(
    "quoted",
    [None, {}, make_quote(key="other"), make_quote(text=None), make_quote(text="x" * 4000), []],
    ids=range(6),
)
def test_quoted_post_that_is_not_there_is_missing(quoted):
    assert read_content(embed=QUOTE, includes={"quoted": quoted})["quote_of"] == {
        "id": "did:plc:bob~3q",
        "missing": True,
    }


def test_quoted_list_is_no_quote():
    embed = {
        "$type": "app.bsky.embed.record",
        "record": {"uri": f"at://{BOB}/app.bsky.graph.list/1"},
    }

    assert read(embed=embed)["quote_of"] == ""


def test_answer_names_whom_it_answers():
    reply = {"parent": {"uri": make_uri(BOB, "3r")}}
    replied = {"did": BOB, "handle": "bob.example"}

    card = read(reply=reply, includes={"replied": replied})
    assert (card["reply_to"], card["content"]["reply_to"]) == (
        "did:plc:bob~3r",
        {"id": "did:plc:bob~3r", "author": {"id": BOB, "username": "bob.example"}},
    )
    unknown = read_content(reply=reply)["reply_to"]
    assert unknown["author"] == {"id": BOB, "username": ""}


# Versions and terms.


def test_later_version_is_edited_and_larger():
    update = {"operation": "update", "rev": "3mptbypfywk2w"}
    first, second = read(), read(commit=update)

    assert (first["content"]["edited"], second["content"]["edited"]) == (False, True)
    assert first["source_id"] == second["source_id"]
    assert first["version_id"] < second["version_id"]


def test_terms_without_a_channel_are_left_out():
    assert read(terms=["wall", "wall", "a b", "", None, 7, "x" * 400])["keywords"] == [
        "a b",
        "wall",
    ]


@pytest.mark.parametrize(
    "commit",
    [
        {"rev": "3MPTBYPFYWK2V"},
        {"rev": "3mpt"},
        {"rev": 7},
        {"rkey": "a/b"},
        {"rkey": "x" * 100},
        {"operation": "delete"},
        {"collection": "app.bsky.feed.like"},
        {"record": None},
        {"record": {"text": 7}},
        {"record": {"text": "x" * (TEXT_LIMIT + 1)}},
    ],
    ids=str,
)
def test_post_without_what_it_needs_is_refused(commit):
    with pytest.raises(ValidationError):
        read(commit=commit)


@pytest.mark.parametrize(
    "event",
    [
        {"did": "ada"},
        {"did": "did:web:" + "." * 80},  # its channel would have too long a name
        {"did": "did:web:" + "a" * 100},
        {"time_us": 10**30},
        {"time_us": "1"},
        {"time_us": True},
        {"commit": []},
    ],
    ids=str,
)
def test_event_without_what_it_needs_is_refused(event):
    message = make_message()
    message["data"] |= event
    with pytest.raises(ValidationError):
        serializer.run_validation(message)


@pytest.mark.parametrize("message", [None, [], "x", 7, {}, {"data": None}, {"data": []}])
def test_message_that_is_none_is_refused(message):
    with pytest.raises(ValidationError):
        serializer.run_validation(message)


# Whatever comes.


def render(card):
    author = Author(source="bluesky", **card["author"])
    columns = {key: card[key] for key in card if key not in ("author", "keywords")}
    tweet = Tweet(source="bluesky", author=author, **columns)
    tweet.terms = card["keywords"]
    for model, fields in ((author, card["author"]), (tweet, columns)):
        for name, value in fields.items():
            limit = getattr(model._meta.get_field(name), "max_length", None)
            assert limit is None or len(value) <= limit
    return json.loads(render_tweet(tweet))


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([ADA, make_uri(BOB, "3q"), CID, "https://a.example/", "did:web:" + "a." * 39]),
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def find_places(value, path=()):
    yield path
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        yield from find_places(item, (*path, key))


def make_full_message():
    text = "Hé 🎉 #wall by @bob.example: example.com"
    facets = [
        make_tag(text, "#wall"),
        make_mention(text, "@bob.example", BOB),
        make_link(text, "example.com", "https://example.com/"),
    ]
    embed = {
        "$type": "app.bsky.embed.recordWithMedia",
        "record": {"record": QUOTE["record"]},
        "media": make_images(make_image()),
    }
    reply = {"parent": {"uri": make_uri(BOB, "3r")}}
    includes = {
        "profile": PROFILE,
        "quoted": make_quote(embed=make_images(make_image())),
        "replied": {"did": BOB, "handle": "bob.example"},
    }
    labels = {"values": [{"val": "porn"}]}
    return make_message(
        text, facets=facets, embed=embed, reply=reply, includes=includes, labels=labels
    )


PLACES = list(find_places(make_full_message()))


def test_full_message_is_a_card():
    resource = render(serializer.run_validation(make_full_message()))

    assert len(resource["entities"]) == 3
    assert len(resource["media"]) == len(resource["quote_of"]["media"]) == 1
    assert resource["reply_to"]["author"]["username"] == "bob.example"


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING), min_size=1, max_size=3))
def test_whatever_comes_is_a_card_or_is_refused(changes):
    message = make_full_message()
    for path, value in changes:
        message = replace(message, path, value)
    try:
        card = serializer.run_validation(message)
    except ValidationError:
        return
    assert render(card)["type"] == "tweet"


def replace(value, path, new):
    """The same structure with something else in one place, if it still has that."""
    if not path:
        return new
    key, *rest = path
    if isinstance(value, dict) and key in value:
        return value | {key: replace(value[key], rest, new)}
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return [*value[:key], replace(value[key], rest, new), *value[key + 1 :]]
    return value


@given(st.text(max_size=30), st.integers(-2, 130), st.integers(-2, 130))
def test_entities_are_always_within_the_text(text, start, end):
    feature = {"$type": "app.bsky.richtext.facet#tag", "tag": "x"}
    facet = {"index": {"byteStart": start, "byteEnd": end}, "features": [feature]}
    card = read(text, facets=[facet])

    for entity in card["content"]["entities"]:
        assert 0 <= entity["start"] < entity["end"] <= len(card["text"])
