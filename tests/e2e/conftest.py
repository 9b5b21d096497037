import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

from tests.conftest import free_ports

PROJECT = Path(__file__).parents[2]
READY_SECONDS = 60


class Stack:
    """`manage.py run` as a person starts it, on ports and in a folder of its own."""

    def __init__(self, folder, **environment):
        self.folder = folder
        front, push, subscribe, django = free_ports(4)
        self.front_url = f"http://127.0.0.1:{front}"
        self.publish_url = f"http://127.0.0.1:{push}"
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "api.settings",
            "WALLPUSH_ENV_FILE": os.devnull,
            "WALLPUSH_VAR": str(folder),
            "WALLPUSH_FRONT_PORT": str(front),
            "WALLPUSH_PUSH_PORT": str(push),
            "WALLPUSH_SUBSCRIBE_PORT": str(subscribe),
            "WALLPUSH_DJANGO_PORT": str(django),
            "WALLPUSH_PUSH_MEMORY": "64M",
            "WALLPUSH_PUBLISH_URLS": self.publish_url,
        } | environment
        self.output = ""
        self.process = None

    @property
    def full_environment(self):
        return os.environ | self.environment

    def start(self):
        self.output = ""
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "run"],
            cwd=PROJECT,
            env=self.full_environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.reader = threading.Thread(target=self.read_output)
        self.reader.start()
        self.wait_until(lambda: "The wall is at" in self.output or self.process.poll() is not None)
        assert "The wall is at" in self.output, self.output
        return self

    def read_output(self):
        for line in self.process.stdout:
            self.output += line

    def stop(self):
        """Ctrl-C; the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        status = self.process.wait(60)
        self.reader.join()
        self.process.stdout.close()
        self.process = None
        return status

    def wait_until(self, condition, seconds=READY_SECONDS):
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"waited {seconds} s in vain\n{self.logs()}"
            time.sleep(0.05)
        return found

    def get(self, path, **params):
        response = requests.get(self.front_url + path, params=params, timeout=10)
        assert response.status_code == 200, response.text
        return response

    def tweets(self, **params):
        return self.get("/api/tweets/", **params).json()["results"]

    def answers(self, path):
        """The response, or None while Django or the front is away."""
        try:
            response = requests.get(self.front_url + path, timeout=10)
        except requests.ConnectionError:
            return None
        return response if response.ok else None

    def log(self, program):
        path = self.folder / "log" / f"{program}.log"
        return path.read_text() if path.exists() else ""

    def logs(self):
        names = ("worker", "django", "push-node", "front")
        return self.output + "".join(f"\n== {name}\n{self.log(name)[-3000:]}" for name in names)


@pytest.fixture
def make_stack(tmp_path):
    stacks = []

    def make(*, folder="var", **environment):
        stack = Stack(tmp_path / folder, **environment)
        stacks.append(stack)
        return stack

    yield make
    for stack in stacks:
        stack.stop()
