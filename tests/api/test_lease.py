from datetime import timedelta

import pytest
from django.utils import timezone

from api.lease import acquire_lease, make_holder, release_lease, renew_lease
from api.models import Lease

pytestmark = pytest.mark.django_db


def age(seconds):
    Lease.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=seconds))


def test_lease_has_one_holder():
    assert acquire_lease("x", "one") is True
    assert acquire_lease("x", "two") is False
    assert acquire_lease("x", "one") is True


def test_lease_is_for_one_source():
    assert acquire_lease("x", "one") is True
    assert acquire_lease("replay", "two") is True


def test_lease_is_taken_over_from_one_who_is_silent():
    acquire_lease("x", "one")
    age(9)
    assert acquire_lease("x", "two") is False
    age(11)
    assert acquire_lease("x", "two") is True
    assert renew_lease("x", "one") is False
    assert renew_lease("x", "two") is True


def test_lease_renewed_is_kept():
    acquire_lease("x", "one")
    age(11)
    moment = timezone.now()

    assert renew_lease("x", "one", moment) is True
    assert acquire_lease("x", "two") is False
    assert Lease.objects.get().last_message_at == moment


def test_lease_released_is_free():
    acquire_lease("x", "one")
    release_lease("x", "two")
    assert acquire_lease("x", "two") is False
    release_lease("x", "one")
    assert acquire_lease("x", "two") is True


def test_lease_tells_since_when():
    acquire_lease("x", "one")

    lease = Lease.objects.get()
    assert abs(lease.acquired_at - timezone.now()) < timedelta(minutes=1)


def test_holders_differ():
    assert make_holder() != make_holder()
