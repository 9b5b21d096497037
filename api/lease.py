"""Who reads a source: one worker at a time, and another as soon as that one is gone."""

import os
import socket
import uuid
from datetime import UTC, datetime, timedelta

from django.db.models import Q
from django.db.models.functions import Now

from .models import Lease

HEARTBEAT = 2.0
LOST_AFTER = timedelta(seconds=10)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def make_holder():
    return f"{socket.gethostname()[:100]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def acquire_lease(source, holder):
    """True if the holder reads the source now. All times are the database's: workers' clocks may differ."""
    rows = Lease.objects.filter(source=source)
    if not rows.exists():
        free = Lease(source=source, acquired_at=_LONG_AGO, heartbeat_at=_LONG_AGO)
        Lease.objects.bulk_create([free], ignore_conflicts=True)
    is_free = Q(holder__in=("", holder)) | Q(heartbeat_at__lt=Now() - LOST_AFTER)
    return bool(rows.filter(is_free).update(holder=holder, acquired_at=Now(), heartbeat_at=Now()))


def renew_lease(source, holder, last_message_at=None):
    """False if another worker has taken it: this one was silent for too long."""
    columns = {"heartbeat_at": Now()}
    if last_message_at:
        columns["last_message_at"] = last_message_at
    return bool(Lease.objects.filter(source=source, holder=holder).update(**columns))


def release_lease(source, holder):
    Lease.objects.filter(source=source, holder=holder).update(holder="")
