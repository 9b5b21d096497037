"""Takes tweets out of the outbox, sends them to their channels, and notes what became of each."""

import logging
from collections import Counter, defaultdict
from datetime import timedelta
from functools import cache, lru_cache
from itertools import accumulate
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Case, PositiveIntegerField, Q, Value, When
from django.db.models.functions import Cast
from django.utils import timezone

from wallpush.channels import GLOBAL, keyword_channel, user_channel
from wallpush.errors import InvalidMessage, WallpushError
from wallpush.message import Message, make_event_id
from wallpush.publisher import MAX_CHANNELS_PATH, make_publisher

from .missed import find_behind, note_missed
from .models import SetAside, Tweet
from .seldom import Seldom
from .serializers.resource import fill_terms, tweet_resource, with_parts
from .set_aside import Aside, keep_asides

# What a claim lasts beyond the time that a push node has for a chunk: for the database.
CLAIM_MARGIN = timedelta(seconds=10)
# A tweet this young is about to be published by the task that its commit triggered.
GRACE = timedelta(seconds=2)
CHUNK = 500
# Seconds by which one push node may be slower than another before it gets its messages apart.
PATIENCE = 1.0
SENT, REFUSED, WAITING = "sent", "refused", "waiting"

logger = logging.getLogger(__name__)
seldom = Seldom(logger)


class Sending(NamedTuple):
    """A tweet that was sent: to how many subscribers, why not, and the push nodes that missed it."""

    tweet: Tweet
    subscribers: int = 0
    error: WallpushError | None = None
    missed: tuple = ()

    @classmethod
    def of(cls, tweet, outcome, left_out):
        """What a push node that is down misses holds up nothing, as long as another one has answered."""
        try:
            subscribers = outcome.subscribers
        except WallpushError as error:  # an answer that no push node gives
            return cls(tweet, error=error)
        if not outcome.errors:
            return cls(tweet, subscribers, missed=left_out)
        final = [error for error in outcome.errors if not error.retryable]
        if not (final or outcome.answers):
            return cls(tweet, error=outcome.error)
        late = tuple(error.node for error in outcome.errors if error.retryable)
        return cls(tweet, subscribers, final[0] if final else None, late + left_out)

    @property
    def fate(self):
        if self.error is None:
            return SENT
        return WAITING if self.error.retryable else REFUSED


@cache
def get_publisher():
    """One for each process; it opens its connections itself, and again after a fork."""
    return make_publisher(
        settings.WALLPUSH_PUBLISH_URLS,
        timeout=settings.WALLPUSH_PUBLISH_TIMEOUT,
        patience=PATIENCE,
    )


def publish_tweets(pks):
    """Publishes those that wait, in this order. Returns how many were sent, refused, and still wait."""
    results = Counter()
    for start in range(0, len(pks), CHUNK):
        results += _publish_chunk(pks[start : start + CHUNK])
        if results[WAITING]:
            break
    return results


def publish_pending(grace=GRACE):
    """The sweep: publishes what waits in the outbox and that no task is about to publish."""
    results = Counter()
    while pks := _find_pending(grace):
        found = publish_tweets(pks)
        results += found
        if found[WAITING] or not found:
            break
    return results


def hide_tweets(pks):
    """Takes tweets from every screen. Returns the keys of those that are to be published for that."""
    return _change(Tweet.objects.filter(pk__in=pks, hidden_at=None), hidden_at=timezone.now())


def show_tweets(pks):
    """Brings hidden tweets back. Returns the keys of those that are to be published for that."""
    hidden = Tweet.objects.filter(pk__in=pks, hidden_at__isnull=False, removed_at=None)
    return _change(hidden, hidden_at=None)


@transaction.atomic
def _change(tweets, **columns):
    pks = list(tweets.select_for_update().order_by("pk").values_list("pk", flat=True))
    Tweet.objects.filter(pk__in=pks).update(**columns, changed_at=timezone.now(), published_at=None)
    return pks


def _free():
    return Q(published_at=None) & (Q(claimed_until=None) | Q(claimed_until__lt=timezone.now()))


def _find_pending(grace):
    old = Tweet.objects.filter(_free(), changed_at__lte=timezone.now() - grace)
    return list(old.order_by("changed_at", "pk").values_list("pk", flat=True)[:CHUNK])


def _publish_chunk(pks):
    results = Counter()
    tweets = claim_tweets(pks)
    while tweets:
        settled, changed = _settle(_send(tweets))
        results += settled
        # Another version of these was stored while this one was under way.
        tweets = claim_tweets(changed)
    return results


@transaction.atomic
def claim_tweets(pks):
    """The tweets of these that wait and that nobody else publishes now, in this order."""
    waiting = with_parts(Tweet.objects.filter(_free(), pk__in=pks)).order_by("pk")
    tweets = {tweet.pk: tweet for tweet in waiting.select_for_update(of=("self",))}
    fill_terms(tweets.values())
    until = timezone.now() + claim_time()
    Tweet.objects.filter(pk__in=tweets).update(claimed_until=until)
    for tweet in tweets.values():
        tweet.claimed_until = until
    return [tweets[pk] for pk in pks if pk in tweets]


def read_tweets(pks):
    """By their keys, as a message shows them."""
    tweets = {tweet.pk: tweet for tweet in with_parts(Tweet.objects.filter(pk__in=pks))}
    fill_terms(tweets.values())
    return tweets


def claim_time():
    """How long others leave a claimed tweet alone.

    Longer than publishing takes, so that a tweet goes out twice only when the process that claimed it is gone:
    the publisher gives a chunk of 500 messages two timeouts.
    """
    return timedelta(seconds=2 * settings.WALLPUSH_PUBLISH_TIMEOUT) + CLAIM_MARGIN


def _send(tweets):
    """Nothing where another process may have taken them over: this one was stopped for a while."""
    prepared = [prepare_message(tweet) for tweet in tweets]
    publisher = get_publisher()
    left_out = tuple(sorted(find_behind(publisher.nodes)))
    nodes = set(publisher.nodes).difference(left_out) if left_out else None
    if timezone.now() > tweets[0].claimed_until:
        return []
    messages = [message for _, message, _ in prepared if message]
    outcomes = iter(publisher.publish_many(messages, nodes=nodes))
    return [
        Sending(tweet, error=error) if error else Sending.of(tweet, next(outcomes), left_out)
        for tweet, _, error in prepared
    ]


def prepare_message(tweet):
    """The tweet with its message, or with the error that there is none."""
    try:
        message = Message(
            _find_channels(tweet), tweet_resource(tweet), make_event_id(tweet.source_id)
        )
    except Exception as error:
        # One row that can not be rendered must not keep the others from being published.
        logger.exception("%s can not be rendered", tweet)
        return tweet, None, InvalidMessage(f"It can not be rendered: {error!r}.")
    return tweet, message, None


# A wall has few keywords.
_keyword_channel = lru_cache(maxsize=4096)(keyword_channel)


def _find_channels(tweet):
    """As many of its channels as one message can go to."""
    names = [GLOBAL, user_channel(tweet.author.source_id), *map(_keyword_channel, tweet.terms)]
    lengths = accumulate(len(name) + 1 for name in names)
    return tuple(
        name for name, length in zip(names, lengths, strict=True) if length <= MAX_CHANNELS_PATH
    )


@transaction.atomic
def _settle(sendings):
    """Notes what became of each. Returns the counts, and the keys of those that changed meanwhile."""
    claim = sendings[0].tweet.claimed_until if sendings else None
    sent = {item.tweet.pk: item.tweet for item in sendings}
    stored = Tweet.objects.select_for_update().filter(pk__in=sent).order_by("pk")
    versions = dict(stored.values_list("pk", "changed_at"))
    newer = [
        pk for pk, tweet in sent.items() if versions.get(pk, tweet.changed_at) != tweet.changed_at
    ]
    changed = _still_claimed(newer, claim)
    _publish_once_more(set(newer).difference(changed))
    settled = [item for item in sendings if item.tweet.pk not in newer]
    waiting = [item for item in settled if item.fate == WAITING]
    _release(changed + [item.tweet.pk for item in waiting], claim)
    done = [item for item in settled if item.fate != WAITING]
    _mark_published(done)
    note_missed(
        (node, item.tweet.pk) for item in done if item.tweet.pk in versions for node in item.missed
    )
    _report(waiting, [item for item in sendings if item.fate == REFUSED])
    return Counter(item.fate for item in sendings), changed


def _still_claimed(pks, claim):
    ours = set(Tweet.objects.filter(pk__in=pks, claimed_until=claim).values_list("pk", flat=True))
    return [pk for pk in pks if pk in ours]


def _publish_once_more(pks):
    """Another process took these over and has sent a newer version, perhaps before us: that one goes out once more."""
    if pks:
        Tweet.objects.filter(pk__in=pks).update(changed_at=timezone.now(), published_at=None)


def _mark_published(sendings):
    receivers = defaultdict(list)
    for item in sendings:
        receivers[item.subscribers].append(item.tweet.pk)
    if receivers:
        cases = [When(pk__in=pks, then=Value(number)) for number, pks in receivers.items()]
        Tweet.objects.filter(pk__in=[item.tweet.pk for item in sendings]).update(
            published_at=timezone.now(),
            claimed_until=None,
            # PostgreSQL takes the numbers of a CASE for text.
            receivers=Cast(Case(*cases), PositiveIntegerField()),
        )


def _release(pks, claim):
    """Unless others have claimed them meanwhile."""
    if pks:
        Tweet.objects.filter(pk__in=pks, claimed_until=claim).update(claimed_until=None)


def _report(waiting, refused):
    if waiting:
        seldom.warning("%d tweets wait to be published: %s", len(waiting), waiting[0].error)
    for item in refused:
        logger.error("%s can not be published: %s", item.tweet, item.error)
        reason = f"could not be published: {item.error}"
        aside = Aside(SetAside.Kind.REJECTED, reason, item.tweet.source_id)
        keep_asides(item.tweet.source, [aside])
