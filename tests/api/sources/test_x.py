import json
import logging
import socket
import threading
import time
from pathlib import Path

import pytest
import requests

from api.sources import SourceError, make_source
from api.sources.ledger import Ledger, LedgerUnavailable, make_track
from api.sources.source import CONNECTED, CONNECTING, STARTING, STOPPED, WAITING
from api.sources.x_backoff import PAUSES, Backoff, Ended
from api.sources.x_client import FIELDS
from tests.api.sources.conftest import SHORT
from tests.api.waiting import wait_for
from tests.x_server import (
    COUNTS_PATH,
    CREDITS_DEPLETED,
    LOOKUP_PATH,
    NO_RULES,
    OPERATIONAL_DISCONNECT,
    RULES_PATH,
    SEARCH_PATH,
    STREAM_PATH,
    TOKEN,
    TOO_MANY_CONNECTIONS,
    XServer,
)
from tests.x_stream import Stream

ENDLESS = dict.fromkeys(PAUSES, (3600, 3600))
TWEET = {"data": {"id": "1", "text": "hello"}, "matching_rules": [{"id": "5"}]}
# Seconds, well below any pause or time-out. At once: the connection is over as well, not only left.
AT_ONCE, SOON = 1, 2


def encode(message):
    return json.dumps(message, separators=(",", ":")).encode()


def get_stream_requests(x):
    return [request for request in x.requests if request.path == STREAM_PATH]


# Reading.


def test_lines_are_delivered_as_they_came(x, make, start):
    x.play("tests/samples/x_stream.jsonl")
    lines = Path("tests/samples/x_stream.jsonl").read_bytes().splitlines()
    messages = [line for line in lines if line]
    run = start(make("#wall"))

    assert run.wait_for_lines(len(messages)) == messages


def test_stream_is_asked_for_what_a_wall_needs(x, make, start):
    start(make("#wall"))
    x.wait_until_connected()

    [request] = get_stream_requests(x)
    asked = {name.replace("_fields", ".fields"): value for name, value in FIELDS.items()}
    assert (request.authorized, request.params) == (True, asked)


def test_settings_make_a_source_that_reads(x, start):
    options = {"x_base_url": x.url + "/", "x_bearer_token": TOKEN, "x_retweets": False}
    run = start(make_source("x", options, Ledger([make_track("#wall")])))
    x.send(TWEET)

    assert run.wait_for_lines(1) == [encode(TWEET)]


def test_keep_alive_is_a_sign_of_life_and_no_message(x, make, start):
    source = make("#wall")
    run = start(source)
    x.wait_until_connected()
    x.send(TWEET)
    run.wait_for_lines(1)
    source.last_activity = 0
    x.keep_alive()
    x.send(TWEET)
    lines = run.wait_for_lines(2)

    assert lines == [encode(TWEET)] * 2
    assert source.last_activity > 0


@pytest.mark.parametrize(
    "line",
    [
        b'{"data":{"id":"2"},"matching_rules":[{"id":1,"tag":null}]}',
        b'{"data":{"id":"2","created_at":"2026-11-20T10:00:00Z"}}',
        b'{"data":{"id":"2"},"includes":{"users":[{"id":"1"}]}}',
        b'{"data":{"id',
        b"[]",
        b"not json \xff",
    ],
)
def test_line_that_tweepy_can_not_parse_is_delivered(x, make, start, line):
    x.send(line)
    x.send(TWEET)
    run = start(make("#wall"))

    assert run.wait_for_lines(2) == [line, encode(TWEET)]
    assert x.connections == 1


@pytest.mark.parametrize(
    "error",
    [ValueError("full"), requests.ConnectionError("database"), OSError(28, "No space left")],
)
def test_error_of_deliver_comes_out_of_run(x, make, start, error):
    def deliver(line):
        raise error

    x.send(TWEET)
    run = start(make("#wall"), deliver)
    run.wait_until_over()

    assert run.error is error
    assert x.connections == 1


def test_short_line_is_delivered_at_once(x, make, start):
    """Whatever tweepy's chunk_size: nothing follows that would push it through."""
    run = start(make("#wall"))
    x.wait_until_connected()
    x.send(TWEET)

    assert run.wait_for_lines(1) == [encode(TWEET)]
    assert (x.keep_alives, len(x.sent)) == (0, 1)


def test_line_in_many_chunks_is_one_line(x, make, start, monkeypatch):
    """Also its end: a CR and a LF that come apart look like a keep-alive to tweepy."""
    write = Stream._write

    def write_each(self, data):
        for number in range(len(data)):
            write(self, data[number : number + 1])

    monkeypatch.setattr(Stream, "_write", write_each)
    for _ in range(3):
        x.send(TWEET)
        x.keep_alive()
    run = start(make("#wall"))
    x.wait_until_played()

    assert run.wait_for_lines(3) == [encode(TWEET)] * 3


@pytest.mark.parametrize(
    "problem", [OPERATIONAL_DISCONNECT, TOO_MANY_CONNECTIONS, CREDITS_DEPLETED]
)
def test_problem_in_the_stream_is_delivered_and_the_end_survived(x, make, start, problem):
    x.send(problem)
    x.close()
    x.send(TWEET)
    run = start(make("#wall"))

    assert run.wait_for_lines(2) == [encode(problem), encode(TWEET)]
    assert x.connections == 2


def test_message_without_an_end_is_delivered_with_the_next_line_end(x, make, start):
    run = start(make("#wall"))
    x.wait_until_connected()
    x.send(encode(TWEET)[:10] + b"\n" + encode(TWEET))
    x.keep_alive()

    assert run.wait_for_lines(2) == [encode(TWEET)[:10], encode(TWEET)]


def test_lag_is_told_by_the_id(x, make, start):
    source = make("#wall")
    run = start(source)
    x.wait_until_connected()
    x.send(TWEET)
    run.wait_for_lines(1)
    long_ago = source.lag
    x.send({"data": {"id": x.world.make_id(age=7)}})
    run.wait_for_lines(2)

    assert long_ago > 10 * 365 * 86400
    assert 7 <= source.lag < 17


# Ends of connections.


def test_closed_stream_is_opened_again_after_a_pause(x, make, start, warnings):
    x.send(OPERATIONAL_DISCONNECT)
    x.close()
    x.send(TWEET)
    run = start(make("#wall", pauses=SHORT | {"closed": (0.25, 64)}))
    lines = run.wait_for_lines(2)

    assert lines == [encode(OPERATIONAL_DISCONNECT), encode(TWEET)]
    assert warnings.read_all() == ["X closed the stream. Connecting again in 0.25 s."]


def test_every_closed_connection_is_followed_by_one_pause(x, make, start, warnings):
    for _ in range(4):
        x.close()
    start(make("#wall", pauses=SHORT | {"closed": (0.01, 0.02)}))
    x.wait_until_connected(5)

    told = "X closed the stream. Connecting again in {} s."
    assert warnings.read_all() == [told.format(pause) for pause in (0.01, 0.02, 0.02, 0.02)]


def test_line_cut_by_the_network_is_not_delivered(x, make, start):
    x.send(TWEET)
    x.cut('{"data":{"id":"2","te')
    x.send(TWEET)
    run = start(make("#wall"))

    assert run.wait_for_lines(2) == [encode(TWEET)] * 2
    assert x.connections == 2


def test_pulled_cable_is_survived(x, make, start):
    run = start(make("#wall"))
    x.wait_until_connected()
    x.hang_up()
    x.send(TWEET)

    assert run.wait_for_lines(1) == [encode(TWEET)]


def test_stalled_stream_is_left(x, make, start, warnings):
    x.stall()
    start(make("#wall", timeout=(5, 0.2)))
    x.wait_until_connected(2)

    # On a busy machine the rules may have been late as well.
    all_told = iter(warnings.wait, None)
    told = next(told for told in all_told if not told.startswith("X can not be reached"))
    assert told.startswith("The connection to X broke: ")
    assert told.endswith(" Read timed out. Connecting again in 0.001 s.")


@pytest.mark.parametrize("status", [500, 503, 404, 400, 429, 420, 409])
def test_passing_status_is_waited_out(x, make, start, warnings, status):
    x.refuse(status, TOO_MANY_CONNECTIONS)
    x.send(TWEET)
    run = start(make("#wall"))
    lines = run.wait_for_lines(1)

    assert lines == [encode(TWEET)]
    assert warnings.read_all() == [
        f"X refused the stream, HTTP {status}: This stream is currently at the maximum allowed"
        " connection limit. Connecting again in 0.001 s."
    ]


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "X does not accept WALLPUSH_X_BEARER_TOKEN; copy it again from your app at X."),
        (402, "Your account at X has no credits left; buy some in X's developer console."),
        (
            403,
            "X does not let your app read the stream; see its access level in X's developer console.",
        ),
    ],
)
def test_final_status_ends_the_run_with_the_reason(x, make, start, status, sentence):
    x.refuse(status, CREDITS_DEPLETED)
    run = start(make("#wall"))
    run.wait_until_over()

    assert isinstance(run.error, SourceError)
    assert run.error.final
    assert str(run.error) == (
        f"{sentence} X refused the stream, HTTP {status}: {CREDITS_DEPLETED['detail']}"
    )


def test_wrong_token_ends_the_run(x, make, start):
    run = start(make("#wall", token="wrong"))
    run.wait_until_over()

    assert str(run.error) == (
        "X does not accept WALLPUSH_X_BEARER_TOKEN; copy it again from your app at X."
        " X refused the rules, HTTP 401: Unauthorized."
    )


def test_refusal_that_is_no_json_is_survived(x, make, start, warnings):
    x.refuse(502, "<h1>Bad gateway</h1>")
    x.send(TWEET)
    run = start(make("#wall"))

    assert run.wait_for_lines(1) == [encode(TWEET)]
    assert warnings.wait() == (
        "X refused the stream, HTTP 502: X gave no reason. Connecting again in 0.001 s."
    )


def test_token_is_taken_nowhere_else(x, make, start, warnings):
    with XServer() as elsewhere:
        headers = {"Location": f"{elsewhere.url}{STREAM_PATH}"}
        x.refuse_next(RULES_PATH, 307, headers=headers)
        x.refuse(307, headers=headers)
        x.send(TWEET)
        start(make("#wall")).wait_for_lines(1)

        assert elsewhere.requests == []
    assert warnings.read_all() == [
        "X can not be reached: Exceeded 0 redirects. Trying again in 0.001 s.",
        "X can not be reached: Exceeded 0 redirects. Connecting again in 0.001 s.",
    ]


def test_unreachable_x_is_tried_again(make, start, warnings):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    run = start(make("#wall", url=f"http://127.0.0.1:{port}"))
    told = warnings.wait()
    with XServer(port=port) as late:
        late.send(TWEET)
        lines = run.wait_for_lines(1)
        run.stop()

    assert lines == [encode(TWEET)]
    assert told == (
        f"X can not be reached: Connection(host='127.0.0.1', port={port}): Failed to establish"
        " a new connection: [Errno 111] Connection refused. Trying again in 0.001 s."
    )


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"x-rate-limit-reset": 600}, range(590, 603)),
        ({"x-rate-limit-reset": 600, "x-rate-limit-remaining": "0"}, range(590, 603)),
        # Another limit than that of requests: too many connections, for one.
        ({"x-rate-limit-reset": 600, "x-rate-limit-remaining": "49"}, [60]),
        # Never sooner than X advises in general.
        ({"x-rate-limit-reset": 5}, [60]),
        ({"x-rate-limit-reset": -600}, [60]),
        ({"x-rate-limit-reset": 10**9}, [3600]),
        ({}, [60]),
    ],
)
@pytest.mark.parametrize("status", [429, 420])
def test_limit_is_waited_out_as_x_says(x, make, start, warnings, headers, pause, status):
    if "x-rate-limit-reset" in headers:
        reset = int(time.time()) + headers["x-rate-limit-reset"]
        headers = headers | {"x-rate-limit-reset": str(reset)}
    x.refuse(status, headers=headers)
    run = start(make("#wall", pauses=PAUSES))
    told = warnings.wait()
    reason = run.wait_for_status(WAITING)
    run.stop(AT_ONCE)

    waited = int(told.removesuffix(" s.").rpartition(" ")[2])
    assert waited in pause
    assert reason == told


@pytest.mark.parametrize("reset", ["soon", "", "٣", "9" * 400])
def test_reset_that_is_no_time_is_not_followed(x, make, start, warnings, reset):
    x.refuse(429, headers={"x-rate-limit-reset": reset.encode().decode("latin-1")})
    start(make("#wall"))
    x.wait_until_connected()

    assert warnings.wait().endswith(" Connecting again in 0.001 s.")


def test_network_errors_are_counted(make, start, warnings):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    start(make("#wall", url=url, pauses=SHORT | {"network": (0.002, 0.008)}))
    told = [warnings.wait().rpartition(" in ")[2] for _ in range(4)]

    assert told == ["0.002 s.", "0.004 s.", "0.008 s.", "0.008 s."]


def test_missing_rules_are_waited_for(x, make, start, warnings):
    """409: somebody deleted them between our look and the connection."""
    x.refuse(409, NO_RULES)
    x.send(TWEET)
    source = make("#wall")
    run = start(source)

    assert run.wait_for_lines(1) == [encode(TWEET)]
    assert warnings.read_all() == [
        "X refused the stream, HTTP 409: You must define rules before connecting to filtered stream."
        " Connecting again in 0.001 s."
    ]
    paths = [request.path for request in x.requests]
    first, second = (number for number, path in enumerate(paths) if path == STREAM_PATH)
    assert RULES_PATH in paths[first:second]


# How it is.


def test_status_is_told_at_every_moment(x, make, start):
    told = []

    class Watched(type(make("#wall"))):
        def set_status(self, state, reason=""):
            if not told or told[-1] != (state, reason):
                told.append((state, reason))
            super().set_status(state, reason)

    source = make("#wall")
    source.__class__ = Watched
    before = source.status
    run = start(source)
    x.wait_until_connected()
    run.wait_for_status(CONNECTED)
    x.close()
    x.refuse(503)
    x.wait_until_connected(2)
    run.wait_for_status(CONNECTED)
    run.stop()

    assert before[:2] == (STARTING, "")
    assert [each for each in told if each[0] != WAITING or "again" in each[1]] == [
        (CONNECTING, ""),
        (CONNECTED, ""),
        (WAITING, "X closed the stream. Connecting again in 0.001 s."),
        (CONNECTING, ""),
        (
            WAITING,
            "X refused the stream, HTTP 503: X gave no reason. Connecting again in 0.001 s.",
        ),
        (CONNECTING, ""),
        (CONNECTED, ""),
        (STOPPED, ""),
    ]


def test_rules_that_x_refuses_are_the_reason_to_wait(x, make, start):
    x.refuse_next(RULES_PATH, 503)
    run = start(make("#wall", pauses=ENDLESS))
    wait_for(lambda: "HTTP 503" in run.source.status.reason, "the reason")

    assert run.source.status[:2] == (
        WAITING,
        "X refused the rules, HTTP 503: Service Unavailable. Trying again in 3600 s.",
    )


def test_failure_is_the_reason_of_the_end(x, make, start):
    x.refuse(401)
    run = start(make("#wall"))
    run.wait_until_over()

    assert run.source.status[:2] == (STOPPED, str(run.error))
    assert run.error.final


# Stopping, in every state.


def test_stop_while_x_is_quiet(x, make, start):
    x.send(TWEET)
    run = start(make("#wall"))
    run.wait_for_lines(1)

    run.stop(AT_ONCE)

    assert run.error is None
    x.wait_until_disconnected()


def test_stop_while_waiting_for_the_next_connection(x, make, start, warnings):
    x.close()
    run = start(make("#wall", pauses=ENDLESS))
    told = warnings.wait()

    run.stop(AT_ONCE)

    assert (told, run.error) == ("X closed the stream. Connecting again in 3600 s.", None)


def test_stop_while_x_does_not_answer(make, start):
    """A connection that is taken and never answered: the run ends, what it left ends by itself."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        run = start(make("#wall", url=f"http://127.0.0.1:{silent.getsockname()[1]}"))
        connection, _ = silent.accept()

        run.stop(SOON)

        connection.close()
    assert (run.error, run.lines) == (None, [])


def test_stop_while_deliver_blocks(x, make, start):
    blocked, release = threading.Event(), threading.Event()

    def deliver(line):
        blocked.set()
        release.wait()

    x.send(TWEET)
    x.send(TWEET)
    run = start(make("#wall"), deliver)
    blocked.wait()

    run.stop(SOON)
    release.set()
    x.wait_until_disconnected()

    assert (run.error, len(run.lines) <= 1) == (None, True)


def test_stop_before_run_asks_nothing(x, make, start):
    source = make("#wall")
    source.stop()
    run = start(source)
    run.wait_until_over()

    assert (run.error, x.requests) == (None, [])


def test_stop_twice_is_stop(x, make, start):
    run = start(make("#wall"))
    x.wait_until_connected()
    run.stop()
    run.stop()

    assert run.error is None


def test_stop_while_nothing_is_tracked(x, make, start):
    run = start(make(tick=3600))
    wait_for(lambda: "Nothing is tracked" in run.source.status.reason, "the reason")
    run.stop(AT_ONCE)

    assert run.error is None


@pytest.mark.parametrize("name", ["read_tracks", "read_budget", "open_gaps", "read_gaps"])
def test_stop_while_the_ledger_is_away(x, make, start, warnings, name):
    ledger = Ledger([make_track("#wall")])

    def fail(*_):
        raise LedgerUnavailable("locked")

    setattr(ledger, name, fail)
    run = start(make(ledger=ledger))
    told = warnings.wait()
    run.stop(AT_ONCE)

    assert (told, run.error) == ("X waits, what is remembered can not be reached: locked", None)


def test_nothing_of_a_run_is_left(x, make, start):
    before = threading.active_count()
    run = start(make("#wall", settle=0))
    run.wait_for_notes()
    x.wait_until_connected()
    run.stop(AT_ONCE)

    own = [each.name for each in threading.enumerate() if each.name.startswith("x")]
    assert own == []
    assert threading.active_count() <= before + 3  # those of the stand-in


@pytest.fixture(scope="module")
def certificate(make_certificate):
    return make_certificate("IP:127.0.0.1")


def test_encrypted_stream_is_read_and_stopped(certificate, make, start, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with XServer(tls=certificate) as x:
        x.send(TWEET)
        run = start(make("#wall", url=x.url))
        lines = run.wait_for_lines(1)
        run.stop(AT_ONCE)
        x.wait_until_disconnected()

    assert (lines, run.error) == ([encode(TWEET)], None)


def test_wrong_certificate_is_told(certificate, make, start, warnings):
    with XServer(tls=certificate) as x:
        run = start(make("#wall", url=x.url))
        told = warnings.wait()
        run.stop()

    assert told.startswith("X can not be reached: ")
    assert "certificate verify failed" in told


# The token.


@pytest.mark.parametrize("level", ["tweepy.client", "tweepy", "urllib3", ""])
def test_token_is_in_no_log(x, make, start, caplog, level):
    caplog.set_level(logging.DEBUG, logger=level)
    caplog.set_level(logging.DEBUG)
    echo = {"title": "No", "detail": f"You sent Bearer {TOKEN}", "errors": [{"message": TOKEN}]}
    for path in (RULES_PATH, COUNTS_PATH, SEARCH_PATH, LOOKUP_PATH):
        x.refuse_next(path, 503, echo)
        x.refuse_next(path, 429, echo)
    message = x.world.compose("#wall")
    x.world.file(message)
    source = make("#wall", settle=0)
    source.ledger.due.append(message["data"]["id"])
    x.refuse(503, {"title": f"You sent Bearer {TOKEN}"})
    x.cut("{")
    x.close()
    run = start(source)
    x.wait_until_connected(3)
    run.wait_for(lambda: len(run.notes) >= 2, "a filled gap, and what was checked")
    reasons = [ruling.reason for ruling in source.ledger.rulings.values()]
    x.close()
    x.refuse(401, {"detail": f"You sent Bearer {TOKEN}"})
    run.wait_until_over()

    told = [logging.Formatter().format(record) for record in caplog.records]
    told += [str(run.error), source.status.reason, *reasons, *map(str, run.notes)]
    assert [line for line in told if TOKEN in line] == []
    assert len([line for line in told if "You sent Bearer …" in line]) > 5


@pytest.mark.parametrize("token", ["", None])
def test_missing_token_is_refused(make, token):
    with pytest.raises(SourceError) as caught:
        make(token=token)

    assert str(caught.value) == (
        "WALLPUSH_X_BEARER_TOKEN must hold the bearer token of your app at X."
    )


@pytest.mark.parametrize(
    "token", ["secret\n", " secret", "Bearer secret", "sec\tret", "sécret", "sec\x00ret"]
)
def test_malformed_token_is_refused_and_not_shown(make, token):
    with pytest.raises(SourceError) as caught:
        make(token=token)

    assert str(caught.value) == (
        "WALLPUSH_X_BEARER_TOKEN must hold the token alone,"
        " without blanks, line ends or the word Bearer."
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.x.com",
        "ftp://api.x.com",
        "https://",
        "https://api.x.com:port",
        "https://api.x.com:0",
        "https://[::1",
        "https://user:secret@api.x.com",
        "https://api.x.com/?a=1",
        "https://api.x.com\n",
    ],
)
def test_malformed_address_is_refused_and_not_shown(url):
    with pytest.raises(SourceError) as caught:
        make_source("x", {"x_base_url": url, "x_bearer_token": TOKEN})

    assert str(caught.value) == (
        "WALLPUSH_X_BASE_URL must be an address like https://api.x.com, without user or query."
    )


# Pauses.


def test_pauses_double_to_their_longest():
    backoff = Backoff(PAUSES)
    pauses = [backoff.find_pause(Ended("status", "", 503)) for _ in range(9)]

    assert pauses == [5, 10, 20, 40, 80, 160, 320, 320, 320]


def test_each_cause_has_its_own_pauses():
    backoff = Backoff(PAUSES)
    ends = [Ended("network", ""), Ended("closed", ""), Ended("status", "", 429)] * 2

    assert [backoff.find_pause(ended) for ended in ends] == [0.25, 1, 60, 0.5, 2, 120]


def test_good_connection_starts_pauses_anew():
    backoff = Backoff(PAUSES)
    lasted = [0, 59, 61, 0]

    assert [backoff.find_pause(Ended("closed", "", lasted=each)) for each in lasted] == [1, 2, 1, 2]


def test_pauses_keep_within_the_limit_of_x():
    """50 connections in 15 minutes, with a stream that closes at once, each time."""
    backoff = Backoff(PAUSES)
    seconds, connections = 0, 0
    while seconds < 900:
        connections += 1
        seconds += backoff.find_pause(Ended("closed", ""))

    assert connections == 20
