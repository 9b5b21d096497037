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

from .models import SetAside, Tweet, TweetKeyword
from .serializers.resource import tweet_resource
from .set_aside import Aside, keep_asides

# What a claim lasts beyond the time that a push node has for a chunk: for the database.
CLAIM_MARGIN = timedelta(seconds=10)
# A tweet this young is about to be published by the task that its commit triggered.
GRACE = timedelta(seconds=2)
CHUNK = 500
# What a message shows. The rest of the row is as long again.
_SHOWN_COLUMNS = (
    *("source", "source_id", "version_id", "created_at", "text", "lang", "sensitive", "content"),
    *("changed_at", "hidden_at", "author__source_id", "author__username", "author__name"),
    *("author__avatar", "author__verified"),
)
SENT, REFUSED, WAITING = "sent", "refused", "waiting"

logger = logging.getLogger(__name__)


class Sending(NamedTuple):
    """A tweet that was sent: to how many subscribers, or why not."""

    tweet: Tweet
    subscribers: int
    error: WallpushError | None

    @classmethod
    def of(cls, tweet, outcome):
        try:
            return cls(tweet, outcome.subscribers, outcome.error)
        except WallpushError as error:  # an answer that no push node gives
            return cls(tweet, 0, error)

    @property
    def fate(self):
        if self.error is None:
            return SENT
        return WAITING if self.error.retryable else REFUSED


@cache
def get_publisher():
    """One for each process; it opens its connections itself, and again after a fork."""
    return make_publisher(settings.WALLPUSH_PUBLISH_URLS, timeout=settings.WALLPUSH_PUBLISH_TIMEOUT)


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
    tweets = _claim(pks)
    while tweets:
        settled, changed = _settle(_send(tweets))
        results += settled
        # Another version of these was stored while this one was under way.
        tweets = _claim(changed)
    return results


@transaction.atomic
def _claim(pks):
    """The tweets of these that wait and that nobody else publishes now, in this order."""
    waiting = Tweet.objects.select_related("author").only(*_SHOWN_COLUMNS)
    waiting = waiting.filter(_free(), pk__in=pks).order_by("pk").select_for_update(of=("self",))
    tweets = {tweet.pk: tweet for tweet in waiting}
    _fill_terms(tweets)
    Tweet.objects.filter(pk__in=tweets).update(claimed_until=timezone.now() + _claim_time())
    return [tweets[pk] for pk in pks if pk in tweets]


def _claim_time():
    """How long others leave a claimed tweet alone.

    Longer than publishing takes, so that a tweet goes out twice only when the process that claimed it is gone:
    the publisher gives a chunk of 500 messages two timeouts.
    """
    return timedelta(seconds=2 * settings.WALLPUSH_PUBLISH_TIMEOUT) + CLAIM_MARGIN


def _fill_terms(tweets):
    terms = {pk: [] for pk in tweets}
    links = TweetKeyword.objects.filter(tweet__in=tweets)
    for pk, term in links.values_list("tweet_id", "keyword__term"):
        terms[pk].append(term)
    for pk, tweet in tweets.items():
        tweet.terms = sorted(terms[pk])


def _send(tweets):
    prepared = [_prepare(tweet) for tweet in tweets]
    messages = [message for _, message, _ in prepared if message]
    outcomes = iter(get_publisher().publish_many(messages))
    return [
        Sending(tweet, 0, error) if error else Sending.of(tweet, next(outcomes))
        for tweet, _, error in prepared
    ]


def _prepare(tweet):
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
    sent = {item.tweet.pk: item.tweet for item in sendings}
    stored = Tweet.objects.select_for_update().filter(pk__in=sent)
    versions = dict(stored.order_by("pk").values_list("pk", "changed_at"))
    changed = [
        pk for pk, tweet in sent.items() if versions.get(pk, tweet.changed_at) != tweet.changed_at
    ]
    waiting = [item for item in sendings if item.fate == WAITING]
    _release(changed + [item.tweet.pk for item in waiting])
    _mark_published(
        [item for item in sendings if item.fate != WAITING and item.tweet.pk not in changed]
    )
    _report(waiting, [item for item in sendings if item.fate == REFUSED])
    return Counter(item.fate for item in sendings), changed


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


def _release(pks):
    if pks:
        Tweet.objects.filter(pk__in=pks).update(claimed_until=None)


def _report(waiting, refused):
    if waiting:
        logger.warning("%d tweets wait to be published: %s", len(waiting), waiting[0].error)
    for item in refused:
        logger.error("%s can not be published: %s", item.tweet, item.error)
        reason = f"could not be published: {item.error}"
        aside = Aside(SetAside.Kind.REJECTED, reason, item.tweet.source_id)
        keep_asides(item.tweet.source, [aside])
