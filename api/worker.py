"""What a Celery worker does besides tasks: it reads a source, and sweeps the outbox."""

import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from celery import bootsteps
from django.conf import settings

from .announcer import Announcer, publish_here
from .canary import Canary
from .catch_up import CatchUp
from .ledger import StoredLedger
from .missed import forget_others
from .publish import get_publisher
from .push_nodes import read_push_nodes
from .reader import Reader
from .retention import Retention
from .sources import SourceError, make_source
from .sweep import Sweep
from .tracks import sync_settings_tracks

SOURCE_OPTIONS = (
    *("replay_file", "replay_speed", "replay_loop"),
    *("x_base_url", "x_bearer_token", "x_tag_prefix", "x_retweets", "x_post_price", "x_user_price"),
    *("x_recheck_minutes", "x_recheck_reads"),
    *("bluesky_urls", "bluesky_api_url"),
)
POOL = "celery.worker.components:Pool"

logger = logging.getLogger(__name__)


def source_options():
    return {name: getattr(settings, f"WALLPUSH_{name.upper()}") for name in SOURCE_OPTIONS}


class SweepStep(bootsteps.StartStopStep):
    """In every worker: each publishes what is left over."""

    requires = (POOL,)

    def create(self, worker):
        return Sweep()


class RetentionStep(bootsteps.StartStopStep):
    """In every worker: what is too old goes."""

    requires = (POOL,)

    def create(self, worker):
        return Retention()


class CatchUpStep(bootsteps.StartStopStep):
    """In every worker, where there are several push nodes: what one missed, it gets apart."""

    requires = (POOL,)

    def create(self, worker):
        nodes = get_publisher().nodes
        forget_others(nodes)
        return Together([CatchUp(node) for node in nodes] if len(nodes) > 1 else [])


class CanaryStep(bootsteps.StartStopStep):
    """In every worker: each proves that the push nodes deliver."""

    requires = (POOL,)

    def create(self, worker):
        nodes = read_push_nodes()
        for node in nodes:
            if not node.subscribe_url:
                logger.warning(
                    "Nobody sees whether %s (%s) delivers: WALLPUSH_SUBSCRIBE_URLS does not name it.",
                    node,
                    node.name,
                )
        return Together([Canary(node) for node in nodes if node.subscribe_url])


class SourceStep(bootsteps.StartStopStep):
    """In a worker started with --source. Stops before the sweep, which then publishes what came last."""

    # Threads start after the pool has forked: a fork takes their locks along, but not them.
    requires = (POOL, SweepStep)

    def __init__(self, worker, source=None, **options):
        self.sources = read_names(source)
        super().__init__(worker, **options)

    def include_if(self, worker):
        return bool(self.sources)

    def create(self, worker):
        sync_settings_tracks(settings.WALLPUSH_KEYWORDS)
        return Together([self._make_reader(name) for name in self.sources])

    def _make_reader(self, name):
        make = partial(make_source, name, source_options(), StoredLedger(name))
        try:
            make()
        except SourceError as error:
            print(error, file=sys.stderr)
            raise SystemExit(2) from error
        announce = Announcer(publish_here) if settings.EMBEDDED_BROKER else Announcer()
        return Reader(name, make, announce=announce)


class Together:
    """Threads of one kind, started and stopped together."""

    def __init__(self, parts):
        self.parts = parts

    def start(self):
        for part in self.parts:
            part.start()

    def stop(self):
        with ThreadPoolExecutor(len(self.parts) or 1) as threads:
            list(threads.map(lambda part: part.stop(), self.parts))


def read_names(value):
    return list(dict.fromkeys(name.strip() for name in (value or "").split(",") if name.strip()))
