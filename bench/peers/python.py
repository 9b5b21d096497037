"""Peers in Python, each one process of uvicorn with uvloop, as fast as it can be had."""

import os
import subprocess
import sys
import time
from pathlib import Path

from bench.peers.peer import START_SECONDS, Peer, Poster
from bench.peers.venv import ensure_venv
from nginx.server import accepts
from tests.conftest import free_ports
from tests.engines.servers import Redis

HERE = Path(__file__).parent


class PythonPeer(Peer):
    project: str

    def start_server(self, folder, **environment):
        [self.port] = free_ports(1)
        self.environment = os.environ | environment
        self.log = (folder / "uvicorn.log").open("w")
        self.process = self.run(
            *("-m", "uvicorn", "asgi:application", "--port", str(self.port), "--backlog", "4096"),
            *("--log-level", "warning", "--lifespan", "off"),
        )
        deadline = time.monotonic() + START_SECONDS
        while not accepts(*self.address):
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{self.name} does not start: {Path(self.log.name).read_text()[-2000:]}")
            time.sleep(0.1)

    def run(self, *arguments, **options):
        return subprocess.Popen(
            [ensure_venv(), *arguments],
            cwd=HERE / self.project,
            env=self.environment,
            stdout=self.log,
            stderr=self.log,
            **options,
        )

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    def path(self, transport):
        return f"/{transport}"

    def processes(self):
        return {"uvicorn": [self.process.pid]}

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Channels(PythonPeer):
    """With Redis, and published to by another process: what its documentation tells to do."""

    project = "channels_project"
    transports = ("ws",)

    def __init__(self, layer="core.RedisChannelLayer"):
        self.layer = f"channels_redis.{layer}"
        self.name = f"Django Channels, {layer.rpartition('.')[2]}"

    def start(self, folder):
        self.redis = Redis().start()
        self.start_server(folder, LAYER=self.layer, REDIS_URL=self.redis.url)
        self.publisher = self.run("publish.py", stdin=subprocess.PIPE)

    def publish(self, body):
        self.publisher.stdin.write(body + b"\n")
        self.publisher.stdin.flush()

    def processes(self):
        return super().processes() | {"Redis": [self.redis.process.pid]}

    def stop(self):
        self.publisher.stdin.close()
        self.publisher.wait()
        super().stop()
        self.redis.stop()


class EventStream(PythonPeer):
    project = "eventstream_project"
    name = "django-eventstream"
    transports = ("ev",)

    def start(self, folder):
        self.start_server(folder)
        self.poster = Poster(self.address, "/pub")

    def publish(self, body):
        self.poster.post(body)

    def stop(self):
        self.poster.close()
        super().stop()
