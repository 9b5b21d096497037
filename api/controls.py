"""What people want of a source: whether it is read, and what it may cost a day."""

from decimal import Decimal

from django.conf import settings
from django.utils import timezone

from .models import SourceState

# The most that a row can hold stands for "as much as it costs": an empty budget means that of the settings.
NO_LIMIT = Decimal("99999999.99")
CHARGING = ("x",)


def stop_source(source):
    _write(source, wanted=False)


def start_source(source):
    """Also one that stopped by itself, as after a token that was refused."""
    _write(source, wanted=True, start_asked_at=timezone.now())


def set_budget(source, dollars):
    """US dollars a day; NO_LIMIT, or None for what the settings say."""
    _write(source, budget=dollars)


def read_budget(source, state):
    """US dollars a day, or None if there is no limit. `state` is the row of the source, if there is one."""
    if source not in CHARGING:
        return None
    budget = settings.WALLPUSH_X_DAILY_BUDGET
    if state is not None and state.budget is not None:
        budget = state.budget
    return None if budget is None or budget >= NO_LIMIT else budget


def find_cost(source, posts, users):
    """US dollars for so many posts and users read."""
    if source not in CHARGING:
        return Decimal(0)
    return posts * settings.WALLPUSH_X_POST_PRICE + users * settings.WALLPUSH_X_USER_PRICE


def _write(source, **columns):
    SourceState.objects.update_or_create(source=source, defaults=columns)
