"""Keeps what could not become a tweet on a wall, with the reason: the newest ten thousand."""

from typing import NamedTuple

from .models import SetAside

KEPT = 10_000


class Aside(NamedTuple):
    """A message that was not stored or not published, with the reason."""

    kind: str
    reason: str
    message: str


def keep_asides(source, asides):
    rows = [SetAside(source=source, **aside._asdict()) for aside in asides]
    kept = SetAside.objects.bulk_create(rows)
    SetAside.objects.filter(pk__lte=kept[-1].pk - KEPT).delete()
