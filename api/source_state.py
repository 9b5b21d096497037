"""How a source is, as its reader tells. What people want of it is in controls.py."""

from .models import SourceState


def read_wish(source):
    """The row with what people want: whether it is to be read, and since when a person wants it started."""
    return SourceState.objects.get_or_create(source=source)[0]


def write_state(source, status, *, last_activity_at=None, last_message_at=None, lag=None):
    """What the reader knows; what it does not know yet keeps what was known before."""
    known = {"last_activity_at": last_activity_at, "last_message_at": last_message_at, "lag": lag}
    SourceState.objects.filter(source=source).update(
        state=status.state,
        reason=status.reason[:1000],
        since=status.since,
        **{name: value for name, value in known.items() if value is not None},
    )
