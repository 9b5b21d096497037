"""What push nodes missed while others took it: those that are behind get it apart, in order, when they are back.

One that is down must not hold up the others, so a tweet counts as published when every push node that is up has it.
It is remembered for as long as a push node stores messages. For what is older nothing is lost either: a push node ends
every connection after 4 minutes (nginx/push.conf), and a subscriber asks REST for what has changed whenever it
connects, after it has subscribed. So whoever is connected has asked for all that is older than that.
"""

import logging
from datetime import timedelta

from django.utils import timezone

from .models import Missed

# nginx/push.conf: push_stream_message_ttl.
KEPT = timedelta(minutes=15)
MOST = 20_000

logger = logging.getLogger(__name__)

# Those that failed in this process. Whether they are still behind, the database knows.
_behind = frozenset()


def find_behind(nodes):
    """Those of the push nodes that have to get older messages first. Asks only about those that failed here."""
    global _behind
    if not _behind:
        return _behind
    _behind = frozenset(node for node in _behind if is_behind(node))
    # With nobody to be held up, each is tried at once.
    return frozenset() if _behind.issuperset(nodes) else _behind


def is_behind(node):
    return Missed.objects.filter(node=node).exists()


def note_missed(pairs):
    """Pairs of a push node and a tweet's key, in the order of publishing: in the transaction that marks them published."""
    global _behind
    rows = [Missed(node=node, tweet_id=pk, since=timezone.now()) for node, pk in pairs]
    if rows:
        Missed.objects.bulk_create(rows)
        nodes = {row.node for row in rows}
        for node in sorted(nodes - _behind):
            logger.warning("%s takes no messages: it gets what it misses when it is back.", node)
        _behind |= nodes


def forget_old(node):
    """What is of no use any more, by its age or because there is too much of it."""
    missed = Missed.objects.filter(node=node)
    missed.filter(since__lt=timezone.now() - KEPT).delete()
    surplus = missed.order_by("-pk").values_list("pk", flat=True)[MOST : MOST + 1]
    if surplus:
        missed.filter(pk__lte=surplus[0]).delete()


def forget_others(nodes):
    """What is kept for push nodes that are not in the settings any more."""
    Missed.objects.exclude(node__in=nodes).delete()
