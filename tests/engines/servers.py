"""PostgreSQL, Redis and RabbitMQ as processes of ours: on free ports, in folders of their own, without Debian's services."""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path

import amqp
import psycopg
import redis
from psycopg import sql

from tests.api.waiting import wait_for
from tests.e2e.processes import descendants
from tests.engines.programs import find_erlang, find_program, program_environment

USER, PASSWORD = "wallpush", "only-for-tests"
STOP_WITHIN = 30
# PostgreSQL refuses to be root. This user may still go through folders that are root's alone.
AS_NOBODY = [
    *("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"),
    *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
]


def quiet_ports(count):
    """Ports that nothing listens on, below those that the kernel hands out to connections.

    One of the latter may be taken by somebody's connection while its server is down.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    return [
        port for port in random.sample(range(lowest // 2, lowest), 20 * count) if not is_taken(port)
    ][:count]


def is_taken(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server(ABC):
    """One server. It keeps its port and its data when it is killed and started again."""

    stop_signal = signal.SIGTERM

    def __init__(self):
        [self.port] = quiet_ports(1)
        self.folder = Path(tempfile.mkdtemp(prefix=f"wallpush-{type(self).__name__.lower()}-"))
        self.log = self.folder / "server.log"
        self.process = None

    @abstractmethod
    def command(self):
        """What starts it in the foreground."""

    @abstractmethod
    def connect(self):
        """A connection by its own client, closed again. Raises what that client raises."""

    @property
    @abstractmethod
    def refusals(self):
        """What `connect` raises while the server is not there."""

    def environment(self):
        return {}

    def start(self):
        if self.process is None or self.process.poll() is not None:
            self.process = self.spawn(self.command())
        wait_for(self.is_up, f"{self.log} to say that it is up")
        return self

    def spawn(self, command):
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=os.environ | program_environment() | self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def is_up(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            self.connect()
        except self.refusals:
            return False
        return True

    def kill(self):
        """The whole of it at once, as when the machine loses power; but its writes are on the disk."""
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            send(pid, signal.SIGKILL)
        self.process.wait(STOP_WITHIN)

    def end(self):
        """In order; it can be started again."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            self.process.wait(STOP_WITHIN)

    def stop(self):
        """Ends it in order, and deletes what it has stored."""
        self.end()
        shutil.rmtree(self.folder)


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


class PostgreSQL(Server):
    stop_signal = signal.SIGINT  # it ends its connections, and does not wait for them
    refusals = (psycopg.OperationalError,)

    def __init__(self, *, fsync):
        super().__init__()
        self.program = find_program("postgresql").resolve()
        self.fsync = "on" if fsync else "off"
        self.data = self.folder / "data"
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody", "nogroup")
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        # With the order of a language: what relies on that of the bytes fails here.
        options = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US", "--no-sync"]
        initdb = self.spawn(
            [*self.user(), self.program.with_name("initdb"), "-D", self.data, "-U", USER,
             "-A", "scram-sha-256", f"--pwfile={password}", *options]
        )  # fmt: skip
        assert initdb.wait(60) == 0, self.log.read_text()

    def user(self):
        return AS_NOBODY if os.geteuid() == 0 else []

    def command(self):
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": self.fsync,
            "jit": "off",
        }
        options = [word for item in settings.items() for word in ("-c", "=".join(item))]
        return [*self.user(), self.program, "-D", self.data, "-p", str(self.port), *options]

    def url(self, database="postgres"):
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def connect(self):
        psycopg.connect(self.url()).close()

    def create_database(self, name, template="template1"):
        """Its address."""
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)


class Redis(Server):
    """Forgets everything when it is killed: the hardest case."""

    refusals = (redis.ConnectionError,)

    def command(self):
        return [
            *(find_program("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--dir", self.folder, "--save", "", "--appendonly", "no", "--requirepass", PASSWORD),
        ]

    @property
    def url(self):
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def connect(self):
        with redis.Redis.from_url(self.url) as client:
            client.ping()


class RabbitMQ(Server):
    """With a port mapper of its own, as the one that Erlang would start stays behind."""

    refusals = (OSError, amqp.AMQPError)

    def __init__(self):
        super().__init__()
        self.mapper_port, self.node_port = quiet_ports(2)
        self.mapper = None
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"default_user = {USER}\ndefault_pass = {PASSWORD}\ndisk_free_limit.absolute = 1MB\n"
        )

    def environment(self):
        return {
            "HOME": str(self.folder),
            "PATH": os.pathsep.join([str(find_erlang()), os.environ["PATH"]]),
            "ERL_EPMD_PORT": str(self.mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "wallpush@localhost",
            "RABBITMQ_DIST_PORT": str(self.node_port),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def command(self):
        return [find_program("rabbitmq-server")]

    def start(self):
        if self.mapper is None:
            self.mapper = self.spawn([find_erlang() / "epmd"])
        return super().start()

    def stop(self):
        try:
            super().stop()
        finally:
            self.mapper.terminate()
            self.mapper.wait(STOP_WITHIN)

    @property
    def url(self):
        return f"amqp://{USER}:{PASSWORD}@127.0.0.1:{self.port}//"

    def connect(self):
        host = f"127.0.0.1:{self.port}"
        with amqp.Connection(host, userid=USER, password=PASSWORD, connect_timeout=5):
            pass
