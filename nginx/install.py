"""Fetches nginx and its push-stream module from Debian into the project's own folder.

Debian has both as ordinary packages since version 13. Their files run on Debian 12 as they are, so there they
are fetched from the newer suite: from the mirror this machine already uses, checked with Debian's own keys,
unpacked below var/. Nothing of the system is changed, no service is started, and no right is needed.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from nginx.binary import UNPACKED, Binary, find_binary
from nginx.errors import NginxError

PACKAGES = ["nginx", "nginx-common", "libnginx-mod-http-push-stream"]
FIRST_SUITE = "trixie"
OLDER_SUITES = {"bullseye", "bookworm"}
KEYRINGS = Path("/usr/share/keyrings")
APT_FOLDER = Path("/etc/apt")
OS_RELEASE = Path("/etc/os-release")


@dataclass(frozen=True)
class Archive:
    """A place with Debian packages: its address and the suite it is asked for."""

    uri: str
    suite: str


def ensure_nginx():
    """The nginx of this machine, fetched first where there is none with the module."""
    try:
        return find_binary()
    except NginxError:
        print("  fetching nginx and its push-stream module from Debian (1 MB)", flush=True)
    work = UNPACKED.parent / "fetch"
    unpack(fetch(machine_archives(), work), UNPACKED)
    shutil.rmtree(work)
    binary = find_binary()
    check_runs(binary)
    return binary


def machine_archives():
    """Where this machine gets Debian's packages, asked for the suite that has the module."""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', OS_RELEASE.read_text(), re.MULTILINE))
    if release.get("ID") != "debian":
        raise NginxError(
            "this is not Debian: install nginx with the push-stream module by the means of your"
            " system, with /usr/lib/nginx/modules/ngx_http_push_stream_module.so in place."
        )
    codename = release["VERSION_CODENAME"]
    suite = FIRST_SUITE if codename in OLDER_SUITES else codename
    archives = {
        Archive(uri, name.replace(codename, suite))
        for uri, name in machine_sources()
        if name in (codename, f"{codename}-security")
    }
    if not archives:
        raise NginxError(
            f"no Debian archive for {codename} is named in {APT_FOLDER}: add one to sources.list."
        )
    return sorted(archives, key=lambda archive: archive.suite)


def machine_sources():
    """The (address, suite) pairs of apt's own lists, in both of their formats."""
    one_line = re.compile(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s", re.MULTILINE)
    for path in [APT_FOLDER / "sources.list", *sorted(APT_FOLDER.glob("sources.list.d/*.list"))]:
        if path.is_file():
            yield from one_line.findall(path.read_text())
    for path in sorted(APT_FOLDER.glob("sources.list.d/*.sources")):
        for paragraph in re.split(r"\n\s*\n", path.read_text()):
            fields = dict(re.findall(r"^([\w-]+):[ \t]*(.*)$", paragraph, re.MULTILINE))
            if "deb" in fields.get("Types", "").split():
                for uri in fields.get("URIs", "").split():
                    yield from ((uri, suite) for suite in fields.get("Suites", "").split())


def fetch(archives, work):
    """Download the packages into `work` and return their files."""
    shutil.rmtree(work, ignore_errors=True)
    for folder in ("sources", "lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    (work / "sources" / "wallpush.sources").write_text("\n".join(map(paragraph, archives)))
    apt_get(work, "update")
    apt_get(work, "download", *PACKAGES)
    return sorted(work.glob("*.deb"))


def paragraph(archive):
    # Renamed by Debian on its way from 12 to 14.
    names = ("debian-archive-keyring.pgp", "debian-archive-keyring.gpg")
    keyring = next((KEYRINGS / name for name in names if (KEYRINGS / name).exists()), None)
    if keyring is None:
        raise NginxError("Debian's keys are missing: install the package debian-archive-keyring.")
    return (
        f"Types: deb\nURIs: {archive.uri}\nSuites: {archive.suite}\nComponents: main\n"
        f"Signed-By: {keyring}\n"
    )


def apt_get(work, *arguments):
    options = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": work / "sources",
        "Dir::State::Lists": work / "lists",
        "Dir::Cache": work / "cache",
        "APT::Sandbox::User": "",
        "APT::Update::Error-Mode": "any",
        "Acquire::Retries": "2",
    }
    flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    result = subprocess.run(
        ["apt-get", "-q", *flags, *arguments], cwd=work, capture_output=True, text=True
    )
    if result.returncode != 0:
        errors = [line[3:] for line in result.stderr.splitlines() if line.startswith("E: ")]
        raise NginxError(
            "Debian's packages could not be fetched: check that this machine reaches its Debian"
            f" mirror, then try again. apt said: {' '.join(errors) or result.stderr.strip()}"
        )


def unpack(files, root):
    """Unpack beside `root` and move into place: an interrupted run leaves nothing half done."""
    staging = root.with_name("root.new")
    shutil.rmtree(staging, ignore_errors=True)
    for file in files:
        subprocess.run(["dpkg", "-x", str(file), str(staging)], check=True)
    shutil.rmtree(root, ignore_errors=True)
    staging.rename(root)


def check_runs(binary: Binary):
    result = subprocess.run([binary.nginx, "-v"], capture_output=True, text=True)
    if result.returncode != 0:
        raise NginxError(f"the nginx fetched from Debian does not run: {result.stderr.strip()}")


if __name__ == "__main__":
    try:
        print(ensure_nginx().nginx)
    except NginxError as error:
        sys.exit(f"wallpush: {error}")
