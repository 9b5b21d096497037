"""Drives several conversations in one thread.

A conversation is a generator: it yields what it waits for and is resumed with whether that came
in time. So it reads from top to bottom, and a node that hangs holds up nobody else.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Generator, Iterable
from typing import NamedTuple, TypeVar

__all__ = ["READ", "WRITE", "Steps", "Wait", "run_together"]

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE

T = TypeVar("T")


class Wait(NamedTuple):
    """Until the socket is ready or `time.monotonic()` passes `until`; without a socket, a pause."""

    socket: socket.socket | None
    events: int
    until: float


Steps = Generator[Wait, bool, T]


class _Task:
    """A conversation and what it waits for at the moment."""

    def __init__(self, steps: Steps[None], selector: selectors.BaseSelector) -> None:
        self.steps = steps
        self.wait: Wait | None = None
        self._selector = selector

    def resume(self, *, ready: bool) -> None:
        before = self.wait
        try:
            self.wait = self.steps.send(ready) if before else next(self.steps)
        except StopIteration:
            self.wait = None
        self._watch(before)

    def _watch(self, before: Wait | None) -> None:
        old = before.socket if before else None
        new = self.wait.socket if self.wait else None
        if old is not None and old is not new:
            self._selector.unregister(old)
        if self.wait is None or new is None:
            return
        if old is not new:
            self._selector.register(new, self.wait.events, self)
        elif before is not None and before.events != self.wait.events:
            self._selector.modify(new, self.wait.events, self)


def run_together(conversations: Iterable[Steps[None]]) -> None:
    """Return when all have ended. Whatever ends this early closes every one of them."""
    with selectors.DefaultSelector() as selector:
        tasks = [_Task(steps, selector) for steps in conversations]
        try:
            for task in tasks:
                task.resume(ready=True)
            while waiting := [task for task in tasks if task.wait]:
                _step(selector, waiting)
        finally:
            for task in tasks:
                task.steps.close()


def _step(selector: selectors.BaseSelector, waiting: list[_Task]) -> None:
    now = time.monotonic()
    until = min(task.wait.until for task in waiting if task.wait)
    ready = {key.data for key, _ in selector.select(max(0.0, until - now))}
    now = time.monotonic()
    for task in waiting:
        if task in ready:
            task.resume(ready=True)
        elif task.wait and task.wait.until <= now:
            task.resume(ready=False)
