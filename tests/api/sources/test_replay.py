import json
import os
import threading

import pytest

from api.sources import SourceError, make_source
from api.sources.replay import MAX_LINE_BYTES, Pace

FAST = 100_000


def make_line(tweet_id, **more):
    return json.dumps({"data": {"id": tweet_id, "text": f"tweet {tweet_id}"} | more}).encode()


@pytest.fixture
def record(tmp_path):
    """Writes a recording and makes the source that plays it."""

    def make(*lines, speed=FAST, loop=False):
        path = tmp_path / "recording.jsonl"
        path.write_bytes(b"\n".join(lines))
        options = {"replay_file": path, "replay_speed": speed, "replay_loop": loop}
        return make_source("replay", options)

    return make


def play(source):
    lines = []
    source.run(lines.append)
    return lines


def read_texts(lines):
    return [json.loads(line)["data"]["text"] for line in lines]


def test_run_without_loop_plays_once(record):
    lines = play(record(make_line("1"), make_line("2"), make_line("3")))

    assert read_texts(lines) == ["tweet 1", "tweet 2", "tweet 3"]


def test_status_tells_that_it_plays(record):
    source = record(make_line("1"))
    assert source.status.state == "starting"

    states = []
    source.run(lambda line: states.append(source.status.state))

    assert states == ["connected"]


def test_run_again_plays_again(record):
    source = record(make_line("1"))

    assert len(play(source) + play(source)) == 2


def test_loop_gives_every_pass_fresh_increasing_ids(record, start):
    run = start(record(make_line("1"), make_line("2"), loop=True))
    lines = run.wait_for_lines(40)[:40]

    ids = [int(json.loads(line)["data"]["id"]) for line in lines]
    assert read_texts(lines) == ["tweet 1", "tweet 2"] * 20
    assert ids == sorted(set(ids))


def test_ids_of_two_sources_are_distinct(record):
    lines = [make_line(str(number)) for number in range(1, 200)]
    played = play(record(*lines)) + play(record(*lines))

    assert len({json.loads(line)["data"]["id"] for line in played}) == 398


@pytest.mark.parametrize(
    "line",
    [
        b'{"errors":[{"title":"operational-disconnect","disconnect_type":"OperationalDisconnect"}]}',
        b'{"something_new":{"hello":1}}',
        b'{"data":{"id":"2120000000000000001","te',
        b'{"data":[]}',
        b'{"data":{"text":"no id"}}',
        b'{"data":{"id":7,"text":"a number"}}',
        b"[1,2]",
        b"null",
        b"[" * 100_000,
        b'{"data":{"id":' + b"9" * 5000 + b"}}",
    ],
)
def test_line_without_tweet_passes_as_it_is(record, line):
    assert play(record(make_line("1"), line, make_line("2")))[1] == line


def test_keep_alive_is_not_delivered(record):
    lines = play(record(b"", make_line("1"), b"", b"  \r", make_line("2"), b""))

    assert read_texts(lines) == ["tweet 1", "tweet 2"]


def test_keep_alive_is_a_sign_of_life(record, monkeypatch):
    source = record(make_line("1"), *[b""] * 5)  # four empty lines
    signs = []
    monkeypatch.setattr(source, "note_activity", lambda: signs.append(1))

    play(source)

    assert len(signs) == 5


def test_windows_line_ends_are_read(record):
    assert read_texts(play(record(make_line("1") + b"\r", make_line("2") + b"\r"))) == [
        "tweet 1",
        "tweet 2",
    ]


def test_file_is_not_read_ahead(record, tmp_path):
    """What is appended while it plays is played: the file is streamed."""
    source = record(make_line("1"), make_line("2") + b"\n")
    path = tmp_path / "recording.jsonl"
    lines = []

    def deliver(line):
        lines.append(line)
        if len(lines) == 1:
            with path.open("ab") as file:
                file.write(make_line("3"))

    source.run(deliver)

    assert read_texts(lines) == ["tweet 1", "tweet 2", "tweet 3"]


def test_stop_wakes_a_waiting_source_at_once(record, start):
    run = start(record(make_line("1"), make_line("2"), speed=0.001, loop=True))
    run.wait_for_lines(1)

    run.stop()  # the next message is due in 1000 s

    assert (run.lines[1:], run.error) == ([], None)


def test_stop_before_run_delivers_nothing(record):
    source = record(make_line("1"), loop=True)
    source.stop()

    assert play(source) == []


def test_error_of_deliver_comes_out_of_run(record, start):
    error = ZeroDivisionError("from the worker")

    def deliver(line):
        raise error

    run = start(record(make_line("1"), loop=True), deliver)
    run.wait_until_over()

    assert run.error is error


def test_blocked_deliver_holds_the_source_back(record, start):
    taken, allowed = [], threading.Semaphore(2)

    def deliver(line):
        allowed.acquire()
        taken.append(line)

    run = start(record(*(make_line(str(n)) for n in range(1, 6))), deliver)
    run.wait_for_lines(2)
    before = len(taken)
    for _ in range(3):
        allowed.release()
    run.wait_until_over()

    assert (before, len(taken)) == (2, 5)


def test_recording_that_vanishes_ends_the_run(record, tmp_path, start):
    run = start(record(make_line("1"), loop=True))
    run.wait_for_lines(1)
    (tmp_path / "recording.jsonl").unlink()
    run.wait_until_over()

    path = tmp_path / "recording.jsonl"
    assert str(run.error) == (
        f"WALLPUSH_REPLAY_FILE: {path} can not be read: No such file or directory."
    )


def test_recording_that_becomes_empty_ends_the_run(record, tmp_path, start):
    run = start(record(make_line("1"), loop=True))
    run.wait_for_lines(1)
    (tmp_path / "recording.jsonl").write_bytes(b"\n\n")
    run.wait_until_over()

    path = tmp_path / "recording.jsonl"
    assert str(run.error) == f"WALLPUSH_REPLAY_FILE: {path} has become empty."


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "holds no message; it needs one JSON object in each line."),
        (b"\n \n\r\n", "holds no message; it needs one JSON object in each line."),
        (b"id,text\n1,hello\n", "holds no message; it needs one JSON object in each line."),
        (b"[1]\n2\n", "holds no message; it needs one JSON object in each line."),
    ],
)
def test_recording_without_message_is_refused(record, tmp_path, content, complaint):
    with pytest.raises(SourceError) as caught:
        record(content)

    assert str(caught.value) == f"WALLPUSH_REPLAY_FILE: {tmp_path / 'recording.jsonl'} {complaint}"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"caf\xe9", "is not UTF-8; write it again as UTF-8 text."),
        (
            b'{"a":"' + b"x" * MAX_LINE_BYTES + b'"}',
            "is longer than 1 MiB; a stream has one message in a line.",
        ),
    ],
)
def test_recording_with_unreadable_line_is_refused(record, tmp_path, line, complaint):
    with pytest.raises(SourceError) as caught:
        record(make_line("1"), make_line("2"), line)

    assert str(caught.value) == (
        f"WALLPUSH_REPLAY_FILE: line 3 of {tmp_path / 'recording.jsonl'} {complaint}"
    )


def test_longest_line_is_taken(record):
    line = b'{"a":"' + b"x" * (MAX_LINE_BYTES - 8) + b'"}'

    assert play(record(line)) == [line]


def test_missing_recording_is_refused(tmp_path):
    path = tmp_path / "none.jsonl"
    with pytest.raises(SourceError) as caught:
        make_source("replay", {"replay_file": path})

    assert str(caught.value) == (
        f"WALLPUSH_REPLAY_FILE: {path} can not be read: No such file or directory."
    )


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_recording_that_is_no_file_is_refused(tmp_path, make):
    path = tmp_path / "odd"
    make(path)
    with pytest.raises(SourceError) as caught:
        make_source("replay", {"replay_file": path})

    assert str(caught.value) == f"WALLPUSH_REPLAY_FILE: {path} is not a file."


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf"), "fast", None, 1e-9])
def test_impossible_speed_is_refused(record, speed):
    with pytest.raises(SourceError) as caught:
        record(make_line("1"), speed=speed)

    assert str(caught.value) == (
        "WALLPUSH_REPLAY_SPEED must be a number of messages per second"
        f" from 0.001 to 1000000, not {speed!r}."
    )


def test_unknown_source_is_refused():
    with pytest.raises(SourceError) as caught:
        make_source("mastodon", {})

    assert str(caught.value) == "WALLPUSH_SOURCE must be one of replay, x, bluesky, not 'mastodon'."


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_pace_follows_a_timetable_without_drift():
    clock = Clock()
    pace = Pace(4, clock)
    waits = []
    for late in (0, 0.125, 0.25, 0.0625):
        wait = pace.find_wait()
        clock.now += wait + late
        waits.append(wait)

    assert waits == [0, 0.25, 0.125, 0]


def test_pace_after_a_long_hold_up_catches_up_with_one_second_only():
    clock = Clock()
    pace = Pace(4, clock)
    pace.find_wait()
    clock.now += 60
    waits = [pace.find_wait() for _ in range(6)]

    assert waits == [-59.75, -0.75, -0.5, -0.25, 0, 0.25]
