"""Django on a database of its own, in a process of its own: a process reads its settings once."""

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from tests.engines.servers import PostgreSQL


class Seat:
    """Calls functions there. They import what is Django's when they are called, not before."""

    def __init__(self, folder, **settings):
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "api.settings",
            "WALLPUSH_ENV_FILE": str(Path(folder) / ".env"),
            "WALLPUSH_VAR": str(folder),
            "WALLPUSH_SECRET_KEY": "bench",
            "WALLPUSH_LOG_LEVEL": "ERROR",
            **settings,
        }
        self._executor = ProcessPoolExecutor(
            1, get_context("spawn"), initializer=_take_place, initargs=(self.environment,)
        )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._executor.shutdown()

    def call(self, function, *arguments):
        return self._executor.submit(function, *arguments).result()

    @contextmanager
    def worker(self):
        """A Celery worker with the same settings, which reads nothing: it publishes."""
        self.call(int)  # its database is there before the worker looks for it
        command = [sys.executable, "-m", "celery", "-A", "api", "worker", "-c", "1"]
        with subprocess.Popen(
            command,
            env=os.environ | self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                yield
            finally:
                process.terminate()


def _take_place(environment):
    import django

    os.environ.update(environment)
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


@contextmanager
def postgresql():
    """A server of its own, which writes to the disk as it should."""
    server = PostgreSQL(fsync=True).start()
    try:
        yield server
    finally:
        server.stop()
