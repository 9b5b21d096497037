"""python -m wallpush, in processes of its own."""

import json
import os
import signal
import subprocess
import sys

import pytest

from wallpush.__main__ import main

COMMAND = [sys.executable, "-W", "error", "-m", "wallpush"]


def wallpush(*arguments, stdin="", **environment):
    """Exit status, stdout, stderr."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def start():
    """Starts commands that go on until they are stopped."""
    running = []

    def make(*arguments):
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield make
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def url(push_node):
    return push_node.publish_url


def test_publish_a_message(url, subscribe):
    subscriber = subscribe("global", "user-1")

    done = wallpush("publish", "global,user-1", '{"a": "<é>"}', "--event-id", "7", "--url", url)

    assert done == (0, "published to 2 subscribers\n", "")
    assert [(sent["text"], sent["eventid"]) for sent in subscriber.receive(2)] == [
        ({"a": "<é>"}, "7")
    ] * 2


def test_publish_to_the_urls_of_the_environment(url, subscribe):
    subscribe("global")

    done = wallpush("publish", "global", "1", WALLPUSH_PUBLISH_URLS=url)

    assert done == (0, "published to 1 subscriber\n", "")


@pytest.mark.parametrize("arguments", [["global"], ["global", "-"]])
def test_publish_lines_of_stdin(url, subscribe, arguments):
    subscriber = subscribe("global")

    done = wallpush("publish", *arguments, "--url", url, stdin='1\n{"a": "<b>"}\r\n"last"')

    assert done == (0, "published 3 messages, failed 0\n", "")
    assert subscriber.receive_messages(3) == [1, {"a": "<b>"}, "last"]


def test_publish_lines_of_which_some_are_wrong(url, subscribe):
    subscriber = subscribe("global")

    status, out, err = wallpush("publish", "global", "--url", url, stdin="1\nhello\n\nNaN\n2\n")

    assert (status, out) == (1, "published 2 messages, failed 3\n")
    assert [line[:16] for line in err.splitlines()] == [f"wallpush: line {n}" for n in (2, 3, 4)]
    assert subscriber.receive_messages(2) == [1, 2]


def test_publish_lines_as_they_come(url, subscribe, start):
    subscriber = subscribe("global")
    process = start("publish", "global", "--url", url)

    for number in range(3):
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
        assert subscriber.receive_messages(1) == [number]

    assert process.communicate()[0] == "published 3 messages, failed 0\n"


def test_publish_where_nothing_listens():
    done = wallpush("publish", "global", "1", "--url", "http://127.0.0.1:9")

    assert done == (
        1,
        "",
        "wallpush: http://127.0.0.1:9: nothing listens there; start the push node.\n",
    )


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["publish"],
        ["shout", "global"],
        ["publish", "a.b", "1"],
        ["publish", "", "1"],
        ["publish", "global,a.b", "-"],
        ["publish", "global", "hello"],
        ["publish", "global", "NaN"],
        ["publish", "global", "1", "--event-id", "a\nb"],
        ["publish", "global", "--event-id", "7"],
        ["publish", "global", "1", "--url", "ftp://ada:secret@push"],
        ["publish", "global", "1", "--url", "http://ada:secret@push"],
        ["subscribe"],
        ["subscribe", "ALL"],
        ["subscribe", "global", "--events-url", "nowhere"],
        ["stats", "a/b"],
        ["delete"],
        ["delete", "a*"],
    ],
    ids=" ".join,
)
def test_wrong_use(arguments, capsys):
    """In this process: each of the other tests starts Python once more."""
    assert status_of(arguments) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("wallpush")
    assert "secret" not in err


def status_of(arguments):
    try:
        return main(arguments)
    except SystemExit as end:  # argparse
        return end.code


@pytest.mark.parametrize("arguments", [["publish", "a.b", "1"], ["publish"]], ids=" ".join)
def test_wrong_use_in_the_shell(arguments):
    status, out, err = wallpush(*arguments)

    assert (status, out) == (2, "")
    assert err.splitlines()[-1].startswith("wallpush")
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [["--help"], ["publish", "--help"]])
def test_help_on_the_plainest_terminal(arguments):
    status, out, err = wallpush(*arguments, PYTHONIOENCODING="ascii", LC_ALL="C")

    assert (status, out.startswith("usage: wallpush"), err) == (0, True, "")


def test_stats_of_a_node(url):
    wallpush("publish", "global", "1", "--url", url)

    status, out, err = wallpush("stats", "--url", url)

    statistics = json.loads(out)
    assert (status, err, statistics["node"], statistics["published_messages"]) == (0, "", url, 1)


def test_stats_and_delete_of_a_channel(url):
    absent = (1, "", "wallpush: no push node knows the channel global now.\n")
    assert wallpush("stats", "global", "--url", url) == absent
    wallpush("publish", "global", "1", "--url", url)

    assert wallpush("stats", "global", "--url", url) == (
        0,
        '{"channel": "global", "published_messages": 1, "stored_messages": 1, "subscribers": 0}\n',
        "",
    )
    assert wallpush("delete", "global", "--url", url) == (0, "deleted global\n", "")
    assert wallpush("delete", "global", "--url", url) == absent


def wait_for_subscriber(publisher, channel):
    while (info := publisher.channel_info(channel)) is None or info.subscribers == 0:
        pass


def test_subscribe_through_the_front(publisher, front, start):
    process = start("subscribe", "global", "user-1", "--events-url", front.url)
    wait_for_subscriber(publisher, "user-1")

    publisher.publish("global", {"a": "<é>"})
    publisher.publish("user-1", [1, 2])

    assert process.stdout.readline() == '{"a":"\\u003cé>"}\n'
    assert process.stdout.readline() == "[1,2]\n"
    process.send_signal(signal.SIGINT)
    assert (process.communicate(), process.returncode) == (("", ""), 130)


def test_subscribe_into_a_closed_pipe(publisher, push_node, start):
    process = start("subscribe", "global", "--events-url", push_node.subscribe_url)
    wait_for_subscriber(publisher, "global")

    process.stdout.close()
    publisher.publish("global", 1)

    assert (process.stderr.read(), process.wait()) == ("", 0)


def test_subscribe_to_a_server_that_goes_away(publisher, push_node, start):
    process = start("subscribe", "global", "--events-url", push_node.subscribe_url)
    wait_for_subscriber(publisher, "global")

    push_node.stop()

    assert process.communicate() == (
        "",
        f"wallpush: {push_node.subscribe_url}: no connection; does the server run?\n",
    )
    assert process.returncode == 1


def test_subscribe_goes_on_after_the_last_message(make_peer, start):
    """The push node ends each connection after some minutes."""
    asked = []

    def end_after_one(connection):
        asked.append(read_head(connection))
        envelope = b'{"id":7,"channel":"global","text":"one","eventid":"date|1"}\r\n'
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + envelope)
        connection.close()

    def refuse(connection):
        asked.append(read_head(connection))
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    peer = make_peer(end_after_one, refuse)
    process = start("subscribe", "global", "--events-url", peer.url)

    assert process.stdout.readline() == '"one"\n'
    assert process.communicate()[1].startswith(f"wallpush: {peer.url}: answered 403")
    assert ["Last-Event-ID: date|1" in head for head in asked] == [False, True]


def read_head(connection):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    return head.decode()


@pytest.mark.parametrize("line", [b"hello\r\n", b"[]\r\n", b'{"id": 1}\r\n'])
def test_subscribe_to_what_is_no_push_node(make_peer, line):
    def handle(connection):
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + line)
        connection.close()

    url = make_peer(handle).url

    assert wallpush("subscribe", "global", "--events-url", url) == (
        1,
        "",
        f"wallpush: {url}: what comes there is no stream of a push node.\n",
    )
