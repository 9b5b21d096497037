"""One connection to the stand-in's stream, and the steps that are played on it: see x_server.py."""

import contextlib
import json
import select
import socket
from typing import NamedTuple


class Step(NamedTuple):
    kind: str
    content: object = None


class Status(NamedTuple):
    code: int
    body: dict
    headers: dict


class Offer(NamedTuple):
    """A post for who is connected at this moment: unlike a line of a script it does not wait."""

    post_id: str
    line: bytes
    stream: object


def encode_line(message):
    if isinstance(message, dict):
        message = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    return message.encode() if isinstance(message, str) else message


def parse_step(line):
    if not line.strip():
        return Step("keep_alive")
    if not line.startswith(b"!"):
        return Step("line", line)
    kind, _, rest = line[1:].decode().partition(" ")
    match kind:
        case "close" | "stall":
            return Step(kind)
        case "cut":
            return Step(kind, rest.encode())
        case "pause":
            return Step(kind, float(rest))
        case "status":
            code, _, body = rest.partition(" ")
            return Step(kind, Status(int(code), json.loads(body or "{}"), {}))
    raise ValueError(f"no such step: {line!r}")


class Stream:
    """One connection of a client: plays the script until a step or the client ends it."""

    def __init__(self, x, connection):
        self.x = x
        self.connection = connection
        self.open = True
        self._woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)

    def wake(self):
        with contextlib.suppress(BlockingIOError):  # full: it is awake enough
            self._waker.send(b"!")

    def run(self):
        while self.open:
            step = self.x.take_step(self)
            if step:
                self._play(step)
            elif not self._wait(self.x.keep_alive_every):
                self._play_keep_alive()

    def _play(self, step):
        try:
            getattr(self, f"_play_{step.kind}")(step.content)
        except OSError:
            self.open = False
            self.x.end_broken_step(step)
        else:
            self.x.end_step()

    def end(self):
        """No longer counts as a connection, before the client can know that it is over."""
        self.open = False
        self.x.forget(self)

    def close(self):
        self.end()
        self._woken.close()
        self._waker.close()

    def client_left(self):
        # A client says nothing on a stream: all there is to read is its end.
        return bool(select.select([self.connection], [], [], 0)[0])

    def _wait(self, seconds):
        """True if something happened; the end of the client ends the stream."""
        ready, _, _ = select.select([self.connection, self._woken], [], [], seconds)
        if self.connection in ready:
            self.open = False
        elif ready:
            self._woken.recv(4096)
        return bool(ready)

    def _write(self, data):
        if self.client_left():
            raise ConnectionResetError("the client left")
        self.connection.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    def _play_line(self, line):
        self._write(line + b"\r\n")
        self.x.note_sent(line)

    def _play_offer(self, offer):
        self._play_line(offer.line)

    def _play_keep_alive(self, _=None):
        self._write(b"\r\n")
        self.x.note_keep_alive()

    def _play_close(self, _):
        self.end()
        self.connection.sendall(b"0\r\n\r\n")

    def _play_cut(self, part):
        self.end()
        if part:  # an empty chunk would be a proper end
            self._write(part)

    def _play_stall(self, _):
        while self.open:
            self._wait(None)

    def _play_pause(self, seconds):
        self.open = not select.select([self.connection], [], [], seconds)[0]
