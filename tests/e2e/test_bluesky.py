"""Bluesky's Jetstream, and X beside it, from the stand-ins through worker, database and nginx, into Chromium."""

import subprocess
import sys

import pytest

from tests.e2e.conftest import PROJECT
from tests.jetstream_server import JetstreamServer, make_tag
from tests.x_server import XServer

ADA = "did:plc:ada"
TEXT = "Tea &amp; <b>scones</b> 🫖 at the #Wall"


@pytest.fixture
def jetstream():
    with JetstreamServer() as server:
        server.add_account(ADA, "ada.example", displayName="Ada <i>Tea</i>")
        yield server


@pytest.fixture
def make_wall(make_stack, jetstream, page):
    def make(**environment):
        stack = make_stack(
            WALLPUSH_BLUESKY_URLS=jetstream.url,
            WALLPUSH_BLUESKY_API_URL=jetstream.api_url,
            WALLPUSH_KEYWORDS="#wall",
            **{"WALLPUSH_SOURCE": "bluesky"} | environment,
        ).start()
        jetstream.wait_until_connected()
        page.goto(stack.front_url)
        page.wait_for_selector("[data-state=live]")
        return stack

    return make


def publish(jetstream):
    return jetstream.publish(ADA, TEXT, facets=[make_tag(TEXT, "#Wall")])


def read_states(stack):
    health = stack.get("/api/health/").json()
    return {source["source"]: source["state"] for source in health["sources"]}


def test_post_of_bluesky_is_on_the_page_until_it_is_deleted(make_wall, jetstream, page):
    stack = make_wall()
    event = publish(jetstream)
    page.wait_for_selector("article")
    card = page.locator("article")
    assert card.get_attribute("data-source") == "bluesky"
    assert TEXT in card.inner_text()
    assert "Ada <i>Tea</i>" in card.inner_text()
    [resource] = stack.tweets(keyword="wall")
    assert resource["author"]["username"] == "ada.example"
    assert stack.get(f"/api/tweets/{resource['id']}/").json() == resource

    jetstream.delete(event)

    page.wait_for_selector("article", state="detached")
    assert stack.tweets() == []


def test_author_has_a_wall_of_their_own(make_wall, jetstream, page):
    stack = make_wall()
    publish(jetstream)
    stack.wait_until(stack.tweets)
    page.goto(f"{stack.front_url}/?channels=user-did~3Aplc~3Aada")
    page.wait_for_selector("article")
    publish(jetstream)
    page.locator("article").nth(1).wait_for()


def test_wall_reads_both_networks_at_once_and_each_card_keeps_its_look(make_wall, jetstream, page):
    with XServer() as x:
        stack = make_wall(
            WALLPUSH_SOURCE="x,bluesky",
            WALLPUSH_X_BASE_URL=x.url,
            WALLPUSH_X_BEARER_TOKEN=x.token,
        )
        x.wait_until_connected()
        publish(jetstream)
        x.publish(x.world.compose("Hello #wall", author="ada_l"))
        page.locator("article").nth(1).wait_for()
        links = {
            source: page.locator(f"article[data-source={source}] .view").get_attribute("href")
            for source in ("x", "bluesky")
        }
        both = {"x": "connected", "bluesky": "connected"}
        stack.wait_until(lambda: read_states(stack) == both)
        status = subprocess.run(
            [sys.executable, "manage.py", "source", "status"],
            cwd=PROJECT,
            env=stack.full_environment,
            capture_output=True,
            text=True,
        )
        stack.stop()

    assert links["x"].startswith("https://x.com/ada_l/status/")
    assert links["bluesky"].startswith(f"https://bsky.app/profile/{ADA}/post/")
    assert status.returncode == 0
    assert "bluesky: ok" in status.stdout


def test_posts_of_the_time_in_which_everything_was_stopped_appear(make_wall, jetstream, page):
    stack = make_wall()
    publish(jetstream)
    stack.wait_until(stack.tweets)
    stack.stop()
    publish(jetstream)

    stack.start()

    stack.wait_until(lambda: len(stack.tweets()) == 2)
