"""Subscriptions over bare sockets, as little as a browser needs of each transport."""

import socket

WEBSOCKET = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
HEADERS = {"ws": WEBSOCKET, "ev": "Accept: text/event-stream\r\n"}
ANSWERS = {"ws": b"HTTP/1.1 101", "ev": b"HTTP/1.1 200"}


def make_request(transport, address, path, headers=""):
    host, port = address
    # HTTP/1.0: no chunks, whose heads would stand in the middle of what is looked for.
    version = "1.1" if transport == "ws" else "1.0"
    head = f"GET {path} HTTP/{version}\r\nHost: {host}:{port}\r\nOrigin: http://{host}:{port}\r\n"
    return f"{head}{HEADERS[transport]}{headers}\r\n".encode()


def connect(address, *, source=None):
    """A limit of the front is for one address: `source` is another one of this machine."""
    sock = socket.create_connection(address, timeout=30, source_address=source and (source, 0))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
