import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nginx.server import Front, PushNode
from tests.conftest import free_ports
from tests.frontend.rest_server import RestServer
from wallpush import Publisher, encode_message, make_event_id
from wallpush.message import Message

RESOURCES = Path(__file__).with_name("resources.json")
NOW = datetime(2026, 11, 20, 11, 0, tzinfo=UTC)

WATCH_POLICY = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.effectiveDirective} ${event.blockedURI}`));
"""
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8" fill="teal"/></svg>'


class Wall:
    """The wall in Chromium, behind a real front and before a real push node."""

    def __init__(self, page, front, push_node, rest):
        self.page = page
        self.front = front
        self.push_node = push_node
        self.rest = rest
        self.publisher = Publisher(push_node.publish_url)
        self.sockets = []
        self.dialogs = []
        self.channels = set()
        page.on("websocket", lambda socket: self.sockets.append(socket.url))
        page.on("dialog", self.refuse_dialog)
        page.add_init_script(WATCH_POLICY)
        page.emulate_media(reduced_motion="reduce")
        page.context.route(lambda url: not url.startswith(front.url), serve_picture)

    def refuse_dialog(self, dialog):
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def open(self, query="", state="live"):
        self.page.clock.set_fixed_time(NOW)
        self.page.goto(f"{self.front.url}/{query}")
        self.page.locator(f"#state[data-state={state}]").wait_for()
        return self

    def show(self, *tweets, query=""):
        """Opens the wall with these tweets in the database; the card of the last."""
        self.rest.store(*tweets)
        self.open(query)
        self.wait_for_ids(*(tweet["id"] for tweet in tweets))
        return self.card(tweets[-1])

    def publish(self, *resources, channels=("global",)):
        self.channels.update(channels)
        messages = [
            Message(channels, encode_message(resource), make_event_id(resource.get("id", "0")))
            for resource in resources
        ]
        outcomes = self.publisher.publish_many(messages)
        assert [outcome.error for outcome in outcomes] == [None] * len(messages)

    def card(self, resource):
        return self.page.locator(f".card[data-id='{resource['id']}']")

    def ids(self):
        """Of the cards, in the order of their columns."""
        return self.page.evaluate("[...document.querySelectorAll('.card')].map(c => c.dataset.id)")

    def wait_for_ids(self, *ids):
        """Until these cards are there and no others."""
        self.page.wait_for_function(
            "ids => JSON.stringify([...document.querySelectorAll('.card')]"
            ".map(c => c.dataset.id).sort()) === JSON.stringify(ids)",
            arg=sorted(ids),
        )

    def close(self):
        # A page that resumes would be given what earlier tests published in the same seconds.
        for channel in self.channels:
            self.publisher.delete_channel(channel)
        self.publisher.close()
        violations = self.page.evaluate("window.violations")
        assert (self.dialogs, violations) == ([], [])


def serve_picture(route):
    if "/missing/" in route.request.url or route.request.url.endswith(".mp4"):
        route.abort()
    else:
        route.fulfill(body=PICTURE, content_type="image/svg+xml")


@pytest.fixture
def resources():
    return json.loads(RESOURCES.read_text())


@pytest.fixture
def make_tweet(resources):
    """Makes plain tweets, each a minute younger than the last."""
    count = 0

    def make(text="Hello", **fields):
        nonlocal count
        count += 1
        id = str(2120000000000100000 + count)
        created_at = NOW - timedelta(hours=12) + timedelta(minutes=count)
        return (
            resources[0]
            | {
                "id": id,
                "version": id,
                "url": f"https://x.com/lighthouse_conf/status/{id}",
                "created_at": created_at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                "text": text,
                "entities": [],
            }
            | fields
        )

    return make


@pytest.fixture(scope="session")
def shared_rest():
    server = RestServer()
    server.thread.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def shared_push_node(tmp_path_factory):
    publish_port, subscribe_port = free_ports(2)
    folder = tmp_path_factory.mktemp("push-node")
    node = PushNode(
        folder, publish_port=publish_port, subscribe_port=subscribe_port, shared_memory="64M"
    )
    yield node.start()
    node.stop()


@pytest.fixture(scope="session")
def shared_front(tmp_path_factory, shared_push_node, shared_rest):
    [port] = free_ports(1)
    front = Front(
        tmp_path_factory.mktemp("front"),
        port=port,
        push_node=f"127.0.0.1:{shared_push_node.subscribe_port}",
        django=shared_rest.address,
        static=tmp_path_factory.mktemp("static"),
    )
    yield front.start()
    front.stop()


@pytest.fixture
def wall(page, shared_front, shared_push_node, shared_rest):
    shared_rest.clear()
    wall = Wall(page, shared_front, shared_push_node, shared_rest)
    yield wall
    if shared_push_node.process is None:
        shared_push_node.start()
    wall.close()
