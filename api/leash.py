"""Runs a program so that nothing of it outlives it: `python -I leash.py <command> …`.

A killed nginx, gunicorn or worker leaves children that hold its port, and the next one could not start. They become
children of this process, which ends them. If this process or its parent is killed, the program is told to stop.
Needs Python's standard library only, and runs as a file of its own: it stays small.
"""

import ctypes
import os
import signal
import subprocess
import sys

# <linux/prctl.h>
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT)

prctl = ctypes.CDLL(None, use_errno=True).prctl


def main(command):
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    die_with_parent()
    # A signal that comes in between waits until there is someone to pass it on to.
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    program = subprocess.Popen(command, preexec_fn=prepare_program)
    for number in FORWARDED:
        signal.signal(number, lambda number, frame: program.send_signal(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    status = wait_for(program.pid)
    end_children()
    return status


def die_with_parent():
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def prepare_program():
    die_with_parent()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)


def wait_for(wanted):
    """The exit status of the program, as a shell gives it. Others that end meanwhile are buried."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == wanted:
            return os.waitstatus_to_exitcode(status) % 256


def end_children():
    """Whoever loses its parent becomes a child of this process: in the end there is none."""
    while True:
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
