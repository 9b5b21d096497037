"""`make run` as a person sees it: the replayed sample, in Chromium, until Ctrl-C."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import PROJECT
from tests.e2e.processes import children, command_line, descendants
from tests.x_server import XServer


def run_to_its_end(stack):
    return subprocess.run(
        [sys.executable, "manage.py", "run"],
        cwd=PROJECT,
        env=stack.full_environment,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def stack(make_stack):
    return make_stack(WALLPUSH_REPLAY_SPEED="5").start()


def test_wall_shows_live_tweets(stack, page):
    page.goto(stack.front_url)
    page.wait_for_selector("article")
    first = page.locator("article").count()
    page.wait_for_function("n => document.querySelectorAll('article').length >= n + 5", arg=first)


def test_curl_pair_of_the_readme(stack):
    with subprocess.Popen(
        ["curl", "-sN", f"{stack.front_url}/events/sub/hello"], stdout=subprocess.PIPE
    ) as watching:
        assert watching.stdout.readline() == b"\r\n"
        subprocess.run(
            ["curl", "-s", f"{stack.publish_url}/events/pub/hello", "-d", '{"hello":1}'],
            check=True,
            capture_output=True,
        )
        assert json.loads(watching.stdout.readline())["text"] == {"hello": 1}
        watching.terminate()


def test_ctrl_c_stops_every_process_and_a_second_start_goes_on(stack):
    stack.wait_until(stack.tweets)
    processes = descendants(stack.process.pid)
    assert len(processes) >= 12
    assert stack.stop() == 0
    assert "Everything has stopped" in stack.output
    assert [pid for pid in processes if Path(f"/proc/{pid}").exists()] == []
    stack.start()
    assert stack.tweets()


def test_a_killed_process_is_started_again(stack):
    known = {tweet["id"] for tweet in stack.wait_until(stack.tweets)}
    before = descendants(stack.process.pid)
    [supervisord] = children(children(stack.process.pid)[0])
    for name in ("/nginx/push", "/nginx/front", "gunicorn", "celery"):
        [kept] = [pid for pid in children(supervisord) if name in command_line(pid)]
        [pid] = children(kept)
        os.kill(pid, signal.SIGKILL)

    def finds_a_new_tweet():
        response = stack.answers("/api/tweets/")
        return response and any(t["id"] not in known for t in response.json()["results"])

    stack.wait_until(finds_a_new_tweet)
    after = descendants(stack.process.pid)
    assert stack.stop() == 0
    assert [pid for pid in {*before, *after} if Path(f"/proc/{pid}").exists()] == []


def test_nothing_lives_on_when_it_is_killed_itself(stack):
    processes = descendants(stack.process.pid)
    stack.process.kill()
    stack.wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes))


def test_what_the_worker_complains_of_is_said(make_stack):
    with XServer() as x:
        stack = make_stack(
            WALLPUSH_SOURCE="x", WALLPUSH_X_BASE_URL=x.url, WALLPUSH_X_BEARER_TOKEN="wrong"
        ).start()
        stack.wait_until(lambda: "X does not accept WALLPUSH_X_BEARER_TOKEN" in stack.output)


def test_program_that_does_not_start_is_named_with_its_last_words(make_stack, tmp_path):
    recording = tmp_path / "recording.jsonl"
    recording.touch()
    result = run_to_its_end(make_stack(WALLPUSH_REPLAY_FILE=str(recording)))
    assert result.returncode == 1
    assert result.stderr.startswith("CommandError: The worker does not start. Its last words:\n")
    assert str(recording) in result.stderr
    assert "Traceback" not in result.stderr


def test_taken_port_is_one_sentence(make_stack):
    stack = make_stack()
    port = int(stack.environment["WALLPUSH_FRONT_PORT"])
    with socket.create_server(("127.0.0.1", port)):
        result = run_to_its_end(stack)
    assert result.returncode == 1
    assert result.stderr == (
        f"CommandError: Port {port} on 127.0.0.1 is taken by another program:"
        " stop it, or set WALLPUSH_FRONT_PORT to a free one.\n"
    )
