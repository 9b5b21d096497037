#!/usr/bin/env python3
"""Installs what wallpush needs and is missing: nginx and a virtualenv; with --tests a browser, Node and the engines.

Needs Python's standard library only. A second run finds everything in place and does nothing.
"""

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
VENV = PROJECT / ".venv"
LOG = PROJECT / "var" / "log" / "install.log"
NODE_MODULES = PROJECT / "node_modules"
OLDEST_PYTHON = (3, 11)
# What the tests need of Debian: the command that shows it is there, and the packages that bring it.
TEST_PROGRAMS = {
    "chromium": ["chromium"],
    "curl": ["curl"],
    "node": ["nodejs"],
    "npm": ["npm"],
    "openssl": ["openssl"],
}


class InstallError(Exception):
    """Something could not be installed. The message says what to do."""


def main():
    parser = argparse.ArgumentParser(description="Install what wallpush needs and is missing.")
    parser.add_argument("--tests", action="store_true", help="also install what the tests need")
    arguments = parser.parse_args()
    try:
        install(tests=arguments.tests)
    except InstallError as error:
        sys.exit(f"wallpush: {error}")
    except KeyboardInterrupt:
        sys.exit("wallpush: interrupted. Run it again: it goes on where it stopped.")
    except PermissionError as error:
        sys.exit(f"wallpush: no right to write {error.filename}: run it as the folder's owner.")


def install(*, tests):
    if sys.version_info < OLDEST_PYTHON:
        raise InstallError("Python 3.11 or newer is needed: run 'make PYTHON=python3.11 …'.")
    LOG.parent.mkdir(parents=True, exist_ok=True)
    install_debian_packages(missing_packages(tests=tests))
    install_nginx()
    install_python_packages("requirements-dev.txt" if tests else "requirements.txt")
    if tests:
        install_engines()
        install_node_packages()


def missing_packages(*, tests):
    packages = []
    if importlib.util.find_spec("ensurepip") is None and not VENV.is_dir():
        packages.append("python3-venv")
    if tests:
        for program, providers in TEST_PROGRAMS.items():
            if shutil.which(program) is None:
                packages.extend(providers)
        # Playwright brings a Node of its own, which needs it.
        if not any(Path("/usr/lib").glob("*/libatomic.so.1")):
            packages.append("libatomic1")
    return packages


def install_debian_packages(packages):
    if not packages:
        return
    names = " ".join(packages)
    if os.geteuid() == 0:
        root = []
    elif shutil.which("sudo"):
        root = ["sudo"]
        if subprocess.run(["sudo", "-v"]).returncode != 0:
            raise InstallError(f"installing {names} needs root: let sudo do it, or a root user.")
    else:
        raise InstallError(
            f"installing {names} needs root: run 'apt-get install {names}' as root, then try again."
        )
    apt_get = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]
    what_to_do = "check that this machine reaches its Debian mirror, then try again"
    run_step("reading Debian's package lists", [*apt_get, "update"], what_to_do)
    install = [*apt_get, "install", "--no-install-recommends", *packages]
    run_step(f"installing Debian's {names}", install, what_to_do)


def install_nginx():
    # Imported here so that a Python that is too old gets a sentence and not a SyntaxError.
    from nginx.errors import NginxError
    from nginx.install import ensure_nginx

    try:
        ensure_nginx()
    except NginxError as error:
        raise InstallError(str(error)) from error


def install_engines():
    """PostgreSQL, Redis and RabbitMQ, which the tests start themselves."""
    from tests.engines.install import missing_engines

    if missing := missing_engines():
        run_step(
            f"fetching Debian's {', '.join(missing)}",
            [sys.executable, "-m", "tests.engines.install"],
            "check that this is Debian and reaches its mirror, then try again",
        )


def install_python_packages(requirements):
    """Fill the virtualenv, unless it already holds these requirements (or these and the tests')."""
    stamp = VENV / ".wallpush-installed"
    wanted = {name: digest(PROJECT / name) for name in ("requirements.txt", "requirements-dev.txt")}
    held = stamp.read_text().split() if stamp.is_file() and runs(VENV / "bin/python") else []
    if wanted[requirements] in held:
        return
    if not runs(VENV / "bin/python"):
        run_step(
            "making a virtualenv in .venv",
            [sys.executable, "-m", "venv", "--clear", str(VENV)],
            "install Debian's python3-venv, then try again",
        )
    stamp.unlink(missing_ok=True)
    run_step(
        f"installing the Python packages of {requirements}",
        [VENV / "bin/python", "-m", "pip", "install", "--disable-pip-version-check",
         "--progress-bar", "off", "-r", PROJECT / requirements],
        "check that this machine reaches its Python package index, then try again",
    )  # fmt: skip
    # The tests' requirements hold the others: after them neither needs installing again.
    stamp.write_text(
        "\n".join(wanted.values() if "dev" in requirements else [wanted[requirements]])
    )


def install_node_packages():
    stamp = NODE_MODULES / ".wallpush-installed"
    wanted = digest(PROJECT / "package-lock.json")
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    run_step(
        "installing the JavaScript tools of package-lock.json",
        ["npm", "ci", "--no-audit", "--no-fund"],
        "check that this machine reaches its npm registry, then try again",
    )
    stamp.write_text(wanted)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def runs(python):
    return python.exists() and subprocess.run([python, "-c", ""]).returncode == 0


def run_step(title, command, what_to_do):
    """Run one long step with its output in the log, and show that it is alive."""
    started = time.monotonic()
    with LOG.open("a") as log:
        log.write(f"\n# {title}\n")
        log.flush()
        begin = log.tell()
        process = subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            show_progress(title, process, begin)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if process.returncode != 0:
        raise InstallError(f"{title} failed: {what_to_do}. Its own words are at the end of {LOG}.")
    print(f"  {title}: done in {time.monotonic() - started:.0f} s", flush=True)


def show_progress(title, process, begin):
    """On a terminal one line that changes; elsewhere a line now and then."""
    terminal = sys.stdout.isatty()
    columns = shutil.get_terminal_size().columns
    print(f"  {title}", end="" if terminal else "\n", flush=True)
    for tick in range(1, 1_000_000):
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            if terminal:
                line = f"  {title}: {last_line(begin)}"[: columns - 1]
                print(f"\r\x1b[K{line}", end="", flush=True)
            elif tick % 40 == 0:
                print(f"    {tick // 2} s: {last_line(begin)}"[:100], flush=True)
        else:
            break
    if terminal:
        print("\r\x1b[K", end="")


def last_line(begin):
    with LOG.open("rb") as log:
        log.seek(max(begin, log.seek(0, os.SEEK_END) - 2000))
        lines = log.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


if __name__ == "__main__":
    main()
