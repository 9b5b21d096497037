import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from kombu import Connection
from kombu.transport.virtual import base

from api.broker import Transport
from api.environment import filesystem_broker
from api.publish import GRACE
from tests.api.worker_process import PROJECT


class Clock:
    """Seconds pass only when somebody sleeps."""

    now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_worker_never_waits_long_for_a_message_so_that_it_stops_soon(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(base, "monotonic", clock.monotonic)
    monkeypatch.setattr(base, "sleep", clock.sleep)

    with Connection(transport=Transport, transport_options=filesystem_broker(tmp_path)) as broker:
        broker.SimpleQueue("wall").close()
        with pytest.raises(socket.timeout):
            broker.drain_events(timeout=2.0)

    assert clock.now < 0.3


def test_task_that_comes_too_late_is_thrown_away(tmp_path):
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "api.settings", "WALLPUSH_VAR": str(tmp_path)}
    script = "import django; django.setup(); from api.tasks import announce; announce([1])"

    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, env=env, check=True)

    [message] = (tmp_path / "broker" / "messages").iterdir()
    headers = json.loads(message.read_text())["headers"]
    assert datetime.fromisoformat(headers["expires"]) - datetime.now(UTC) < GRACE / 2
