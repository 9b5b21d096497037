"""A wall on engines of its own: a real worker that replays, and what its database holds."""

from pathlib import Path

import psycopg

from tests.api.worker_process import Worker, make_lines
from tests.engines.environment import wall_environment

# More than any test waits for.
ENDLESS = 20_000


class Wall:
    def __init__(self, folder, push_node, database, broker):
        self.folder = folder
        self.database = database
        self.env = wall_environment(
            DATABASE_URL=database,
            CELERY_BROKER_URL=broker.url,
            WALLPUSH_VAR=str(folder),
            WALLPUSH_PUBLISH_URLS=push_node.publish_url,
            WALLPUSH_SUBSCRIBE_URLS=push_node.subscribe_url,
            WALLPUSH_PUBLISH_TIMEOUT="1",
            WALLPUSH_REPLAY_LOOP="false",
        )
        self.worker = None

    def replay(self, count=ENDLESS, *, speed):
        """Starts a worker that reads so many tweets, which say 0, 1, 2 and so on."""
        replay = self.folder / "replay.jsonl"
        replay.write_bytes(b"".join(line + b"\n" for line in make_lines(count)))
        env = self.env | {
            "WALLPUSH_REPLAY_FILE": str(replay),
            "WALLPUSH_REPLAY_SPEED": str(speed),
        }
        arguments = ("--source", "replay", "--loglevel", "INFO")
        self.worker = Worker(env, self.folder / "worker.log", *arguments)
        return self.worker

    def ask(self, query, *values):
        """The first column of what the database answers."""
        with psycopg.connect(self.database) as connection:
            return [row[0] for row in connection.execute(query, values)]

    def stored(self):
        """What the stored tweets say."""
        return sorted(int(text) for text in self.ask("SELECT text FROM api_tweet"))

    def waiting(self, before="infinity"):
        """How many tweets that were stored before this moment are not published."""
        [number] = self.ask(
            "SELECT count(*) FROM api_tweet WHERE published_at IS NULL AND stored_at < %s", before
        )
        return number

    def published_at_once_since(self, moment):
        """How many tweets went out sooner than the sweep looks for them: the broker brought the task."""
        [number] = self.ask(
            "SELECT count(*) FROM api_tweet WHERE stored_at >= %s"
            " AND published_at < stored_at + interval '1.5 seconds'",
            moment,
        )
        return number

    def now(self):
        [moment] = self.ask("SELECT now()")
        return moment

    def log(self):
        return self.worker.log.read_text()

    def memory(self):
        """Bytes that the worker's main process holds; it reads, stores and sweeps."""
        pages = Path(f"/proc/{self.worker.process.pid}/statm").read_text().split()[1]
        return int(pages) * 4096

    def close(self):
        if self.worker and self.worker.process.poll() is None:
            self.worker.kill()
