"""A real worker: `celery -A api worker` as a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.api.waiting import DEADLINE
from tests.api.x_messages import make_line

PROJECT = Path(__file__).parent.parent.parent


class Worker:
    def __init__(self, env, log, *arguments):
        self.log = log
        command = [sys.executable, "-m", "celery", "-A", "api", "worker", "-c", "1", *arguments]
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command, cwd=PROJECT, env=env, stdout=file, stderr=file, start_new_session=True
            )

    def stop(self):
        self.process.terminate()
        return self.process.wait(DEADLINE)

    def kill(self):
        """All of its processes at once, as the kernel does when memory runs out."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(DEADLINE)

    def said(self, text):
        return text in self.log.read_text()


def make_lines(count):
    return [make_line(text=f"{number}", id=str(10**18 + number)) for number in range(count)]
