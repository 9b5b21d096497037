"""Tweets that were shown are asked for again: what X does not show any more has to go."""

import json
import threading
from datetime import UTC, datetime

import pytest

from api.sources.ledger import Ledger, Reads, make_track
from api.sources.x_recheck import find_reason, find_removed
from tests.api.waiting import wait_for
from tests.x_server import LOOKUP_PATH, SEARCH_PATH

PROBLEMS = "https://api.x.com/2/problems"


def get_lookups(x):
    return [
        request.params["ids"].split(",") for request in x.requests if request.path == LOOKUP_PATH
    ]


@pytest.fixture
def ledger():
    return Ledger([make_track("#wall")])


@pytest.fixture
def file(x, ledger):
    """Posts that are due."""

    def post(text="#wall", **options):
        message = x.world.compose(text, **options)
        x.world.file(message)
        ledger.due.append(message["data"]["id"])
        return message["data"]["id"]

    return post


@pytest.fixture
def recheck(make, start, ledger):
    def run(**options):
        return start(make(ledger=ledger, **options))

    return run


@pytest.mark.parametrize("dialect", ["tweet", "post"])
def test_tweet_that_is_still_there_is_delivered_as_an_answer(x, file, recheck, dialect):
    x.dialect = dialect
    quoted = x.world.compose("quoted", author="bob_ar", age=60)
    x.world.file(quoted)
    first = file(quote=quoted["data"]["id"], age=20)
    second = file("withheld #wall", author="cyd_k", age=10)
    x.world.withhold(second, ["DE"])
    run = recheck()
    [note] = run.wait_for_notes()

    assert note == {"checked": [first, second]}
    [whole, withheld] = run.messages
    assert [message["wallpush"] for message in run.messages] == [{"recheck": True}] * 2
    assert whole["data"]["id"] == first
    name = {"tweet": "tweets", "post": "posts"}[dialect]
    assert [post["text"] for post in whole["includes"][name]] == ["quoted"]
    assert {user["username"] for user in whole["includes"]["users"]} == {"ada_l", "bob_ar"}
    assert withheld["data"]["withheld"]["country_codes"] == ["DE"]
    assert [user["username"] for user in withheld["includes"]["users"]] == ["cyd_k"]


def test_what_x_does_not_show_any_more_is_removed_with_the_reason(x, file, recheck):
    kept, deleted = file(age=50), file(age=40)
    protected = file(author="bob_ar", age=30)
    x.world.delete(deleted)
    x.world.protect(x.world.posts[protected]["author_id"])
    run = recheck()
    [note] = run.wait_for_notes()

    assert note["removed"] == [
        {"id": deleted, "reason": "deleted"},
        {"id": protected, "reason": "protected"},
    ]
    assert note["checked"] == [kept, deleted, protected]
    assert [message["data"]["id"] for message in run.messages] == [kept]


def test_all_gone_is_no_error(x, file, recheck):
    ids = [file(age=age) for age in (3, 2, 1)]
    for each in ids:
        x.world.delete(each)
    run = recheck()
    [note] = run.wait_for_notes()

    assert [each["id"] for each in note["removed"]] == ids
    assert run.messages == []


def test_author_who_is_protected_now_is_not_shown(x, file, recheck):
    tweet_id = file(author="bob_ar", age=10)
    x.world.add_user("bob_ar", protected=True)
    run = recheck()
    [note] = run.wait_for_notes()

    assert note["removed"] == [{"id": tweet_id, "reason": "protected"}]
    assert run.messages == []


def test_quoted_tweet_that_is_gone_is_told_with_the_one_that_quotes_it(x, file, recheck):
    quoted = x.world.compose("quoted", age=60)
    x.world.file(quoted)
    tweet_id = file(quote=quoted["data"]["id"], age=20)
    x.world.delete(quoted["data"]["id"])
    run = recheck()
    [note] = run.wait_for_notes()

    assert note == {"checked": [tweet_id]}
    [message] = run.messages
    assert [error["resource_id"] for error in message["errors"]] == [quoted["data"]["id"]]


@pytest.mark.parametrize("dialect", ["tweet", "post"])
def test_newer_version_is_fetched_too(x, file, recheck, dialect):
    x.dialect = dialect
    first = file("first #wall", age=20)
    second = x.world.edit(first, "second")
    run = recheck()
    run.wait_for(lambda: len(run.messages) == 2, "both versions")

    old, new = run.messages
    assert (old["data"]["id"], "wallpush" in old) == (first, True)
    assert (new["data"]["id"], new["data"]["text"]) == (second, "second")
    assert "wallpush" not in new
    assert get_lookups(x) == [[first], [second]]


def test_batches_hold_a_hundred_and_none_is_asked_twice(x, file, recheck):
    ids = [file(age=age) for age in range(130, 0, -1)]
    recheck().wait_for_notes(2)

    assert get_lookups(x) == [ids[:100], ids[100:]]


def test_ids_that_x_could_not_know_are_not_sent(x, file, recheck, ledger):
    ledger.due += ["at:did", "12.5", "9" * 20]
    tweet_id = file(age=5)
    recheck().wait_for_notes()

    assert get_lookups(x) == [[tweet_id]]


# Failures.


@pytest.mark.parametrize(
    "problem",
    [
        {"type": f"{PROBLEMS}/not-authorized-for-field"},
        {"type": f"{PROBLEMS}/operational-disconnect"},
        {"type": "about:blank", "title": "Service Unavailable", "detail": "Could not be deleted."},
        {"type": None},
        {"type": f"{PROBLEMS}/resource-not-found", "resource_type": "user"},
        {"title": "Not Found Error"},
        {},
    ],
)
def test_partial_failure_of_another_kind_removes_nothing(x, file, recheck, problem):
    tweet_id, other = file(age=10), file(age=5)
    about = {"resource_id": tweet_id, "resource_type": "tweet", "parameter": "ids"}
    x.refuse_next(LOOKUP_PATH, 200, {"data": [x.world.posts[other]], "errors": [about | problem]})
    run = recheck()
    [note] = run.wait_for_notes()

    assert note == {"checked": [tweet_id, other]}


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 429, 500, 503])
def test_refusal_removes_nothing_and_is_tried_again(x, file, recheck, status):
    tweet_id = file(age=10)
    x.refuse_next(LOOKUP_PATH, status, {"title": "Not Found Error", "resource_id": tweet_id})
    run = recheck()
    [note] = run.wait_for_notes()

    assert note == {"checked": [tweet_id]}
    assert len(get_lookups(x)) == 2
    assert run.error is None


@pytest.mark.parametrize("answer", ["<h1>hello</h1>", [1], {"title": "ConnectionException"}])
def test_answer_that_is_none_is_asked_for_again(x, file, recheck, answer):
    tweet_id = file(age=10)
    x.refuse_next(LOOKUP_PATH, 200, answer)
    run = recheck()
    [note] = run.wait_for_notes()

    assert note == {"checked": [tweet_id]}
    assert len(get_lookups(x)) == 2


@pytest.mark.parametrize(
    ("kind", "detail", "reason"),
    [
        ("resource-not-found", "Could not find tweet with ids: [1].", "deleted"),
        ("resource-not-found", "User has been suspended: [1].", "suspended"),
        ("not-authorized-for-resource", "Sorry, you are not authorized to see it.", "protected"),
        ("not-authorized-for-resource", "The author has been suspended.", "suspended"),
        ("resource-unavailable", "It is withheld in your country.", "withheld"),
        ("resource-unavailable", "", "gone"),
        ("disallowed-resource", "", "gone"),
    ],
)
@pytest.mark.parametrize("host", ["api.twitter.com", "api.x.com"])
def test_reason_is_read_from_the_last_part_of_the_type(host, kind, detail, reason):
    problem = {"type": f"https://{host}/2/problems/{kind}", "detail": detail}

    assert find_reason(problem) == reason


def test_problem_about_a_post_that_is_shown_removes_nothing():
    problem = {"type": f"{PROBLEMS}/resource-not-found", "resource_id": "1"}

    assert find_removed({"data": [{"id": "1"}], "errors": [problem]}, ["1", "2"]) == {}
    assert find_removed({"errors": [problem | {"resource_id": "3"}]}, ["1", "2"]) == {}


# The money.


def test_no_more_new_posts_are_read_on_a_day_than_allowed(x, file, recheck, clock):
    ids = [file(age=age) for age in range(20, 0, -1)]
    run = recheck(recheck_reads=12)
    run.wait_for_notes()
    first = json.loads(run.lines[-1])["wallpush"]["checked"]
    clock.move(days=1)
    x.wait_until_requested(2, LOOKUP_PATH)

    assert first == ids[:12]
    assert get_lookups(x) == [ids[:12], ids[12:]]


def test_posts_that_were_charged_today_are_read_again_for_nothing(x, file, recheck, ledger):
    ids = [file(age=age) for age in range(20, 0, -1)]
    ledger.note_reads(datetime.now(UTC).date(), Reads(frozenset(ids[15:]), frozenset()))
    recheck(recheck_reads=0).wait_for_notes()

    assert get_lookups(x) == [ids[15:]]


def test_stop_while_a_lookup_is_not_answered(x, file, recheck, monkeypatch):
    asked, release = threading.Event(), threading.Event()
    answer = x.world.look_up

    def look_up(params):
        asked.set()
        release.wait(10)
        return answer(params)

    monkeypatch.setattr(x.world, "look_up", look_up)
    file(age=5)
    run = recheck()
    asked.wait(10)
    run.stop(2)
    release.set()

    assert (run.error, run.lines) == (None, [])


def test_limit_of_lookups_does_not_hold_up_searches(x, file, recheck, warnings):
    reset = int(datetime.now(UTC).timestamp()) + 600
    x.refuse_next(LOOKUP_PATH, 429, headers={"x-rate-limit-reset": str(reset)})
    file(age=5)
    recheck(settle=0)
    told = warnings.wait()
    wait_for(
        lambda: any(request.path == SEARCH_PATH for request in x.requests), "the search of the gap"
    )

    assert told.startswith("X refused the lookup, HTTP 429: Too Many Requests. Trying again in 60")
