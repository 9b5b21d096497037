"""Follows channels of a real push node in a thread."""

import json
import queue
import socket
import threading

DEADLINE = 20


class Subscriber:
    """Begins with the next message once it is made, or with all that the push node has stored."""

    def __init__(self, push_node, *channels, stored=False):
        path = f"/events/sub/{'/'.join(channels or ('global',))}"
        address = (push_node.subscribe_address, push_node.subscribe_port)
        self.socket = socket.create_connection(address, timeout=DEADLINE)
        # HTTP/1.0: the body comes as it is, without chunks.
        since = "Last-Event-ID: Thu, 01 Jan 1970 00:00:01 GMT|0\r\n" if stored else ""
        self.socket.sendall(f"GET {path} HTTP/1.0\r\n{since}\r\n".encode())
        self.lines = self.socket.makefile("rb")
        assert b" 200 " in self.lines.readline()
        while self.lines.readline().strip():
            pass
        # The body begins with a line of its own: then the subscription stands.
        self.lines.readline()
        self.bodies = queue.Queue()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        self.socket.settimeout(None)
        for line in filter(bytes.strip, self.lines):
            envelope = json.loads(line)
            if envelope["id"] > 0:
                self.bodies.put(envelope["text"])

    def take(self, number):
        """The next messages' bodies, in the order of delivery."""
        return [self.bodies.get(timeout=DEADLINE) for _ in range(number)]

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.lines.close()
        self.socket.close()
