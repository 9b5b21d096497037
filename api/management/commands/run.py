"""Starts everything on this machine and ends it with Ctrl-C: `make run`."""

import errno
import re
import signal
import socket
import sys
import time
from contextlib import contextmanager

import requests
from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from api.models import PushNodeState
from api.push_nodes import is_silent, read_push_nodes
from api.supervision import Program, Supervisor
from nginx.errors import NginxError
from nginx.server import Front, PushNode

PUSH_NODE = "push-node"
READY_SECONDS = 60
# nginx ends at once; one that does not has stopped.
PUSH_NODE_STOP_SECONDS = 5
LOOK_SECONDS = 2
# A push node that is silent again after a restart is given more and more time.
FIRST_RESTART_PAUSE, LONGEST_RESTART_PAUSE = 30, 600
# Lines of the worker's log that a person should see: a token that is refused, a source that is away.
SERIOUS = re.compile(r"^\S+ \S+ (?:WARNING|ERROR|CRITICAL) ")
PORTS = [
    ("WALLPUSH_FRONT_PORT", "WALLPUSH_FRONT_ADDRESS"),
    ("WALLPUSH_PUSH_PORT", None),
    ("WALLPUSH_SUBSCRIBE_PORT", None),
    ("WALLPUSH_DJANGO_PORT", None),
]


class Command(BaseCommand):
    help = "Start nginx, Django and the worker, show the address of the wall, stop all with Ctrl-C."
    requires_system_checks = []

    def handle(self, **options):
        for name, address in PORTS:
            check_port(name, getattr(settings, address) if address else "127.0.0.1")
        push_node, front = make_nodes()
        try:
            self.prepare(push_node, front)
        except PermissionError as error:
            raise CommandError(
                f"No right to write {error.filename}: give it to the user who runs wallpush."
            ) from error
        except NginxError as error:
            raise CommandError(str(error)) from error
        supervisor = Supervisor(settings.WALLPUSH_VAR / "log", programs(push_node, front))
        with stopped_by_signals():
            self.supervise(supervisor, front)

    def prepare(self, push_node, front):
        self.say("Preparing the database and the pages")
        settings.WALLPUSH_VAR.joinpath("log").mkdir(parents=True, exist_ok=True)
        call_command("migrate", verbosity=0, interactive=False)
        call_command("collectstatic", verbosity=0, interactive=False)
        push_node.write()
        front.write()

    def supervise(self, supervisor, front):
        self.say("Starting nginx, Django and the worker")
        worker_log = NewLines(supervisor.folder / "worker.log")
        supervisor.start()
        try:
            self.wait_until_ready(supervisor, front)
            self.announce(supervisor, front)
            self.show_warnings(supervisor, worker_log)
        except KeyboardInterrupt:
            self.say("Stopping")
        finally:
            supervisor.stop()
        self.say("Everything has stopped")

    def wait_until_ready(self, supervisor, front):
        deadline = time.monotonic() + READY_SECONDS
        while not is_ready(front):
            if program := supervisor.failed():
                raise CommandError(
                    f"The {program.name} does not start. Its last words:\n{tail(program.log)}"
                )
            if not supervisor.is_running():
                raise CommandError(f"supervisord ended: see {supervisor.log}.")
            if time.monotonic() > deadline:
                raise CommandError(f"Not ready after {READY_SECONDS} s: see {supervisor.folder}.")
            time.sleep(0.1)

    def announce(self, supervisor, front):
        sources = ", ".join(settings.WALLPUSH_SOURCE)
        self.say(f"Source of the tweets: {sources}. Logs are in {supervisor.folder}")
        self.say(
            self.style.SUCCESS(f"\n  The wall is at {front.url}/   (Ctrl-C stops everything)\n")
        )

    def show_warnings(self, supervisor, worker_log):
        watch = PushNodeWatch()
        while supervisor.is_running():
            for line in filter(SERIOUS.match, worker_log.read()):
                self.say(f"worker: {line}")
            if watch.sees_silence():
                self.say("The push node delivers nothing: it is restarted")
                supervisor.restart(PUSH_NODE)
            time.sleep(0.5)
        raise CommandError(f"supervisord ended: see {supervisor.log}.")

    def say(self, line):
        self.stdout.write(line)
        self.stdout.flush()


class PushNodeWatch:
    """Sees in the database when the canaries of the workers do not come through the push node here.

    Its processes run and answer then, so that supervisord sees nothing.
    """

    def __init__(self):
        self.names = [node.name for node in read_push_nodes() if node.is_local]
        self.look_at = self.restart_at = time.monotonic()
        self.pause = FIRST_RESTART_PAUSE

    def sees_silence(self):
        """Whether to restart it now."""
        now = time.monotonic()
        if now < self.look_at:
            return False
        self.look_at = now + LOOK_SECONDS
        states = self.read_states()
        if not any(is_silent(state, timezone.now()) for state in states):
            # As long as it was silent before, it has to deliver, until it is trusted again.
            if now > self.restart_at:
                self.pause = FIRST_RESTART_PAUSE
            return False
        if now < self.restart_at:
            return False
        self.restart_at = now + self.pause
        self.pause = min(2 * self.pause, LONGEST_RESTART_PAUSE)
        return True

    def read_states(self):
        """Nothing if the database is away: the worker says so."""
        close_old_connections()
        try:
            return list(PushNodeState.objects.filter(node__in=self.names))
        except DatabaseError:
            return []


class NewLines:
    """What is written to a log from now on, read line by line."""

    def __init__(self, path):
        self.path = path
        self.position = path.stat().st_size if path.exists() else 0

    def read(self):
        if not self.path.exists():
            return []
        if self.path.stat().st_size < self.position:  # it was full, and a new one was begun
            self.position = 0
        with self.path.open("rb") as file:
            file.seek(self.position)
            whole_lines = file.read().rpartition(b"\n")[0]
        self.position += len(whole_lines) + bool(whole_lines)
        return whole_lines.decode(errors="replace").splitlines()


def check_port(name, address):
    """Before anything starts: a port that is taken is the one thing that people run into."""
    port = getattr(settings, name)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        socket.create_server((address, port), family=family).close()
    except OSError as error:
        raise CommandError(explain_port(error, name, port, address)) from error


def explain_port(error, name, port, address):
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {address} is taken by another program: stop it, or set {name} to a free one."
    if error.errno == errno.EACCES:
        return f"No right to open port {port}: set {name} to one above 1023."
    return f"WALLPUSH_FRONT_ADDRESS must be an address of this machine, which {address} is not."


def make_nodes():
    folder = settings.WALLPUSH_VAR / "nginx"
    try:
        push_node = PushNode(
            folder / "push",
            publish_port=settings.WALLPUSH_PUSH_PORT,
            subscribe_port=settings.WALLPUSH_SUBSCRIBE_PORT,
            shared_memory=settings.WALLPUSH_PUSH_MEMORY,
        )
        front = Front(
            folder / "front",
            port=settings.WALLPUSH_FRONT_PORT,
            address=settings.WALLPUSH_FRONT_ADDRESS,
            push_node=f"127.0.0.1:{settings.WALLPUSH_SUBSCRIBE_PORT}",
            django=f"127.0.0.1:{settings.WALLPUSH_DJANGO_PORT}",
            static=settings.STATIC_ROOT,
            events_url=settings.WALLPUSH_EVENTS_URL,
        )
    except NginxError as error:
        raise CommandError(str(error)) from error
    return push_node, front


def programs(push_node, front):
    log = settings.WALLPUSH_VAR / "log"
    django = [
        sys.executable, "-m", "gunicorn", "api.wsgi", "--workers", "2", "--threads", "4",
        "--no-control-socket",
        "--bind", f"127.0.0.1:{settings.WALLPUSH_DJANGO_PORT}",
    ]  # fmt: skip
    worker = [
        sys.executable, "-m", "celery", "-A", "api", "worker", "--concurrency", "1",
        "--source", ",".join(settings.WALLPUSH_SOURCE), "--loglevel", settings.WALLPUSH_LOG_LEVEL,
        "--without-gossip", "--without-mingle",
    ]  # fmt: skip
    return [
        Program(PUSH_NODE, push_node.command, log / "push-node.log", PUSH_NODE_STOP_SECONDS),
        Program("front", front.command, log / "front.log"),
        Program("django", django, log / "django.log"),
        Program("worker", worker, log / "worker.log"),
    ]


def is_ready(front):
    """Whether the page is there and, through the front, Django, and a worker reads the source."""
    try:
        page, stats = (requests.get(front.url + path, timeout=5) for path in ("/", "/api/stats/"))
    except requests.RequestException:
        return False
    if not (page.ok and stats.ok):
        return False
    read = {lease["source"] for lease in stats.json()["sources"] if lease["reader"]}
    return read.issuperset(settings.WALLPUSH_SOURCE)


def tail(log, lines=12):
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


@contextmanager
def stopped_by_signals():
    """SIGTERM and a closed terminal stop it as Ctrl-C does; a second one does not cut the stopping short."""

    def interrupt(signum, frame):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    yield
