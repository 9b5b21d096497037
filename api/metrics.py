"""How things stand as numbers, in the format of Prometheus. The same facts as /api/health/ and /api/stats/."""

from datetime import datetime

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

from .health import FAILED, OK, read_health
from .sources.source import CONNECTED
from .status import read_stats

CONTENT_TYPE = CONTENT_TYPE_LATEST


def render_metrics():
    """The text, as bytes. With the database away it says so, and nothing else."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Metrics(read_health()))
    return generate_latest(registry)


class Metrics:
    def __init__(self, health):
        self.health = health

    def collect(self):
        yield _gauge("failed", "1 if a person is needed now.", self.health["status"] == FAILED)
        if not self.health["sources"]:
            return
        yield from self._collect_sources()
        yield from self._collect_push_nodes()
        yield from _collect_store(read_stats())

    def _collect_sources(self):
        sources = {source["source"]: source for source in self.health["sources"]}

        def each(name, text, read):
            return _gauges(f"source_{name}", text, "source", sources, read)

        yield each("connected", "1 while the source sends.", lambda it: it["state"] == CONNECTED)
        yield each("lag_seconds", "From a tweet's own time to its arrival.", lambda it: it["lag"])
        yield each(
            "tweets_per_minute", "Stored, over five minutes.", lambda it: it["tweets_per_minute"]
        )
        yield each(
            "gaps_open", "Times in which tweets may be missed.", lambda it: it["gaps"]["open"]
        )
        yield each(
            "rejected", "Messages of 24 h that were no tweets.", lambda it: it["rejected"]["count"]
        )
        yield each(
            "read_dollars",
            "What reading has cost since 00:00 UTC.",
            lambda it: it["reads"]["dollars"],
        )

    def _collect_push_nodes(self):
        nodes = {node["name"]: node for node in self.health["push_nodes"]}

        def each(name, text, read):
            return _gauges(f"push_node_{name}", text, "node", nodes, read)

        yield each("delivers", "1 while canaries come back.", lambda it: it["status"] == OK)
        yield each(
            "last_proof_timestamp_seconds",
            "When the last canary came back.",
            lambda it: _to_seconds(it["last_proof_at"]),
        )
        yield each(
            "round_trip_seconds",
            "How long a canary takes.",
            lambda it: None if it["round_trip"] is None else it["round_trip"] / 1000,
        )
        yield each("missed", "Messages kept for it until it is back.", lambda it: it["missed"])


def _collect_store(stats):
    yield _gauge("tweets", "Tweets in the store.", stats["tweets"])
    yield _gauge("tweets_unpublished", "Stored, and not yet published.", stats["unpublished"])
    messages = CounterMetricFamily(
        "wallpush_messages", "What became of messages of sources.", labels=["outcome"]
    )
    for outcome, count in stats["messages"].items():
        messages.add_metric([outcome], count["total"])
    yield messages


def _gauge(name, text, value):
    return GaugeMetricFamily(f"wallpush_{name}", text, value=float(value))


def _gauges(name, text, label, parts, read):
    """One value for each part; none for what is not known."""
    family = GaugeMetricFamily(f"wallpush_{name}", text, labels=[label])
    for part, facts in parts.items():
        if (value := read(facts)) is not None:
            family.add_metric([part], float(value))
    return family


def _to_seconds(moment):
    return moment and datetime.fromisoformat(moment).timestamp()
