import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from api.serializers.resource import tweet_resource
from nginx.server import Front, PushNode
from tests.api.factories import store_resource
from tests.conftest import free_ports
from tests.frontend.django_server import DjangoServer
from wallpush import Publisher, encode_message, make_event_id
from wallpush.message import Message

# Playwright keeps an event loop in the thread of the tests, where Django then refuses every query.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

RESOURCES = Path(__file__).with_name("resources.json")
NOW = datetime(2026, 11, 20, 11, 0, tzinfo=UTC)

WATCH_POLICY = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.effectiveDirective} ${event.blockedURI}`));
"""
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8" fill="teal"/></svg>'


class Wall:
    """The wall in Chromium, behind a real front and before a real push node and the real Django."""

    def __init__(self, page, front, push_node, django):
        self.page = page
        self.front = front
        self.push_node = push_node
        self.django = django
        self.publisher = Publisher(push_node.publish_url)
        self.sockets = []
        self.requests = []
        self.dialogs = []
        self.channels = set()
        page.on("websocket", lambda socket: self.sockets.append(socket.url))
        page.on("request", self.note_request)
        page.on("dialog", self.refuse_dialog)
        page.add_init_script(WATCH_POLICY)
        page.emulate_media(reduced_motion="reduce")
        # A pattern is matched by the browser's side: a function would be asked about every module.
        page.context.route(re.compile(f"^(?!{re.escape(front.url)}/)"), serve_picture)

    def refuse_dialog(self, dialog):
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def note_request(self, request):
        if urlsplit(request.url).path == "/api/tweets/":
            self.requests.append(request)

    def queries(self):
        """What the page has asked of the history."""
        return [dict(parse_qsl(urlsplit(request.url).query)) for request in self.requests]

    def answer(self, number):
        """What it was told when it asked for the first time (0), the second time …"""
        return self.requests[number].response().json()

    def store(self, *resources):
        """Stores the tweets; REST shows them as exactly these resources."""
        rows = [store_resource(resource) for resource in resources]
        assert [tweet_resource(row) for row in rows] == list(resources)
        return rows

    def open(self, query="", state="live"):
        self.page.clock.set_fixed_time(NOW)
        self.page.goto(f"{self.front.url}/{query}")
        self.page.locator(f"#state[data-state={state}]").wait_for()
        return self

    def show(self, *tweets, query=""):
        """Opens the wall with these tweets in the database; the card of the last."""
        self.store(*tweets)
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
def shared_django():
    [port] = free_ports(1)
    server = DjangoServer(port)
    yield server.start()
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
def shared_front(tmp_path_factory, shared_push_node, shared_django):
    [port] = free_ports(1)
    front = Front(
        tmp_path_factory.mktemp("front"),
        port=port,
        push_node=f"127.0.0.1:{shared_push_node.subscribe_port}",
        django=shared_django.address,
        static=tmp_path_factory.mktemp("static"),
    )
    yield front.start()
    front.stop()


@pytest.fixture
def wall(transactional_db, settings, page, shared_front, shared_push_node, shared_django):
    settings.WALLPUSH_WALL_TITLE = "Lighthouse Conf"
    settings.WALLPUSH_WALL_SUBTITLE = "Post with #Lighthouse"
    wall = Wall(page, shared_front, shared_push_node, shared_django)
    yield wall
    if shared_push_node.process is None:
        shared_push_node.start()
    if shared_django.server is None:
        shared_django.start()
    wall.close()
