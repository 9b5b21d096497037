"""The processes of one machine, kept running by supervisord: push node, front, Django and the worker."""

import configparser
import shlex
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from . import leash

# A worker stores what it has read, and publishes it, before it ends.
STOP_SECONDS = 40
# supervisord waits one second longer before each new try, so that these last for months.
START_RETRIES = 10_000
LOG_BYTES = "20MB"


@dataclass(frozen=True)
class Program:
    """A process by the name a person knows it by, and the command that starts it in the foreground.

    stop_seconds: after that it is killed when it is to stop.
    """

    name: str
    command: list
    log: Path
    stop_seconds: int = STOP_SECONDS


class Supervisor:
    """Starts programs and starts each again when it ends, until it is stopped."""

    def __init__(self, folder, programs):
        self.folder = Path(folder)
        self.programs = programs
        self.process = None
        # The path of a socket has room for about 100 characters: the project's own may be longer.
        self.run_folder = tempfile.TemporaryDirectory(prefix="wallpush-")

    @property
    def conf(self):
        return self.folder / "supervisord.conf"

    @property
    def log(self):
        return self.folder / "supervisord.log"

    @property
    def socket(self):
        return Path(self.run_folder.name) / "supervisor.sock"

    def start(self):
        self.conf.parent.mkdir(parents=True, exist_ok=True)
        with self.conf.open("w") as file:
            self.configuration().write(file)
        # A session of its own: Ctrl-C in the terminal reaches only the one who asked, who then stops the rest.
        self.process = subprocess.Popen(
            on_leash(
                [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "-c", self.conf]
            ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def stop(self):
        """End every program, then supervisord itself."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(STOP_SECONDS + 10)
        self.run_folder.cleanup()

    def is_running(self):
        return self.process.poll() is None

    def failed(self):
        """The first program that has not stayed up since the start, or None. It is tried again all the same."""
        by_name = {program.name: program for program in self.programs}
        failed = (
            process["name"]
            for process in self.processes()
            if process["stop"] or process["statename"] in ("BACKOFF", "FATAL")
        )
        return by_name.get(next(failed, None))

    def restart(self, name):
        """End a program, by force if need be, and start it. supervisord itself is on one that does not run now."""
        with self.api() as api:
            # It has just ended by itself, or is started already, or fails to start and is tried again; or all is ending.
            with suppress(Fault, OSError):
                api.supervisor.stopProcess(name)
            with suppress(Fault, OSError):
                api.supervisor.startProcess(name)

    def processes(self):
        """What supervisord says of each program; nothing before it listens."""
        try:
            with self.api() as api:
                return api.supervisor.getAllProcessInfo()
        except (OSError, Fault):
            return []

    def api(self):
        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        return ServerProxy("http://supervisor", transport=transport)

    def configuration(self):
        conf = configparser.RawConfigParser()
        conf["unix_http_server"] = {"file": self.socket, "chmod": "0700"}
        conf["rpcinterface:supervisor"] = {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        }
        conf["supervisord"] = {
            "logfile": escape(self.log),
            "pidfile": escape(self.folder / "supervisord.pid"),
            "childlogdir": escape(self.folder),
            "silent": "true",
        }
        for program in self.programs:
            conf[f"program:{program.name}"] = section(program)
        return conf


def on_leash(command):
    return [sys.executable, "-I", leash.__file__, *map(str, command)]


def section(program):
    return {
        "command": escape(shlex.join(on_leash(program.command))),
        "autorestart": "true",
        "startretries": START_RETRIES,
        "stopsignal": "TERM",
        "stopwaitsecs": program.stop_seconds,
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": escape(program.log),
        "stdout_logfile_maxbytes": LOG_BYTES,
        "stdout_logfile_backups": 3,
    }


def escape(value):
    """supervisord expands %(…)s in values."""
    return str(value).replace("%", "%%")
