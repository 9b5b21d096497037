"""Writes a batch of tweets in one transaction, with a number of queries that does not grow with it."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from .models import Author, Keyword, Tally, Tweet, TweetKeyword
from .notes import REMOVED, Notes, carry_out
from .removal import DELETED, find_removed, is_withheld, remove_tweets
from .rows import insert_rows
from .serializers.x_content import NO_AUTHOR_ID
from .set_aside import keep_asides

STORED, UPDATED, UNCHANGED, WITHHELD = "stored", "updated", "unchanged", "withheld"

_DESCRIPTION = ("username", "name", "avatar", "verified", "protected")
_VERSION_COLUMNS = (
    *("version_id", "text", "lang", "sensitive", "has_media"),
    *("retweet_of", "quote_of", "reply_to", "content", "raw"),
)
_KNOWN_COLUMNS = (
    *("source_id", "version_id", "author_id", "created_at"),
    *("hidden_at", "removed_at", "published_at"),
)
_REFERENCES = ("retweet_of", "quote_of")
_UPDATED_COLUMNS = (
    *_VERSION_COLUMNS,
    *("author", "original_author", "search", "changed_at", "published_at"),
)


@dataclass
class StoreResult:
    """What became of each message, and the tweets that are to be published, in the order of storing."""

    outcomes: Counter = field(default_factory=Counter)
    pks: list = field(default_factory=list)


def store_batch(source, cards, asides=(), notes=(), *, announce=None):
    """Stores the cards, keeps the asides, carries out the notes, counts all of it.

    `announce(pks)` is called after the commit.
    """
    try:
        return _store(source, cards, asides, notes, announce)
    except IntegrityError:
        # Another writer was faster with one of these tweets. A second look finds it stored.
        return _store(source, cards, asides, notes, announce)


@transaction.atomic
def _store(source, cards, asides, notes, announce):
    result = StoreResult()
    if cards:
        _store_cards(source, cards, result)
    if asides:
        keep_asides(source, asides)
        result.outcomes.update(aside.kind for aside in asides)
    if source == "x":
        notes = (*notes, Notes(position=_find_highest(cards)))
    if notes:
        pks, outcomes = carry_out(source, notes)
        result.pks = list(dict.fromkeys(result.pks + pks))
        result.outcomes += outcomes
    _count(source, result.outcomes)
    if announce and result.pks:
        transaction.on_commit(partial(announce, result.pks))
    return result


def _store_cards(source, cards, result):
    cards, withheld, empty = _sort_out(cards, result.outcomes)
    desk = _Desk(source, cards)
    for card in cards:
        result.outcomes[desk.take(card)] += 1
    result.pks = desk.write() + remove_tweets(withheld, WITHHELD) + remove_tweets(empty, DELETED)


def _sort_out(cards, outcomes):
    """The cards that may be stored, and the ids of tweets that must go: those that are withheld, and empty retweets."""
    removed = find_removed({card[name] for card in cards for name in _REFERENCES} - {""})
    kept, withheld, empty = [], [], []
    for card in cards:
        if is_withheld(card["content"]["withheld_in"]):
            withheld.append(card["source_id"])
            outcomes[WITHHELD] += 1
        elif card["retweet_of"] in removed:
            outcomes[REMOVED] += 1
        elif _has_lost_original(card):
            empty.append(card["source_id"])
            outcomes[REMOVED] += 1
        else:
            kept.append(_without_removed_quote(card, removed))
    return kept, withheld, empty


def _has_lost_original(card):
    """A retweet of what is gone. A stream may leave an original out; a source that was asked again would have it."""
    return bool(card.get("recheck") and (card["content"]["retweet_of"] or {}).get("missing"))


def _without_removed_quote(card, removed):
    if card["quote_of"] not in removed:
        return card
    quote = {"id": card["quote_of"], "missing": True}
    return card | {"content": card["content"] | {"quote_of": quote}, "raw": {}}


def _find_original_author(content):
    original = content["retweet_of"] or content["quote_of"] or {}
    return original.get("author", {}).get("id", "")


class _Desk:
    """The tweets that a batch touches: read once, changed in memory, written once."""

    def __init__(self, source, cards):
        self.source = source
        self.now = timezone.now()
        self.tweets = _find_tweets(cards)
        self.authors = _write_authors(source, cards)
        self.keywords = _write_keywords(cards)
        self.links = _find_links(self.tweets.values())
        self.new, self.updated, self.joined = {}, {}, {}
        self.new_links = []

    def take(self, card):
        """Puts one card into its tweet and says what that changed."""
        tweet = self.tweets.get(card["source_id"])
        if tweet is None:
            tweet = self._make(card)
            outcome = STORED
        else:
            outcome = self._update(tweet, card)
        joined = self._join(tweet, card["keywords"])
        if outcome == UNCHANGED and joined:
            self.joined[tweet.source_id] = tweet
            outcome = UPDATED
        return outcome

    def _make(self, card):
        tweet = Tweet(
            source=self.source, source_id=card["source_id"], created_at=card["created_at"]
        )
        self._fill(tweet, card)
        self.tweets[tweet.source_id] = self.new[tweet.source_id] = tweet
        return tweet

    def _update(self, tweet, card):
        if tweet.removed_at or not _says_news(tweet, card):
            return UNCHANGED
        known_author = tweet.author_id
        self._fill(tweet, card)
        if card["author"]["source_id"] == NO_AUTHOR_ID:
            tweet.author_id = known_author
        if tweet.source_id not in self.new:
            self.updated[tweet.source_id] = tweet
        return UPDATED

    def _fill(self, tweet, card):
        for column in _VERSION_COLUMNS:
            setattr(tweet, column, card[column])
        tweet.author_id = self.authors[card["author"]["source_id"]]
        tweet.original_author = _find_original_author(card["content"])
        tweet.changed_at = self.now
        # What is hidden is gone from the walls: a new version of it is nothing to publish.
        if tweet.hidden_at is None:
            tweet.published_at = None

    def _join(self, tweet, terms):
        known = self.links.setdefault(tweet.source_id, set())
        missing = [term for term in terms if self.keywords[term] not in known]
        for term in missing:
            known.add(self.keywords[term])
            self.new_links.append((tweet, self.keywords[term]))
        return bool(missing)

    def write(self):
        insert_rows(self.new.values())
        self._write_updated()
        self._touch_joined()
        insert_rows(
            TweetKeyword(tweet_id=tweet.pk, keyword_id=keyword, created_at=tweet.created_at)
            for tweet, keyword in self.new_links
        )
        touched = self.new | self.updated | self.joined
        return [
            tweet.pk
            for source_id, tweet in self.tweets.items()
            if source_id in touched and tweet.hidden_at is None
        ]

    def _write_updated(self):
        search = Tweet._meta.get_field("search")
        for tweet in self.updated.values():
            search.pre_save(tweet, add=False)
        if self.updated:
            Tweet.objects.bulk_update(self.updated.values(), _UPDATED_COLUMNS)

    def _touch_joined(self):
        pks = [tweet.pk for tweet in self.joined.values() if tweet.hidden_at is None]
        if pks:
            Tweet.objects.filter(pk__in=pks).update(changed_at=self.now, published_at=None)


def _find_highest(cards):
    """X's ids grow with time: the highest of each term tells how far it was read."""
    highest = {}
    for card in cards:
        for term in card["keywords"]:
            highest[term] = max(int(card["version_id"]), highest.get(term, 0))
    return highest


def _says_news(tweet, card):
    """A newer version; or the same one, where the source was asked again and now tells otherwise."""
    if card.get("recheck") and card["version_id"] == tweet.version_id:
        return tweet.text != card["text"] or tweet.content != card["content"]
    return _is_newer(card["version_id"], tweet.version_id)


def _is_newer(version, other):
    """Ids are decimal numbers without leading zeros, so of two the longer one is the larger."""
    return (len(version), version) > (len(other), other)


def _find_tweets(cards):
    ids = {card["source_id"] for card in cards}
    compared = ("text", "content") if any(card.get("recheck") for card in cards) else ()
    # Those of them that exist are locked (in SQLite the whole database is): nobody edits or hides them meanwhile.
    stored = Tweet.objects.select_for_update().only(*_KNOWN_COLUMNS, *compared)
    return {tweet.source_id: tweet for tweet in stored.filter(source_id__in=ids).order_by("pk")}


def _find_links(tweets):
    source_ids = {tweet.pk: tweet.source_id for tweet in tweets}
    links = {}
    if source_ids:
        rows = TweetKeyword.objects.filter(tweet__in=source_ids)
        for tweet, keyword in rows.values_list("tweet_id", "keyword_id"):
            links.setdefault(source_ids[tweet], set()).add(keyword)
    return links


def _write_authors(source, cards):
    """The key of each author. The newest description wins; one that says nothing takes nothing away."""
    described = {}
    for card in cards:
        author = card["author"]
        if author["username"] or author["source_id"] not in described:
            described[author["source_id"]] = author
    known = {author.source_id: author for author in Author.objects.filter(source_id__in=described)}
    # Always in the same order, so that two writers can not wait for each other's rows.
    changed = [
        Author(source=source, **author)
        for source_id, author in sorted(described.items())
        if _says_more(author, known.get(source_id))
    ]
    written = _upsert_authors([author for author in changed if author.username], _DESCRIPTION)
    written += _upsert_authors([author for author in changed if not author.username], ())
    return {author.source_id: author.pk for author in (*known.values(), *written)}


def _says_more(author, known):
    if known is None:
        return True
    return bool(author["username"]) and any(
        getattr(known, column) != author[column] for column in _DESCRIPTION
    )


def _upsert_authors(authors, columns):
    if not authors:
        return []
    return Author.objects.bulk_create(
        authors,
        update_conflicts=True,
        unique_fields=["source_id"],
        update_fields=[*columns, "changed_at"],
    )


def _write_keywords(cards):
    terms = {term for card in cards for term in card["keywords"]}
    if not terms:
        return {}
    known = dict(Keyword.objects.filter(term__in=terms).values_list("term", "pk"))
    missing = [Keyword(term=term) for term in sorted(terms - known.keys())]
    if missing:
        # Writing the term over itself makes the database return the keys of rows that another writer made.
        Keyword.objects.bulk_create(
            missing, update_conflicts=True, unique_fields=["term"], update_fields=["term"]
        )
    return known | {keyword.term: keyword.pk for keyword in missing}


def _count(source, outcomes):
    day = timezone.now().date()
    for outcome, count in sorted(outcomes.items()):
        row = Tally.objects.filter(day=day, source=source, outcome=outcome)
        if not row.update(count=F("count") + count):
            first = Tally(day=day, source=source, outcome=outcome)
            Tally.objects.bulk_create([first], ignore_conflicts=True)
            row.update(count=F("count") + count)
