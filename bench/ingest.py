"""How fast tweets go from the stream's lines to a push node: wallpush against the seed style.

    python -m bench.ingest

All read the same lines and publish each tweet to three channels of the same push node. Ours: validate, store in
batches, publish from the outbox; as it is shipped, in one process with SQLite, and with PostgreSQL and Redis, where a
worker publishes what another process has stored. The seed style, in one process with SQLite: one `create()` and three
`requests.post()` per tweet. They take turns, and the median round counts. Takes about a minute.
"""

import itertools
import json
import tempfile
import time
from functools import partial
from pathlib import Path

import requests

from bench._comparison import free_ports, report, take_turns
from bench._seat import Seat, postgresql
from nginx.server import PushNode
from tests.engines.servers import Redis

ROUNDS = 7
COUNTS = {
    "wallpush": 3000,
    "wallpush, PostgreSQL and Redis": 3000,
    "seed style": 300,
}
LATEST = 60
TEXTS = (
    "Queues, pipelines &amp; a wall full of tweets: what we learned in one night #wall",
    "5 &lt; 6 &amp;&amp; everybody claps \U0001f389 #wall $TSLA",
    "@ada_l the talk about code points was worth the trip, see https://t.co/aaaaaaaaaa #wall",
    "Zażółć gęślą jaźń — and that is the whole slide. #wall",
)
URL = {
    "url": "https://t.co/aaaaaaaaaa",
    "expanded_url": "https://example.com/",
    "display_url": "e.c",
}
PHOTO = {"media_key": "3_1", "type": "photo", "url": "https://example.com/a.jpg", "width": 1200}

ids = itertools.count(2120000000000000001)


def make_lines(count):
    return [json.dumps(make_message(number)).encode() for number in range(count)]


def make_message(number):
    text, tweet_id, author_id = TEXTS[number % len(TEXTS)], str(next(ids)), str(number % 200 + 1)
    tweet = {
        "id": tweet_id,
        "text": text,
        "author_id": author_id,
        "created_at": "2026-11-20T10:00:00.000Z",
        "edit_history_tweet_ids": [tweet_id],
        "lang": "en",
        "possibly_sensitive": False,
        "entities": {"hashtags": [locate(text, "#wall", tag="wall")]},
    }
    includes = {"users": [make_user(author_id)]}
    if URL["url"] in text:
        tweet["entities"]["urls"] = [locate(text, URL["url"], **URL)]
    if number % 5 == 0:
        tweet["attachments"] = {"media_keys": ["3_1"]}
        includes["media"] = [PHOTO]
    rules = [{"id": "1166916266197536768", "tag": "wall"}]
    return {"data": tweet, "includes": includes, "matching_rules": rules}


def locate(text, piece, **parts):
    return {"start": text.index(piece), "end": text.index(piece) + len(piece), **parts}


def make_user(author_id):
    avatar = f"https://example.com/{author_id}_normal.jpg"
    return {
        "id": author_id,
        "name": f"Author {author_id}",
        "username": f"author_{author_id}",
        "profile_image_url": avatar,
    }


def ingest_with_wallpush(lines, publish_url):
    from api.announcer import Announcer, publish_here

    _ingest(lines, announce=Announcer(publish_here))
    _wait_until_published()


def ingest_with_worker(lines, publish_url):
    from api.announcer import Announcer

    _ingest(lines, announce=Announcer())
    _wait_until_published()


def _wait_until_published():
    from api.models import Tweet

    deadline = time.monotonic() + LATEST
    while Tweet.objects.filter(published_at=None).exists():
        assert time.monotonic() < deadline, "not all was published"
        time.sleep(0.01)


def _ingest(lines, announce):
    from api.ingest import Ingest
    from api.message_queue import MessageQueue

    queue = MessageQueue()
    for line in lines:
        queue.put(line)
    queue.close()
    Ingest("x", queue, announce=announce).run()


def ingest_in_seed_style(lines, publish_url):
    from django.utils import timezone

    from api.models import Author, Tweet

    # The authors are there already: the seed style is not made to look slower than it is.
    authors = {author.source_id: author for author in Author.objects.all()}
    for line in lines:
        message = json.loads(line)
        data = message["data"]
        author = authors[data["author_id"]]
        Tweet.objects.create(
            source="x",
            source_id=data["id"],
            version_id=data["id"],
            author=author,
            created_at=timezone.now(),
            changed_at=timezone.now(),
            published_at=timezone.now(),
            text=data["text"],
            raw=message,
        )
        for channel in ("global", f"user-{author.source_id}", "keyword-wall"):
            requests.post(
                f"{publish_url}/events/pub/{channel}", json=message, timeout=5
            ).raise_for_status()


WAYS = {
    "wallpush": ingest_with_wallpush,
    "wallpush, PostgreSQL and Redis": ingest_with_worker,
    "seed style": ingest_in_seed_style,
}


def measure(seats, node, way):
    return seats[way].call(find_rate, way, make_lines(COUNTS[way]), node.publish_url)


def find_rate(way, lines, publish_url):
    from api.models import Tweet

    before = Tweet.objects.exclude(published_at=None).count()
    start = time.perf_counter()
    WAYS[way](lines, publish_url)
    seconds = time.perf_counter() - start
    assert Tweet.objects.exclude(published_at=None).count() == before + len(lines)
    return len(lines) / seconds


def main():
    publish_port, subscribe_port = free_ports()
    redis = Redis().start()
    try:
        with tempfile.TemporaryDirectory(prefix="wallpush-bench-") as name, postgresql() as server:
            folder = Path(name)
            node = PushNode(folder, publish_port=publish_port, subscribe_port=subscribe_port)
            url = server.create_database("bench")
            compare(node, folder, {"DATABASE_URL": url, "CELERY_BROKER_URL": redis.url})
    finally:
        redis.stop()


def compare(node, folder, engines):
    push = {"WALLPUSH_PUBLISH_URLS": node.publish_url}
    sqlite = {"DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3"}
    with (
        Seat(folder, **sqlite, **push) as embedded,
        Seat(folder, **engines, **push) as large,
        large.worker(),
    ):
        seats = dict(zip(WAYS, (embedded, large, embedded), strict=True))
        rates = take_turns(node, list(WAYS), partial(measure, seats), rounds=ROUNDS)
    title = "tweets/s ingested, stored, published to 3 channels"
    report("ingest", node, title, rates, ours="wallpush", other="seed style")


if __name__ == "__main__":
    main()
