import subprocess
import sys
from itertools import count

import pytest

from tests.api.subscriber import Subscriber
from tests.api.worker_process import PROJECT
from tests.engines.environment import wall_environment
from tests.engines.servers import PostgreSQL, RabbitMQ, Redis
from tests.engines.wall import Wall

_numbers = count(1)


def running(server):
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgresql():
    yield from running(PostgreSQL(fsync=True))


@pytest.fixture(scope="session")
def redis():
    yield from running(Redis())


@pytest.fixture(scope="session")
def rabbitmq():
    yield from running(RabbitMQ())


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request):
    """Running, whatever the test before has done to it."""
    return request.getfixturevalue(request.param).start()


@pytest.fixture(scope="session")
def migrated(postgresql):
    """The name of a database with every table and nothing in it."""
    name = "migrated"
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "-v", "0"],
        cwd=PROJECT,
        env=wall_environment(DATABASE_URL=postgresql.create_database(name)),
        check=True,
    )
    return name


@pytest.fixture
def database(postgresql, migrated):
    """The address of this test's own database."""
    postgresql.start()
    return postgresql.create_database(f"wall_{next(_numbers)}", template=migrated)


@pytest.fixture
def wall(tmp_path, push_node, database, broker):
    wall = Wall(tmp_path, push_node, database, broker)
    yield wall
    wall.close()


@pytest.fixture
def subscriber(push_node):
    subscriber = Subscriber(push_node)
    yield subscriber
    subscriber.close()
