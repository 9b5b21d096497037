import json
import logging
import socket
import threading
from pathlib import Path

import pytest
import requests

from api.sources import SourceError, make_source
from api.sources.ledger import Ledger, make_track
from api.sources.x_backoff import PAUSES, Backoff, Ended
from api.sources.x_client import FIELDS
from tests.api.sources.conftest import SHORT
from tests.x_server import (
    CREDITS_DEPLETED,
    OPERATIONAL_DISCONNECT,
    STREAM_PATH,
    TOKEN,
    TOO_MANY_CONNECTIONS,
    XServer,
)

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
        f"X can not be reached: HTTPConnection(host='127.0.0.1', port={port}): Failed to establish"
        " a new connection: [Errno 111] Connection refused. Trying again in 0.001 s."
    )


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
    x.refuse(503, {"title": f"You sent Bearer {TOKEN}"})
    x.cut("{")
    x.close()
    x.refuse(401, {"detail": f"You sent Bearer {TOKEN}"})
    run = start(make("#wall"))
    run.wait_until_over()

    told = [logging.Formatter().format(record) for record in caplog.records]
    assert [line for line in told if TOKEN in line] == []
    assert len(told) > 5
    assert TOKEN not in str(run.error)


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
    time, connections = 0, 0
    while time < 900:
        connections += 1
        time += backoff.find_pause(Ended("closed", ""))

    assert connections == 20
