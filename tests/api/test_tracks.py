import pytest

from api import tracks
from api.models import Gap, Position, Ruling, Track
from api.tracks import (
    TrackError,
    TrackOfSettings,
    add_track,
    describe_track,
    find_track,
    remove_track,
    sync_settings_tracks,
    tell_next,
)

pytestmark = pytest.mark.django_db


def texts(**conditions):
    return list(Track.objects.filter(**conditions).order_by("pk").values_list("text", flat=True))


def make_gap(text, **fields):
    defaults = {"source": "x", "term": text.lstrip("#"), "after": 1, "until": 9}
    return Gap.objects.create(text=text, **defaults | fields)


# Adding and removing.


@pytest.mark.parametrize(
    ("text", "kind", "stored", "term"),
    [
        ("  #Wall ", "hashtag", "#Wall", "wall"),
        ("coffee", "word", "coffee", "coffee"),
        ('"my   conference"', "phrase", "my conference", "my conference"),
        ("@Ada_L", "mention", "@Ada_L", "@ada_l"),
        ("from:@ada_l", "account", "from:ada_l", "from:ada_l"),
        ("#cafe\u0301", "hashtag", "#café", "café"),
    ],
)
def test_track_is_stored_in_the_form_that_sources_get(text, kind, stored, term):
    track, is_new = add_track(text, added_by="ada")

    assert is_new
    assert (track.text, track.term, track.added_by, track.origin) == (stored, term, "ada", "added")
    assert describe_track(track)["kind"] == kind


@pytest.mark.parametrize("again", ["#wall", " #WALL", "#Wall"])
def test_track_is_added_once_in_whatever_case(again):
    first, _ = add_track("#Wall")

    assert add_track(again) == (first, False)
    assert texts() == ["#Wall"]


def test_word_and_hashtag_are_two_tracks_of_one_keyword():
    add_track("wall")
    add_track("#wall")

    assert list(Track.objects.values_list("term", flat=True)) == ["wall", "wall"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "nothing is left"),
        ("###", "nothing is left"),
        ("from:", "names no account"),
        ("from:a b", "names no account"),
        ("x" * 501, "has 501 characters"),
        ("ß" * 100, "too long"),
        ("wa\0ll", "control characters"),
        ("\x1b[31mwall", "control characters"),
        ("wall \ud83d", "half characters"),
    ],
)
def test_what_can_not_be_watched_for_is_refused_with_a_sentence(text, sentence):
    with pytest.raises(TrackError, match=sentence):
        add_track(text)
    assert texts() == []


def test_tracks_are_limited_in_number(monkeypatch):
    monkeypatch.setattr(tracks, "MAX_TRACKS", 2)
    first, _ = add_track("one")
    add_track("two")

    with pytest.raises(TrackError, match="2 tracks are watched for, which is the most"):
        add_track("three")
    assert add_track("one") == (first, False)


def test_track_that_goes_takes_what_is_remembered_of_it_along():
    add_track("#wall")
    add_track("#cafe")
    Position.objects.create(source="x", term="wall", value=5)
    Position.objects.create(source="x", term="cafe", value=5)
    Position.objects.create(source="bluesky", value=5)
    make_gap("#wall")
    filled = make_gap("#wall", source="bluesky", filled_at="2026-11-20T10:00Z")
    other = make_gap("#cafe")
    Ruling.objects.create(track=find_track("#wall"), source="x", state="active")

    remove_track(find_track("#WALL"))

    assert texts() == ["#cafe"]
    assert set(Position.objects.values_list("term", flat=True)) == {"cafe", ""}
    assert set(Gap.objects.all()) == {filled, other}
    assert not Ruling.objects.exists()


def test_position_stays_while_another_track_has_the_keyword():
    add_track("#wall")
    add_track("wall")
    Position.objects.create(source="x", term="wall", value=5)
    make_gap("#wall")
    kept = make_gap("wall")

    remove_track(find_track("#wall"))

    assert Position.objects.get().value == 5
    assert Gap.objects.get() == kept


def test_track_added_again_begins_anew():
    """Tweets that were on their way when it went left their position."""
    Position.objects.create(source="x", term="wall", value=5)
    make_gap("#wall")

    add_track("#wall")

    assert not Position.objects.exists()
    assert not Gap.objects.exists()


def test_track_unknown_is_told():
    with pytest.raises(TrackError, match="#wall is not watched for"):
        find_track("#wall")


# Those of the settings.


def test_tracks_of_the_settings_become_the_keywords():
    sync_settings_tracks(["#wall", "my conference"])
    Position.objects.create(source="x", term="wall", value=5)
    sync_settings_tracks(["#wall", "from:ada", "#WALL"])

    assert texts(origin="settings") == ["#wall", "from:ada"]
    assert Position.objects.get().value == 5
    sync_settings_tracks([])
    assert texts() == []


def test_track_that_a_person_added_stays_added():
    track, _ = add_track("#Wall", added_by="ada")

    sync_settings_tracks(["#wall", "#cafe"])
    assert texts(origin="added") == ["#Wall"]
    assert texts(origin="settings") == ["#cafe"]
    sync_settings_tracks([])
    assert Track.objects.get() == track


def test_keyword_written_otherwise_keeps_its_position():
    sync_settings_tracks(["#Wall"])
    Position.objects.create(source="x", term="wall", value=5)

    sync_settings_tracks(["#wall"])

    assert texts() == ["#wall"]
    assert Position.objects.get().value == 5


def test_settings_that_are_wrong_change_nothing():
    sync_settings_tracks(["#wall"])

    with pytest.raises(TrackError, match="names no account"):
        sync_settings_tracks(["#cafe", "from:"])
    assert texts() == ["#wall"]


@pytest.mark.parametrize("origin", ["settings", "added"])
def test_keyword_of_the_settings_is_not_removed_by_hand(settings, origin):
    """An added one would be back as soon as a worker starts."""
    settings.WALLPUSH_KEYWORDS = ["#wall"]
    track, _ = add_track("#Wall", origin=origin)

    with pytest.raises(TrackOfSettings, match="#Wall stands in WALLPUSH_KEYWORDS: take it out"):
        remove_track(track)
    assert texts() == ["#Wall"]


# What is said of them.


def test_rulings_are_those_of_the_sources_that_are_read(settings):
    settings.WALLPUSH_SOURCE = ["replay", "x", "bluesky"]
    track, _ = add_track("#wall")
    Ruling.objects.create(
        track=track, source="x", state="refused", reason="no\x1b \n clause" + "!" * 999
    )
    Ruling.objects.create(track=track, source="mastodon", state="active")

    x, bluesky = describe_track(track)["rulings"]

    assert (x["source"], x["state"]) == ("x", "refused")
    assert x["reason"].startswith("no clause!!!")
    assert len(x["reason"]) == 300
    assert bluesky == {
        "source": "bluesky",
        "state": "waiting",
        "reason": "Bluesky has not been asked yet.",
        "changed_at": None,
    }


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        (["replay"], "No source that watches for tracks is read"),
        (["x"], "X is told within seconds while a worker reads it."),
        (["bluesky", "x"], "Bluesky and X are told within seconds while a worker reads them."),
    ],
)
def test_what_happens_next_is_told(settings, sources, sentence):
    settings.WALLPUSH_SOURCE = sources

    assert tell_next().startswith(sentence)
