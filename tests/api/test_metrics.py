from decimal import Decimal

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from api import health
from api.models import Lease, PushNodeState, ReadDay, SourceState, Tally
from tests.api.factories import make_tweet

pytestmark = pytest.mark.django_db


def read_metrics(client):
    """Every sample as Prometheus reads it: name, labels → value."""
    # As Prometheus asks.
    accept = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5"
    answer = client.get("/api/metrics/", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.content.decode())
    samples = [sample for family in families for sample in family.samples]
    return {(it.name, *sorted(it.labels.values())): it.value for it in samples}


def test_metrics_tell_of_source_store_and_money(client, settings):
    settings.WALLPUSH_SOURCE = ["x", "bluesky"]
    settings.WALLPUSH_X_POST_PRICE = Decimal("0.5")
    now = timezone.now()
    Lease.objects.create(source="x", holder="worker", acquired_at=now, heartbeat_at=now)
    SourceState.objects.create(source="x", state="connected", lag=1.5, last_activity_at=now)
    ReadDay.objects.create(source="x", day=now.date(), posts=3)
    Tally.objects.create(source="x", day=now.date(), outcome="stored", count=7)
    make_tweet(source="x")

    metrics = read_metrics(client)

    assert metrics["wallpush_source_lag_seconds", "x"] == 1.5
    assert ("wallpush_source_lag_seconds", "bluesky") not in metrics
    assert metrics["wallpush_source_read_dollars", "x"] == 1.5
    assert metrics["wallpush_messages_total", "stored"] == 7
    assert metrics["wallpush_tweets",] == metrics["wallpush_tweets_unpublished",] == 1
    assert metrics["wallpush_source_connected", "x"] == 1
    # Nobody reads the other one here.
    assert metrics["wallpush_failed",] == 1


def test_metrics_tell_of_push_nodes(client, settings):
    settings.WALLPUSH_PUBLISH_URLS = ["http://127.0.0.1:8001"]
    settings.WALLPUSH_SUBSCRIBE_URLS = ["http://127.0.0.1:8002"]
    now = timezone.now()
    PushNodeState.objects.create(
        node="http://127.0.0.1:8001", proved_at=now, tried_at=now, round_trip=0.002, workers=1
    )

    metrics = read_metrics(client)

    assert metrics["wallpush_push_node_delivers", "push node 1"] == 1
    proof = metrics["wallpush_push_node_last_proof_timestamp_seconds", "push node 1"]
    assert proof == pytest.approx(now.timestamp(), abs=0.01)
    assert metrics["wallpush_push_node_missed", "push node 1"] == 0


def test_metrics_say_that_the_database_is_away(client, monkeypatch):
    def fail(now):
        raise health.DatabaseError("gone")

    monkeypatch.setattr(health, "_read_rates", fail)

    assert read_metrics(client) == {("wallpush_failed",): 1}
