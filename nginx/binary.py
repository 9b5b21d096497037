"""Where nginx and its push-stream module are on this machine."""

from dataclasses import dataclass
from pathlib import Path

from nginx.errors import NginxError

PROJECT = Path(__file__).resolve().parent.parent
UNPACKED = PROJECT / "var" / "nginx" / "root"
CANDIDATES = [Path("/"), UNPACKED]
MODULE = "usr/lib/nginx/modules/ngx_http_push_stream_module.so"


@dataclass(frozen=True)
class Binary:
    """The files of one nginx that can load the push-stream module."""

    root: Path

    @property
    def nginx(self):
        return self.root / "usr/sbin/nginx"

    @property
    def push_stream_module(self):
        return self.root / MODULE

    @property
    def mime_types(self):
        return self.root / "etc/nginx/mime.types"

    def is_complete(self):
        return all(p.is_file() for p in (self.nginx, self.push_stream_module, self.mime_types))


def find_binary():
    """The machine's own nginx where it has the module (Debian 13 and later), else the unpacked one."""
    for binary in map(Binary, CANDIDATES):
        if binary.is_complete():
            return binary
    raise NginxError("nginx with the push-stream module is not installed: run 'make install'.")
