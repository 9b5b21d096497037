"""What the comparisons ask of each peer."""

import socket
from abc import ABC, abstractmethod

START_SECONDS = 30


class Peer(ABC):
    """Started once, with the subscribers of one transport at a time."""

    name: str
    transports = ("ws", "ev")

    @property
    @abstractmethod
    def address(self):
        """Where subscribers connect."""

    @abstractmethod
    def path(self, transport):
        """What they ask for."""

    @abstractmethod
    def start(self, folder):
        """Returns once it accepts connections."""

    @abstractmethod
    def publish(self, body):
        """Hands a message over, without waiting for more than that."""

    @abstractmethod
    def processes(self):
        """The process ids of each part of the way to a subscriber: its name → the ids of its topmost process."""

    @abstractmethod
    def stop(self):
        pass


class Poster:
    """Posts over one connection and does not wait for the answers."""

    def __init__(self, address, path, headers=""):
        self.head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: %d\r\n\r\n"
        )
        self.sock = socket.create_connection(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, body):
        self._discard()
        self.sock.settimeout(START_SECONDS)
        self.sock.sendall((self.head % len(body)).encode() + body)

    def _discard(self):
        self.sock.setblocking(False)
        try:
            while answers := self.sock.recv(65536):
                assert b"HTTP/1.1 4" not in answers, answers
                assert b"HTTP/1.1 5" not in answers, answers
        except BlockingIOError:
            return
        raise ConnectionError("the connection to publish was closed")

    def close(self):
        self.sock.close()
