"""X's stream, read by tweepy from the stand-in, through worker, database and nginx, into Chromium."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.e2e.conftest import PROJECT
from tests.x_server import XServer

SAMPLE = Path(__file__).parents[1] / "samples" / "x_stream.jsonl"
TWEET = {
    "data": {
        "id": "2120000000000000501",
        "text": "Tea &amp; <b>scones</b> at the &lt;Wall&gt; 🫖 #Café",
        "author_id": "701",
        "created_at": "2026-11-20T10:00:00.000Z",
        "edit_history_tweet_ids": ["2120000000000000501"],
        "lang": "en",
        "entities": {"hashtags": [{"start": 47, "end": 52, "tag": "Café"}]},
    },
    "includes": {"users": [{"id": "701", "name": "Ada <i>Tea</i>", "username": "ada_tea"}]},
    "matching_rules": [{"id": "1", "tag": "wallpush:café"}],
}
CHANNELS = "global/user-701/keyword-caf~C3~A9"


@pytest.fixture
def x():
    with XServer() as server:
        yield server


@pytest.fixture
def stack(make_stack, x):
    return make_stack(
        WALLPUSH_SOURCE="x",
        WALLPUSH_X_BASE_URL=x.url,
        WALLPUSH_X_BEARER_TOKEN=x.token,
        WALLPUSH_KEYWORDS="#Café",
    ).start()


def watch(stack, channels):
    """The lines of a stream, and the subscriber that reads them."""
    response = requests.get(f"{stack.front_url}/events/sub/{channels}", stream=True, timeout=60)
    return response, (line for line in response.iter_lines() if line.startswith(b"{"))


def test_tweet_of_x_is_on_the_page_and_the_same_bytes_come_from_rest(stack, x, page):
    page.goto(stack.front_url)
    page.wait_for_selector("[data-state=live]")
    response, lines = watch(stack, CHANNELS)
    x.send(TWEET)
    page.wait_for_selector("article")
    card = page.locator("article").inner_text()
    assert "Tea & <b>scones</b> at the <Wall> 🫖 #Café" in card
    assert "Ada <i>Tea</i>" in card
    resource = stack.get("/api/tweets/2120000000000000501/").content
    envelopes = [next(lines) for _ in CHANNELS.split("/")]
    response.close()
    assert all(b'"text":' + resource + b',"tag":' in line for line in envelopes)
    assert {json.loads(line)["channel"] for line in envelopes} == set(CHANNELS.split("/"))
    assert resource in stack.get("/api/tweets/", keyword="café").content


def test_rule_is_made_at_x_and_the_token_is_in_no_log(stack, x):
    x.send(TWEET)
    stack.wait_until(stack.tweets)
    assert [rule["tag"] for rule in x.rules.list([])["data"]] == ["wallpush:café"]
    stack.stop()
    logs = b"".join(path.read_bytes() for path in stack.folder.rglob("*.log"))
    assert x.token.encode() not in logs
    assert x.token not in stack.output


def test_every_line_of_the_sample_is_accounted_for(stack, x):
    lines = SAMPLE.read_bytes().splitlines()
    x.play(SAMPLE)

    def outcomes():
        counts = stack.get("/api/stats/").json()["messages"]
        totals = {outcome: count["total"] for outcome, count in counts.items()}
        return totals if sum(totals.values()) == sum(map(bool, lines)) else None

    totals = stack.wait_until(outcomes)
    assert totals == {
        **{"stored": 10, "updated": 1, "unchanged": 1, "withheld": 1},
        **{"problem": 3, "unknown": 1},
    }
    ids = {json.loads(line)["data"]["id"] for line in lines if b'"data"' in line}
    assert (
        len(stack.tweets()) == len(ids) - 2
    )  # an edit is the same card, a withheld one is not shown
    for title in ("operational-disconnect", "ConnectionException", "UsageCapExceeded"):
        assert title in stack.log("worker")


def test_tweet_hidden_in_the_admin_leaves_the_page_and_stays_away(stack, x, page, chromium):
    x.send(TWEET)
    page.goto(stack.front_url)
    page.wait_for_selector("article")
    hide_all_tweets(stack, chromium)
    page.wait_for_selector("article", state="detached")
    assert stack.tweets() == []
    page.reload()
    page.wait_for_selector("[data-state=live]")
    assert page.locator("article").count() == 0


def hide_all_tweets(stack, chromium):
    """As a moderator does, in a browser of their own."""
    password = "seven-small-scones"
    subprocess.run(
        [
            sys.executable,
            "manage.py",
            "createsuperuser",
            "--noinput",
            "--username",
            "mo",
            "--email",
            "mo@example.com",
        ],
        cwd=PROJECT,
        env=stack.full_environment | {"DJANGO_SUPERUSER_PASSWORD": password},
        check=True,
        capture_output=True,
    )
    context = chromium.new_context()
    admin = context.new_page()
    admin.goto(f"{stack.front_url}/admin/api/tweet/")
    admin.fill("#id_username", "mo")
    admin.fill("#id_password", password)
    admin.click("[type=submit]")
    admin.check("#action-toggle")
    admin.select_option("select[name=action]", label="Hide from every wall")
    admin.click("button[name=index]")
    admin.wait_for_selector("text=hidden from every wall")
    context.close()
