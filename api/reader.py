"""Reads one source, as long as this worker holds its lease, and hands each message to the ingest."""

import logging
import math
import threading
import time

from django.db import DatabaseError, close_old_connections, connections
from django.utils import timezone

from .ingest import Ingest
from .lease import HEARTBEAT, acquire_lease, make_holder, release_lease, renew_lease
from .message_queue import MessageQueue
from .source_state import read_wish, write_state
from .sources import SourceError
from .sources.source import ENDED, STARTING, STOPPED, WAITING, Status

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
# A source that ran this long was well: what ends it then is a new trouble.
HEALTHY_AFTER = 60.0
STOP_SOURCE_WITHIN = 5.0
STOP_INGEST_WITHIN = 15.0

logger = logging.getLogger(__name__)


class SourceRun(threading.Thread):
    """One life of a source. `failure` tells how it ended, if not well."""

    def __init__(self, source, deliver, wake):
        super().__init__(name=f"source {source.name}", daemon=True)
        self.source = source
        self.deliver = deliver
        self.wake = wake
        self.failure = None
        self.was_stopped = False
        self.started_at = time.monotonic()

    def run(self):
        try:
            self.source.run(self.deliver)
        except SourceError as error:
            self.failure = error
            logger.error("The source %s failed: %s", self.source.name, error)
        except Exception:
            # It is shown to whoever asks, and an error that nobody foresaw may name anything.
            self.failure = SourceError("An error that should not be: the worker's log tells more.")
            logger.exception("The source %s failed.", self.source.name)
        finally:
            self.wake.set()

    def stop(self):
        self.was_stopped = True
        self.source.stop()
        self.join(STOP_SOURCE_WITHIN)
        if self.is_alive():
            logger.warning("The source %s does not stop.", self.source.name)


class Reader:
    """Threads that keep the lease, run the source, and store what it delivers.

    `make_source()` gives a fresh source: one that has failed is not used again.
    """

    def __init__(self, name, make_source, *, announce):
        self.name = name
        self.make_source = make_source
        self.holder = make_holder()
        self.queue = MessageQueue()
        self.ingest = Ingest(name, self.queue, announce=announce)
        self.last_message_at = None
        self._holding = False
        self._run = None
        self._start_at = 0.0
        self._pause = FIRST_PAUSE
        self._status = Status(STARTING, "", timezone.now())
        self._stopping = False
        self._wake = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=f"{label} {name}", daemon=True)
            for label, target in (("lease", self._keep_lease), ("ingest", self._store))
        ]

    def start(self):
        for thread in self._threads:
            thread.start()

    def stop(self):
        """Reading ends; what has been read is stored first, unless the database stays away."""
        lease, ingest = self._threads
        self._stopping = True
        self._wake.set()
        lease.join(STOP_SOURCE_WITHIN + HEARTBEAT)
        self.queue.close()
        ingest.join(STOP_INGEST_WITHIN)
        self.ingest.hurry.set()
        ingest.join(HEARTBEAT)
        if len(self.queue):
            logger.error("%d messages of %s were read and not stored.", len(self.queue), self.name)

    def _store(self):
        try:
            while not self._run_ingest():
                logger.info("Storing goes on with the next batch.")
        finally:
            connections.close_all()

    def _run_ingest(self):
        """True once there is nothing more to store, or no more time."""
        try:
            self.ingest.run()
        except Exception:
            logger.exception("Storing failed.")
            return self.ingest.hurry.is_set()
        return True

    def _keep_lease(self):
        try:
            while not self._stopping:
                self._mind_lease()
                self._wake.wait(self._until_next())
                self._wake.clear()
            self._end_run()
            self._release()
        finally:
            connections.close_all()

    def _mind_lease(self):
        try:
            if self._hold():
                self._mind_run()
            else:
                self._end_run()
        except DatabaseError as error:
            # Whoever would take the lease over needs the same database: reading goes on.
            logger.warning("The lease of %s can not be renewed: %s", self.name, error)
        except Exception:
            logger.exception("Minding the source %s failed, trying again.", self.name)
        finally:
            close_old_connections()

    def _until_next(self):
        until_start = self._start_at - time.monotonic()
        return until_start if 0 < until_start < HEARTBEAT else HEARTBEAT

    def _hold(self):
        if self._holding:
            self._holding = renew_lease(self.name, self.holder, self.last_message_at)
            if not self._holding:
                logger.warning("Another worker reads %s now.", self.name)
        elif acquire_lease(self.name, self.holder):
            self._holding = True
            logger.info("Reading %s.", self.name)
        return self._holding

    def _release(self):
        try:
            release_lease(self.name, self.holder)
        except DatabaseError as error:
            logger.warning("The lease of %s can not be released: %s", self.name, error)

    def _mind_run(self):
        if self._run and not self._run.is_alive():
            self._plan_next(self._run)
            self._run = None
        wish = read_wish(self.name)
        if not wish.wanted:
            self._end_run()
            self._tell(STOPPED, f"Stopped by hand; manage.py source start {self.name} goes on.")
        elif self._run is None and self._is_time_to_start(wish.start_asked_at):
            self._start_run()
        self._write_state(wish.wanted)

    def _is_time_to_start(self, asked_at):
        if self._start_at == math.inf and asked_at and asked_at > self._status.since:
            self._start_at, self._pause = 0.0, FIRST_PAUSE
        return time.monotonic() >= self._start_at

    def _start_run(self):
        try:
            source = self.make_source()
        except SourceError as error:
            logger.error("The source %s can not be read: %s", self.name, error)
            self._wait_longer(error)
            return
        self._run = SourceRun(source, self._deliver, self._wake)
        self._run.start()

    def _plan_next(self, run):
        if run.was_stopped:
            self._start_at = 0.0
        elif run.failure:
            if time.monotonic() - run.started_at > HEALTHY_AFTER:
                self._pause = FIRST_PAUSE
            self._wait_longer(run.failure)
        else:
            self._start_at = math.inf
            self._tell(ENDED, "It has come to its end.")
            logger.warning("The source %s has come to its end.", self.name)

    def _wait_longer(self, failure):
        if failure.final:
            self._start_at = math.inf
            self._tell(STOPPED, f"{failure} Then: manage.py source start {self.name}.")
            return
        logger.info("Reading %s again in %.0f s.", self.name, self._pause)
        self._tell(WAITING, f"{failure} Reading again in {self._pause:.0f} s.")
        self._start_at = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _tell(self, state, reason):
        if (state, reason) != self._status[:2]:
            self._status = Status(state, reason, timezone.now())

    def _write_state(self, is_wanted):
        """Every heartbeat, so that its age tells whether somebody still reads."""
        source = self._run.source if self._run and is_wanted else None
        write_state(
            self.name,
            source.status if source else self._status,
            last_activity_at=source and source.last_activity_at,
            last_message_at=self.last_message_at,
            lag=source and source.lag,
        )

    def _end_run(self):
        if self._run and not self._run.was_stopped:
            self._run.stop()

    def _deliver(self, message):
        if self.queue.put(message):
            self.last_message_at = timezone.now()
        else:
            logger.error("A message of %s was read and not stored.", self.name)
