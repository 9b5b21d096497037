import signal
import subprocess
import sys
from pathlib import Path

import pytest

from api import leash
from tests.api.waiting import wait_for

LEASH = [sys.executable, "-I", leash.__file__]
# Starts a child that would live on, says who it is, and does as told.
PROGRAM = "{before}; sleep 600 & echo $! $$; {end}"


@pytest.fixture
def start():
    processes = []

    def start_program(end, *, before=":"):
        program = PROGRAM.format(before=before, end=end)
        process = subprocess.Popen([*LEASH, "sh", "-c", program], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return process, [int(pid) for pid in process.stdout.readline().split()]

    yield start_program
    for process in processes:
        process.terminate()
        process.wait()
        process.stdout.close()


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_what_a_program_leaves_behind_ends_with_it(start):
    process, [child, _] = start("exit 3")
    assert process.wait() == 3
    assert not is_alive(child)


def test_what_a_killed_program_leaves_behind_ends_with_it(start):
    process, [child, _] = start("kill -9 $$")
    assert process.wait() == 256 - signal.SIGKILL
    assert not is_alive(child)


def test_a_signal_is_passed_on(start):
    process, _ = start("while :; do sleep 0.05; done", before="trap 'exit 7' TERM")
    process.terminate()
    assert process.wait() == 7


def test_program_is_told_to_stop_when_the_leash_is_killed(start):
    process, [_, program] = start("exec sleep 600")
    process.kill()
    process.wait()
    wait_for(lambda: not is_alive(program), "the program to stop")
