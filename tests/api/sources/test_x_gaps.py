"""What X sent while nobody listened is searched for when somebody listens again."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from api.sources.ledger import ACTIVE, Gap, Ledger, LedgerUnavailable, make_track
from api.sources.x_gaps import find_moment, make_snowflake
from api.sources.x_rules import make_rule
from tests.api.waiting import wait_for
from tests.x_server import RULES_PATH, SEARCH_PATH, STREAM_PATH

RETWEETS = "Retweets of that time are missing: X's search does not find them."


def make_ledger(*texts, added_ago=3600, **options):
    added_at = datetime.now(UTC) - timedelta(seconds=added_ago)
    return Ledger([make_track(text, added_at=added_at) for text in texts], **options)


def get_searches(x):
    return [request.params for request in x.requests if request.path == SEARCH_PATH]


def get_found(run):
    return [message["data"]["id"] for message in run.messages]


def remember(x, ledger, term, age):
    """The highest id of a term that is stored, so many seconds old."""
    ledger.positions[term] = int(x.world.make_id(age))
    return ledger.positions[term]


@pytest.fixture
def fill(x, make, start):
    """Starts a source that fills gaps at once."""

    def run(*texts, ledger=None, deliver=None, **options):
        ledger = ledger or make_ledger(*texts)
        for track in ledger.read_tracks():
            # It is there: a rule that is new at X would open the gap a second time.
            rule = make_rule(track.text, prefix="wallpush:", retweets=options.get("retweets", True))
            x.rules.add(rule.value, rule.tag)
        return start(make(ledger=ledger, **{"settle": 0} | options), deliver)

    return run


# Ids.


def test_id_of_a_moment_tells_the_moment():
    moment = datetime(2026, 11, 20, 10, 0, 0, 123000, tzinfo=UTC)

    assert find_moment(make_snowflake(moment)) == moment
    assert find_moment(2120000000000000001).year == 2026
    assert find_moment(10**19 - 1).year > 2026


# What is opened.


def test_gap_begins_at_the_last_stored_tweet_of_each_track_with_a_margin(x, make, start):
    ledger = make_ledger("#wall", "from:ada_l", "new")
    wall, ada = remember(x, ledger, "wall", 100), remember(x, ledger, "from:ada_l", 600)
    before = datetime.now(UTC)
    start(make(ledger=ledger))
    x.wait_until_connected()

    gaps = {gap.text: gap for gap in wait_for(ledger.read_gaps, "gaps")}
    assert find_moment(wall) - find_moment(gaps["#wall"].after) == timedelta(seconds=30)
    assert find_moment(ada) - find_moment(gaps["from:ada_l"].after) == timedelta(seconds=30)
    added_at = ledger.read_tracks()[2].added_at
    assert abs(find_moment(gaps["new"].after) - added_at) < timedelta(milliseconds=3)
    assert all(find_moment(gap.until) > before for gap in gaps.values())
    assert {gap.term for gap in gaps.values()} == {"wall", "from:ada_l", "new"}


def test_gap_begins_not_before_the_track_was_added(x, make, start):
    ledger = make_ledger("#wall", added_ago=10)
    remember(x, ledger, "wall", 15)
    start(make(ledger=ledger))
    x.wait_until_connected()

    [gap] = wait_for(ledger.read_gaps, "gaps")
    assert abs(find_moment(gap.after) - ledger.read_tracks()[0].added_at) < timedelta(seconds=0.01)


def test_gap_is_open_before_the_first_line_is_delivered(x, make, start):
    ledger = make_ledger("#wall")
    x.rules.add("#wall -is:nullcast", "wallpush:wall")
    seen = []
    x.send({"data": {"id": "1"}})
    run = start(make(ledger=ledger), lambda line: seen.append(ledger.read_gaps()))
    run.wait_for_lines(1)

    assert [gap.text for gap in seen[0]] == ["#wall"]


def test_lines_wait_until_the_gap_is_remembered(x, make, start, monkeypatch):
    monkeypatch.setattr("api.sources.x.LEDGER_PAUSE", 0.01)
    troubles = iter([LedgerUnavailable("locked")] * 3)
    order = []

    class Away(Ledger):
        def open_gaps(self, gaps):
            if trouble := next(troubles, None):
                raise trouble
            order.append("gaps")
            super().open_gaps(gaps)

    x.rules.add("#wall -is:nullcast", "wallpush:wall")
    x.send({"data": {"id": "1"}})
    run = start(make(ledger=Away([make_track("#wall")])), lambda line: order.append("line"))
    run.wait_for_lines(1)

    assert order == ["gaps", "line"]


def test_track_added_while_the_stream_runs_gets_a_gap_of_its_own(x, make, start):
    x.rules.add("#wall -is:nullcast", "wallpush:wall")
    ledger = make_ledger("#wall")
    start(make(ledger=ledger, settle=20))
    x.wait_until_connected()
    wait_for(ledger.read_gaps, "the gap of #wall")
    ledger.set_tracks(*ledger.read_tracks(), make_track("new", added_at=datetime.now(UTC)))
    [_, gap] = wait_for(lambda: len(ledger.read_gaps()) == 2 and ledger.read_gaps(), "the gap")

    assert gap.text == "new"
    # X may take so long to match a rule that it has taken.
    assert find_moment(gap.until) - datetime.now(UTC) > timedelta(seconds=15)
    assert x.connections == 1


def test_track_gets_its_gap_though_the_answer_of_x_is_lost(x, make, start, monkeypatch, warnings):
    ledger = make_ledger("#wall")
    start(make(ledger=ledger))
    x.wait_until_connected()
    wait_for(lambda: ledger.rulings["#wall"].state == ACTIVE, "the ruling")
    change = x.rules.change

    def take_and_die(body, dry_run):
        monkeypatch.setattr(x.rules, "change", change)
        change(body, dry_run)
        raise OSError("cut")

    monkeypatch.setattr(x.rules, "change", take_and_die)
    ledger.set_tracks(*ledger.read_tracks(), *make_ledger("new").read_tracks())
    wait_for(lambda: [gap for gap in ledger.read_gaps() if gap.text == "new"], "the gap")

    assert warnings.wait().startswith("X can not be reached: ")
    assert [rule["value"] for rule in x.rules.stored] == ["#wall -is:nullcast", "new -is:nullcast"]


def test_gap_of_a_new_track_is_not_cut_short_by_another_one_of_its_term(x, make, start):
    x.rules.add("#wall -is:nullcast", "wallpush:wall")
    ledger = make_ledger("#wall")
    source = make(ledger=ledger, settle=20)
    start(source)
    x.wait_until_connected()
    remember(x, ledger, "wall", 0)
    ledger.set_tracks(*ledger.read_tracks(), *make_ledger("wall", added_ago=500).read_tracks())
    gap = wait_for(
        lambda: next((gap for gap in ledger.read_gaps() if gap.text == "wall"), None), "the gap"
    )

    assert abs(datetime.now(UTC) - find_moment(gap.after)) > timedelta(seconds=499)


# What is filled.


@pytest.mark.parametrize("dialect", ["tweet", "post"])
def test_what_was_missed_is_searched_for_and_delivered_as_the_stream_would(x, fill, dialect):
    x.dialect = dialect
    x.rules.add("cats", "theirs")
    old = x.world.compose("old #wall", age=4000)
    quoted = x.world.compose("quoted", author="bob_ar", age=3000)
    x.world.file(quoted)
    missed = x.world.compose("missed #wall", quote=quoted["data"]["id"], age=60)
    other = x.world.compose("also #wall", author="cyd_k", age=30)
    for message in (old, missed, other):
        x.world.file(message)
    run = fill("#wall")
    [note] = run.wait_for_notes()

    [first, second] = run.messages
    rule_id = next(rule["id"] for rule in x.rules.stored if rule.get("tag") == "wallpush:wall")
    assert first["matching_rules"] == [{"id": rule_id, "tag": "wallpush:wall"}]
    assert [first["data"]["id"], second["data"]["id"]] == [
        missed["data"]["id"],
        other["data"]["id"],
    ]
    included = first["includes"]
    assert {user["username"] for user in included["users"]} == {"ada_l", "bob_ar"}
    name = {"tweet": "tweets", "post": "posts"}[dialect]
    assert [post["text"] for post in included[name]] == ["quoted"]
    assert [user["username"] for user in second["includes"]["users"]] == ["cyd_k"]
    assert name not in second["includes"]
    [gap] = run.source.ledger.read_gaps()
    span = {"after": gap.after, "until": gap.until}
    assert note["filled"] == {"gap": gap.id, **span, "found": 2, "note": RETWEETS}


def test_search_asks_for_what_the_rule_means_within_the_gap(x, fill):
    run = fill("from:ada_l", retweets=False)
    [note] = run.wait_for_notes()

    [gap] = run.source.ledger.read_gaps()
    [asked] = get_searches(x)
    assert {name: asked[name] for name in ("query", "since_id", "until_id", "max_results")} == {
        "query": "from:ada_l -is:nullcast -is:retweet",
        "since_id": str(gap.after),
        "until_id": str(gap.until),
        "max_results": "100",
    }
    assert "author_id" in asked["expansions"]
    assert note["filled"]["note"] == ""


def test_many_pages_are_read_one_after_another(x, fill):
    ids = []
    for age in range(250, 0, -1):
        message = x.world.compose("#wall", age=age)
        x.world.file(message)
        ids.append(message["data"]["id"])
    run = fill("#wall")
    [note] = run.wait_for_notes()

    assert sorted(get_found(run)) == ids
    asked = get_searches(x)
    assert ["next_token" in each for each in asked] == [False, True, True]
    assert len({(each["since_id"], each["until_id"], each["query"]) for each in asked}) == 1
    assert note["filled"]["found"] == 250


def test_search_goes_on_where_a_failure_broke_it_off(x, fill, warnings):
    for age in range(150, 0, -1):
        x.world.file(x.world.compose("#wall", age=age))
    answered = threading.Event()

    def deliver(line):
        if not answered.is_set():
            x.refuse_next(SEARCH_PATH, 503)
            answered.set()

    ledger = make_ledger("#wall")
    run = fill(ledger=ledger, deliver=deliver)
    [note] = run.wait_for_notes()

    found = get_found(run)
    assert (len(found), len(set(found)), note["filled"]["found"]) == (150, 150, 150)
    oldest_of_first_page = min(found[:100])
    assert get_searches(x)[-1]["until_id"] == oldest_of_first_page
    assert warnings.read_all() == [
        "X refused the search, HTTP 503: Service Unavailable. Trying again in 0.001 s."
    ]


def test_stream_is_read_while_a_search_waits_for_its_limit(x, fill, warnings):
    reset = int(datetime.now(UTC).timestamp()) + 600
    x.refuse_next(SEARCH_PATH, 429, headers={"x-rate-limit-reset": str(reset)})
    run = fill("#wall")
    told = warnings.wait()
    x.publish(x.world.compose("live #wall"))
    run.wait_for_lines(1)
    run.stop(1)

    assert told.startswith("X refused the search, HTTP 429: Too Many Requests. Trying again in 60")
    assert (len(get_searches(x)), run.notes, run.error) == (1, [], None)


def test_search_waits_until_x_finds_what_is_new(x, fill, clock):
    ledger = make_ledger("#wall")
    run = fill(ledger=ledger, settle=20)
    x.wait_until_connected()
    wait_for(ledger.read_gaps, "the gap")
    early = get_searches(x)
    clock.move(seconds=60)
    run.source.announce_gaps()
    run.wait_for_notes()

    assert early == []
    assert len(get_searches(x)) == 1


def test_gap_of_an_earlier_process_is_filled(x, fill):
    message = x.world.compose("missed #wall", age=50)
    x.world.file(message)
    ledger = make_ledger("#wall", added_ago=0)
    gap = Gap("#wall", "wall", int(x.world.make_id(60)), int(x.world.make_id(40)))
    ledger.open_gaps([gap])
    run = fill(ledger=ledger)
    run.wait_for(lambda: get_found(run) == [message["data"]["id"]], "the tweet")
    run.wait_for_notes()

    assert run.notes[0]["filled"]["gap"] == ledger.read_gaps()[0].id


def test_filled_gap_is_not_filled_again_while_the_store_is_behind(x, fill):
    """The ledger of the tests never hears that a gap is filled: as a store that is slow."""
    x.world.file(x.world.compose("missed #wall", age=50))
    run = fill("#wall")
    run.wait_for_notes()
    x.close()
    x.wait_until_connected(2)
    run.wait_for_notes(2)

    first, second = get_searches(x)
    assert second["since_id"] == first["until_id"]
    assert len(get_found(run)) == 1


def test_gap_that_is_widened_to_the_past_is_filled_from_there(x, fill):
    old = x.world.compose("old #wall", age=5000)
    x.world.file(old)
    run = fill("#wall")
    run.wait_for_notes()
    [gap] = run.source.ledger.read_gaps()
    run.source.ledger.open_gaps([gap._replace(after=int(x.world.make_id(6000)))])
    run.wait_for_notes(2)

    assert get_found(run) == [old["data"]["id"]]


def test_every_interruption_is_filled(x, fill):
    run = fill("#wall")
    run.wait_for_notes()
    for times in (2, 3, 4):
        x.close()
        x.wait_until_disconnected()
        missed = x.publish(x.world.compose("missed #wall"))
        x.wait_until_connected(times)
        run.wait_for(lambda missed=missed: missed in get_found(run), "the tweet")

    assert len(get_found(run)) == 3


def test_what_is_older_than_x_searches_is_said_to_be_missing(x, fill):
    x.world.file(x.world.compose("old #wall", age=8 * 86400))
    x.world.file(x.world.compose("newer #wall", age=6 * 86400))
    ledger = make_ledger("#wall", added_ago=10 * 86400)
    run = fill(ledger=ledger)
    [note] = run.wait_for_notes()

    assert [message["data"]["text"] for message in run.messages] == ["newer #wall"]
    day = (datetime.now(UTC) - timedelta(days=7)).date().isoformat()
    assert note["filled"]["note"].startswith(
        f"X's search reaches back 7 days: what came before {day}T"
    )
    assert note["filled"]["note"].endswith(f" is missing. {RETWEETS}")


def test_gap_that_is_too_old_altogether_is_closed(x, make, start):
    """It is not widened: the track can not be active, as X has its rule under another tag."""
    x.rules.add("#wall -is:nullcast", "theirs")
    ledger = make_ledger("#wall", added_ago=10 * 86400)
    old = [int(x.world.make_id(days * 86400)) for days in (9, 8)]
    ledger.open_gaps([Gap("#wall", "wall", *old)])
    run = start(make(ledger=ledger, settle=0))
    [note] = run.wait_for_notes()

    assert note["filled"]["note"] == (
        "It is more than 7 days old; X's search does not reach back so far."
    )
    assert get_searches(x) == []


def test_gap_that_is_widened_while_it_is_filled_is_filled_in_two(x, fill):
    """Otherwise a long one would begin anew with each interruption."""
    for age in range(120, 0, -1):
        x.world.file(x.world.compose("#wall", age=age))
    ledger = make_ledger("#wall")
    widened = []

    def deliver(line):
        if not widened:
            [gap] = ledger.read_gaps()
            widened.append(gap._replace(until=int(x.world.make_id())))
            ledger.open_gaps(widened)

    run = fill(ledger=ledger, deliver=deliver)
    run.wait_for_notes(2)

    assert [note["filled"]["found"] for note in run.notes] == [120, 0]
    assert run.notes[1]["filled"]["until"] == widened[0].until
    assert get_searches(x)[-1]["since_id"] == str(run.notes[0]["filled"]["until"])


def test_gap_of_a_track_that_is_gone_is_closed_with_a_note(x, fill):
    ledger = make_ledger("#wall")
    ledger.open_gaps([Gap("#old", "old", 1, int(x.world.make_id(10)))])
    run = fill(ledger=ledger)
    run.wait_for_notes(2)

    notes = {note["filled"]["note"]: note["filled"]["found"] for note in run.notes}
    assert notes == {"It is not tracked any more.": 0, RETWEETS: 0}
    assert len(get_searches(x)) == 1


def test_rule_that_is_too_long_for_a_search_is_said(x, fill, monkeypatch):
    monkeypatch.setattr("api.sources.x_gaps.MAX_QUERY_CHARACTERS", 20)
    run = fill("#a_rather_long_tag")
    [note] = run.wait_for_notes()

    assert note["filled"]["note"] == "X's search takes 20 characters and this track makes 31."
    assert get_searches(x) == []


def test_search_that_x_calls_wrong_again_and_again_is_given_up(x, fill):
    problem = {"title": "Invalid Request", "detail": "Ambiguous use of a word."}
    x.refuse_next(SEARCH_PATH, 400, problem, times=3)
    run = fill("#wall")
    [note] = run.wait_for_notes()

    assert note["filled"]["note"] == "X refused the search, HTTP 400: Ambiguous use of a word."
    assert len(get_searches(x)) == 3


@pytest.mark.parametrize("status", [500, 503, 429, 403, 404, 200])
def test_search_that_fails_is_tried_until_it_succeeds(x, fill, status):
    x.world.file(x.world.compose("missed #wall", age=50))
    x.refuse_next(SEARCH_PATH, status, "<h1>Bad gateway</h1>", times=5)
    run = fill("#wall")
    [note] = run.wait_for_notes()

    assert (note["filled"]["found"], len(get_found(run)), run.error) == (1, 1, None)


@pytest.mark.parametrize(
    "answer",
    [
        {"meta": {"result_count": 0}},
        {"data": [{"text": "no id"}, 3, {"id": 4}], "includes": [], "errors": "none", "meta": {}},
        {"data": {}, "includes": {"users": 3, "tweets": [None]}, "meta": {"next_token": ""}},
    ],
)
def test_answer_that_lacks_parts_is_an_empty_one(x, fill, answer):
    x.refuse_next(SEARCH_PATH, 200, answer)
    run = fill("#wall")
    [note] = run.wait_for_notes()

    assert (note["filled"]["found"], run.messages) == (0, [])


@pytest.mark.parametrize(
    "answer",
    [{"title": "ConnectionException"}, {"data": None, "meta": None}, [1], "<h1>hello</h1>"],
)
def test_answer_that_does_not_say_that_nothing_was_found_is_none(x, fill, warnings, answer):
    x.world.file(x.world.compose("missed #wall", age=50))
    x.refuse_next(SEARCH_PATH, 200, answer)
    run = fill("#wall")
    [note] = run.wait_for_notes()

    assert note["filled"]["found"] == 1
    assert warnings.read_all() == [
        "X answered the search with what can not be read. Trying again in 0.001 s."
    ]


def test_search_that_does_not_end_is_begun_again_after_a_pause(x, fill, warnings):
    x.world.file(x.world.compose("missed #wall", age=50))
    x.refuse_next(SEARCH_PATH, 200, {"meta": {"result_count": 0, "next_token": "on and on"}})
    run = fill("#wall")
    [note] = run.wait_for_notes()

    assert (note["filled"]["found"], len(get_searches(x))) == (1, 2)
    assert warnings.read_all() == [
        "X's search gave a page of nothing before its end. Trying again in 0.001 s."
    ]


def test_header_that_is_no_number_costs_nothing(x, fill, warnings):
    x.refuse_next(SEARCH_PATH, 429, headers={"x-rate-limit-reset": "soon"})
    run = fill("#wall")
    run.wait_for_notes()

    assert warnings.read_all() == [
        "X refused the search, HTTP 429: Too Many Requests. Trying again in 0.001 s."
    ]


def test_refused_track_has_no_gap(x, make, start):
    ledger = make_ledger("#wall", "@ada.example.com")
    run = start(make(ledger=ledger))
    x.wait_until_connected()
    wait_for(lambda: ledger.rulings["#wall"].state == ACTIVE, "the ruling")

    assert [gap.text for gap in wait_for(ledger.read_gaps, "gaps")] == ["#wall"]
    assert run.error is None


def test_stop_while_a_search_is_not_answered(x, fill, monkeypatch):
    """X takes the question and says nothing: the run ends all the same."""
    asked, release = threading.Event(), threading.Event()

    def search(params):
        asked.set()
        release.wait(10)
        return 200, {"meta": {"result_count": 0}}

    monkeypatch.setattr(x.world, "search", search)
    run = fill("#wall")
    asked.wait(10)
    run.stop(2)
    release.set()

    assert (run.error, run.notes) == (None, [])


def test_rest_and_stream_do_not_share_a_connection(x, fill):
    """The stream stays up whatever becomes of what is asked beside it."""
    x.refuse_next(SEARCH_PATH, 503, times=3)
    run = fill("#wall")
    run.wait_for_notes()

    paths = {request.path for request in x.requests}
    assert {RULES_PATH, STREAM_PATH, SEARCH_PATH} <= paths
    assert x.connections == 1
