"""Drives several conversations in one thread.

A conversation is a generator: it yields what it waits for and is resumed with whether that came
in time. So it reads from top to bottom, and a node that hangs holds up nobody else.
"""

from __future__ import annotations

import math
import selectors
import socket
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import NamedTuple, TypeVar

__all__ = ["READ", "WRITE", "Steps", "TooLate", "Wait", "run_together"]

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE

T = TypeVar("T")


class Wait(NamedTuple):
    """Until the socket is ready or `time.monotonic()` passes `until`; without a socket, a pause."""

    socket: socket.socket | None
    events: int
    until: float


Steps = Generator[Wait, bool, T]


class TooLate(Exception):
    """Thrown into a conversation that is behind another one by more than the patience."""


class _Task:
    """A conversation and what it waits for at the moment."""

    def __init__(self, steps: Steps[bool], selector: selectors.BaseSelector) -> None:
        self.steps = steps
        self.wait: Wait | None = None
        self.went_well = False
        self._selector = selector

    def resume(self, *, ready: bool) -> None:
        self._go_on(lambda: self.steps.send(ready) if self.wait else next(self.steps))

    def give_up(self) -> None:
        self._go_on(lambda: self.steps.throw(TooLate))

    def _go_on(self, step: Callable[[], Wait]) -> None:
        before = self.wait
        try:
            self.wait = step()
        except StopIteration as end:
            self.wait, self.went_well = None, bool(end.value)
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


def run_together(conversations: Iterable[Steps[bool]], patience: float = math.inf) -> None:
    """Return when all have ended. Whatever ends this early closes every one of them.

    A conversation returns whether it went well. So many seconds of `patience` after the first
    that did, those that still go on are given up.
    """
    with selectors.DefaultSelector() as selector:
        tasks = [_Task(steps, selector) for steps in conversations]
        try:
            for task in tasks:
                task.resume(ready=True)
            end_by = math.inf
            while waiting := [task for task in tasks if task.wait]:
                if end_by == math.inf and any(task.went_well for task in tasks):
                    end_by = time.monotonic() + patience
                _step(selector, waiting, end_by)
        finally:
            for task in tasks:
                task.steps.close()


def _step(selector: selectors.BaseSelector, waiting: Sequence[_Task], end_by: float) -> None:
    now = time.monotonic()
    until = min(end_by, *(task.wait.until for task in waiting if task.wait))
    ready = {key.data for key, _ in selector.select(max(0.0, until - now))}
    now = time.monotonic()
    for task in waiting:
        if now >= end_by:
            task.give_up()
        elif task in ready:
            task.resume(ready=True)
        elif task.wait and task.wait.until <= now:
            task.resume(ready=False)
