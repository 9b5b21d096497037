import socket

import pytest
from kombu import Connection
from kombu.transport.virtual import base

from api.broker import Transport
from api.environment import filesystem_broker


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
