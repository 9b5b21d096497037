"""Sends a push node what it missed, once it answers again: without anybody else waiting for it."""

from contextlib import contextmanager

from django.db.models import Q
from django.utils import timezone

from wallpush.errors import WallpushError

from .missed import forget_old, is_behind
from .models import Missed, PushNodeState, Tweet
from .periodic import Periodic
from .publish import CHUNK, claim_time, get_publisher, prepare_message, read_tweets

INTERVAL, LONGEST_PAUSE = 1.0, 4.0


class CatchUp(Periodic):
    """In every worker, for each push node where there are several; one worker at a time sends."""

    def __init__(self, node):
        self.name = f"catching up of {node}"
        super().__init__(INTERVAL, LONGEST_PAUSE)
        self._node = node

    def _work(self):
        return catch_up(self._node)


def catch_up(node):
    """Publishes to a push node what it missed, in that order. False while it does not take it."""
    if not is_behind(node):
        return True
    forget_old(node)
    if not answers(node):
        return False
    with claimed(node) as renew:
        while renew() and (missed := _read_missed(node)):
            if not _publish_missed(node, missed):
                return False
    return True


def answers(node):
    """Asked before anything is sent: a push node that hangs takes in what it is sent, and brings it out much later."""
    try:
        get_publisher().statistics(nodes={node})
    except WallpushError:
        return False
    return True


@contextmanager
def claimed(node):
    """Gives a function that tells whether this process, and no other, may send to the push node for a while longer."""
    PushNodeState.objects.get_or_create(node=node)
    rows = PushNodeState.objects.filter(node=node)
    own = None

    def renew():
        nonlocal own
        before, own = own, timezone.now() + claim_time()
        free = Q(claimed_until=None) | Q(claimed_until__lt=timezone.now())
        return bool(
            rows.filter(Q(claimed_until=before) if before else free).update(claimed_until=own)
        )

    try:
        yield renew
    finally:
        rows.filter(claimed_until=own).update(claimed_until=None)


def _read_missed(node):
    return list(Missed.objects.filter(node=node).order_by("pk")[:CHUNK])


def _publish_missed(node, missed):
    """Sends each tweet as it is now. False if the push node did not take all."""
    tweets = read_tweets({row.tweet_id for row in missed})
    # Those that were deleted meanwhile took their rows along.
    order = [pk for pk in dict.fromkeys(row.tweet_id for row in missed) if pk in tweets]
    waiting = _send_to(node, [tweets[pk] for pk in order])
    newer = _find_newer(tweets)
    # A version that came meanwhile may have gone out before this one: that one goes out once more.
    done = [row.pk for row in missed if row.tweet_id not in waiting and row.tweet_id not in newer]
    Missed.objects.filter(pk__in=done).delete()
    return not waiting


def _send_to(node, tweets):
    """The keys of those that the push node did not take, but may take later."""
    prepared = [prepare_message(tweet) for tweet in tweets]
    sent = [(tweet.pk, message) for tweet, message, _ in prepared if message]
    outcomes = get_publisher().publish_many([message for _, message in sent], nodes={node})
    return {
        pk
        for (pk, _), outcome in zip(sent, outcomes, strict=True)
        if outcome.error and outcome.error.retryable
    }


def _find_newer(tweets):
    versions = Tweet.objects.filter(pk__in=tweets).values_list("pk", "changed_at")
    return {pk for pk, changed_at in versions if changed_at != tweets[pk].changed_at}
