"""Half an hour of an X that misbehaves: `make soak`, or `python -m tests.e2e.soak_x --minutes 30 --seed 1`.

The whole stack runs as a person starts it, on the stand-in for X. Posts are written the whole time, some edited, some
deleted; meanwhile X closes, stalls, cuts, refuses, repeats and reorders, its rules are changed by us and by others,
and the worker is killed. Everything is drawn from the seed. In the end X is left in peace, and everything that it
still could serve must be stored exactly once, and everything that is gone there must be gone here.

Prints a table of what was done and, as its last line, JSON. Exits with 1, and keeps the logs, if something is missing.
"""

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from tests.e2e.conftest import PROJECT, Stack
from tests.e2e.processes import find_program
from tests.x_server import LOOKUP_PATH, OPERATIONAL_DISCONNECT, RULES_PATH, SEARCH_PATH, XServer

AUTHORS = [f"author_{number}" for number in range(40)]
SUBJECTS = (
    "#wall",
    "tea ceremony",
    "#wall and a tea ceremony",
    "#wall #extra",
    "Größe #wall 🎉 &amp; more",
)
PROBLEMS = [
    {"title": "ConnectionException", "connection_issue": "TooManyConnections"},
    {
        "errors": [
            {"title": "UsageCapExceeded", "type": "https://api.x.com/2/problems/usage-capped"}
        ]
    },
    {"something_new": {"hello": 1}},
    "not json at all",
]
# Of a hundred posts.
EDITED, DELETED, RETWEETED, QUOTING = 3, 3, 5, 5
CALM = 300


class Poster(threading.Thread):
    """Writes posts until it is stopped."""

    def __init__(self, x, chance, rate):
        super().__init__(name="poster", daemon=True)
        self.x = x
        self.chance = chance
        self.rate = rate
        self.is_reordering = False
        self.stopping = threading.Event()
        self.ids = []
        self.deleted = set()

    def run(self):
        while not self.stopping.wait(self.chance.expovariate(self.rate)):
            messages = [self.compose() for _ in range(4 if self.is_reordering else 1)]
            if self.is_reordering:
                self.chance.shuffle(messages)
                self.is_reordering = False
            for message in messages:
                self.ids.append(self.x.publish(message))
            self.change_another()

    def compose(self):
        number = self.chance.randrange(100)
        references = {}
        if self.ids and number < QUOTING:
            references["quote"] = self.pick()
        elif self.ids and number < QUOTING + RETWEETED:
            references["retweet"] = self.find_original(self.pick())
        text = f"{self.chance.choice(SUBJECTS)} number {len(self.ids)}"
        return self.x.world.compose(text, author=self.chance.choice(AUTHORS), **references)

    def change_another(self):
        number = self.chance.randrange(100)
        if number < EDITED and self.is_whole(edited := self.pick()):
            self.ids.append(self.x.world.edit(edited, f"#wall edited {len(self.ids)}"))
        elif number < EDITED + DELETED:
            deleted = self.pick()
            for version in self.x.world.posts[deleted]["edit_history_tweet_ids"]:
                self.x.world.delete(version)
                self.deleted.add(version)

    def pick(self):
        """Of the newest, as people do."""
        return self.chance.choice(self.ids[-200:])

    def find_original(self, post_id):
        """X has no retweets of retweets: whoever repeats one repeats its original."""
        references = self.x.world.posts[post_id].get("referenced_tweets", [])
        originals = [ref["id"] for ref in references if ref["type"] == "retweeted"]
        return originals[0] if originals else post_id

    def is_whole(self, post_id):
        """Neither deleted nor an old version nor a retweet."""
        post = self.x.world.posts[post_id]
        newest = post["edit_history_tweet_ids"][-1] == post_id
        return newest and post_id not in self.deleted and not post.get("referenced_tweets")


class Troubles:
    """What can go wrong, each by its name."""

    def __init__(self, stack, x, poster, chance):
        self.stack, self.x, self.poster, self.chance = stack, x, poster, chance
        self.is_extra_tracked = False

    def close(self):
        self.x.close()

    def say_why_and_close(self):
        self.x.send(OPERATIONAL_DISCONNECT)
        self.x.close()

    def cut_in_a_line(self):
        self.x.cut('{"data":{"id":"2120000000000000001","te')

    def pull_the_cable(self):
        self.x.hang_up()

    def stall(self):
        self.x.stall()

    def refuse_503(self):
        self.x.close()
        self.x.refuse(503, {"title": "Service Unavailable"})

    def refuse_429(self):
        self.x.close()
        self.x.refuse(429, {"title": "Too Many Requests"}, self._make_limit())

    def repeat(self):
        for line in self.chance.sample(self.x.sent[-50:], min(5, len(self.x.sent))):
            self.x.send(line)

    def reorder(self):
        self.poster.is_reordering = True

    def report_a_problem(self):
        self.x.send(self.chance.choice(PROBLEMS))

    def change_dialect(self):
        self.x.dialect = "" if self.x.dialect == "post" else "post"

    def refuse_searches(self):
        self._refuse_next(SEARCH_PATH)

    def refuse_lookups(self):
        self._refuse_next(LOOKUP_PATH)

    def refuse_rules(self):
        self._refuse_next(RULES_PATH)

    def change_tracks(self):
        self._manage("track", "remove" if self.is_extra_tracked else "add", "#extra")
        self.is_extra_tracked = not self.is_extra_tracked

    def add_a_foreign_rule(self):
        self.x.rules.add(f"cats {len(self.x.rules)}", tag="somebody else")

    def lose_our_rules(self):
        theirs = [
            rule for rule in self.x.rules.stored if not rule.get("tag", "").startswith("wallpush:")
        ]
        self.x.rules.stored[:] = theirs
        self.x.close()

    def kill_the_worker(self):
        if worker := find_program(self.stack.process.pid, "celery"):
            os.kill(worker, signal.SIGKILL)

    def _refuse_next(self, path):
        self.x.refuse_next(path, self.chance.choice((429, 503)), headers=self._make_limit())

    def _make_limit(self):
        return {"x-rate-limit-reset": str(int(time.time()) + self.chance.randrange(5, 15))}

    def _manage(self, *arguments):
        subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=self.stack.full_environment,
            check=True,
            capture_output=True,
        )


NAMES = sorted(name for name in vars(Troubles) if not name.startswith("_"))


def open_database(stack):
    """A connection to the database of the stack, to be closed."""
    if url := stack.environment.get("DATABASE_URL"):
        return psycopg.connect(url, autocommit=True)
    return sqlite3.connect(stack.folder / "db.sqlite3", timeout=20, isolation_level=None)


def read_rows(stack):
    """Of every tweet: its id → the newest version, its text, and whether it is shown; and how many were stored twice."""
    tweets = (
        "select source_id, version_id, text, removed_at is null from api_tweet where source = 'x'"
    )
    stored = "select coalesce(sum(count), 0) from api_tally where outcome = 'stored'"
    with closing(open_database(stack)) as database:
        rows = database.execute(tweets).fetchall()
        [(total,)] = database.execute(stored).fetchall()
    return {row[0]: row[1:] for row in rows}, int(total) - len(rows)


def judge(x, poster, rows):
    """The ids that X could serve and that are not here, and those that are here and gone at X."""
    missing, stale = set(), set()
    sent = {json.loads(line)["data"]["id"] for line in list(x.sent) if line.startswith(b'{"data"')}
    for post_id, post in list(x.world.posts.items()):
        chain = post["edit_history_tweet_ids"]
        row = rows.get(chain[0])
        if chain[-1] != post_id:
            continue
        if lost(x, post):
            stale |= {post_id} if row and row[2] else set()
        elif is_retweet(post) and post_id not in sent:
            continue  # a search does not find it
        elif not row or not row[2] or row[0] != post_id:
            missing.add(post_id)
    return missing, stale


def is_retweet(post):
    return any(ref["type"] == "retweeted" for ref in post.get("referenced_tweets", []))


def lost(x, post):
    """A retweet is gone with its original."""
    originals = [
        ref["id"] for ref in post.get("referenced_tweets", []) if ref["type"] == "retweeted"
    ]
    return any(x.world.find_loss(post_id) for post_id in [post["id"], *originals])


def soak(stack, x, *, seconds, seed, rate, names, every, tell=print):
    """Runs it. The result, for the last line."""
    chance = random.Random(seed)
    poster = Poster(x, random.Random(seed + 1), rate)
    troubles = Troubles(stack, x, poster, chance)
    done = Counter()
    x.wait_until_connected()
    poster.start()
    started = time.monotonic()
    while time.monotonic() < started + seconds:
        time.sleep(chance.expovariate(1 / every))
        name = chance.choice(names)
        # What happens on a connection waits for one: otherwise the stream would be closed all the time.
        wait_for_connection(x, started + seconds)
        getattr(troubles, name)()
        done[name] += 1
        tell(
            f"{time.monotonic() - started:6.0f} s  {name.replace('_', ' ')}; {len(poster.ids)} posts"
        )
    poster.stopping.set()
    poster.join()
    missing, stale, twice = wait_for_calm(stack, x, poster, tell)
    charged = x.charged.get(datetime.now(UTC).date())
    return {
        "seed": seed,
        "posts": len(poster.ids),
        "sent": len(x.sent),
        "connections": x.connections,
        "faults": done.total(),
        "by_fault": dict(sorted(done.items())),
        "charged_posts": len(charged.posts) if charged else 0,
        "missing": len(missing),
        "stale": len(stale),
        "twice": twice,
    }


def wait_for_connection(x, deadline):
    while not x.connected and time.monotonic() < deadline:
        time.sleep(0.1)


def wait_for_calm(stack, x, poster, tell):
    """X is left in peace; what is not here after some minutes stays away."""
    deadline = time.monotonic() + CALM
    while True:
        rows, twice = read_rows(stack)
        missing, stale = judge(x, poster, rows)
        if not (missing or stale) or time.monotonic() > deadline:
            return missing, stale, twice
        tell(
            f"  calm: {len(missing)} not here yet {sorted(missing)[:3]},"
            f" {len(stale)} not gone yet {sorted(stale)[:3]}"
        )
        time.sleep(5)


def make_environment(x):
    return {
        "WALLPUSH_SOURCE": "x",
        "WALLPUSH_X_BASE_URL": x.url,
        "WALLPUSH_X_BEARER_TOKEN": x.token,
        "WALLPUSH_KEYWORDS": "#wall,tea ceremony",
        "WALLPUSH_X_RECHECK_MINUTES": "0.5",
        # Half an hour of messages in three channels, each kept for a quarter of an hour.
        "WALLPUSH_PUSH_MEMORY": "512M",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=5, help="posts a second")
    parser.add_argument(
        "--every", type=float, default=12, help="seconds between faults, on average"
    )
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="wallpush-soak-"))
    with XServer() as x:
        x.world.index_lag = 8.0
        stack = Stack(folder, **make_environment(x)).start()
        try:
            result = soak(
                stack,
                x,
                seconds=60 * options.minutes,
                seed=options.seed,
                rate=options.rate,
                names=NAMES,
                every=options.every,
            )
        finally:
            stack.stop()
    for name, count in result["by_fault"].items():
        print(f"{count:5}  {name.replace('_', ' ')}")
    print(json.dumps(result))
    if result["missing"] or result["stale"] or result["twice"]:
        sys.exit(f"The logs are in {folder}.")


if __name__ == "__main__":
    main()
