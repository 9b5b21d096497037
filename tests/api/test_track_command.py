from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from api.models import Position, Ruling, Track
from api.tracks import add_track, find_track, sync_settings_tracks
from tests.x_server import RULES_PATH, XServer

pytestmark = pytest.mark.django_db
NEXT = "X is told within seconds while a worker reads it.\n"


@pytest.fixture(autouse=True)
def read_x(settings):
    settings.WALLPUSH_SOURCE = ["x"]


@pytest.fixture
def x(settings):
    with XServer() as server:
        settings.WALLPUSH_X_BASE_URL = server.url
        settings.WALLPUSH_X_BEARER_TOKEN = server.token
        yield server


class Told:
    """What a command says, and its exit code."""

    def __init__(self, *arguments):
        out, err = StringIO(), StringIO()
        try:
            call_command("track", *arguments, stdout=out, stderr=err, skip_checks=False)
            self.code = 0
        except SystemExit as stop:
            self.code = stop.code
        self.out, self.err = out.getvalue(), err.getvalue()


def texts():
    return list(Track.objects.order_by("pk").values_list("text", flat=True))


def test_tracks_are_added_several_at_once():
    told = Told("add", "#Wall", "my  conference", "from:@ada_l", "#wall")

    assert told.out == (
        "#Wall is watched for.\nmy conference is watched for.\nfrom:ada_l is watched for.\n"
        "#Wall is watched for already.\n" + NEXT
    )
    assert (told.err, told.code) == ("", 0)
    assert texts() == ["#Wall", "my conference", "from:ada_l"]


def test_track_that_is_wrong_keeps_none_of_the_others_away():
    told = Told("add", "from:", "#wall", "a\0b")

    assert told.out == "#wall is watched for.\n" + NEXT
    assert told.err == (
        "'from:' names no account: write from: and its name, as in from:ada_l.\n"
        "There are control characters or half characters in this text.\n"
    )
    assert told.code == 1
    assert texts() == ["#wall"]


def test_nothing_happens_next_when_nothing_was_done():
    assert Told("add", "###").out == ""


def test_adding_again_says_that_x_refuses_it():
    track, _ = add_track("#wall")
    Ruling.objects.create(track=track, source="x", state="refused", reason="No clause.")

    told = Told("add", "#WALL")

    assert told.out == "#wall is watched for already. X refuses it: No clause.\n" + NEXT


def test_tracks_are_removed():
    sync_settings_tracks(["#kept"])
    add_track("#wall")
    Position.objects.create(source="x", term="wall", value=5)

    told = Told("remove", "#WALL", "#kept", "#none")

    assert told.out == "#wall is watched for no longer.\n" + NEXT
    assert told.err == (
        "#kept stands in WALLPUSH_KEYWORDS: take it out there and start the worker again.\n"
        "#none is not watched for. `manage.py track list` shows what is.\n"
    )
    assert told.code == 1
    assert texts() == ["#kept"]
    assert not Position.objects.exists()


def test_list_is_a_table_with_what_each_source_says(settings, django_assert_num_queries):
    settings.WALLPUSH_SOURCE = ["x", "bluesky"]
    sync_settings_tracks(["#wall"])
    add_track("from:ada_l", added_by="ada")
    add_track("日本")
    for text, source, state, reason in (
        ("#wall", "x", "active", ""),
        ("#wall", "bluesky", "active", ""),
        ("from:ada_l", "x", "refused", "No\x1b[31m account."),
        ("日本", "bluesky", "waiting", "25 rules are the most."),
    ):
        Ruling.objects.create(track=find_track(text), source=source, state=state, reason=reason)

    with django_assert_num_queries(2):
        told = Told("list")

    assert told.out.splitlines() == [
        "TRACK        KIND      CHANNEL                      FROM                X         BLUESKY",
        "#wall        hashtag   keyword-wall                 WALLPUSH_KEYWORDS   active    active",
        "from:ada_l   account   keyword-from~3Aada_l         ada                 refused   waiting",
        "日本         word      keyword-~E6~97~A5~E6~9C~AC   -                   waiting   waiting",
        "",
        "from:ada_l is refused at x: No[31m account.",
        "",
        "日本 is waiting at bluesky: 25 rules are the most.",
    ]


def test_list_of_nothing_says_so():
    assert Told("list").out.startswith("Nothing is watched for")


# Checking, by X's dry run.


def test_check_asks_x_and_changes_nothing(x):
    x.rules.refused['"bad phrase" -is:nullcast'] = "Stopwords only."

    told = Told("check", "#wall", "bad phrase", "from:", "#WALL", "from:ada.example.org")

    assert told.out == "#wall: X takes it.\n#WALL: X takes it.\n"
    assert told.err == (
        "'from:' names no account: write from: and its name, as in from:ada_l.\n"
        "bad phrase: X refuses it: Stopwords only.\n"
        "from:ada.example.org: X refuses it: X has no account ada.example.org: names there are letters,"
        " digits and _ only.\n"
    )
    assert told.code == 1
    assert texts() == []
    assert len(x.rules) == 0
    posted = [request for request in x.requests if request.method == "POST"]
    assert {(request.path, request.params["dry_run"].lower()) for request in posted} == {
        (RULES_PATH, "true")
    }


def test_check_of_what_x_takes_is_well(x):
    told = Told("check", "#wall")

    assert (told.out, told.err, told.code) == ("#wall: X takes it.\n", "", 0)


def test_what_x_would_refuse_is_not_added(x):
    x.rules.refused['"bad phrase" -is:nullcast'] = "Stopwords only."

    told = Told("add", "--check", "bad phrase", "#wall")

    assert told.out == "#wall: X takes it.\n#wall is watched for.\n" + NEXT
    assert told.err == "bad phrase: X refuses it: Stopwords only.\n"
    assert told.code == 1
    assert texts() == ["#wall"]


@pytest.mark.parametrize("arguments", [["check"], ["add", "--check"]])
def test_x_that_can_not_be_asked_is_told_and_nothing_is_added(x, settings, arguments):
    settings.WALLPUSH_X_BEARER_TOKEN = "wrong"

    with pytest.raises(CommandError) as caught:
        Told(*arguments, "#wall")

    assert "WALLPUSH_X_BEARER_TOKEN" in str(caught.value)
    assert texts() == []


def test_check_without_a_token_says_that_x_was_not_asked():
    told = Told("check", "#wall", "from:")

    assert told.out == "#wall: well written. X was not asked: WALLPUSH_X_BEARER_TOKEN is not set.\n"
    assert told.code == 1
    assert Told("add", "--check", "#wall").code == 0
    assert texts() == ["#wall"]
