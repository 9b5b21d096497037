"""What is fetched is asked of Debian in tests/test_install.py; here, from where."""

import pytest

from nginx import install
from nginx.errors import NginxError
from nginx.install import Archive, machine_archives

DEB822 = """\
Types: deb deb-src
# a comment
URIs: file:/mirror/debian
Suites: {codename} {codename}-updates
Components: main

Types: deb-src
URIs: file:/sources/debian
Suites: {codename}

Types: deb
URIs: file:/security/debian-security
Suites: {codename}-security
Components: main
"""
ONE_LINE = """\
# deb file:/old/debian {codename} main
deb [signed-by=/usr/share/keyrings/x.gpg arch=amd64] file:/mirror/debian {codename} main contrib
deb-src file:/mirror/debian {codename} main
deb file:/security/debian-security {codename}-security main
deb file:/other/tool stable main
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    def make(codename, sources, *, name="sources.list", system="debian"):
        path = tmp_path / "apt" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sources.format(codename=codename))
        release = tmp_path / "os-release"
        release.write_text(f'ID={system}\nVERSION_CODENAME={codename}\nNAME="Some Linux"\n')
        monkeypatch.setattr(install, "APT_FOLDER", tmp_path / "apt")
        monkeypatch.setattr(install, "OS_RELEASE", release)

    return make


@pytest.mark.parametrize(
    ("sources", "name"),
    [
        (DEB822, "sources.list.d/debian.sources"),
        (ONE_LINE, "sources.list"),
        (ONE_LINE, "sources.list.d/debian.list"),
    ],
)
@pytest.mark.parametrize(
    ("codename", "suite"), [("bookworm", "trixie"), ("trixie", "trixie"), ("forky", "forky")]
)
def test_machine_archives_are_the_machines_own_in_the_suite_with_the_module(
    machine, sources, name, codename, suite
):
    machine(codename, sources, name=name)
    assert machine_archives() == [
        Archive("file:/mirror/debian", suite),
        Archive("file:/security/debian-security", f"{suite}-security"),
    ]


def test_machine_archives_where_none_is_debians_says_what_to_do(machine):
    machine("bookworm", "deb file:/other/tool stable main\n")
    with pytest.raises(NginxError, match=r"add one to sources\.list"):
        machine_archives()


def test_machine_archives_on_another_system_says_what_to_do(machine):
    machine("noble", ONE_LINE, system="ubuntu")
    with pytest.raises(NginxError, match="this is not Debian"):
        machine_archives()


def test_fetch_without_a_network_says_so_in_one_sentence(tmp_path):
    with pytest.raises(NginxError, match="could not be fetched: check that this machine reaches"):
        install.fetch([Archive("http://127.0.0.1:9/debian", "trixie")], tmp_path / "work")
