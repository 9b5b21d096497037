import pytest

from api.models import Gap, Position, Tweet
from api.notes import Notes, carry_out, read_notes
from tests.api.factories import make_author, make_tweet

pytestmark = pytest.mark.django_db


def make_gap(**fields):
    return Gap.objects.create(
        **{"source": "x", "text": "#wall", "term": "wall", "after": 10, "until": 20} | fields
    )


def carry(**values):
    return carry_out("x", [read_notes(values)])


def positions(source="x"):
    return dict(Position.objects.filter(source=source).values_list("term", "value"))


def test_position_is_the_highest_of_each_term():
    carry(position={"wall": 5, "tea": 7})
    carry(position={"wall": 9, "tea": 3})
    carry_out("x", [Notes(position={"wall": 8}), Notes(position={"wall": 12})])
    carry_out("bluesky", [Notes(position={"": 1_700_000_000_000_000})])

    assert positions() == {"wall": 12, "tea": 7}
    assert positions("bluesky") == {"": 1_700_000_000_000_000}


def test_filled_gap_is_closed_with_what_was_found():
    gap = make_gap()

    carry(
        filled={
            "gap": gap.pk,
            "after": 10,
            "until": 20,
            "found": 3,
            "note": "Retweets are missing.",
        }
    )

    gap.refresh_from_db()
    assert (gap.found, gap.note) == (3, "Retweets are missing.")
    assert gap.filled_at is not None


def test_gap_widened_meanwhile_stays_open_for_the_rest():
    gap = make_gap(until=30)

    carry(filled={"gap": gap.pk, "after": 10, "until": 20, "found": 3})
    gap.refresh_from_db()
    assert (gap.after, gap.until, gap.found, gap.filled_at) == (20, 30, 3, None)

    carry(filled={"gap": gap.pk, "after": 20, "until": 30, "found": 2})
    gap.refresh_from_db()
    assert (gap.found, gap.filled_at is None) == (5, False)


def test_gap_widened_to_the_past_meanwhile_stays_open():
    gap = make_gap(after=5)

    carry(filled={"gap": gap.pk, "after": 10, "until": 20, "found": 3})

    gap.refresh_from_db()
    assert (gap.after, gap.until, gap.found, gap.filled_at) == (5, 20, 3, None)


def test_closed_gap_is_not_filled_twice():
    gap = make_gap()
    for _ in range(2):
        carry(filled={"gap": gap.pk, "after": 10, "until": 20, "found": 3})

    gap.refresh_from_db()
    assert gap.found == 3


def test_removals_are_carried_out_with_their_reasons():
    tweets = [make_tweet() for _ in range(3)]
    author = make_author()
    of_author = make_tweet(author=author)

    pks, outcomes = carry(
        removed=[
            {"id": tweets[0].source_id, "reason": "deleted"},
            {"id": tweets[1].source_id, "reason": "suspended"},
            {"id": "7", "reason": "deleted"},
        ],
        removed_authors=[{"id": author.source_id, "reason": "deactivated"}],
    )

    reasons = dict(Tweet.objects.exclude(removal="").values_list("pk", "removal"))
    assert reasons == {
        tweets[0].pk: "deleted",
        tweets[1].pk: "suspended",
        of_author.pk: "deactivated",
    }
    assert sorted(pks) == sorted(reasons)
    assert outcomes == {"removed": 3}


def test_checked_tweets_are_marked():
    tweet, other = make_tweet(version_id="55"), make_tweet()

    carry(checked=["55"])

    assert Tweet.objects.get(pk=tweet.pk).checked_at is not None
    assert Tweet.objects.get(pk=other.pk).checked_at is None


@pytest.mark.parametrize(
    "values",
    [
        [],
        {"position": 5},
        {"position": {"wall": "far"}},
        {"removed": [{"reason": "deleted"}]},
        {"removed": "all"},
        {"checked": 5},
    ],
)
def test_notes_of_another_shape_are_refused(values):
    with pytest.raises(ValueError, match=r"notes that can not be read|invalid literal"):
        read_notes(values)
