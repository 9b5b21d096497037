import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.sources.bluesky_matching import Matcher, fold
from api.sources.tracks import read_track
from tests.jetstream_server import make_facet, make_mention, make_tag

ADA = "did:plc:ada"


def find(track, text, *, did="did:plc:bob", **record):
    matcher = Matcher([read_track(track)], {"ada.example": ADA})
    return matcher.find_terms(did, {"text": text, **record})


@pytest.mark.parametrize(
    ("track", "text"),
    [
        ("wall", "a Wall!"),
        ("wall", "#wall"),
        ("wall", "the_wall wall"),
        ("straße", "STRASSE 7"),
        ("café", "CAFE\u0301 noir"),
        ("हिन्दी", "मैं हिन्दी बोलता"),
        ("東京", "東京タワーに行く"),
        ("wall", "今日wallの日"),
        ("ไทย", "ภาษาไทยง่าย"),
        ('"django con"', "At the Django\n  Con."),
        ("django con", "DJANGO CON"),
        ("c++", "I like C++!"),
        ("node.js", "(node.js)"),
        ("🎉", "yes🎉🎉"),
        ("❤\ufe0f", "I ❤\ufe0fit"),
        ("$tsla", "up: $TSLA."),
    ],
)
def test_words_and_phrases_are_found(track, text):
    assert find(track, text) == [read_track(track).term]


@pytest.mark.parametrize(
    ("track", "text"),
    [
        ("wall", "walls"),
        ("wall", "the_wall"),
        ("wall", "firewall"),
        ("caf", "cafe\u0301"),
        ("हिन्द", "मैं हिन्दी बोलता"),
        ('"django con"', "django conf"),
        ('"django con"', "django and con"),
        ("c++", "abc++"),
        ("node.js", "node.jsx"),
        ("node.js", "nodexjs"),
        ("#wall", "wall"),
        ("#wall", "x#wall"),
        ("#wall", "https://wall.example/#wall"),
        ("#wall", "#walls"),
        ("@ada.example", "@ada.example"),
        ("from:ada.example", "ada.example"),
        ("wall", ""),
    ],
)
def test_parts_of_words_are_not_found(track, text):
    assert find(track, text) == []


def test_hashtags_of_facets_count_and_not_those_beside_them():
    text = "#Wall or #other"

    assert find("#wall", text, facets=[make_tag(text, "#Wall")]) == ["wall"]
    assert find("#other", text, facets=[make_tag(text, "#Wall")]) == []


@pytest.mark.parametrize(
    "text", ["#Wall", "see (#WALL)", "\uff03wall", "これは#wall です", "##wall"]
)
def test_hashtags_in_the_text_count_where_no_facet_marks_one(text):
    assert find("#wall", text) == ["wall"]
    assert find("#wall", text, facets=[make_mention(text, text, ADA)]) == ["wall"]


def test_tags_beside_the_text_count():
    assert find("#wall", "Hello", tags=["Other", "Wall"]) == ["wall"]


def test_mention_is_the_account_and_not_the_words():
    text = "Thanks to my friend"

    assert find("@ada.example", text, facets=[make_mention(text, "friend", ADA)]) == [
        "@ada.example"
    ]
    assert find("@Ada.Example", text, facets=[make_mention(text, "friend", ADA)]) == [
        "@ada.example"
    ]
    assert find("@ada.example", text, facets=[make_mention(text, "friend", "did:plc:eve")]) == []


def test_account_is_who_writes():
    assert find("from:ada.example", "Hello", did=ADA) == ["from:ada.example"]


def test_account_without_a_known_id_is_not_found():
    assert find("from:bob.example", "Hello", did="") == []


def test_every_track_is_found_once():
    matcher = Matcher(map(read_track, ["wall", "#wall", '"big wall"', "tower"]), {})
    text = "A big wall, a tower, a TOWER, a #wall"
    record = {"text": text, "facets": [make_tag(text, "#wall")] * 2}

    assert matcher.find_terms(ADA, record) == ["big wall", "tower", "wall"]


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"text": None},
        {"text": 7, "facets": 7, "tags": 7},
        {"text": "x", "facets": [None, {"features": [None, {}, {"$type": 1}]}], "tags": [None, ""]},
        {
            "text": "x",
            "facets": [make_facet("x", "x", "tag"), make_facet("x", "x", "mention", did=[])],
        },
        {"text": "\ud83c #\ud83c wall\ud83c"},
        {"text": "#" * 3000, "tags": ["#" * 10**6]},
    ],
    ids=range(7),
)
def test_strange_records_do_no_harm(record):
    matcher = Matcher(map(read_track, ["tower", "#tower", "@ada.example", '"a tower"', "🎉"]), {})

    assert matcher.find_terms(ADA, record) == []


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_phrase_is_found_only_where_it_stands(phrase, text):
    matcher = Matcher([read_track('"wall tower"')._replace(value=phrase, term="t")], {})

    folded = " ".join(fold(text).split())
    if matcher.find_terms(ADA, {"text": text}):
        assert " ".join(fold(phrase).split()) in folded


def test_a_thousand_tracks_cost_little():
    tracks = [f"word{n}" for n in range(500)] + [f"#tag{n}" for n in range(250)]
    tracks += [f'"phrase {n}"' for n in range(250)]
    matcher = Matcher(map(read_track, tracks), {})
    record = {
        "text": "Doors are open, coffee is hot, the first talk starts in twenty minutes. " * 4
    }

    seconds = min(timeit.repeat(lambda: matcher.find_terms(ADA, record), number=100, repeat=5))
    assert seconds / 100 < 0.002  # hundreds of posts a second; it takes a twentieth of it here
