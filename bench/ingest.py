"""How fast tweets go from the stream's lines to a push node: wallpush against the seed style.

    python -m bench.ingest

Both read the same lines, write to the same SQLite file and publish each tweet to three channels of
the same push node. Ours: validate, store in batches, publish from the outbox. The seed style: one
`create()` and three `requests.post()` per tweet. They take turns, and the median round counts.
Takes about 20 seconds.
"""

import itertools
import json
import os
import tempfile
import time
from pathlib import Path

import django
import requests

from bench._comparison import free_ports, report, take_turns
from nginx.server import PushNode

folder = tempfile.TemporaryDirectory(prefix="wallpush-bench-")
publish_port, subscribe_port = free_ports()
os.environ |= {
    "DJANGO_SETTINGS_MODULE": "api.settings",
    "WALLPUSH_ENV_FILE": str(Path(folder.name) / ".env"),
    "WALLPUSH_VAR": folder.name,
    "WALLPUSH_SECRET_KEY": "bench",
    "WALLPUSH_PUBLISH_URLS": f"http://127.0.0.1:{publish_port}",
    "WALLPUSH_LOG_LEVEL": "ERROR",
    "DATABASE_URL": f"sqlite:///{folder.name}/bench.sqlite3",
}
django.setup()

from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

from api.ingest import Ingest  # noqa: E402
from api.message_queue import MessageQueue  # noqa: E402
from api.models import Author, Tweet  # noqa: E402
from api.publish import publish_tweets  # noqa: E402

ROUNDS = 5
COUNTS = {"wallpush": 2000, "seed style": 300}
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


def ingest_with_wallpush(node, lines):
    queue = MessageQueue()
    for line in lines:
        queue.put(line)
    queue.close()
    Ingest("x", queue, announce=publish_tweets).run()


def ingest_in_seed_style(node, lines):
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
                f"{node.publish_url}/events/pub/{channel}", json=message, timeout=5
            ).raise_for_status()


WAYS = {"wallpush": ingest_with_wallpush, "seed style": ingest_in_seed_style}


def measure(node, way):
    lines = make_lines(COUNTS[way])
    before = Tweet.objects.exclude(published_at=None).count()
    start = time.perf_counter()
    WAYS[way](node, lines)
    seconds = time.perf_counter() - start
    assert Tweet.objects.exclude(published_at=None).count() == before + len(lines)
    return len(lines) / seconds


def main():
    call_command("migrate", verbosity=0)
    with folder:
        node = PushNode(folder.name, publish_port=publish_port, subscribe_port=subscribe_port)
        rates = take_turns(node, list(WAYS), measure, rounds=ROUNDS)
    title = "tweets/s ingested, stored, published to 3 channels"
    report("ingest", node, title, rates, ours="wallpush", other="seed style")


if __name__ == "__main__":
    main()
