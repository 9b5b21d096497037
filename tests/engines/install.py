"""Fetches PostgreSQL, Redis and RabbitMQ from Debian into the project's own folder, for the tests.

What this machine has already is used as it is. The rest is fetched from the mirror it gets its packages from, with what
that depends on, and unpacked below var/: nothing of the system is changed, no service is started, and no right is
needed. Standard library only.
"""

import re
import shutil
import subprocess
import sys

from nginx.install import unpack
from tests.engines.programs import PROGRAMS, SYSTEM, UNPACKED, find_program

# A compiler for PostgreSQL's queries, and what that needs: large, and it does without.
NOT_NEEDED = ("libllvm", "libz3")


class FetchError(Exception):
    """The programs could not be fetched. The message says what to do."""


def missing_engines():
    return [package for package in PROGRAMS if find_program(package) is None]


def fetch_engines():
    """All that the system does not have: what was unpacked before goes."""
    packages = [package for package in PROGRAMS if find_program(package, roots=[SYSTEM]) is None]
    work = UNPACKED.parent / "fetch"
    shutil.rmtree(work, ignore_errors=True)
    for folder in ("lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    apt_get(work, "update")
    plan = apt_get(work, "--simulate", "--no-install-recommends", "install", *packages)
    apt_get(work, "download", *read_plan(plan))
    unpack(sorted(work.glob("*.deb")), UNPACKED)
    make_movable(UNPACKED / "usr/lib/erlang/bin/erl")
    shutil.rmtree(work)


def read_plan(plan):
    """The names of the packages that apt would install, but for those that are not needed."""
    names = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
    return [name for name in names if not name.startswith(NOT_NEEDED)]


def apt_get(work, *arguments):
    """In lists and a cache of our own: those of the system need root."""
    options = {
        "Dir::State::Lists": work / "lists",
        "Dir::Cache": work / "cache",
        "APT::Sandbox::User": "",
        "Acquire::Retries": "2",
    }
    flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    result = subprocess.run(
        ["apt-get", "-q", *flags, *arguments], cwd=work, capture_output=True, text=True
    )
    if result.returncode != 0:
        raise FetchError(
            "check that this machine reaches its Debian mirror, then try again."
            f" apt said: {result.stderr.strip()}"
        )
    print(result.stdout, end="", flush=True)
    return result.stdout


def make_movable(erl):
    """Erlang's starter names the folder that it would have been installed in."""
    if erl.is_file():
        here = 'ROOTDIR="$(dirname "$(dirname "$(readlink -f "$0")")")"'
        erl.write_text(erl.read_text().replace("ROOTDIR=/usr/lib/erlang", here))


if __name__ == "__main__":
    try:
        fetch_engines()
    except FetchError as error:
        sys.exit(f"wallpush: {error}")
    if missing := missing_engines():
        sys.exit(f"wallpush: fetched, and still missing: {', '.join(missing)}.")
