"""One keep-alive connection to a push node, and the pool that keeps idle ones."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from weakref import WeakSet

from .answers import Answer, AnswerReader
from .loop import READ, WRITE

__all__ = ["Connection", "ConnectionPool", "Lost"]

RECEIVE_BYTES = 64 * 1024
MAX_IDLE = 8


class Lost(Exception):
    """The connection ended while answers were missing."""


class Connection:
    """Sends and receives without blocking.

    answers: how many whole answers came since it was opened; is_reused: whether it was idle in
    the pool before, so that the push node may have closed it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.answers = 0
        self.is_reused = False
        self.is_open = True
        self._unsent = memoryview(b"")
        self._reader = AnswerReader()
        self._can_send = True

    @property
    def events(self) -> int:
        return READ | WRITE if self._unsent else READ

    @property
    def wants_more(self) -> bool:
        """Whether all that was given is sent, and more can be."""
        return self._can_send and not self._unsent

    @property
    def is_idle(self) -> bool:
        return self.is_open and self._can_send and not self._unsent and self._reader.is_idle

    def send(self, data: bytes = b"") -> None:
        """Send what the kernel takes now, after what was left of the last time."""
        if data:
            self._unsent = memoryview(data)
        try:
            while self._unsent:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            # The reason may lie unread in the receive buffer: an answer sent before it closed.
            self._can_send = False
            self._unsent = memoryview(b"")

    def receive(self) -> Iterator[Answer]:
        """The answers that have arrived. Raises Lost when the connection ended, GarbledAnswer."""
        data = self._read()
        if data is None:
            return
        self._reader.feed(data)
        while (answer := self._reader.next_answer()) is not None:
            self.answers += 1
            yield answer
        if not data:
            yield from self._last_answer()

    def _read(self) -> bytes | None:
        """What arrived, empty at the end of the connection, None if nothing did."""
        try:
            data = self.socket.recv(RECEIVE_BYTES)
            # TLS decrypts whole records: what it holds back wakes no selector.
            while isinstance(self.socket, ssl.SSLSocket) and (held := self.socket.pending()):
                data += self.socket.recv(held)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError as exc:
            raise Lost("the connection broke before the answer") from exc
        return data

    def _last_answer(self) -> Iterator[Answer]:
        answer = self._reader.end()
        if answer is None:
            raise Lost("the connection was closed before the answer")
        self.answers += 1
        yield answer

    def is_stale(self) -> bool:
        """Whether the push node closed it, or said something unasked, while it was idle."""
        try:
            self.socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        self.is_open = False
        self.socket.close()


class ConnectionPool:
    """Idle connections to one push node. Safe with threads; a forked child starts an empty one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._all: WeakSet[Connection] = WeakSet()
        self._is_open = True
        _pools.add(self)

    def adopt(self, sock: socket.socket) -> Connection:
        """A new connection, known to the pool before it is idle for the first time."""
        connection = Connection(sock)
        with self._lock:
            self._all.add(connection)
        return connection

    def take(self) -> Connection | None:
        """The connection used last that is still alive."""
        while (connection := self._pop()) is not None:
            if not connection.is_stale():
                connection.is_reused = True
                return connection
            connection.close()
        return None

    def _pop(self) -> Connection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def give_back(self, connection: Connection) -> None:
        with self._lock:
            if self._is_open and connection.is_idle and len(self._idle) < MAX_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        with self._lock:
            self._is_open = False
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def forget_parent(self) -> None:
        """In a forked child: another thread may have held the lock, and the sockets are shared."""
        self._lock = threading.Lock()
        self._idle = []
        for connection in tuple(self._all):
            connection.close()
        self._all = WeakSet()


_pools: WeakSet[ConnectionPool] = WeakSet()


def _forget_parents() -> None:
    for pool in tuple(_pools):
        pool.forget_parent()


os.register_at_fork(after_in_child=_forget_parents)
