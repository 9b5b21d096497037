"""install.py as it is run: in a folder that holds it and nothing else, with an empty list of packages."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import install
from tests.engines.install import make_movable, read_plan
from tests.engines.programs import find_program

PROJECT = Path(install.__file__).parent


@pytest.fixture
def project(tmp_path):
    """A copy of what install.py needs; nginx is there already, as on every machine that runs these tests."""
    shutil.copy(PROJECT / "install.py", tmp_path)
    shutil.copytree(PROJECT / "nginx", tmp_path / "nginx")
    (tmp_path / "var" / "nginx").mkdir(parents=True)
    if (PROJECT / "var/nginx/root").is_dir():
        (tmp_path / "var/nginx/root").symlink_to(PROJECT / "var/nginx/root")
    for name in ("requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).touch()
    return tmp_path


def run_install(project, *arguments, **environment):
    return subprocess.run(
        [sys._base_executable, "install.py", *arguments],
        cwd=project,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def test_install_makes_a_virtualenv_and_a_second_run_does_nothing(project):
    first = run_install(project)
    assert (first.returncode, first.stderr) == (0, "")
    assert "installing the Python packages" in first.stdout
    assert (project / ".venv/bin/python").exists()
    second = run_install(project)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


def test_install_without_a_network_says_so_in_one_sentence(project):
    (project / "requirements.txt").write_text("requests==2.34.2\n")
    offline = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "0",
        "PIP_NO_CACHE_DIR": "1",
    }
    result = run_install(project, **offline)
    assert result.returncode == 1
    assert result.stderr == (
        "wallpush: installing the Python packages of requirements.txt failed: check that this machine"
        " reaches its Python package index, then try again."
        f" Its own words are at the end of {project / 'var/log/install.log'}.\n"
    )
    (project / "requirements.txt").write_text("")
    again = run_install(project)
    assert (again.returncode, again.stderr) == (0, "")
    assert "installing the Python packages" in again.stdout


def test_install_with_an_old_python_says_which_it_needs(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 9))
    with pytest.raises(install.InstallError, match=r"Python 3\.11 or newer"):
        install.install(tests=False)


def test_install_without_the_right_to_write_says_so(monkeypatch):
    monkeypatch.setattr(install, "LOG", Path("/sys/kernel/wallpush/install.log"))
    monkeypatch.setattr(sys, "argv", ["install.py"])
    with pytest.raises(SystemExit, match="no right to write /sys/kernel/wallpush"):
        install.main()


def test_installing_debian_packages_without_root_or_sudo_says_what_to_do(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(install.InstallError, match="run 'apt-get install chromium' as root"):
        install.install_debian_packages(["chromium"])


def test_missing_packages_names_what_no_command_shows(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.setattr(Path, "glob", lambda *_: [])
    missing = install.missing_packages(tests=True)
    assert missing == ["chromium", "curl", "nodejs", "npm", "openssl", "libatomic1"]
    assert install.missing_packages(tests=False) == []


def test_plan_of_apt_is_read_without_what_is_not_needed():
    plan = (
        "The following NEW packages will be installed:\n  redis-server\n"
        "Inst libllvm14 (1:14.0.6-12 Debian:12/stable [amd64])\n"
        "Inst redis-server (5:7.0.15-1 Debian:12/stable [amd64])\n"
        "Inst libpq5 [15.1] (15.2 Debian:12/stable [amd64]) []\n"
        "Conf redis-server (5:7.0.15-1 Debian:12/stable [amd64])\n"
    )
    assert read_plan(plan) == ["redis-server", "libpq5"]


def test_erlang_that_was_moved_finds_itself(tmp_path):
    erl = tmp_path / "erlang" / "bin" / "erl"
    erl.parent.mkdir(parents=True)
    erl.write_text('#!/bin/sh\nROOTDIR=/usr/lib/erlang\necho "$ROOTDIR"\n')
    erl.chmod(0o755)
    (tmp_path / "link").symlink_to(erl)
    make_movable(erl)
    said = subprocess.run([tmp_path / "link"], capture_output=True, text=True)
    assert said.stdout == f"{tmp_path}/erlang\n"


def test_engines_that_are_there_are_not_fetched_again(monkeypatch):
    def fail(*_):
        raise AssertionError("a second run does nothing")

    monkeypatch.setattr(install, "run_step", fail)
    install.install_engines()


def test_newest_of_several_programs_is_taken(tmp_path):
    for version in ("9", "15", "13"):
        folder = tmp_path / f"usr/lib/postgresql/{version}/bin"
        folder.mkdir(parents=True)
        (folder / "postgres").touch()
    found = find_program("postgresql", roots=[tmp_path])
    assert found == tmp_path / "usr/lib/postgresql/15/bin/postgres"
