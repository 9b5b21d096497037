"""Hands one batch to one push node: pipelined, in order, each message until its answer is known.

The rules come from push_stream.md §1 and §8. After any answer but 200 the module may have left
the body unread and would take it for the next request, so the connection is dropped and what is
unanswered goes again on a new one. A refusal counts only if it is the first answer of a
connection: only then nothing before it can have caused it. Subscribers merge by event id, so a
message that goes twice shows once.
"""

from __future__ import annotations

import math
import socket
import ssl
import time
from collections.abc import Sequence
from typing import NamedTuple

from .address import Address
from .answers import GarbledAnswer, Head
from .connection import Connection, ConnectionPool, Lost
from .dialing import DialFailed, dial
from .errors import Overloaded, PublishError, Refused, TimedOut, Unreachable
from .loop import Steps, TooLate, Wait

__all__ = ["Delivery", "Node", "Request"]

MAX_IN_FLIGHT = 256
CHUNK_MESSAGES = 64
CHUNK_BYTES = 256 * 1024

# Connections in a row that bring nothing, until the rest of the batch is left for later.
MAX_BARREN = 3
# A node slower than this many messages per `timeout` fails the rest: no batch takes for ever.
MESSAGES_PER_TIMEOUT = 500
# A push node that restarts is away for about 20 ms, and before that still accepts connections
# that it will never serve: do not risk a message's second try on one of those.
RESTART_SECONDS = 0.1

RETRYABLE_STATUSES = frozenset({408, 429})


class Request(NamedTuple):
    """One request below the node's address, ready but for its Host header."""

    method: bytes
    path: bytes
    headers: bytes = b""
    body: bytes = b""


class Node:
    """A push node: its address, how to trust it, and the idle connections to it."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None) -> None:
        self.name = str(address)
        self.address = address
        self.tls = tls if address.is_secure else None
        self.pool = ConnectionPool()


class Delivery:
    """One node's share of a batch. `results` grows in order: an answer's body, or an error."""

    def __init__(self, node: Node, requests: Sequence[Request], timeout: float) -> None:
        self.node = node
        self.results: list[bytes | PublishError] = []
        self._requests = requests
        self._timeout = timeout
        self._prefix = node.address.prefix.encode()
        self._host = b"Host: %b\r\n" % node.address.authority.encode()
        self._sent = 0
        self._window = MAX_IN_FLIGHT
        self._risked = 0
        self._barren = 0
        self._had_connection = False
        self._must_pause = False
        self._answer_by = 0.0
        self._end_by = 0.0

    def run(self) -> Steps[bool]:
        """The whole conversation; afterwards `results` has one entry for each request.

        Returns whether the node said of each what it does with it.
        """
        now = time.monotonic()
        self._answer_by = now + self._timeout
        timeouts = 1 + math.ceil((len(self._requests) - 1) / MESSAGES_PER_TIMEOUT)
        self._end_by = now + self._timeout * timeouts
        try:
            while self._is_unfinished:
                connection = self.node.pool.take() or (yield from self._open())
                yield from self._converse(connection)
        except PublishError as error:
            self._fail(error)
        except TooLate:
            self._fail(TimedOut(self.node.name, "slower than the other push nodes."))
        return not any(
            isinstance(result, PublishError) and result.retryable for result in self.results
        )

    def _fail(self, error: PublishError) -> None:
        self._settle([error] * (len(self._requests) - len(self.results)))

    @property
    def _is_unfinished(self) -> bool:
        return len(self.results) < len(self._requests)

    @property
    def _deadline(self) -> float:
        return min(self._answer_by, self._end_by)

    def _open(self) -> Steps[Connection]:
        try:
            sock = yield from self._dial()
        except DialFailed as failure:
            raise Unreachable(self.node.name, f"{failure}.") from failure
        return self.node.pool.adopt(sock)

    def _dial(self) -> Steps[socket.socket]:
        if self._must_pause:
            yield from self._pause()
        try:
            return (yield from dial(self.node.address, self.node.tls, self._deadline))
        except DialFailed as failure:
            if not (failure.refused and self._had_connection):
                raise
        yield from self._pause()
        return (yield from dial(self.node.address, self.node.tls, self._deadline))

    def _pause(self) -> Steps[None]:
        self._must_pause = False
        yield Wait(None, 0, min(time.monotonic() + RESTART_SECONDS, self._deadline))

    def _converse(self, connection: Connection) -> Steps[None]:
        """Use one connection as long as it is good for something."""
        self._sent = len(self.results)
        self._had_connection = True
        before = connection.answers
        try:
            while connection.is_open and self._is_unfinished:
                yield from self._exchange(connection)
        except (Lost, GarbledAnswer) as loss:
            connection.close()
            self._count_loss(connection, connection.answers - before, str(loss))
        finally:
            if self._is_unfinished:
                connection.close()
        self.node.pool.give_back(connection)
        # A node that closes after n answers leaves the rest unread: do not send it more than n.
        self._window = max(1, min(self._window, connection.answers - before))

    def _exchange(self, connection: Connection) -> Steps[None]:
        """Send what may be sent, wait, take the answers that have come."""
        connection.send(self._next_chunk() if connection.wants_more else b"")
        in_time = yield Wait(connection.socket, connection.events, self._deadline)
        for head, body in connection.receive() if in_time else ():
            self._take(connection, head, body)
            if not connection.is_open:
                return
        if self._is_unfinished and time.monotonic() >= self._deadline:
            raise TimedOut(self.node.name, self._explain_timeout())

    def _explain_timeout(self) -> str:
        if self._answer_by <= self._end_by:
            return f"no answer within {self._timeout:g} s."
        return f"slower than {MESSAGES_PER_TIMEOUT} messages in {self._timeout:g} s."

    def _next_chunk(self) -> bytes:
        last = min(
            len(self._requests), len(self.results) + self._window, self._sent + CHUNK_MESSAGES
        )
        parts: list[bytes] = []
        size = 0
        while self._sent < last and size < CHUNK_BYTES:
            method, path, headers, body = self._requests[self._sent]
            parts.append(
                b"%b %b%b HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n%b"
                % (method, self._prefix, path, self._host, headers, len(body), body)
            )
            size += len(body)
            self._sent += 1
        return b"".join(parts)

    def _take(self, connection: Connection, head: Head, body: bytes) -> None:
        """One answer belongs to the first message that has none."""
        if len(self.results) >= self._sent:
            raise GarbledAnswer("more answers came than messages were sent")
        if head.status != 200:
            connection.close()
            self._window = 1
            if connection.answers == 1:
                self._refuse(head)
            return
        if body and not body.startswith(b"{"):
            raise GarbledAnswer("another server's answer came")
        self._barren = 0
        self._window = min(2 * self._window, MAX_IN_FLIGHT)
        self._settle([body])
        if head.is_last:
            connection.close()

    def _refuse(self, head: Head) -> None:
        """This answer counts: it was the first one of a new connection."""
        if head.status >= 500 or head.status in RETRYABLE_STATUSES:
            error: PublishError = Overloaded(self.node.name, head.status, head.explain)
            self._settle([error])
            self._count_barren(error)
        else:
            self._barren = 0
            self._settle([Refused(self.node.name, head.status, head.explain)])

    def _count_loss(self, connection: Connection, gained: int, reason: str) -> None:
        """Messages that were in flight at an earlier loss fail now; the others go once more."""
        if connection.is_reused and gained == 0:
            return  # closed while it was idle: no message is to blame
        error = Unreachable(self.node.name, f"{reason}; is it a push node, and does it run?")
        self._settle([error] * (min(self._risked, self._sent) - len(self.results)))
        self._risked = max(self._risked, self._sent)
        self._window = 1
        self._must_pause = True
        if gained == 0:
            self._count_barren(error)

    def _settle(self, results: Sequence[bytes | PublishError]) -> None:
        self.results.extend(results)
        self._answer_by = time.monotonic() + self._timeout

    def _count_barren(self, error: PublishError) -> None:
        self._barren += 1
        if self._barren >= MAX_BARREN:
            raise error
