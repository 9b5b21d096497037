"""`manage.py lister` against the stand-in for X, which verifies every signature."""

import io
import logging
import os
import re
import signal
import socket
import threading

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from api.lister import SUSPICIOUS
from api.models import ListMember
from tests.api.factories import make_author, make_tweet
from tests.x_server import CREDITS_DEPLETED, XServer

pytestmark = pytest.mark.django_db

KEYS = ("CONSUMER_KEY", "CONSUMER_SECRET", "ACCESS_TOKEN", "ACCESS_TOKEN_SECRET")


@pytest.fixture
def x(settings):
    with XServer() as server:
        settings.WALLPUSH_X_BASE_URL = server.url
        settings.WALLPUSH_X_LIST = "wall"
        for key, value in zip(KEYS, server.lists.credentials, strict=True):
            setattr(settings, f"WALLPUSH_X_{key}", value)
        yield server


@pytest.fixture
def wall(x):
    """The list, as X has it already."""
    return x.lists.create("wall")


def lister(*arguments):
    """What it printed."""
    out = io.StringIO()
    call_command("lister", *arguments, stdout=out)
    return out.getvalue().splitlines()


def fail(*arguments):
    with pytest.raises(CommandError) as caught:
        lister(*arguments)
    return str(caught.value)


def make_person(x, username, **tweet):
    """An author at X who has an original on the wall."""
    user = x.world.add_user(username)
    author = make_author(source="x", source_id=user["id"], username=username)
    make_tweet(source="x", author=author, **tweet)
    return author


def make_people(x, *usernames):
    return [make_person(x, username) for username in usernames]


def find_adds(x):
    """Whom X was asked to take in, in order."""
    paths = r"/2/lists/\d+/members"
    return [r.body["user_id"] for r in x.requests if r.body and re.fullmatch(paths, r.path)]


# Who is taken in.


def test_people_are_taken_in_once(x, wall):
    people = make_people(x, "ada_l", "bob_ar")
    make_tweet(source="x", author=people[0])
    first = lister()
    asked = find_adds(x)
    second = lister()

    assert wall.members == asked == find_adds(x) == [person.source_id for person in people]
    assert first == ["1/2 @ada_l added", "2/2 @bob_ar added", "2 added, 0 refused, 0 left."]
    assert second == ["0 added, 0 refused, 0 left."]
    assert all(request.authorized and request.user for request in x.requests)


def test_only_authors_of_originals_that_are_shown_are_taken_in(x, wall):
    make_person(x, "retweeter", retweet_of="5")
    make_person(x, "hidden", hidden_at=timezone.now())
    make_person(x, "")
    make_tweet(source="bluesky", author=make_author(source="bluesky", source_id="did:plc:a"))
    make_author(source="x", source_id="7", username="silent")
    quoting = make_person(x, "quoting", quote_of="5", reply_to="6")
    lister()

    assert wall.members == [quoting.source_id]


def test_next_run_takes_in_who_came_since(x, wall):
    make_people(x, "ada_l")
    lister()
    make_people(x, "bob_ar")

    assert lister() == ["1/1 @bob_ar added", "1 added, 0 refused, 0 left."]


def test_limit_leaves_the_rest_to_the_next_run(x, wall):
    make_people(x, "ada_l", "bob_ar", "eve_m")

    assert lister("--limit", "2")[-1] == "2 added, 0 refused, 0 left."
    assert lister("--limit", "2") == ["1/1 @eve_m added", "1 added, 0 refused, 0 left."]


def test_limit_is_a_number_from_one_on(x):
    assert fail("--limit", "0") == "--limit must be a number from 1 on."


def test_full_list_takes_who_has_room(x, wall):
    wall.members = [str(number) for number in range(1000, 5999)]
    make_people(x, "ada_l", "bob_ar")
    first, second = lister(), lister()

    assert first[0] == "The list has room for 1 of 2: X takes 5000 members."
    assert first[-1] == "1 added, 0 refused, 0 left."
    assert second[0] == "The list has room for 0 of 1: X takes 5000 members."
    assert len(find_adds(x)) == 1


# Which list.


def test_list_that_is_not_there_is_created_private(x):
    x.lists.create("wall", owner_id="5")
    make_people(x, "ada_l")
    first, second = lister(), lister()

    [made] = x.lists.lists[1:]
    assert first[0] == f"Created the list 'wall', private, with the id {made.id}."
    assert (made.name, made.private, made.members) == ("wall", True, ["101"])
    assert second == ["0 added, 0 refused, 0 left."]


def test_list_can_be_created_public(x):
    lister("--public", "--list", "open wall")

    assert [(made.name, made.private) for made in x.lists.lists] == [("open wall", False)]


def test_list_can_be_named_by_its_id_and_is_searched_on_every_page(x):
    for number in range(101):
        x.lists.create(f"list {number}")
    last = x.lists.create("another")
    make_people(x, "ada_l")
    lister("--list", last.id)

    assert last.members == ["101"]


def test_each_list_has_its_own_members(x, wall):
    other = x.lists.create("Other")
    make_people(x, "ada_l")
    lister()
    lister("--list", "other")

    assert wall.members == other.members == ["101"]


def test_id_of_no_list_of_ours_is_an_error(x):
    theirs = x.lists.create("theirs", owner_id="5")

    assert fail("--list", theirs.id) == f"The account @the_wall at X owns no list {theirs.id}."


def test_name_of_several_lists_is_an_error(x):
    ids = [x.lists.create("wall").id for _ in range(2)]

    assert fail() == (
        f"There are several lists named 'wall': name one by its id, {ids[0]} or {ids[1]}."
    )


def test_name_that_x_would_not_take_is_an_error(x):
    assert "has 26 characters; X takes 25" in fail("--list", "x" * 26)
    assert x.lists.lists == []


# Without changes.


@pytest.mark.parametrize("exists", [True, False])
def test_dry_run_changes_nothing(x, exists):
    made = [x.lists.create("wall")] if exists else []
    make_people(x, "ada_l", "bob_ar")
    said = lister("--dry-run")

    assert said[-3:] == [
        "1/2 @ada_l would be added",
        "2/2 @bob_ar would be added",
        "2 would be added. Nothing was changed.",
    ]
    assert said[:-3] == ([] if exists else ["The list 'wall' would be created, private."])
    assert {request.method for request in x.requests} == {"GET"}
    assert (x.lists.lists, ListMember.objects.count()) == (made, 0)


def test_dry_run_keeps_the_limit(x, wall):
    make_people(x, "ada_l", "bob_ar")

    assert lister("--dry-run", "--limit", "1")[-1] == "1 would be added. Nothing was changed."


# Interrupted, limited, refused.


def test_run_that_broke_off_is_gone_on_with(x, wall):
    make_people(x, "ada_l", "bob_ar", "eve_m")
    wall.members.append("102")  # X took her in, and we did not hear of it
    lister("--limit", "1")

    assert lister() == [
        "1/2 @bob_ar added",
        "2/2 @eve_m added",
        "2 added, 0 refused, 0 left.",
    ]
    assert sorted(wall.members) == ["101", "102", "103"]


def test_limit_of_x_is_waited_for(x, wall):
    make_people(x, "ada_l", "bob_ar")
    x.lists.limit_adds(1, window=1)
    said = lister()

    assert said[0] == "1/2 @ada_l added"
    assert re.fullmatch(r"X's limit is reached\. Waiting until \d\d:\d\d:\d\d \S+\.", said[1])
    assert said[2:] == ["2/2 @bob_ar added", "2 added, 0 refused, 0 left."]
    assert find_adds(x) == ["101", "102", "102"]


def test_limit_of_x_ends_a_run_that_does_not_wait(x, wall):
    make_people(x, "ada_l", "bob_ar", "eve_m")
    x.lists.limit_adds(1, window=900)
    said = lister("--no-wait")
    x.lists.limit_adds(9, window=0)

    assert said[:2] == ["1/3 @ada_l added", "1 added, 0 refused, 2 left."]
    assert re.fullmatch(r"X's limit is reached until [\d:]{8} \S+; run it again .*", said[2])
    assert lister("--no-wait")[-1] == "2 added, 0 refused, 0 left."


def test_ctrl_c_ends_a_wait_at_once(x, wall, capsys):
    make_people(x, "ada_l", "bob_ar")
    x.lists.limit_adds(1, window=900)
    path = f"/2/lists/{wall.id}/members"

    def interrupt():
        x.wait_until_requested(2, path)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(SystemExit) as caught:
        call_command("lister")
    thread.join()
    said = capsys.readouterr()

    assert caught.value.code == 130
    assert "1 added, 0 refused, 1 left." in said.out
    assert said.err == "Stopped; run it again to go on.\n"
    assert wall.members == ["101"]


def test_people_whom_x_refuses_are_noted_and_not_asked_for_again(x, wall):
    suspended, blocking, _ = make_people(x, "ada_l", "bob_ar", "eve_m")
    x.world.suspend(suspended.source_id)
    x.lists.refuse(blocking.source_id, 403, "You have\n been \x1b[31mblocked.")
    said = lister()

    assert said == [
        "1/3 @ada_l refused: Could not find user with user_id: [101].",
        "2/3 @bob_ar refused: You have been [31mblocked.",
        "3/3 @eve_m added",
        "1 added, 2 refused, 0 left.",
    ]
    assert lister() == ["0 added, 0 refused, 0 left."]
    assert list(ListMember.objects.order_by("author").values_list("state", "reason")) == [
        ("refused", "Could not find user with user_id: [101]."),
        ("refused", "You have been [31mblocked."),
        ("added", ""),
    ]


def test_refused_people_are_asked_for_again_on_request(x, wall):
    author, _ = make_people(x, "ada_l", "bob_ar")
    x.lists.refuse(author.source_id, 403, "You have been blocked.")
    lister()
    x.lists.refused.clear()

    assert lister("--again", "--dry-run")[0] == "1/1 @ada_l would be added"
    assert lister("--again") == ["1/1 @ada_l added", "1 added, 0 refused, 0 left."]
    assert list(ListMember.objects.values_list("state", "reason")) == [("added", "")] * 2


def test_answer_that_says_no_in_its_body_is_a_refusal(x, wall):
    make_people(x, "ada_l", "bob_ar")
    body = {"errors": [{"title": "Not Found Error", "detail": "No such user."}]}
    x.refuse_next(f"/2/lists/{wall.id}/members", 200, body)

    assert lister()[0] == "1/2 @ada_l refused: No such user."


def test_refusal_of_everybody_is_not_held_against_them(x, wall):
    people = make_people(x, *(f"user_{number}" for number in range(SUSPICIOUS + 1)))
    for person in people:
        x.lists.refuse(person.source_id, 403, "Your account is locked.")
    reason = fail()
    left = ListMember.objects.count()
    x.lists.refused.clear()

    assert reason.startswith(f"X refused {SUSPICIOUS} people in a row")
    assert reason.endswith("Your account is locked.")
    assert left == 0
    assert lister()[-1] == f"{SUSPICIOUS + 1} added, 0 refused, 0 left."


@pytest.mark.parametrize(
    ("code", "body", "told"),
    [
        (
            401,
            {"title": "Unauthorized"},
            "X does not accept the four keys; copy WALLPUSH_X_CONSUMER",
        ),
        (402, CREDITS_DEPLETED, "Your account at X has no credits left; buy some"),
        (
            403,
            {"title": "Forbidden", "type": "https://api.x.com/2/problems/oauth1-permissions"},
            "X does not let your app write lists; give it read and write permission",
        ),
    ],
)
def test_refusal_of_us_ends_the_run(x, wall, code, body, told):
    make_people(x, "ada_l")
    x.refuse_next(f"/2/lists/{wall.id}/members", code, body)

    assert fail().startswith(told)
    assert ListMember.objects.count() == 0
    assert len(find_adds(x)) == 1


def test_list_that_is_deleted_meanwhile_ends_the_run(x, wall):
    make_people(x, "ada_l", "bob_ar")
    members = f"/2/lists/{wall.id}/members"
    error = {"resource_type": "list", "detail": "Could not find list.", "parameter": "id"}
    x.refuse_next(members, 404, {"errors": [error], "title": "Not Found Error"})

    assert fail().startswith("The list is not done; run it again to go on. X refused a member")
    assert ListMember.objects.count() == 0


def test_outage_is_waited_for(x, wall, monkeypatch):
    monkeypatch.setattr("api.lister.PAUSES", {"status": (0.01, 0.01), "network": (0.01, 0.01)})
    make_people(x, "ada_l")
    x.refuse_next(f"/2/lists/{wall.id}/members", 503, times=2)
    said = lister()

    outage = "X refused a member, HTTP 503: Service Unavailable. Waiting until "
    assert [line.startswith(outage) for line in said] == [True, True, False, False]
    assert said[-1] == "1 added, 0 refused, 0 left."


def test_lasting_outage_ends_the_run(x, wall, monkeypatch):
    monkeypatch.setattr("api.lister.PAUSES", {"status": (0.01, 0.01), "network": (0.01, 0.01)})
    make_people(x, "ada_l")
    x.refuse_next(f"/2/lists/{wall.id}/members", 503, times=5)

    assert "HTTP 503" in fail()
    assert lister()[-1] == "1 added, 0 refused, 0 left."


def test_x_that_can_not_be_reached_is_told(x, settings):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        settings.WALLPUSH_X_BASE_URL = f"http://127.0.0.1:{closed.getsockname()[1]}"

    assert "X can not be reached" in fail("--no-wait")


# Keys.


def test_all_settings_that_are_missing_are_named(x, settings):
    for name in ("CONSUMER_KEY", "ACCESS_TOKEN_SECRET", "LIST"):
        setattr(settings, f"WALLPUSH_X_{name}", "")

    assert fail() == (
        "Set WALLPUSH_X_CONSUMER_KEY and WALLPUSH_X_ACCESS_TOKEN_SECRET and WALLPUSH_X_LIST: "
        "the keys are in X's developer console, the list is a name or an id."
    )
    assert x.requests == []


def test_keys_with_blanks_are_refused_without_asking(x, settings):
    settings.WALLPUSH_X_ACCESS_TOKEN = "a b"

    assert fail() == "WALLPUSH_X_ACCESS_TOKEN must hold the key alone, without blanks."
    assert x.requests == []


@pytest.mark.parametrize("key", KEYS)
def test_wrong_key_is_told(x, settings, key):
    setattr(settings, f"WALLPUSH_X_{key}", "wrong-wrong-wrong")

    assert fail().startswith("X does not accept the four keys")


def test_secrets_are_in_no_output_and_in_no_log(x, wall, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    secrets = x.lists.credentials
    make_people(x, "ada_l", "bob_ar")
    members = f"/2/lists/{wall.id}/members"
    x.refuse_next(members, 400, {"detail": f"You sent {' '.join(secrets)}.", "title": "Bad"})
    call_command("lister")
    x.refuse_next("/2/users/me", 401, {"detail": "x" * 290 + " ".join(secrets)})
    reason = fail()
    said = capsys.readouterr()
    noted = str(list(ListMember.objects.values()))

    assert "refused: You sent … … … …." in said.out
    for text in (said.out, said.err, reason, noted, caplog.text):
        assert not [secret for secret in secrets if secret[:12] in text]
    assert "oauth_signature" not in caplog.text
