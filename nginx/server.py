"""A push node and a front: written to a folder, started, stopped."""

import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

from nginx.binary import PROJECT, find_binary
from nginx.errors import NginxError
from nginx.render import CHANNELS, ENVELOPE, quotable, render

START_SECONDS = 10
STOP_SECONDS = 10


class Server(ABC):
    """One nginx with its configuration, log and temporary files in `folder`."""

    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        self.binary = find_binary()
        self.process = None

    @property
    def conf(self):
        return self.folder / "nginx.conf"

    @property
    def command(self):
        """What starts it in the foreground, once `write` was called."""
        return [str(self.binary.nginx), "-p", str(self.folder), "-e", str(self.folder / "error.log"),
                "-c", str(self.conf), "-g", "daemon off;"]  # fmt: skip

    @property
    def pid(self):
        """The master process."""
        return self.process.pid

    @abstractmethod
    def configuration(self):
        """The text of its nginx.conf."""

    @abstractmethod
    def addresses(self):
        """The (host, port) pairs that answer once it runs."""

    def write(self):
        """Write the configuration and have nginx check it."""
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        self.conf.write_text(self.configuration())
        check = subprocess.run([*self.command, "-t", "-q"], capture_output=True, text=True)
        if check.returncode != 0:
            raise NginxError(f"nginx refuses {self.conf}: {check.stderr.strip()}")

    def start(self):
        """Start it and return when it accepts connections."""
        self.write()
        self.process = subprocess.Popen(self.command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not all(accepts(*address) for address in self.addresses()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise NginxError(f"nginx did not start: see {self.folder / 'error.log'}")
            time.sleep(0.01)
        return self

    def stop(self):
        """End it at once: QUIT would wait for the subscribers."""
        if self.process is None:
            return
        self.process.terminate()
        self.process.wait(STOP_SECONDS)
        self.process = None


class PushNode(Server):
    """Holds the subscribers and takes what is published.

    `shared_memory` is nginx's size with the suffix K or M ("512M"); it is the room for stored messages.
    `workers` are processes of nginx: one delivers what a core can.
    """

    def __init__(
        self,
        folder,
        *,
        publish_port,
        subscribe_port,
        publish_address="127.0.0.1",
        subscribe_address="127.0.0.1",
        shared_memory="512M",
        workers=1,
    ):
        super().__init__(folder)
        self.publish_address = publish_address
        self.publish_port = publish_port
        self.subscribe_address = subscribe_address
        self.subscribe_port = subscribe_port
        self.shared_memory = shared_memory
        self.workers = workers

    @property
    def publish_url(self):
        return f"http://{self.publish_address}:{self.publish_port}"

    @property
    def subscribe_url(self):
        return f"http://{self.subscribe_address}:{self.subscribe_port}"

    def addresses(self):
        return [
            (self.publish_address, self.publish_port),
            (self.subscribe_address, self.subscribe_port),
        ]

    def configuration(self):
        return render(
            "push.conf",
            [self.folder],
            folder=quotable(self.folder),
            push_stream_module=quotable(self.binary.push_stream_module),
            publish_address=self.publish_address,
            publish_port=self.publish_port,
            subscribe_address=self.subscribe_address,
            subscribe_port=self.subscribe_port,
            shared_memory=self.shared_memory,
            workers=self.workers,
            envelope=ENVELOPE,
            channels=CHANNELS,
        )


class Front(Server):
    """What browsers talk to: static files, Django, and the subscribers' way to the push node.

    `push_node` and `django` are "host:port"; `events_url` is where browsers find /events/ when not here.
    """

    def __init__(
        self,
        folder,
        *,
        port,
        push_node,
        django,
        static,
        frontend=PROJECT / "frontend",
        address="127.0.0.1",
        events_url="",
    ):
        super().__init__(folder)
        self.port = port
        self.push_node = push_node
        self.django = django
        self.static = Path(static).resolve()
        self.frontend = Path(frontend).resolve()
        self.address = address
        self.events_url = events_url

    @property
    def url(self):
        """Where it is reached from this machine."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - as asked for by the setting
        return f"http://{bracketed(everywhere.get(self.address, self.address))}:{self.port}"

    def addresses(self):
        return [(self.address, self.port)]

    def configuration(self):
        return render(
            "front.conf",
            [self.folder, self.static, self.frontend],
            folder=quotable(self.folder),
            mime_types=quotable(self.binary.mime_types),
            address=bracketed(self.address),
            port=self.port,
            push_node=self.push_node,
            django=self.django,
            static=quotable(self.static),
            frontend=quotable(self.frontend),
            connect_sources=connect_sources(self.events_url),
        )


def bracketed(address):
    return f"[{address}]" if ":" in address else address


def connect_sources(events_url):
    """The CSP sources for WebSockets here ('self' does not cover them in every browser) or elsewhere."""
    if not events_url:
        return "ws: wss:"
    return f"{events_url} {events_url.replace('http', 'ws', 1)}"


def accepts(host, port):
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
