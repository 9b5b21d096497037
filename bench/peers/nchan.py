"""nchan and its nginx from this machine's Debian, unpacked below var/: nothing of the system is changed."""

import shutil

from nginx.binary import PROJECT, Binary
from nginx.install import Archive, apt_get, machine_sources, paragraph, unpack

ROOT = PROJECT / "var" / "bench" / "nchan"
MODULE = ROOT / "usr/lib/nginx/modules/ngx_nchan_module.so"
# By the suite of the machine: the module of a newer one may need a newer C library.
PACKAGES = ["nginx", "libnginx-mod-nchan"]
LIBRARIES = {"bookworm": "libhiredis0.14"}
NEWER_LIBRARY = "libhiredis1.1.0"


def ensure_nchan():
    """Its nginx, fetched first where it is missing."""
    if not MODULE.is_file():
        fetch(ROOT.parent / "fetch")
    return Binary(ROOT)


def fetch(work):
    shutil.rmtree(work, ignore_errors=True)
    for folder in ("sources", "lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    archives = sorted({Archive(*source) for source in machine_sources()}, key=str)
    (work / "sources" / "bench.sources").write_text("\n".join(map(paragraph, archives)))
    apt_get(work, "update")
    suites = {archive.suite for archive in archives}
    library = next((LIBRARIES[name] for name in suites if name in LIBRARIES), NEWER_LIBRARY)
    apt_get(work, "download", *PACKAGES, library)
    unpack(sorted(work.glob("*.deb")), ROOT)
    shutil.rmtree(work)


def library_path():
    """For what was unpacked: its libraries are not where the system looks."""
    [library] = {path.parent for path in ROOT.glob("usr/lib/*/libhiredis.so.*")}
    return library
