"""What grows with the wall: storing and REST on ten times the tweets, authors and keywords, and ten times that.

    python -m bench.growth

Each size has a database of its own, on SQLite and on PostgreSQL. They take turns; requests are made as in `bench.rest`,
and tweets stored as in `bench.ingest`, but not published. Takes about five minutes and 1.5 GB of disk, which are given
back.
"""

import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench._result import describe_machine, keep_result
from bench._seat import Seat, postgresql
from bench._wall import fill
from bench.ingest import make_lines
from bench.rest import DEEP, FIRST, measure

# Tweets; of authors there is one for 200 of them, of keywords one for 1000.
SIZES = (10_000, 100_000, 1_000_000)
TURNS, ROUNDS = 6, 8
BATCHES, LINES = 3, 500
LIMIT = 50
STORED = "tweets/s stored"
SHOWN = (FIRST, DEEP, "catch-up, nothing new", "keyword of few", "author of few", "text in none")


def find_rate(batches):
    """Tweets per second: the median of the batches."""
    from api.ingest import Ingest
    from api.message_queue import MessageQueue

    ingest, rates = Ingest("x", MessageQueue()), []
    for lines in batches:
        start = time.perf_counter()
        assert ingest.ingest(lines) == {"stored": len(lines)}
        rates.append(len(lines) / (time.perf_counter() - start))
    return statistics.median(rates)


def measure_engine(folder, urls):
    """By size. The sizes take turns, so that what else the machine does troubles all of them."""
    with ExitStack() as stack:
        seats = {
            size: stack.enter_context(Seat(folder, DATABASE_URL=url)) for size, url in urls.items()
        }
        for size, seat in seats.items():
            seat.call(fill, size, max(size // 200, 50), max(size // 1000, 10))
        asked = [
            {
                size: seat.call(measure, size, size // 2 // LIMIT, ROUNDS)
                for size, seat in seats.items()
            }
            for _ in range(TURNS)
        ]
        # At last: what is stored here is newer than what the requests ask for.
        stored = [
            {size: seat.call(find_rate, make_batches()) for size, seat in seats.items()}
            for _ in range(TURNS)
        ]
    return {
        size: {STORED: round(statistics.median(turn[size] for turn in stored))}
        | {
            name: round(statistics.median(turn[size][name][0] for turn in asked), 2)
            for name in SHOWN
        }
        for size in urls
    }


def make_batches():
    return [make_lines(LINES) for _ in range(BATCHES)]


def measure_engines(folder):
    yield "SQLite", measure_engine(folder, {n: f"sqlite:///{folder}/{n}.sqlite3" for n in SIZES})
    with postgresql() as server:
        yield (
            "PostgreSQL",
            measure_engine(
                folder, {size: server.create_database(f"bench{size}") for size in SIZES}
            ),
        )


def show(engine, by_size):
    print(f"{engine:<28}" + "".join(f"{f'{size} tweets':>16}" for size in by_size))
    smallest = next(iter(by_size.values()))
    for name in (STORED, *SHOWN):
        cells = (f"{row[name]:.5g} ({row[name] / smallest[name]:.2f})" for row in by_size.values())
        print(f"{name:<28}" + "".join(f"{cell:>16}" for cell in cells))


def main():
    machine = describe_machine()
    with tempfile.TemporaryDirectory(prefix="wallpush-bench-") as folder:
        told = dict(measure_engines(Path(folder)))
    for engine, by_size in told.items():
        show(engine, by_size)
    print(machine)
    smallest, largest = (told["SQLite"][size] for size in (SIZES[0], SIZES[-1]))
    keep_result(
        {
            "bench": "growth",
            "ours": largest[STORED],
            "other": smallest[STORED],
            "ratio": round(largest[STORED] / smallest[STORED], 2),
            "sizes": told,
        }
    )


if __name__ == "__main__":
    main()
