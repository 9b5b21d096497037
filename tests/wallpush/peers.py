"""Servers that behave badly, on real sockets. Each handler gets one accepted connection."""

import re
import socket
import threading
from contextlib import suppress


class Peer:
    """Hands each connection to the next handler, the last one again and again."""

    def __init__(self, *handlers):
        self._handlers = handlers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self):
        return "http://{}:{}".format(*self._listener.getsockname())

    @property
    def accepted(self):
        return len(self._connections)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            handler = self._handlers[min(len(self._connections), len(self._handlers) - 1)]
            self._connections.append(connection)
            self._threads.append(threading.Thread(target=self._handle, args=(handler, connection)))
            self._threads[-1].start()

    def _handle(self, handler, connection):
        # Its client may leave at any time, and the end of the test closes what still waits.
        with suppress(OSError):
            handler(connection)

    def wait(self):
        """Until the handlers of the connections so far are done."""
        for thread in self._threads[1:]:
            thread.join()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for connection in self._connections:
            connection.close()


def read_request(connection):
    """The next request, byte by byte: what follows it belongs to the next call."""
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            return b""
        request += byte
    length = int(re.search(rb"Content-Length: (\d+)", request)[1])
    return request + b"".join(connection.recv(1) for _ in range(length))


def stay_silent(connection):
    """Accepts, and says nothing for as long as it lives."""


def hang_up(connection):
    read_request(connection)
    connection.close()


def answer_with(*answers):
    """One canned answer for each request, then nothing more."""

    def handle(connection):
        for answer in answers:
            if not read_request(connection):
                return
            connection.sendall(answer)

    return handle


def answer_and_close(answer):
    def handle(connection):
        answer_with(answer)(connection)
        connection.close()

    return handle


def ok_answer(subscribers=0, *, extra=b""):
    body = (
        b'{"channel": "global", "published_messages": 1, "stored_messages": 1, '
        b'"subscribers": %d}' % subscribers
    )
    return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (extra, len(body), body)


def error_answer(status, explain=b""):
    return b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nX-Nginx-PushStream-Explain: %b\r\n\r\n" % (
        status,
        explain,
    )
