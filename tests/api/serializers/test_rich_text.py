import pytest

from api.serializers.rich_text import read_text


def entity(kind, start, piece, **parts):
    return {kind: [{"start": start, "end": start + len(piece), **parts}]}


def link(raw, url, expanded="https://example.com/", **parts):
    start = raw.index(url)
    item = {"start": start, "end": start + len(url), "url": url, "expanded_url": expanded}
    return item | {"display_url": "example.com", **parts}


def read(raw, entities, **options):
    return read_text(raw, entities, **{"own_ids": ["20"]} | options)


def slices(raw, entities, **options):
    text, found = read(raw, entities, **options)
    return [(item["type"], text[item["start"] : item["end"]]) for item in found]


def test_offsets_follow_the_unescaped_text():
    raw = "&lt;3 &amp;amp; 🎉 #A &gt; #B"
    tags = [
        {"start": raw.index(f"#{tag}"), "end": raw.index(f"#{tag}") + 2, "tag": tag} for tag in "AB"
    ]

    text, entities = read(raw, {"hashtags": tags})

    assert text == "<3 &amp; 🎉 #A > #B"
    assert [text[item["start"] : item["end"]] for item in entities] == ["#A", "#B"]


@pytest.mark.parametrize(
    ("piece", "kind", "parts", "expected"),
    [
        ("#Wall", "hashtags", {"tag": "Wall"}, "hashtag"),
        ("#wall", "hashtags", {"tag": "WALL"}, "hashtag"),
        ("\uff03Wall", "hashtags", {"tag": "Wall"}, "hashtag"),
        ("#STRASSE", "hashtags", {"tag": "straße"}, "hashtag"),
        ("\uff20Ada", "mentions", {"username": "ada", "id": "1"}, "mention"),
        ("$TSLA", "cashtags", {"tag": "tsla"}, "cashtag"),
    ],
)
def test_entities_may_differ_in_case_and_width(piece, kind, parts, expected):
    assert slices(f"x {piece} y", entity(kind, 2, piece, **parts)) == [(expected, piece)]


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        ("hashtags", {"start": 2, "end": 6, "tag": "Wall"}),
        ("hashtags", {"start": 3, "end": 8, "tag": "Wall"}),
        ("hashtags", {"start": 2, "end": 7, "tag": "Other"}),
        ("hashtags", {"start": 2, "end": 7, "tag": ""}),
        ("hashtags", {"start": 2, "end": 7}),
        ("hashtags", {"start": -8, "end": 7, "tag": "Wall"}),
        ("hashtags", {"start": 2, "end": 700, "tag": "Wall"}),
        ("hashtags", {"start": 7, "end": 2, "tag": "Wall"}),
        ("hashtags", {"start": "2", "end": 7, "tag": "Wall"}),
        ("hashtags", {"start": False, "end": True, "tag": "x"}),
        ("cashtags", {"start": 2, "end": 7, "tag": "Wall"}),
        ("mentions", {"start": 2, "end": 7, "username": "Wall"}),
        ("urls", {"start": 2, "end": 7, "url": "https://t.co/a"}),
        ("annotations", {"start": 2, "end": 7, "type": "Person"}),
    ],
)
def test_wrong_entities_are_dropped(kind, item):
    assert read("x #Wall y", {kind: [item]}) == ("x #Wall y", [])


@pytest.mark.parametrize("url", ["http://t.co/a", "javascript:alert(1)", "https://u@evil.example"])
def test_link_that_is_not_https_stays_text(url):
    raw = f"see {url}"

    assert read(raw, {"urls": [link(raw, url)]}) == (raw, [])


def test_link_keeps_only_https_targets():
    raw = "see https://t.co/a ok"

    _, [found] = read(raw, {"urls": [link(raw, "https://t.co/a", "http://example.com/", title=5)]})

    assert (found["url"], found["expanded_url"], found["title"]) == ("https://t.co/a", "", "")


def test_overlapping_entities_keep_the_first():
    raw = "#Wall"
    entities = {
        "hashtags": [{"start": 0, "end": 5, "tag": "Wall"}, {"start": 0, "end": 5, "tag": "wall"}]
    }

    assert slices(raw, entities) == [("hashtag", "#Wall")]


def test_entities_are_sorted_by_place():
    raw = "@ada $TSLA #Wall"
    entities = {
        "hashtags": [{"start": 11, "end": 16, "tag": "Wall"}],
        "cashtags": [{"start": 5, "end": 10, "tag": "TSLA"}],
        "mentions": [{"start": 0, "end": 4, "username": "ada"}],
    }

    assert [kind for kind, _ in slices(raw, entities)] == ["mention", "cashtag", "hashtag"]


PHOTO = "https://x.com/ada/status/20/photo/1"
VIDEO = "https://twitter.com/ada/status/9/video/1"
OWN = "https://x.com/i/web/status/20"
QUOTED = "https://x.com/eve/status/30"


@pytest.mark.parametrize(
    ("expanded", "options", "kept"),
    [
        (PHOTO, {"has_media": True}, False),
        (VIDEO, {"has_media": True}, False),
        (PHOTO, {"has_media": False}, True),
        (OWN, {}, False),
        (QUOTED, {"quoted_id": "30"}, False),
        (QUOTED, {"quoted_id": "31"}, True),
        ("https://example.com/status/30", {"quoted_id": "30"}, True),
    ],
)
def test_trailing_link_of_what_the_card_shows_is_removed(expanded, options, kept):
    raw = "hi &amp; bye https://t.co/a"
    text, entities = read(raw, {"urls": [link(raw, "https://t.co/a", expanded)]}, **options)

    assert text == ("hi & bye https://t.co/a" if kept else "hi & bye")
    assert len(entities) == kept


def test_trailing_links_of_quote_and_media_are_both_removed():
    raw = "hi #a https://t.co/q https://t.co/m "
    urls = [link(raw, "https://t.co/q", QUOTED), link(raw, "https://t.co/m", PHOTO)]
    entities = {"urls": urls, "hashtags": [{"start": 3, "end": 5, "tag": "a"}]}

    text, found = read(raw, entities, quoted_id="30", has_media=True)

    assert (text, [item["type"] for item in found]) == ("hi #a", ["hashtag"])


def test_link_within_the_text_stays():
    raw = "https://t.co/m in the middle"

    text, found = read(raw, {"urls": [link(raw, "https://t.co/m", PHOTO)]}, has_media=True)

    assert (text, len(found)) == (raw, 1)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"has_media": True}, "hi"), ({"quoted_id": "30"}, "hi"), ({}, "hi https://t.co/abc")],
)
def test_trailing_link_without_an_entity(options, expected):
    assert read("hi https://t.co/abc", None, **options) == (expected, [])


def test_long_gap_does_not_hold_up_the_stream():
    raw = "a" + " " * 400_000 + "b"

    assert read(raw, {}, has_media=True) == (raw, [])


def test_number_of_entities_is_limited():
    raw = "#a" * 5000
    tags = [{"start": 2 * n, "end": 2 * n + 2, "tag": "a"} for n in range(5000)]

    assert len(read(raw, {"hashtags": tags})[1]) == 200
