"""Where the programs of PostgreSQL, Redis and RabbitMQ are: the system's, or those unpacked below var/."""

import os
import shutil
from pathlib import Path

SYSTEM = Path("/")
UNPACKED = Path(__file__).resolve().parents[2] / "var" / "engines" / "root"
# Debian's package -> its program, and where that is if not on the path.
PROGRAMS = {
    "postgresql": ("postgres", "usr/lib/postgresql/*/bin/postgres"),
    "redis-server": ("redis-server", "usr/bin/redis-server"),
    # The one on the path changes to a user of its own first.
    "rabbitmq-server": ("", "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"),
}


def find_program(package, roots=(SYSTEM, UNPACKED)):
    """The program's path, or None. The newest, where there are several."""
    name, pattern = PROGRAMS[package]
    if name and SYSTEM in roots and (found := shutil.which(name)):
        return Path(found)
    for root in roots:
        if found := sorted(root.glob(pattern), key=_version):
            return found[-1]
    return None


def _version(path):
    return [int(part) for part in str(path).replace("/", ".").split(".") if part.isdigit()]


def find_erlang():
    """The folder that holds `erl` and `epmd`."""
    found = shutil.which("erl") or UNPACKED / "usr/lib/erlang/bin/erl"
    return Path(found).parent


def program_environment():
    """For programs that were unpacked: their libraries, and Erlang's, are not where the system looks."""
    libraries = [str(path) for path in UNPACKED.glob("usr/lib/*-linux-gnu")]
    erlang = UNPACKED / "usr/lib/erlang/lib"
    return {
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        "ERL_LIBS": str(erlang) if erlang.is_dir() and shutil.which("erl") else "",
    }
