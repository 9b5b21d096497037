"""Each comparison still runs and says what it should. How fast it was is not a test's business."""

import json
import subprocess
import sys

import pytest

RUN_SHORT = """
from pathlib import Path
from bench import _result
_result.RESULTS = Path({folder!r})
import bench.{name} as bench
bench.ROUNDS = 1
bench.COUNTS = dict.fromkeys(bench.COUNTS, 60)
bench.main()
"""


@pytest.mark.parametrize("name", ["ingest", "publish_many"])
def test_comparison_ends_with_one_line_of_json(name, tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", RUN_SHORT.format(name=name, folder=str(tmp_path))],
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(run.stdout.splitlines()[-1])
    assert result.keys() == {"bench", "ours", "other", "ratio", "title", "rates"}
    assert result["bench"] == name
    assert result["ours"] > 0
    assert result["other"] > 0


RUN_SMALL = """
from pathlib import Path
from bench import _result, {name}
_result.RESULTS = Path({folder!r})
for constant, value in {size}.items():
    setattr({name}, constant, value)
{name}.main()
"""


@pytest.mark.parametrize(
    ("name", "size", "told"),
    [
        ("rest", {"TWEETS": 2_000, "PAGE": 10, "AUTHORS": 50, "ROUNDS": 1}, "milliseconds"),
        ("growth", {"SIZES": (1_000,), "TURNS": 1, "ROUNDS": 1, "BATCHES": 1}, "sizes"),
    ],
)
def test_what_takes_a_million_rows_works_with_a_few(name, size, told, tmp_path):
    script = RUN_SMALL.format(name=name, size=size, folder=str(tmp_path))

    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    result = json.loads(run.stdout.splitlines()[-1])
    assert result["bench"] == name
    assert result[told].keys() == {"SQLite", "PostgreSQL"}
    assert json.loads((tmp_path / f"{name}.json").read_text())["bench"] == name
