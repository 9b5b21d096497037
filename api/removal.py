"""Takes tweets out for good: what they said is erased here, and every screen is told.

A removed tweet leaves a tombstone: its row, with nothing in it. The outbox publishes that the tweet is gone, clients
that were away learn it from the list of changes, and the tweet is known if the source sends it again.
Hiding (publish.py) is another thing: it is taken back with a click.
"""

from itertools import chain

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from .models import Author, SetAside, Tweet

# Codes by which X withholds a post everywhere (XX) or for a copyright complaint (XY).
EVERYWHERE = {"XX", "XY"}
PURGED, DELETED = "purged", "deleted"
_CHUNK = 500
_BLANKED_COLUMNS = ("content", "original_author", "raw", "changed_at", "published_at")
_EMPTY_CONTENT = {
    "url": None,
    "entities": [],
    "media": [],
    "poll": None,
    "reply_to": None,
    "quote_of": None,
    "retweet_of": None,
    "withheld_in": [],
    "edited": False,
}


def is_withheld(countries):
    """Whether a tweet that is withheld in these countries must not be shown here.

    A wall whose country is not known shows nothing that is withheld anywhere.
    """
    here = settings.WALLPUSH_COUNTRY
    return bool(countries) and (
        not here or here in countries or not EVERYWHERE.isdisjoint(countries)
    )


def find_by_any_id(ids):
    """A condition for tweets by their own id or that of their newest version."""
    return Q(source_id__in=ids) | Q(version_id__in=ids)


def find_removed(ids):
    """Those of these ids that were removed."""
    if not ids:
        return set()
    rows = Tweet.objects.filter(find_by_any_id(ids), removed_at__isnull=False)
    return set(chain.from_iterable(rows.values_list("source_id", "version_id")))


@transaction.atomic
def remove_tweets(ids, reason):
    """Removes the tweets with these ids, and what others took over from them.

    Retweets of them go too, quotes of them say that the quoted tweet is missing, whether the original was ever
    stored or not. Returns the keys of all that is to be published for that.
    """
    ids = list(ids)
    pks = []
    for start in range(0, len(ids), _CHUNK):
        pks += _remove_chunk(ids[start : start + _CHUNK], reason)
    return pks


def _remove_chunk(ids, reason):
    found = Tweet.objects.filter(find_by_any_id(ids)).values_list("source_id", "version_id")
    all_ids = set(ids).union(*found)
    pks = _erase(find_by_any_id(all_ids) | _refer("retweet_of", all_ids), reason)
    return pks + _blank_quotes(_refer("quote_of", all_ids))


@transaction.atomic
def remove_author(source_id, reason):
    """Removes all that an author wrote, and what is known of the author. Returns keys to be published."""
    by_others = _refer("original_author", [source_id])
    pks = _erase(Q(author__source_id=source_id), reason)
    pks += _erase(by_others & ~Q(retweet_of=""), reason)
    removed = Tweet.objects.filter(author__source_id=source_id)
    ids = set(chain.from_iterable(removed.values_list("source_id", "version_id")))
    pks += remove_tweets(ids, reason)
    pks += _blank_quotes(by_others)
    Author.objects.filter(source_id=source_id).update(username="", name="", avatar="", verified="")
    return list(dict.fromkeys(pks))


@transaction.atomic
def purge_tweets(ids):
    """Removes tweets on somebody's request, and what was set aside of them. Returns keys to be published."""
    _forget_asides(ids)
    return remove_tweets(ids, PURGED)


@transaction.atomic
def purge_authors(source_ids):
    """Removes authors and their tweets on somebody's request. Returns keys to be published."""
    _forget_asides(source_ids)
    pks = [pk for source_id in source_ids for pk in remove_author(source_id, PURGED)]
    return list(dict.fromkeys(pks))


def _forget_asides(ids):
    """What was set aside may hold a tweet, or an author, as it came."""
    for id in ids:
        SetAside.objects.filter(message__contains=f'"{id}"').delete()


def _refer(column, ids):
    """The indexes of these columns leave out the many tweets that refer to none; SQLite wants it said again."""
    return Q(**{f"{column}__in": ids}) & ~Q(**{column: ""})


def _erase(condition, reason):
    shown = Tweet.objects.select_for_update().filter(condition, removed_at=None)
    pks = list(shown.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(pks), _CHUNK):
        _erase_chunk(pks[start : start + _CHUNK], reason)
    return pks


def _erase_chunk(pks, reason):
    now = timezone.now()
    Tweet.objects.filter(pk__in=pks).update(
        **{"text": "", "lang": "", "search": "", "content": _EMPTY_CONTENT, "raw": {}},
        **{"retweet_of": "", "quote_of": "", "original_author": "", "reply_to": ""},
        has_media=False,
        hidden_at=Coalesce("hidden_at", now),
        removed_at=now,
        removal=reason[:20],
        changed_at=now,
        published_at=None,
    )


def _blank_quotes(condition):
    quoting = Tweet.objects.select_for_update().filter(condition, removed_at=None)
    changed = [tweet for tweet in quoting.order_by("pk").defer("raw") if _lose_quote(tweet)]
    Tweet.objects.bulk_update(changed, _BLANKED_COLUMNS)
    return [tweet.pk for tweet in changed if tweet.hidden_at is None]


def _lose_quote(tweet):
    quote = tweet.content["quote_of"]
    if not quote or quote.get("missing"):
        return False
    tweet.content["quote_of"] = {"id": quote["id"], "missing": True}
    tweet.original_author = ""
    # It holds the quoted tweet as it came.
    tweet.raw = {}
    tweet.changed_at = timezone.now()
    if tweet.hidden_at is None:
        tweet.published_at = None
    return True
