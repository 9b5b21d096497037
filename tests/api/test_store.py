import threading
from collections import Counter

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from api.models import Author, Gap, Keyword, Position, SetAside, Tally, Tweet, TweetKeyword
from api.notes import Notes
from api.removal import remove_tweets
from api.rows import insert_rows
from api.serializers.x import XMessageSerializer
from api.set_aside import Aside
from api.store import store_batch
from tests.api.x_messages import ADA, make_message

pytestmark = pytest.mark.django_db


def make_card(**parts):
    message = make_message(**parts)
    card = XMessageSerializer(context={"source": "x"}).run_validation(message)
    return card | {"raw": message}


def make_edit(first, **parts):
    second = str(int(first) + 1)
    return make_card(id=second, edit_history_tweet_ids=[first, second], **parts)


def store(*cards, asides=(), **options):
    return store_batch("x", cards, asides, **options)


def terms(source_id):
    rows = Keyword.objects.filter(tweets__source_id=source_id)
    return sorted(rows.values_list("term", flat=True))


def mark_published():
    Tweet.objects.update(published_at=timezone.now())


def test_store_writes_every_column():
    card = make_card(text="hello", tags=["wall", "other"])

    result = store(card)

    tweet = Tweet.objects.get()
    for column in ("source_id", "version_id", "created_at", "text", "lang", "content", "raw"):
        assert getattr(tweet, column) == card[column]
    assert (tweet.source, tweet.author.username, tweet.search) == ("x", "ada_l", "hello\n")
    assert (tweet.published_at, tweet.hidden_at, tweet.receivers) == (None, None, 0)
    assert terms(card["source_id"]) == ["other", "wall"]
    assert set(TweetKeyword.objects.values_list("created_at", flat=True)) == {card["created_at"]}
    assert (result.outcomes, result.pks) == (Counter(stored=1), [tweet.pk])


def test_store_gives_keys_in_the_order_of_the_batch():
    cards = [make_card(text=str(n)) for n in range(5)][::-1]

    result = store(*cards)

    stored = dict(Tweet.objects.values_list("pk", "source_id"))
    assert [stored[pk] for pk in result.pks] == [card["source_id"] for card in cards]


def test_store_duplicate_changes_nothing():
    card = make_card()
    store(card)
    mark_published()
    before = Tweet.objects.values().get()

    result = store(card)

    assert Tweet.objects.values().get() == before
    assert (result.outcomes, result.pks) == (Counter(unchanged=1), [])


def test_store_duplicate_within_the_batch():
    card = make_card()

    result = store(card, card)

    assert (result.outcomes, len(result.pks)) == (Counter(stored=1, unchanged=1), 1)


def test_store_edit_updates_the_card():
    first = make_card(text="tpyo", created_at="2026-11-20T10:00:00.000Z")
    store(first)
    mark_published()
    edit = make_edit(first["source_id"], text="typo", created_at="2026-11-20T10:20:00.000Z")

    result = store(edit)

    tweet = Tweet.objects.get()
    assert (tweet.text, tweet.version_id, tweet.search) == ("typo", edit["version_id"], "typo\n")
    assert (tweet.source_id, tweet.created_at) == (first["source_id"], first["created_at"])
    assert (tweet.content["edited"], tweet.published_at) == (True, None)
    assert tweet.raw == edit["raw"]
    assert (result.outcomes, result.pks) == (Counter(updated=1), [tweet.pk])


def test_store_edit_within_the_batch():
    first = make_card(text="tpyo")

    result = store(first, make_edit(first["source_id"], text="typo"))

    assert Tweet.objects.get().text == "typo"
    assert (result.outcomes, len(result.pks)) == (Counter(stored=1, updated=1), 1)


@pytest.mark.parametrize("apart", [True, False])
def test_store_older_version_after_the_newer_one(apart):
    first = make_card(id="9", text="tpyo")
    edit = make_edit("9", text="typo")

    results = [store(edit), store(first)] if apart else [store(edit, first)]

    assert Tweet.objects.get().text == "typo"
    assert sum((r.outcomes for r in results), Counter()) == Counter(stored=1, unchanged=1)


def test_store_more_rules_later_add_keywords_and_publish_again():
    card = make_card(tags=["wall"])
    store(card)
    mark_published()

    result = store(card | {"keywords": ["other", "wall"]})

    tweet = Tweet.objects.get()
    assert terms(card["source_id"]) == ["other", "wall"]
    assert (result.outcomes, result.pks) == (Counter(updated=1), [tweet.pk])
    assert tweet.published_at is None


def test_store_fewer_rules_later_take_no_keyword_away():
    card = make_card(tags=["other", "wall"])
    store(card)

    result = store(card | {"keywords": []})

    assert terms(card["source_id"]) == ["other", "wall"]
    assert result.outcomes == Counter(unchanged=1)


def test_store_keywords_of_duplicates_within_the_batch_are_united():
    card = make_card(tags=["wall"])

    result = store(card, card | {"keywords": ["other"]})

    assert terms(card["source_id"]) == ["other", "wall"]
    assert (result.outcomes, len(result.pks)) == (Counter(stored=1, updated=1), 1)


def test_store_hidden_tweet_stays_hidden():
    card = make_card(text="tpyo")
    store(card)
    mark_published()
    Tweet.objects.update(hidden_at=timezone.now())
    before = Tweet.objects.get()

    results = [
        store(card),
        store(make_edit(card["source_id"], text="typo")),
        store(card | {"keywords": ["other"]}),
    ]

    tweet = Tweet.objects.get()
    assert (tweet.text, tweet.hidden_at, tweet.published_at) == (
        "typo",
        before.hidden_at,
        before.published_at,
    )
    assert [result.pks for result in results] == [[], [], []]


def test_store_author_newest_description_wins():
    store(make_card(), make_card(includes={"users": [ADA | {"name": "Ada L."}]}))
    store(make_card(includes={"users": [ADA | {"name": "Ada Lovelace", "protected": True}]}))

    author = Author.objects.get()
    assert (author.name, author.protected, author.tweets.count()) == ("Ada Lovelace", True, 3)


@pytest.mark.parametrize("apart", [True, False])
def test_store_unknown_author_takes_nothing_away(apart):
    known, unknown = make_card(), make_card(includes={"users": []})

    for batch in [[known], [unknown]] if apart else [[known, unknown]]:
        store(*batch)

    assert Author.objects.get().username == "ada_l"


def test_store_unknown_author_becomes_known():
    store(make_card(includes={"users": []}))
    assert Author.objects.get().username == ""

    store(make_card())

    assert Author.objects.get().username == "ada_l"


def test_store_does_not_rewrite_an_unchanged_author():
    store(make_card())
    before = Author.objects.values().get()

    store(make_card())

    assert Author.objects.values().get() == before


def test_store_edit_without_its_author_keeps_the_author():
    card = make_card()
    store(card)
    edit = make_edit(card["source_id"])
    edit["author"] = edit["author"] | {"source_id": "0", "username": ""}

    store(edit)

    assert Tweet.objects.get().author.source_id == "101"


def test_store_asides_are_kept_and_counted():
    result = store(
        make_card(), asides=[Aside("problem", "why", "line"), Aside("unknown", "x", "y")]
    )

    kept = SetAside.objects.order_by("pk").values_list("source", "kind", "reason", "message")
    assert list(kept) == [("x", "problem", "why", "line"), ("x", "unknown", "x", "y")]
    assert result.outcomes == Counter(stored=1, problem=1, unknown=1)


def test_store_keeps_the_newest_asides(monkeypatch):
    monkeypatch.setattr("api.set_aside.KEPT", 3)

    for number in range(3):
        store(asides=[Aside("unknown", f"{number}{letter}", "") for letter in "ab"])

    assert sorted(SetAside.objects.values_list("reason", flat=True)) == ["1b", "2a", "2b"]


def test_store_counts_by_day_and_outcome():
    card = make_card()
    store(card, card)
    store(make_card(), asides=[Aside("problem", "", "")])

    rows = Tally.objects.values_list("day", "source", "outcome", "count")
    today = timezone.now().date()
    assert sorted(rows) == [
        (today, "x", "problem", 1),
        (today, "x", "stored", 2),
        (today, "x", "unchanged", 1),
    ]


@pytest.mark.django_db(transaction=True)
def test_store_announces_after_the_commit():
    seen = []

    def announce(pks):
        assert not connection.in_atomic_block
        seen.append((pks, Tweet.objects.filter(pk__in=pks).count()))

    result = store(make_card(), make_card(), announce=announce)
    store(asides=[Aside("unknown", "", "")], announce=announce)

    assert seen == [(result.pks, 2)]


def count_queries(number):
    batch = [make_card(tags=[f"t{n}"], author_id=str(1000 + n)) for n in range(number)]
    edits = [make_edit(card["source_id"]) for card in batch]
    joined = [card | {"keywords": ["more"]} for card in batch]
    counts = []
    for cards in (batch, joined, edits):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            store(*cards)
        counts.append(len(queries))
    return counts


def test_store_number_of_queries_does_not_grow():
    count_queries(1)

    assert count_queries(2) == count_queries(12)


@pytest.mark.django_db(transaction=True)
def test_store_two_writers_with_the_same_tweets():
    """Each batch is stored by two threads at once, with new authors and keywords in both."""
    errors = []
    batches = [
        [make_card(tags=[f"b{b}", f"t{n}"], author_id=str(b * 100 + n + 1)) for n in range(10)]
        for b in range(10)
    ]

    def write(order):
        try:
            for batch in batches:
                store(*batch[::order])
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(order,)) for order in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert (Tweet.objects.count(), Author.objects.count()) == (100, 100)
    assert (TweetKeyword.objects.count(), Keyword.objects.count()) == (200, 20)
    tallies = dict(Tally.objects.values_list("outcome", "count"))
    assert tallies == {"stored": 100, "unchanged": 100}


@pytest.mark.django_db(transaction=True)
def test_store_looks_again_when_another_writer_was_faster(monkeypatch):
    card = make_card(text="theirs")
    attempts = []

    def lose_the_race_once(rows):
        attempts.append(rows)
        if len(attempts) == 1:
            raise IntegrityError("another writer stored it")
        insert_rows(rows)

    monkeypatch.setattr("api.store.insert_rows", lose_the_race_once)

    assert store(card).outcomes == Counter(stored=1)
    assert len(attempts) == 1 + 2  # then the tweet and its keywords
    assert dict(Tally.objects.values_list("outcome", "count")) == {"stored": 1}


def make_quoting(quoted_id, **parts):
    quoted = {"id": quoted_id, "text": "Once said", "author_id": "101"}
    return make_card(
        referenced_tweets=[{"type": "quoted", "id": quoted_id}],
        includes={"users": [ADA], "tweets": [quoted]},
        **parts,
    )


def test_store_removed_tweet_never_comes_back():
    card = make_card()
    store(card)
    remove_tweets([card["source_id"]], "deleted")
    before = Tweet.objects.values().get()

    result = store(card, make_edit(card["source_id"]), card | {"recheck": True})

    assert Tweet.objects.values().get() == before
    assert (result.outcomes, result.pks) == (Counter(unchanged=3), [])


def test_store_knows_whose_words_a_tweet_shows_beside_its_authors():
    store(make_card(), make_quoting("90"))

    assert sorted(Tweet.objects.values_list("original_author", flat=True)) == ["", ADA["id"]]


def test_store_takes_nothing_over_from_a_removed_tweet():
    original = make_card()
    store(original)
    remove_tweets([original["source_id"]], "deleted")
    retweet = make_card(
        referenced_tweets=[{"type": "retweeted", "id": original["source_id"]}],
        includes={"users": [ADA], "tweets": [{"id": original["source_id"], "text": "Once said"}]},
    )
    quoting = make_quoting(original["source_id"])

    result = store(retweet, quoting)

    assert result.outcomes == Counter(removed=1, stored=1)
    tweet = Tweet.objects.get(source_id=quoting["source_id"])
    assert tweet.content["quote_of"] == {"id": original["source_id"], "missing": True}
    assert "Once said" not in str(list(Tweet.objects.values()))


def test_store_keeps_no_tweet_that_is_withheld_here(settings):
    settings.WALLPUSH_COUNTRY = "DE"
    withheld = make_card(withheld={"country_codes": ["DE"]})
    elsewhere = make_card(withheld={"country_codes": ["FR"]})

    result = store(withheld, elsewhere)

    assert result.outcomes == Counter(withheld=1, stored=1)
    assert Tweet.objects.get().source_id == elsewhere["source_id"]


def test_store_removes_a_tweet_that_has_come_to_be_withheld():
    card = make_card()
    store(card)
    [pk] = Tweet.objects.values_list("pk", flat=True)

    result = store(make_card(id=card["source_id"], withheld={"country_codes": ["DE"]}))

    assert (result.outcomes, result.pks) == (Counter(withheld=1), [pk])
    assert Tweet.objects.get().removal == "withheld"


def test_store_recheck_of_the_same_version_tells_what_has_changed():
    card = make_quoting("90")
    store(card)
    mark_published()
    gone = make_card(
        id=card["source_id"], text=card["text"], referenced_tweets=[{"type": "quoted", "id": "90"}]
    )

    assert store(gone).outcomes == Counter(unchanged=1)
    result = store(gone | {"recheck": True})

    assert result.outcomes == Counter(updated=1)
    tweet = Tweet.objects.get()
    assert tweet.content["quote_of"] == {"id": "90", "missing": True}
    assert (tweet.published_at, result.pks) == (None, [tweet.pk])


def test_store_recheck_removes_a_retweet_whose_original_is_gone():
    original = {"id": "90", "text": "Once said", "author_id": ADA["id"]}
    parts = {"referenced_tweets": [{"type": "retweeted", "id": "90"}]}
    card = make_card(**parts, includes={"users": [ADA], "tweets": [original]})
    store(card)
    gone = make_card(id=card["source_id"], text=card["text"], **parts)

    # The stream may leave the original out; who is asked again would have it.
    assert store(gone).outcomes == Counter(unchanged=1)
    result = store(gone | {"recheck": True})

    [tweet] = Tweet.objects.all()
    assert (tweet.removal, result.pks) == ("deleted", [tweet.pk])
    assert result.outcomes == Counter(removed=1)


def test_store_recheck_without_news_changes_nothing():
    card = make_card()
    store(card)
    mark_published()
    before = Tweet.objects.values().get()

    assert store(card | {"recheck": True}).outcomes == Counter(unchanged=1)
    assert Tweet.objects.values().get() == before


def test_store_remembers_how_far_each_term_was_read():
    first, second = make_card(tags=["wall", "tea"]), make_card(tags=["wall"])
    store(second, first)
    store_batch("replay", [make_card(tags=["elsewhere"])])

    assert dict(Position.objects.values_list("term", "value")) == {
        "wall": int(second["version_id"]),
        "tea": int(first["version_id"]),
    }


def test_store_carries_out_notes_with_its_batch():
    card = make_card()
    gap = Gap.objects.create(source="x", text="#wall", term="wall", after=1, until=5)
    announced = []

    result = store(
        card,
        notes=[
            Notes(
                filled={"gap": gap.pk, "after": 1, "until": 5},
                removed=((card["source_id"], "deleted"),),
            )
        ],
        announce=announced.append,
    )

    # What came and went in one batch is published once, as gone.
    [tweet] = Tweet.objects.all()
    assert (tweet.removal, result.pks) == ("deleted", [tweet.pk])
    assert result.outcomes == Counter(stored=1, removed=1)
    assert Gap.objects.get().filled_at is not None


@pytest.mark.django_db(transaction=True)
def test_store_failing_leaves_notes_undone(monkeypatch):
    gap = Gap.objects.create(source="x", text="#wall", term="wall", after=1, until=5)

    def fail(*args):
        raise ValueError("a bug")

    monkeypatch.setattr("api.store._count", fail)
    with pytest.raises(ValueError, match="a bug"):
        store(make_card(), notes=[Notes(filled={"gap": gap.pk, "after": 1, "until": 5})])

    assert Gap.objects.get().filled_at is None
    assert Tweet.objects.count() == Position.objects.count() == 0
