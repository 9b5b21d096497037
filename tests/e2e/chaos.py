"""Kills, stops, locks and fills up whatever there is while tweets flow: `make chaos`.

    python -m tests.e2e.chaos --faults 100 --seed 1
    python -m tests.e2e.chaos --engines            # with PostgreSQL and Redis, which die too

The whole stack runs as a person starts it, on the stand-in for X, in a folder with a small disk of its own where that
can be had. Subscribers of each kind and a wall in Chromium watch through the front. After each fault a tweet is written
and must be on every screen before the next fault: nobody lends a hand. In the end, what X sent must be in the store
once, and on every screen what is in the store, once.

Prints a table of the faults and, as its last line, JSON. Exits with 1, and keeps the logs, if something is missing.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright

from tests.conftest import CHROMIUM
from tests.e2e.conftest import Stack
from tests.e2e.processes import children, find_program
from tests.e2e.soak_x import Poster, judge, make_environment, open_database, read_rows
from tests.e2e.watchers import WATCHERS, wait_for_all
from tests.engines.servers import PostgreSQL, Redis
from tests.x_server import XServer

# Seconds until a tweet that was written after a fault must be on every screen.
RECOVERY = 120
CALM = 180
DISK = "400m"
# As many as frontend/js/wall.js keeps on the page.
MAX_CARDS = 200

# Counts the cards of each id that are on the page at the same time.
WATCH_CARDS = """
window.twice = new Set();
new MutationObserver(() => {
  const ids = [...document.querySelectorAll(".card")].map((card) => card.dataset.id);
  ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => window.twice.add(id));
}).observe(document, { childList: true, subtree: true });
"""


class Faults:
    """What can happen, each by its name. Each is over when it returns."""

    _locking = ("begin immediate",)

    def __init__(self, stack, chance):
        self._stack, self._chance = stack, chance

    def kill_worker(self):
        self._kill(self._find("celery"))

    def stop_worker(self):
        self._halt(self._find("celery"))

    def kill_pool_process(self):
        self._kill(self._find_child("celery"))

    def stop_pool_process(self):
        self._halt(self._find_child("celery"))

    def kill_push_node(self):
        self._kill(self._find("/nginx/push"))

    def kill_worker_of_push_node(self):
        self._kill(self._find_child("/nginx/push"))

    def stop_worker_of_push_node(self):
        self._halt(self._find_child("/nginx/push"))

    def kill_front(self):
        self._kill(self._find("/nginx/front"))

    def kill_worker_of_front(self):
        self._kill(self._find_child("/nginx/front"))

    def stop_worker_of_front(self):
        self._halt(self._find_child("/nginx/front"))

    def kill_gunicorn(self):
        self._kill(self._find("gunicorn"))

    def kill_worker_of_gunicorn(self):
        self._kill(self._find_child("gunicorn"))

    def stop_worker_of_gunicorn(self):
        self._halt(self._find_child("gunicorn"))

    def lock_database(self):
        with closing(open_database(self._stack)) as database:
            for statement in self._locking:
                database.execute(statement)
            time.sleep(self._chance.uniform(1, 8))
            database.execute("rollback")

    def fill_disk(self):
        ballast = self._stack.folder / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:  # no room left
            while True:
                file.write(bytes(65536))
        time.sleep(self._chance.uniform(1, 5))
        ballast.unlink()

    def _find(self, name):
        return find_program(self._stack.process.pid, name)

    def _find_child(self, name):
        found = [] if (pid := self._find(name)) is None else children(pid)
        return self._chance.choice(found) if found else None

    def _kill(self, pid):
        if pid is not None:  # it may just be on its way back from the last fault
            os.kill(pid, signal.SIGKILL)

    def _halt(self, pid):
        if pid is None:
            return
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self._chance.uniform(1, 12))
        with contextlib.suppress(ProcessLookupError):  # somebody may have given up waiting for it
            os.kill(pid, signal.SIGCONT)


class FaultsOfEngines(Faults):
    """Those of PostgreSQL and Redis beside the others."""

    _locking = ("begin", "lock table api_tweet in access exclusive mode")

    def __init__(self, stack, chance, postgresql, redis):
        super().__init__(stack, chance)
        self._postgresql, self._redis = postgresql, redis

    def kill_postgresql(self):
        self._restart(self._postgresql, self._postgresql.kill)

    def restart_postgresql(self):
        self._restart(self._postgresql, self._postgresql.end)

    def kill_redis(self):
        self._restart(self._redis, self._redis.kill)

    def stop_redis(self):
        self._halt(self._redis.process.pid)

    def _restart(self, server, end):
        end()
        time.sleep(self._chance.uniform(0, 5))
        server.start()


def list_names(faults):
    """Kills twice: they are the hardest, and what happens most."""
    names = sorted(name for name in dir(faults) if not name.startswith("_"))
    return names + [name for name in names if name.startswith("kill")]


class WallPage:
    """A wall in Chromium."""

    kind = "wall"

    def __init__(self, browser, url):
        self._page = browser.new_page()
        self._page.add_init_script(WATCH_CARDS)
        self._page.goto(url)

    @property
    def shown(self):
        return set(
            self._page.evaluate("[...document.querySelectorAll('.card')].map(c => c.dataset.id)")
        )

    def has(self, post_id):
        """A full wall shows the newest only: what is older than all of those has had its time."""
        shown = self.shown
        is_full = len(shown) >= MAX_CARDS
        return post_id in shown or (is_full and int(post_id) < min(map(int, shown)))

    def find_twice(self):
        return self._page.evaluate("[...window.twice]")

    def close(self):
        self._page.close()


def cause(stack, x, browser, *, names, count, seed, rate, make_faults=Faults, tell=print):
    """Causes so many faults, one after the other. The result, for the last line."""
    chance = random.Random(seed)
    faults = make_faults(stack, chance)
    poster = Poster(x, random.Random(seed + 1), rate)
    watchers = [kind(stack.front_url) for kind in WATCHERS]
    recoveries = defaultdict(list)
    wall = WallPage(browser, stack.front_url)
    for thread in (*watchers, poster):
        thread.start()
    try:
        for number in range(count):
            name = names[number] if number < len(names) else chance.choice(names)
            getattr(faults, name)()
            seconds = recover(x, [*watchers, wall])
            recoveries[name].append(seconds)
            tell(f"{number + 1:4}  {name.replace('_', ' '):28} {seconds:5.1f} s")
        poster.stopping.set()
        poster.join()
        lost = wait_for_calm(stack, x, poster, [*watchers, wall], tell)
        twice = len(wall.find_twice()) + read_rows(stack)[1]
    finally:
        for watcher in watchers:
            watcher.stop()
        poster.stopping.set()
        wall.close()
    return {
        "seed": seed,
        "faults": sum(map(len, recoveries.values())),
        "kills": sum(len(recoveries[name]) for name in recoveries if name.startswith("kill")),
        "by_fault": {name: summarize(seconds) for name, seconds in sorted(recoveries.items())},
        "posts": len(poster.ids),
        "connections": {watcher.kind: watcher.connections for watcher in watchers},
        "repeats": {watcher.kind: watcher.repeats for watcher in watchers},
        "lost": len(lost),
        "twice": twice,
    }


def recover(x, screens):
    """Seconds until a tweet written now is on every screen."""
    started = time.monotonic()
    post_id = x.publish(x.world.compose("#wall still here?", author="probe"))
    if left := wait_for_all(screens, lambda screen: screen.has(post_id), RECOVERY):
        raise AssertionError(f"{post_id} is not on {', '.join(left)} after {RECOVERY} s")
    return time.monotonic() - started


def wait_for_calm(stack, x, poster, screens, tell):
    """What is missing in the store, and on any screen of what is shown, once nothing happens any more."""
    deadline = time.monotonic() + CALM
    while True:
        rows, _ = read_rows(stack)
        missing, stale = judge(x, poster, rows)
        differing = compare(rows, screens)
        lost = missing | stale | differing
        if not lost or time.monotonic() > deadline:
            return lost
        tell(
            f"      calm: not stored {sorted(missing)[:3]}, not removed {sorted(stale)[:3]},"
            f" otherwise on screens {sorted(differing)[:3]}"
        )
        time.sleep(3)


def compare(rows, screens):
    """The ids in which a screen and the store differ. The wall keeps its newest cards only."""
    stored = {tweet_id for tweet_id, row in rows.items() if row[2]}
    differing = set()
    for screen in screens:
        shown = set(screen.shown)
        differing |= shown - stored
        if not isinstance(screen, WallPage):
            differing |= stored - shown
    return differing


def summarize(seconds):
    return {
        "times": len(seconds),
        "median_s": round(median(seconds), 1),
        "max_s": round(max(seconds), 1),
    }


@contextlib.contextmanager
def small_disk(folder):
    """A disk of its own for the folder. False where this machine does not allow to mount one."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder]
    mounted = subprocess.run(command, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", folder], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=5, help="posts a second")
    parser.add_argument("--engines", action="store_true", help="PostgreSQL and Redis")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="wallpush-chaos-"))
    with small_disk(folder) as has_disk, XServer() as x, ExitStack() as engines:
        environment, make_faults = {}, Faults
        if options.engines:
            environment, make_faults = start_engines(engines)
        names = list_names(make_faults.func if options.engines else make_faults)
        if not has_disk:
            print("No disk of its own can be mounted here: none is filled.")
            names.remove("fill_disk")
        stack = Stack(folder, **make_environment(x) | environment).start()
        try:
            result = cause(
                stack,
                x,
                engines.enter_context(open_chromium()),
                names=names,
                count=options.faults,
                seed=options.seed,
                rate=options.rate,
                make_faults=make_faults,
            )
        finally:
            stack.stop()
            keep_logs(folder)
    for name, told in result["by_fault"].items():
        row = f"{told['times']:5}  {name.replace('_', ' '):28}"
        print(f"{row} back after {told['median_s']} s, at most {told['max_s']} s")
    print(json.dumps(result))
    if result["lost"] or result["twice"]:
        sys.exit("Something was lost or shown twice. The logs are in the folder named above.")


@contextlib.contextmanager
def open_chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)
        yield browser
        browser.close()


def start_engines(engines):
    """Settings for the stack, and the faults of both. They end with `engines`, an ExitStack."""
    postgresql, redis = PostgreSQL(fsync=True), Redis()
    for server in (postgresql, redis):
        engines.callback(server.stop)
        server.start()
    environment = {
        "DATABASE_URL": postgresql.create_database("wall"),
        "CELERY_BROKER_URL": redis.url,
    }
    return environment, partial(FaultsOfEngines, postgresql=postgresql, redis=redis)


def keep_logs(folder):
    kept = Path(tempfile.mkdtemp(prefix="wallpush-chaos-logs-"))
    for path in (folder / "log").glob("*.log"):
        kept.joinpath(path.name).write_bytes(path.read_bytes())
    print(f"Logs: {kept}")


if __name__ == "__main__":
    main()
