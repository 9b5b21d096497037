"""The measurements of delivery still run, on a small scale, and check that nothing is lost. Peers are not installed."""

import json
import subprocess
import sys

import pytest

RUN_SMALL = """
from pathlib import Path
from bench import _result, {name}
_result.RESULTS = Path({folder!r})
for constant, value in {size}.items():
    setattr({name}, constant, value)
{more}
{name}.main()
"""
OURS_AND_BARE = "fanout.PEERS = {name: make for name, make in fanout.PEERS.items() if 'wall' in name or 'bare' in name}"


@pytest.fixture
def run_small(tmp_path):
    def run(name, more="", **size):
        script = RUN_SMALL.format(name=name, folder=str(tmp_path), size=size, more=more)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout.splitlines()[-1])
        kept = json.loads((tmp_path / f"{name}.json").read_text())
        assert kept == result | {"machine": kept["machine"]}
        return result

    return run


def test_fanout(run_small):
    result = run_small("fanout", OURS_AND_BARE, SUBSCRIBERS=(20,), DELIVERIES=2_000, SINGLES=3)
    assert len(result["results"]) == 3 * 2
    assert {found["lost"] for found in result["results"]} == {0}


def test_latency(run_small):
    rates = {"warm-up": (20, 0.5), "20": (20, 1)}
    result = run_small("latency", RATES=rates, BROWSER_RATE=(20, 0.5))
    assert result["results"]["20"].keys() == {"ws", "ev", "lp"}


def test_storm(run_small):
    found = run_small("storm", WALLS=60, OPENING=1, WAYS=("front",))["results"]["front"]
    assert found["questions"] >= 60
    assert found["reached_django"] < 30
    assert (found["late"], found["lacking"]) == (0, 0)
