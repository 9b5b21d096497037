"""Each comparison still runs and says what it should. How fast it was is not a test's business."""

import json
import subprocess
import sys

import pytest

RUN_SHORT = """
import bench.{name} as bench
bench.ROUNDS = 1
bench.COUNTS = dict.fromkeys(bench.COUNTS, 60)
bench.main()
"""


@pytest.mark.parametrize("name", ["ingest", "publish_many"])
def test_comparison_ends_with_one_line_of_json(name):
    run = subprocess.run(
        [sys.executable, "-c", RUN_SHORT.format(name=name)],
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(run.stdout.splitlines()[-1])
    assert result.keys() == {"bench", "ours", "other", "ratio"}
    assert result["bench"] == name
    assert result["ours"] > 0
    assert result["other"] > 0
