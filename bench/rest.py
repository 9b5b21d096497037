"""How long REST takes on a million tweets: by position, as wallpush pages, against Django's offset paging.

    python -m bench.rest

The whole view with its serializer and the bytes of its answer, without a socket, on SQLite and on PostgreSQL. The
requests take turns, and the median counts. Takes about three minutes and 1.5 GB of disk, which are given back.
"""

import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from bench._result import describe_machine, keep_result
from bench._seat import Seat, postgresql
from bench._wall import COMMON, FIRST_ID, MEDIUM, fill

TWEETS, AUTHORS, KEYWORDS = 1_000_000, 5_000, 20
PAGE, LIMIT = 10_000, 50
ROUNDS = 40
# Seconds after which a request that takes long is not repeated any more.
ENOUGH = 3
FIRST, DEEP = "page 1", "deep page"
OFFSET_FIRST, OFFSET_DEEP = "offset, page 1", "offset, deep page"


@contextmanager
def seats(folder):
    """By name, one after the other."""
    with postgresql() as server:
        yield {
            "SQLite": Seat(folder, DATABASE_URL=f"sqlite:///{folder}/bench.sqlite3"),
            "PostgreSQL": Seat(folder, DATABASE_URL=server.create_database("bench")),
        }


def measure(tweets, page, rounds):
    """The median milliseconds of each request, and how many rows it gave."""
    cases = make_cases(tweets, page)
    spent = {name: [] for name in cases}
    rows = {name: ask() for name, ask in cases.items()}  # once unmeasured
    for _ in range(rounds):
        for name, ask in cases.items():
            if sum(spent[name]) < ENOUGH:
                start = time.perf_counter()
                ask()
                spent[name].append(time.perf_counter() - start)
    return {name: (1000 * statistics.median(times), rows[name]) for name, times in spent.items()}


def make_cases(tweets, page):
    deep = (page - 1) * LIMIT
    ours = {
        FIRST: {},
        DEEP: {"cursor": cursor_after(tweets - deep)},
        "catch-up, nothing new": {"after": change_cursor(tweets)},
        "catch-up, 200 tweets": {"after": change_cursor(tweets - 200), "limit": 200},
        "catch-up, from the middle": {"after": change_cursor(tweets // 2)},
        "keyword of all": {"keyword": COMMON},
        "keyword of all, deep page": {
            "keyword": COMMON,
            "cursor": cursor_after(tweets - deep),
        },
        "keyword of 1 in 10": {"keyword": MEDIUM},
        "keyword of few": {"keyword": "rare0"},
        "author of 1 in 10": {"author": "author_0"},
        "author of few": {"author": "author_7"},
        "lang of 1 in 10": {"lang": "de"},
        "text in all": {"text": "words"},
        "text in 1 of 100 000": {"text": "zeppelin"},
        "text in none": {"text": "nowhere"},
    }
    by_position = {
        name: lambda query=query: ask_wallpush(**{"limit": LIMIT} | query)
        for name, query in ours.items()
    }
    return by_position | {
        OFFSET_FIRST: lambda: ask_by_offset(limit=LIMIT, offset=0),
        OFFSET_DEEP: lambda: ask_by_offset(limit=LIMIT, offset=deep),
        "offset, deep page, without the count": lambda: slice_by_offset(deep),
    }


def find_tweet(number):
    from api.models import Tweet

    return Tweet.objects.only("created_at", "changed_at").get(source_id=str(FIRST_ID + number))


def cursor_after(number):
    from api.pagination import PageCursor, encode_cursor, to_number

    tweet = find_tweet(number)
    return encode_cursor(PageCursor(0, to_number(tweet.created_at), tweet.pk))


def change_cursor(number):
    from api.pagination import ChangeCursor, encode_cursor, to_number

    tweet = find_tweet(number - 1)
    return encode_cursor(ChangeCursor(to_number(tweet.changed_at), tweet.pk, 0))


def ask_wallpush(**query):
    from api.views import Tweets

    return _ask(Tweets, query)


def ask_by_offset(**query):
    """What Django REST framework's own LimitOffsetPagination makes of the same table, with our serializer."""
    from rest_framework.pagination import LimitOffsetPagination
    from rest_framework.views import APIView

    from api.views import make_resources

    class TweetsByOffset(APIView):
        def get(self, request):
            paginator = LimitOffsetPagination()
            page = paginator.paginate_queryset(_newest_first(), request)
            return paginator.get_paginated_response(make_resources(page))

    return _ask(TweetsByOffset, query)


def slice_by_offset(offset):
    from api.views import make_resources

    return len(make_resources(list(_newest_first()[offset : offset + LIMIT])))


def _newest_first():
    from api.models import Tweet
    from api.serializers.resource import with_parts

    return with_parts(Tweet.objects.filter(hidden_at=None)).order_by("-created_at", "-id")


def _ask(view, query):
    """How many rows the answer has."""
    from rest_framework.test import APIRequestFactory

    request = APIRequestFactory().get("/api/tweets/", query, SERVER_NAME="localhost")
    answer = view.as_view()(request)
    assert answer.status_code == 200, answer.data
    assert answer.render().content
    return len(answer.data["results"])


def show(engine, seconds, results):
    print(f"{engine}, {TWEETS} tweets, filled in {seconds:.0f} s; the deep page is number {PAGE}")
    print(f"{'milliseconds':<44}{'median':>9}{'ratio':>8}{'rows':>6}")
    for name, (milliseconds, rows) in results.items():
        ratio = milliseconds / results[FIRST][0]
        print(f"{name:<44}{milliseconds:>9.1f}{ratio:>8.2f}{rows:>6}")


def worst_ratio(told, one, other):
    return round(max(times[one] / times[other] for times in told.values()), 2)


def main():
    machine = describe_machine()
    told = {}
    with (
        tempfile.TemporaryDirectory(prefix="wallpush-bench-") as name,
        seats(Path(name)) as all_seats,
    ):
        for engine, seat in all_seats.items():
            with seat:
                seconds = seat.call(fill, TWEETS, AUTHORS, KEYWORDS)
                results = seat.call(measure, TWEETS, PAGE, ROUNDS)
            show(engine, seconds, results)
            told[engine] = {name: round(value, 2) for name, (value, _) in results.items()}
    print(machine)
    keep_result(
        {
            "bench": "rest",
            "ours": worst_ratio(told, DEEP, FIRST),
            "other": worst_ratio(told, OFFSET_DEEP, OFFSET_FIRST),
            "milliseconds": told,
        }
    )


if __name__ == "__main__":
    main()
