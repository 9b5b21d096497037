"""The stand-in speaks as X does: to requests, to a bare socket and to tweepy's own client."""

import json
import signal
import socket
import subprocess
import sys

import pytest
import requests
import tweepy

from api.sources.x_client import TWEEPY_HOST, HostRewrite
from tests.x_rules import find_fault
from tests.x_server import (
    NO_RULES,
    OPERATIONAL_DISCONNECT,
    RULES_PATH,
    STREAM_PATH,
    TOKEN,
    TOO_MANY_CONNECTIONS,
    UNAUTHORIZED,
    XServer,
)
from tests.x_stream import parse_step

SAMPLE = "tests/samples/x_stream.jsonl"
HELLO = {"data": {"id": "1", "text": "hello", "edit_history_tweet_ids": ["1"]}}


@pytest.fixture
def x():
    with XServer() as server:
        server.rules.add("#wall", tag="event")
        yield server


@pytest.fixture
def http(x):
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        yield session


def ask_rules(x, http, body=None, **params):
    method = "POST" if body else "GET"
    return http.request(method, x.url + RULES_PATH, json=body, params=params, timeout=5)


def read_to_end(x, http):
    """Every line of a connection, empty ones too."""
    with http.get(x.url + STREAM_PATH, stream=True, timeout=5) as answer:
        return list(answer.iter_lines())


def connect(x):
    """A bare connection to the stream that has its answer."""
    connection = socket.create_connection(("127.0.0.1", int(x.url.rpartition(":")[2])), timeout=5)
    request = f"GET {STREAM_PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    connection.sendall(request.encode())
    return connection


def receive_all(connection):
    with connection:
        return b"".join(iter(lambda: connection.recv(4096), b""))


# Rules.


def test_rules_of_an_empty_app_are_only_counted(http):
    with XServer() as x:
        answer = ask_rules(x, http).json()

    assert (list(answer), answer["meta"]["result_count"]) == (["meta"], 0)


def test_added_rule_is_listed(x, http):
    answer = ask_rules(x, http, {"add": [{"value": "cat has:images", "tag": "cats"}]})

    rule = {"id": "1900000000000000002", "value": "cat has:images", "tag": "cats"}
    summary = {"created": 1, "not_created": 0, "valid": 1, "invalid": 0}
    assert answer.status_code == 201
    assert answer.json()["data"] == [rule]
    assert answer.json()["meta"]["summary"] == summary
    assert ask_rules(x, http, ids=rule["id"]).json()["data"] == [rule]


def test_rule_that_is_there_is_a_duplicate_whatever_its_tag(x, http):
    answer = ask_rules(x, http, {"add": [{"value": "#wall", "tag": "other"}]})

    assert answer.status_code == 200
    assert answer.json()["errors"] == [
        {
            "value": "#wall",
            "id": "1900000000000000001",
            "title": "DuplicateRule",
            "type": "https://api.twitter.com/2/problems/duplicate-rules",
        }
    ]
    assert answer.json()["meta"]["summary"]["not_created"] == 1


def test_invalid_rule_is_refused_beside_a_good_one(x, http):
    answer = ask_rules(x, http, {"add": [{"value": "cat"}, {"value": '"open'}]})

    assert answer.status_code == 201
    assert [rule["value"] for rule in answer.json()["data"]] == ["cat"]
    assert answer.json()["errors"] == [
        {
            "value": '"open',
            "details": ["A quote is not closed."],
            "title": "UnprocessableEntity",
            "type": "https://api.twitter.com/2/problems/invalid-rules",
        }
    ]


def test_invalid_rule_can_throw_away_the_whole_request(x, http):
    x.rules.all_or_nothing, x.rules.refused_status = True, 400
    answer = ask_rules(x, http, {"add": [{"value": "cat"}, {"value": "-dog"}]})

    assert (answer.status_code, "data" in answer.json()) == (400, False)
    assert [rule["value"] for rule in x.rules.stored] == ["#wall"]


def test_dry_run_stores_nothing(x, http):
    created = ask_rules(x, http, {"add": [{"value": "cat"}]}, dry_run="true")
    deleted = ask_rules(x, http, {"delete": {"ids": ["1900000000000000001"]}}, dry_run="true")

    assert created.json()["meta"]["summary"]["created"] == 1
    assert deleted.json()["meta"]["summary"] == {"deleted": 1, "not_deleted": 0}
    assert [rule["value"] for rule in x.rules.stored] == ["#wall"]


def test_deleted_rule_is_gone_and_an_unknown_one_is_told(x, http):
    answer = ask_rules(x, http, {"delete": {"ids": ["1900000000000000001", "5"]}}).json()

    assert answer["meta"]["summary"] == {"deleted": 1, "not_deleted": 1}
    assert answer["errors"][0]["title"] == "Invalid Request"
    assert x.rules.stored == []


def test_request_that_asks_for_nothing_is_refused(x, http):
    assert ask_rules(x, http, {"add": []}).status_code == 400


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("#wall -is:nullcast", ""),
        ('"a \\"b\\" c" -is:nullcast', ""),
        ("(cat OR dog) lang:en", ""),
        ("(cat", "A parenthesis is not closed."),
        ('"cat', "A quote is not closed."),
        ("is:retweet -cat", "Rules must contain at least one positive, non-stopword clause."),
        ("", "Rules must contain at least one positive, non-stopword clause."),
        ("x" * 1025, "Rules must be at most 1024 characters long."),
    ],
)
def test_faults_of_rules(value, fault):
    assert find_fault(value) == fault


# Who may connect.


@pytest.mark.parametrize("path", [STREAM_PATH, RULES_PATH])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_wrong_token_is_refused(x, path, headers):
    answer = requests.get(x.url + path, headers=headers, timeout=5)

    assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)
    assert [request.authorized for request in x.requests] == [False]


def test_stream_without_rules_is_a_conflict(http):
    with XServer() as x:
        answer = http.get(x.url + STREAM_PATH, timeout=5)

    assert (answer.status_code, answer.json()) == (409, NO_RULES)


def test_second_connection_is_refused_until_the_first_has_left(x, http):
    with connect(x):
        x.wait_until_connected()
        refused = http.get(x.url + STREAM_PATH, timeout=5)
    x.close()
    taken = http.get(x.url + STREAM_PATH, timeout=5)

    assert (refused.status_code, refused.json()) == (429, TOO_MANY_CONNECTIONS)
    assert (taken.status_code, x.connections) == (200, 2)


def test_second_connection_can_replace_the_first(x):
    x.second = "replace"
    first = connect(x)
    x.wait_until_connected()
    second = connect(x)
    x.wait_until_connected(2)
    ended = receive_all(first)
    x.send("hello")
    x.close()

    assert b"hello" not in ended
    assert b"hello" in receive_all(second)


def test_scripted_status_answers_the_next_connection_only(x, http):
    x.refuse(503, {"title": "Service Unavailable"}, {"x-rate-limit-reset": "1800000000"})
    x.close()
    refused = http.get(x.url + STREAM_PATH, timeout=5)
    taken = http.get(x.url + STREAM_PATH, timeout=5)

    assert (refused.status_code, refused.json()) == (503, {"title": "Service Unavailable"})
    assert refused.headers["x-rate-limit-reset"] == "1800000000"
    assert taken.status_code == 200


def test_unknown_address_is_not_found(x, http):
    assert http.get(x.url + "/2/nothing", timeout=5).status_code == 404


# What it says.


def test_stream_is_chunked_with_windows_line_ends(x):
    x.send({"data": {"text": "é"}})
    x.keep_alive()
    x.close()
    received = receive_all(connect(x))

    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Transfer-Encoding: chunked" in head
    line = '{"data":{"text":"é"}}\r\n'.encode()
    assert body == b"%x\r\n%s\r\n2\r\n\r\n\r\n0\r\n\r\n" % (len(line), line)


def test_cut_ends_in_the_middle_of_a_line(x, http):
    x.send("whole")
    x.cut('{"data":')
    with http.get(x.url + STREAM_PATH, stream=True, timeout=5) as answer:
        lines = answer.iter_lines()
        first = next(lines)
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            next(lines)

    assert (first, x.sent) == (b"whole", [b"whole"])


def test_cut_without_a_part_is_no_proper_end(x):
    x.cut()

    assert not receive_all(connect(x)).endswith(b"0\r\n\r\n")


def test_stall_says_nothing(http):
    with XServer(keep_alive_every=0.001) as x:
        x.rules.add("#wall")
        x.stall()
        with connect(x) as connection:
            x.wait_until_connected()
            answer = connection.makefile("rb")
            list(iter(answer.readline, b"\r\n"))  # the head
            connection.settimeout(0.05)
            with answer, pytest.raises(TimeoutError):
                answer.read(1)


def test_quiet_stream_has_keep_alives(http):
    with XServer(keep_alive_every=0.001) as x:
        x.rules.add("#wall")
        with connect(x):
            x.wait_until(lambda: x.keep_alives >= 3, "three keep-alives")


def test_line_for_a_client_that_left_is_played_on_the_next_connection(x, http):
    connect(x).close()
    x.wait_until_disconnected()
    x.send("first")
    x.send("second")
    x.close()

    assert read_to_end(x, http) == [b"first", b"second"]


def test_hang_up_ends_a_connection_at_once(x):
    connection = connect(x)
    x.wait_until_connected()
    x.hang_up()

    assert not receive_all(connection).endswith(b"0\r\n\r\n")
    x.wait_until_disconnected()


def test_many_lines_can_be_queued_while_it_plays(x, http):
    with http.get(x.url + STREAM_PATH, stream=True, timeout=5) as answer:
        for number in range(3000):
            x.send(f"{number}")
        x.close()
        lines = [line for line in answer.iter_lines() if line]

    assert lines == x.sent == [b"%d" % number for number in range(3000)]


def test_sample_is_played_line_by_line(x, http):
    x.play(SAMPLE)
    x.close()
    with open(SAMPLE, "rb") as file:
        lines = file.read().splitlines()

    assert read_to_end(x, http) == lines
    assert x.sent == [line for line in lines if line]
    assert x.keep_alives == lines.count(b"")


def test_what_was_asked_is_kept_without_the_token(x, http):
    ask_rules(x, http, {"add": [{"value": "cat"}]}, dry_run="true")

    [request] = x.requests
    assert request[:3] == ("POST", RULES_PATH, {"dry_run": "true"})
    assert (request.authorized, request.body) == (True, {"add": [{"value": "cat"}]})
    assert TOKEN not in repr(x.requests)


def test_wait_says_what_did_not_come(x):
    with pytest.raises(AssertionError, match="not within 0 s: connection 1"):
        x.wait_until(lambda: x.connected, "connection 1", timeout=0)


# With tweepy.


class Client(tweepy.StreamingClient):
    """As people write it; ends itself after the first connection."""

    def __init__(self, x):
        super().__init__(TOKEN)
        self.session.mount(TWEEPY_HOST, HostRewrite(x.url, timeout=(5, 5)))
        self.heard = []

    def on_tweet(self, tweet):
        self.heard.append(tweet.text)

    def on_errors(self, errors):
        self.heard.append(errors[0]["title"])

    def on_keep_alive(self):
        self.heard.append("keep-alive")

    def on_closed(self, response):
        self.heard.append("closed")
        self.disconnect()

    def on_connection_error(self):
        self.heard.append("broken")
        self.disconnect()

    def on_request_error(self, status_code):
        self.heard.append(status_code)
        self.disconnect()


def test_tweepy_reads_the_stream(x):
    x.send(HELLO)
    x.keep_alive()
    x.send(OPERATIONAL_DISCONNECT)
    x.close()
    client = Client(x)
    client.filter()

    assert client.heard == ["hello", "keep-alive", "operational-disconnect", "closed"]


def test_tweepy_meets_a_cut_line_and_a_status(x):
    x.send(HELLO)
    x.cut('{"da')
    x.refuse(402)
    client = Client(x)
    client.filter()
    client.filter()

    assert client.heard == ["hello", "broken", 402]


def test_tweepy_manages_rules(x):
    client = Client(x)
    added = client.add_rules([tweepy.StreamRule("cat", tag="cats"), tweepy.StreamRule("#wall")])
    listed = client.get_rules().data
    client.delete_rules([rule.id for rule in listed])

    assert [rule.value for rule in added.data] == ["cat"]
    assert [error["title"] for error in added.errors] == ["DuplicateRule"]
    assert [(rule.value, rule.tag) for rule in listed] == [("#wall", "event"), ("cat", "cats")]
    assert client.get_rules().data is None


# As a program.


@pytest.mark.parametrize(
    ("line", "step"),
    [
        (b"", ("keep_alive", None)),
        (b'{"data":1}', ("line", b'{"data":1}')),
        (b"!close", ("close", None)),
        (b'!cut {"da', ("cut", b'{"da')),
        (b"!stall", ("stall", None)),
        (b"!pause 0.5", ("pause", 0.5)),
        (b"!status 503", ("status", (503, {}, {}))),
        (b'!status 402 {"title":"x"}', ("status", (402, {"title": "x"}, {}))),
    ],
)
def test_steps_of_a_script(line, step):
    assert parse_step(line) == step


def test_unknown_step_is_refused():
    with pytest.raises(ValueError, match="no such step: b'!dance'"):
        parse_step(b"!dance")


@pytest.fixture
def program(tmp_path):
    """The stand-in as a process of its own, and its address."""
    script = tmp_path / "script"
    script.write_bytes(b'{"data":1}\n\n!pause 0.01\n{"data":2}\n!close\n!status 503\n')
    command = [sys.executable, "-m", "tests.x_server", "--script", script]
    command += ["--rule", "cats=cat", "--seconds", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process, process.stdout.readline().strip()
        process.kill()


def test_program_plays_a_script_and_says_what_it_did(program, http):
    process, url = program
    lines = list(http.get(url + STREAM_PATH, timeout=5).iter_lines())
    refused = http.get(url + STREAM_PATH, timeout=5).status_code
    rules = http.get(url + RULES_PATH, timeout=5).json()["data"]
    process.send_signal(signal.SIGTERM)

    assert (lines, refused) == ([b'{"data":1}', b"", b'{"data":2}'], 503)
    assert [(rule["tag"], rule["value"]) for rule in rules] == [("cats", "cat")]
    assert json.loads(process.communicate(timeout=10)[0]) == {"connections": 1, "sent": 2}


def test_program_ends_by_itself():
    command = [sys.executable, "-m", "tests.x_server", "--seconds", "0.01"]
    ended = subprocess.run(command, capture_output=True, timeout=30, check=True)

    assert ended.stderr == b""
