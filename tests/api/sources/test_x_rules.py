"""What is tracked, and the rules at X that follow."""

import logging
import socket
from datetime import UTC, datetime
from functools import partial

import pytest

from api.sources import SourceError
from api.sources.ledger import (
    ACTIVE,
    REFUSED,
    WAITING,
    Ledger,
    LedgerUnavailable,
    Ruling,
    make_track,
)
from api.sources.source import WAITING as SOURCE_WAITING
from api.sources.tracks import TrackError
from api.sources.x_rules import check_tracks, make_rule
from tests.api.waiting import wait_for
from tests.x_rules import find_fault
from tests.x_server import COUNTS_PATH, RULES_PATH, STREAM_PATH, TOKEN

make_wall_rule = partial(make_rule, prefix="wallpush:")
TWEET = {"data": {"id": "1", "text": "hello"}, "matching_rules": [{"id": "5"}]}


def get_rules(x):
    return [(rule["value"], rule.get("tag")) for rule in x.rules.stored]


def wait_for_ruling(ledger, text, state):
    return wait_for(
        lambda: (ruling := ledger.rulings.get(text)) and ruling.state == state and ruling,
        f"{text} {state}",
    )


# The rule of a track.


@pytest.mark.parametrize(
    ("text", "value", "tag"),
    [
        ("#Wall", "#Wall", "wallpush:wall"),
        ("wall", "wall", "wallpush:wall"),
        ("@ada_l", "@ada_l", "wallpush:@ada_l"),
        ("#Cafe\u0301", "#Caf\xe9", "wallpush:caf\xe9"),
        ("حائط", "حائط", "wallpush:حائط"),
        ("  django   con ", '"django con"', "wallpush:django con"),
        ('"django con"', '"django con"', "wallpush:django con"),
        ('say "hi"', '"say \\"hi\\""', 'wallpush:say "hi"'),
        ("back\\slash", '"back\\\\slash"', "wallpush:back\\slash"),
        ("OR", '"OR"', "wallpush:or"),
        ("-wall", '"-wall"', "wallpush:-wall"),
        ("is:retweet", '"is:retweet"', "wallpush:is:retweet"),
        ("from:ada_l", "from:ada_l", "wallpush:from:ada_l"),
        ("FROM:@ada_l", "from:ada_l", "wallpush:from:ada_l"),
        ("(wall", '"(wall"', "wallpush:(wall"),
        ("c++", '"c++"', "wallpush:c++"),
    ],
)
def test_rule_of_a_track(text, value, tag):
    rule = make_wall_rule(text)

    assert (rule.value, rule.tag) == (f"{value} -is:nullcast", tag)
    assert find_fault(rule.value) == ""


def test_rule_without_retweets():
    assert make_wall_rule("#wall", retweets=False).value == "#wall -is:nullcast -is:retweet"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("from:ada.example.com", "X has no account ada.example.com: names there are letters,"),
        ("@ada.example.com", "X has no account ada.example.com: names there are letters,"),
        ("#", "nothing is left of this term."),
        ("x" * 600, "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'… has 600 characters;"),
    ],
)
def test_track_that_x_can_not_have_is_refused(text, sentence):
    with pytest.raises(TrackError) as caught:
        make_wall_rule(text)

    assert sentence in str(caught.value)


# What is there, what is added, what goes.


def test_missing_rules_are_added_ours_go_and_others_stay(x, make, start):
    x.rules.add("cats", tag="somebody else")
    x.rules.add("dogs")
    x.rules.add("#old -is:nullcast", tag="wallpush:old")
    x.rules.add("#wall -is:nullcast", tag="wallpush:wall")
    start(make("#Wall", "#wall", "django con"))
    x.wait_until_connected()

    assert get_rules(x) == [
        ("cats", "somebody else"),
        ("dogs", None),
        ("#wall -is:nullcast", "wallpush:wall"),
        ('"django con" -is:nullcast', "wallpush:django con"),
    ]


def test_rules_that_are_there_are_not_sent_again(x, make, start):
    x.rules.add("#wall -is:nullcast", tag="wallpush:wall")
    start(make("#wall"))
    x.wait_until_connected()

    assert [(request.method, request.path) for request in x.requests] == [
        ("GET", RULES_PATH),
        ("GET", STREAM_PATH),
    ]


def test_rule_under_another_tag_of_ours_is_replaced(x, make, start):
    x.rules.add("#wall -is:nullcast", tag="wallpush:old term")
    start(make("#wall"))
    x.wait_until_connected()

    assert get_rules(x) == [("#wall -is:nullcast", "wallpush:wall")]


def test_rules_follow_the_tracks_while_the_stream_runs(x, make, start):
    source = make("#wall")
    start(source)
    x.wait_until_connected()
    source.ledger.set_tracks(make_track("#wall"), make_track("from:ada_l"))
    ruling = wait_for_ruling(source.ledger, "from:ada_l", ACTIVE)
    added = get_rules(x)
    source.ledger.set_tracks(make_track("from:ada_l"))
    wait_for(lambda: len(x.rules) == 1, "the rule of #wall goes")

    assert added == [
        ("#wall -is:nullcast", "wallpush:wall"),
        ("from:ada_l -is:nullcast", "wallpush:from:ada_l"),
    ]
    assert get_rules(x) == [("from:ada_l -is:nullcast", "wallpush:from:ada_l")]
    assert ruling.rule_id == x.rules.stored[0]["id"]
    assert x.connections == 1


def test_own_prefix_tells_ours_from_those_of_another_wall(x, make, start):
    x.rules.add("#other -is:nullcast", tag="wallpush:other")
    start(make("#wall", tag_prefix="stage:"))
    x.wait_until_connected()

    assert get_rules(x) == [
        ("#other -is:nullcast", "wallpush:other"),
        ("#wall -is:nullcast", "stage:wall"),
    ]


@pytest.mark.parametrize("prefix", ["", "has blank:", "x" * 51])
def test_prefix_that_tells_nothing_is_refused(make, prefix):
    with pytest.raises(SourceError, match=r"^WALLPUSH_X_TAG_PREFIX must hold .*\.$"):
        make("#wall", tag_prefix=prefix)


def test_rules_of_others_are_enough(x, make, start):
    x.rules.add("cats")
    start(make())
    x.wait_until_connected()

    assert get_rules(x) == [("cats", None)]


def test_nothing_tracked_waits_and_goes_on_by_itself(x, make, start):
    source = make()
    run = start(source)
    told = wait_for(lambda: "Nothing" in source.status.reason and source.status, "nothing")
    source.ledger.set_tracks(make_track("#wall"))
    x.wait_until_connected()
    source.ledger.set_tracks()
    x.wait_until_disconnected()

    assert told[:2] == (
        SOURCE_WAITING,
        "Nothing is tracked: tell it what to show, as in manage.py track add '#mywall'.",
    )
    assert run.wait_for_status(SOURCE_WAITING) == told.reason
    assert (x.connections, len(x.rules), run.error) == (1, 0, None)


def test_rules_deleted_by_others_are_added_again(x, make, start):
    start(make("#wall"))
    x.wait_until_connected()
    x.rules.stored.clear()
    x.close()
    x.wait_until_connected(2)

    assert get_rules(x) == [("#wall -is:nullcast", "wallpush:wall")]


def test_rules_are_compared_again_now_and_then(x, make, start):
    source = make("#wall", resync=0.05)
    start(source)
    x.wait_until_connected()
    x.rules.stored.clear()
    wait_for(lambda: get_rules(x), "the rule is back")

    assert get_rules(x) == [("#wall -is:nullcast", "wallpush:wall")]
    assert x.connections == 1


def test_many_pages_of_rules_are_read(x, make, start):
    x.refuse_next(RULES_PATH, 200, {
        "data": [{"id": "7", "value": "#old", "tag": "wallpush:old"}],
        "meta": {"next_token": "more"},
    })  # fmt: skip
    x.rules.add("#wall -is:nullcast", tag="wallpush:wall")
    start(make("#wall"))
    x.wait_until_connected()

    asked = [(r.method, r.params, r.body) for r in x.requests if r.path == RULES_PATH]
    assert asked == [
        ("GET", {}, None),
        ("GET", {"pagination_token": "more"}, None),
        ("POST", {}, {"delete": {"ids": ["7"]}}),
    ]


@pytest.mark.parametrize(
    "rule",
    [
        {"id": 7, "value": "cats", "tag": "wallpush:cats"},
        {"id": "7", "tag": "wallpush:cats"},
        {"id": "7", "value": "cats", "tag": None},
        {"value": "cats", "tag": ["wallpush:cats"]},
    ],
)
def test_rule_of_an_odd_shape_is_left_alone(x, make, start, rule):
    x.refuse_next(RULES_PATH, 200, {"data": [rule, "rule", None]})
    start(make("#wall"))
    x.wait_until_connected()

    asked = [request.body for request in x.requests if request.method == "POST"]
    assert asked == [{"add": [{"value": "#wall -is:nullcast", "tag": "wallpush:wall"}]}]


def test_what_was_done_about_rules_is_logged_once(x, make, start, caplog):
    caplog.set_level(logging.INFO)
    x.rules.add("cats")
    x.rules.add("#old", tag="wallpush:old")
    start(make("#wall", "x"))
    x.wait_until_connected()

    told = [each.getMessage() for each in caplog.records if "Rules at X" in each.getMessage()]
    assert told == [
        "Rules at X: 2 there before, 2 added (#wall -is:nullcast, x -is:nullcast), 1 removed (#old)."
    ]


# Rulings.


def test_track_waits_for_x_and_becomes_active(x, make, start):
    x.refuse_next(RULES_PATH, 503)
    rulings = []

    class Remembering(Ledger):
        def note_rulings(self, noted):
            rulings.append(noted["#wall"])
            super().note_rulings(noted)

    start(make(ledger=Remembering([make_track("#wall")])))
    x.wait_until_connected()
    wait_for(lambda: rulings[-1].state == ACTIVE, "the ruling")

    assert rulings == [
        Ruling(WAITING, "X is asked whether it takes this."),
        Ruling(
            WAITING, "X refused the rules, HTTP 503: Service Unavailable. Trying again in 0.001 s."
        ),
        Ruling(ACTIVE, "", x.rules.stored[0]["id"]),
    ]


def test_track_that_x_can_not_have_does_not_hold_up_others(x, make, start, warnings):
    source = make("from:ada.example.com", "#wall")
    start(source)
    x.wait_until_connected()
    refused = wait_for_ruling(source.ledger, "from:ada.example.com", REFUSED)

    assert refused.reason == (
        "X has no account ada.example.com: names there are letters, digits and _ only."
    )
    assert get_rules(x) == [("#wall -is:nullcast", "wallpush:wall")]
    assert warnings.read_all() == [f"X refused the track from:ada.example.com: {refused.reason}"]


@pytest.mark.parametrize("status", [200, 400, 422])
@pytest.mark.parametrize("all_or_nothing", [False, True])
def test_refused_rule_is_told_and_the_others_are_added(
    x, make, start, warnings, status, all_or_nothing
):
    x.rules.refused = {"bad -is:nullcast": "Reference to a word that\n X does not like."}
    x.rules.refused_status, x.rules.all_or_nothing = status, all_or_nothing
    source = make("good", "bad", "fine")
    start(source)
    x.wait_until_connected()
    wait_for_ruling(source.ledger, "fine", ACTIVE)

    assert [value for value, _ in get_rules(x)] == ["good -is:nullcast", "fine -is:nullcast"]
    assert source.ledger.rulings["bad"] == Ruling(
        REFUSED, "Reference to a word that X does not like."
    )
    assert warnings.read_all() == [
        "X refused the track bad: Reference to a word that X does not like."
    ]


def test_token_that_x_repeats_is_in_no_ruling(x, make, start, warnings):
    x.rules.refused = {"bad -is:nullcast": f"You sent Bearer {TOKEN}"}
    source = make("bad")
    start(source)

    assert wait_for_ruling(source.ledger, "bad", REFUSED).reason == "You sent Bearer …."
    assert TOKEN not in warnings.wait()


def test_refusal_of_every_rule_waits_with_the_reason(x, make, start):
    x.rules.refused = {"bad -is:nullcast": "No."}
    source = make("bad")
    run = start(source)
    wait_for_ruling(source.ledger, "bad", REFUSED)
    told = wait_for(lambda: "took none" in source.status.reason and source.status, "the reason")
    source.ledger.set_tracks(make_track("bad"), make_track("good"))
    x.wait_until_connected()

    assert told[:2] == (
        SOURCE_WAITING,
        "X took none of what is tracked, so it would send nothing: No.",
    )
    assert run.error is None


def test_rule_of_others_with_the_same_value_is_told(x, make, start):
    x.rules.add("#wall -is:nullcast", tag="theirs")
    source = make("#wall")
    start(source)

    assert wait_for_ruling(source.ledger, "#wall", REFUSED).reason == (
        "X has this rule already under the tag theirs, so its tweets would not count for this track;"
        " delete it there, or track something else."
    )
    assert get_rules(x) == [("#wall -is:nullcast", "theirs")]


@pytest.mark.parametrize(
    ("caps", "told"),
    [
        (
            {"cap": 3},
            "X takes 3 rules of your app and has 1; remove a track for this one.",
        ),
        (
            {"project_cap": 12, "other_apps": {"8": 9}},
            "X takes 12 rules of your project and has 10; remove a track for this one.",
        ),
    ],
)
def test_tracks_beyond_the_cap_that_x_tells_are_refused(x, make, start, caps, told):
    for name, value in caps.items():
        setattr(x.rules, name, value)
    x.rules.add("cats", tag="theirs")
    source = make("one", "two", "three")
    start(source)
    refused = wait_for_ruling(source.ledger, "three", REFUSED)
    source.ledger.set_tracks(make_track("one"), make_track("three"))
    wait_for_ruling(source.ledger, "three", ACTIVE)

    assert refused.reason == told
    assert [value for value, _ in get_rules(x)] == [
        *("cats", "one -is:nullcast", "three -is:nullcast"),
    ]


def test_cap_that_x_does_not_tell_is_told_by_its_refusal(x, make, start):
    x.refuse_next(COUNTS_PATH, 404)
    x.rules.cap = 0
    source = make("one")
    start(source)

    assert wait_for_ruling(source.ledger, "one", REFUSED).reason.startswith("Your app may have 0")


@pytest.mark.parametrize("answer", [{}, {"meta": {}}, {"data": [3, {"value": 4}], "meta": []}])
def test_answer_that_says_nothing_leaves_the_track_waiting(x, make, start, answer):
    x.rules.add("#wall -is:nullcast", tag="wallpush:wall")
    source = make("#wall", resync=0.1)
    start(source)
    x.wait_until_connected()
    before = len(x.requests)
    # The next comparison finds no rule of ours, and X says nothing of the one that is sent then.
    x.refuse_next(RULES_PATH, 200, {})
    x.refuse_next(RULES_PATH, 200, answer)
    wait_for(lambda: len(x.requests) > before + 5, "the comparison after that")
    wait_for_ruling(source.ledger, "#wall", ACTIVE)

    assert get_rules(x) == [("#wall -is:nullcast", "wallpush:wall")]


def test_limit_of_rule_changes_is_waited_out(x, make, start, warnings):
    reset = int(datetime.now(UTC).timestamp()) + 600
    x.refuse_next(RULES_PATH, 429, headers={"x-rate-limit-reset": str(reset)})
    run = start(make("#wall"))
    told = warnings.wait()
    run.stop(1)

    assert told.startswith("X refused the rules, HTTP 429: Too Many Requests. Trying again in 60")
    assert len(x.requests) == 1


@pytest.mark.parametrize("body", ["<h1>Bad gateway</h1>", [1], 7, None])
def test_rules_that_are_no_object_are_asked_for_again(x, make, start, body):
    x.refuse_next(RULES_PATH, 200, body or "null")
    start(make("#wall"))
    x.wait_until_connected()

    assert get_rules(x) == [("#wall -is:nullcast", "wallpush:wall")]


def test_ledger_that_is_away_is_asked_again(x, make, start, warnings, monkeypatch):
    monkeypatch.setattr("api.sources.x_chores.LEDGER_PAUSE", 0.01)
    troubles = iter([LedgerUnavailable("locked")] * 2)

    class Away(Ledger):
        def note_rulings(self, rulings):
            if trouble := next(troubles, None):
                raise trouble
            super().note_rulings(rulings)

    ledger = Away([make_track("#wall")])
    start(make(ledger=ledger))
    wait_for_ruling(ledger, "#wall", ACTIVE)

    assert warnings.read_all() == ["X waits, what is remembered can not be reached: locked"]


# The dry run.


@pytest.fixture
def check(x):
    def run(*texts, **options):
        options = {"bearer_token": TOKEN, "base_url": x.url, "tag_prefix": "wallpush:"} | options
        return check_tracks(texts, retweets=True, **options)

    return run


def test_check_asks_x_and_changes_nothing(x, check):
    x.rules.add("#there -is:nullcast", tag="wallpush:there")
    x.rules.add("#theirs -is:nullcast", tag="theirs")
    x.rules.refused = {"bad -is:nullcast": "No."}
    before = get_rules(x)
    rulings = check("#wall", "#there", "#theirs", "bad", "@ada.example.com")

    assert {text: ruling.state for text, ruling in rulings.items()} == {
        "#wall": ACTIVE,
        "#there": ACTIVE,
        "#theirs": REFUSED,
        "bad": REFUSED,
        "@ada.example.com": REFUSED,
    }
    assert rulings["bad"].reason == "No."
    assert rulings["#wall"] == Ruling(ACTIVE)
    assert get_rules(x) == before
    posts = [request.params for request in x.requests if request.method == "POST"]
    assert posts == [{"dry_run": "true"}] * len(posts)


def test_check_of_nothing_that_x_could_have_does_not_ask(x, check):
    assert check("@ada.example.com")["@ada.example.com"].state == REFUSED
    assert x.requests == []


def test_check_with_a_wrong_token_says_so(check):
    with pytest.raises(SourceError) as caught:
        check("#wall", bearer_token="wrong")

    assert str(caught.value) == (
        "X does not accept WALLPUSH_X_BEARER_TOKEN; copy it again from your app at X."
        " X refused the rules, HTTP 401: Unauthorized."
    )


def test_check_without_x_says_so(check):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(SourceError, match=r"^X can not be reached: .*Connection refused\.$"):
        check("#wall", base_url=f"http://127.0.0.1:{port}")
