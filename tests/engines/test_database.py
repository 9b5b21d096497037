"""The tests of everything that reads and writes the database, once more on PostgreSQL."""

import os
import subprocess
import sys

import pytest

from tests.api.worker_process import PROJECT
from tests.engines.conftest import running
from tests.engines.servers import PostgreSQL

AREAS = (
    *("store", "ingest", "notes", "removal", "retention", "rows"),
    *("publish", "sweep", "lease", "ledger", "reader", "tracks"),
    *("views", "query", "pagination", "catch_up", "health", "staff"),
)


@pytest.fixture
def forgetful():
    """Does not wait for the disk."""
    yield from running(PostgreSQL(fsync=False))


def test_areas_have_tests():
    assert [area for area in AREAS if not path_of(area).exists()] == []


def test_tests_pass_on_postgresql(forgetful):
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(path_of, AREAS)],
        cwd=PROJECT,
        env=os.environ | {"TESTS_DATABASE_URL": forgetful.url()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    assert tests.returncode == 0, tests.stdout


def path_of(area):
    return PROJECT / "tests" / "api" / f"test_{area}.py"
