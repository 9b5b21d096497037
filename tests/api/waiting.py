"""Waits for what other threads and processes bring about."""

import time

DEADLINE = 40


def wait_for(condition, what):
    """What the condition returned, as soon as that is true."""
    deadline = time.monotonic() + DEADLINE
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited {DEADLINE} s for {what}"
        time.sleep(0.02)
    return result
