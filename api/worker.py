"""What a Celery worker does besides tasks: it reads a source, and sweeps the outbox."""

import sys
from functools import partial

from celery import bootsteps
from django.conf import settings

from .announcer import Announcer
from .reader import Reader
from .sources import SourceError, make_source
from .sweep import Sweep

SOURCE_OPTIONS = (
    *("replay_file", "replay_speed", "replay_loop"),
    *("x_base_url", "x_bearer_token", "x_tag_prefix", "x_retweets", "x_post_price", "x_user_price"),
    *("x_recheck_minutes", "x_recheck_reads"),
    *("bluesky_urls", "bluesky_api_url"),
)
POOL = "celery.worker.components:Pool"


def source_options():
    return {name: getattr(settings, f"WALLPUSH_{name.upper()}") for name in SOURCE_OPTIONS}


class SweepStep(bootsteps.StartStopStep):
    """In every worker: each publishes what is left over."""

    requires = (POOL,)

    def create(self, worker):
        return Sweep()


class SourceStep(bootsteps.StartStopStep):
    """In a worker started with --source. Stops before the sweep, which then publishes what came last."""

    # Threads start after the pool has forked: a fork takes their locks along, but not them.
    requires = (POOL, SweepStep)

    def __init__(self, worker, source=None, **options):
        self.source = source
        super().__init__(worker, **options)

    def include_if(self, worker):
        return self.source is not None

    def create(self, worker):
        make = partial(make_source, self.source, source_options())
        try:
            make()
        except SourceError as error:
            print(error, file=sys.stderr)
            raise SystemExit(2) from error
        return Reader(self.source, make, announce=Announcer())
