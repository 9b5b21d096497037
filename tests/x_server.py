r"""A stand-in for X's filtered stream and its rules: real HTTP over a real socket.

    with XServer() as x:                      # x.url, x.token
        x.rules.add("#wall", tag="wallpush:wall")
        x.send({"data": {"id": "1", "text": "…"}})   # a dict, or the line itself as str or bytes
        x.keep_alive()
        x.cut('{"data":{"id":"2"')            # ends the connection in the middle of a line
        x.refuse(503)                         # the next connection is answered with this status
        x.send(...)                           # played on the one after
        x.wait_until_played()

What is told to it is a script: steps in a queue, played in order on whatever connection there is,
so that a test says beforehand what X does and never sleeps. `x.sent` holds the lines that were
written to a socket, `x.requests` what was asked. The `wait_…` methods wait for a condition.

A script in a file is a file of stream lines: each is sent as it is, an empty one is a keep-alive.
`!close`, `!cut <text>`, `!stall`, `!pause <seconds>`, `!status <code> [<json body>]` are steps, too.

    python -m tests.x_server --script tests/samples/x_stream.jsonl --rule '#wall' --port 8999

To extend: a step that happens on an open connection is a method `_play_<kind>` of Stream, with
a method of XServer that queues it and, for files, a line in `parse_step`; a request is a line in
Handler.routes. What X says about rules is in x_rules.py.
"""

import argparse
import contextlib
import json
import select
import signal
import socket
import ssl
import sys
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from tests.x_rules import PROBLEMS, Rules

STREAM_PATH = "/2/tweets/search/stream"
RULES_PATH = "/2/tweets/search/stream/rules"
TOKEN = "AAAAAAAAAAAAAAAAAAAAAinvented%2Btoken%3D"

UNAUTHORIZED = {"title": "Unauthorized", "type": "about:blank", "status": 401}
CREDITS_DEPLETED = {
    "account_id": "2072000000000000000",
    "title": "CreditsDepleted",
    "detail": "Your enrolled account [2072000000000000000] does not have any credits to fulfill this request.",
    "type": f"{PROBLEMS}/credits",
}
NO_RULES = {
    "title": "ConnectionException",
    "detail": "You must define rules before connecting to filtered stream.",
    "connection_issue": "RuleConfigurationIssue",
    "type": f"{PROBLEMS}/streaming-connection",
}
TOO_MANY_CONNECTIONS = {
    "title": "ConnectionException",
    "detail": "This stream is currently at the maximum allowed connection limit.",
    "connection_issue": "TooManyConnections",
    "type": f"{PROBLEMS}/streaming-connection",
}
OPERATIONAL_DISCONNECT = {
    "errors": [
        {
            "title": "operational-disconnect",
            "disconnect_type": "UpstreamOperationalDisconnect",
            "detail": "This stream has been disconnected upstream for operational reasons.",
            "type": "https://api.x.com/2/problems/operational-disconnect",
        }
    ]
}


class Step(NamedTuple):
    kind: str
    content: object = None


class Status(NamedTuple):
    code: int
    body: dict
    headers: dict


class Request(NamedTuple):
    """What was asked. Of the header with the token only whether it was right is kept."""

    method: str
    path: str
    params: dict
    headers: dict
    authorized: bool
    body: object


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
            # A line that met a closed connection is played on the next one.
            self.x.end_step(step if step.kind in ("line", "keep_alive") else None)
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


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self._handle_request()

    do_POST = do_GET

    def log_message(self, *args):
        pass

    def setup(self):
        super().setup()
        self.server.x.note_socket(self.connection)

    def handle(self):
        with contextlib.suppress(OSError):  # the client is gone, or the server closes
            super().handle()

    def finish(self):
        with contextlib.suppress(OSError):
            super().finish()
        self.server.x.drop_socket(self.connection)

    def _handle_request(self):
        routes = {
            ("GET", STREAM_PATH): self._stream,
            ("GET", RULES_PATH): self._list_rules,
            ("POST", RULES_PATH): self._change_rules,
        }
        request = self._read_request()
        self.server.x.note_request(request)
        route = routes.get((request.method, request.path))
        if not request.authorized:
            self._answer(401, UNAUTHORIZED)
        elif route:
            route(request)
        else:
            self._answer(404, {"title": "Not Found", "type": "about:blank", "status": 404})

    def _read_request(self):
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        token = headers.pop("authorization", "")
        content = self.rfile.read(int(headers.get("content-length", 0)))
        return Request(
            method=self.command,
            path=url.path,
            params=dict(parse_qsl(url.query)),
            headers=headers,
            authorized=token == f"Bearer {self.server.x.token}",
            body=json.loads(content) if content else None,
        )

    def _answer(self, code, body, headers=()):
        content = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _list_rules(self, request):
        ids = request.params.get("ids", "")
        self._answer(200, self.server.x.rules.list(ids.split(",") if ids else []))

    def _change_rules(self, request):
        dry_run = request.params.get("dry_run", "").lower() == "true"
        self._answer(*self.server.x.rules.change(request.body, dry_run))

    def _stream(self, _):
        with contextlib.closing(Stream(self.server.x, self.connection)) as stream:
            refusal = self.server.x.admit(stream)
            if refusal:
                self._answer(*refusal)
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Transfer-Encoding", "chunked")
            # Otherwise a client might ask again on this connection while it is being closed.
            self.send_header("Connection", "close")
            self.end_headers()
            stream.run()


class Server(ThreadingHTTPServer):
    daemon_threads = False  # closing the server joins the threads of all connections
    tls = None

    def finish_request(self, request, client_address):
        if not self.tls:
            super().finish_request(request, client_address)
            return
        try:
            encrypted = self.tls.wrap_socket(request, server_side=True)
        except OSError:  # the client does not like the certificate
            return
        with encrypted:
            super().finish_request(encrypted, client_address)


class XServer:
    """See the module. `second` says what a second connection meets: "refuse" (429) or "replace"."""

    def __init__(self, *, port=0, token=TOKEN, keep_alive_every=20.0, second="refuse", tls=None):
        self.token = token
        self.keep_alive_every = keep_alive_every
        self.second = second
        self.rules = Rules()
        self.requests = []
        self.sent = []
        self.keep_alives = 0
        self.connections = 0
        self._script = deque()
        self._playing = False
        self._closing = False
        self._streams = []
        self._sockets = set()
        self._changed = threading.Condition()
        self._httpd = Server(("127.0.0.1", port), Handler)
        self._httpd.x = self
        if tls:
            self._httpd.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._httpd.tls.load_cert_chain(*tls)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._httpd.server_address[1]}"
        self._thread = threading.Thread(target=self._httpd.serve_forever, args=(0.01,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._httpd.shutdown()
        self._thread.join()
        self._closing = True
        self.hang_up()
        self._httpd.server_close()

    def __repr__(self):
        return (
            f"<XServer: {self.connections} connections, now {len(self._streams)}; "
            f"{len(self.sent)} lines sent, {len(self._script)} steps to play; "
            f"requests {[(r.method, r.path, r.authorized) for r in self.requests]}>"
        )

    # The script.

    def send(self, message):
        self._queue(Step("line", encode_line(message)))

    def keep_alive(self):
        self._queue(Step("keep_alive"))

    def close(self):
        """Ends the connection as HTTP wants it."""
        self._queue(Step("close"))

    def cut(self, part=b""):
        """Ends the connection at once, after a part of a line."""
        self._queue(Step("cut", encode_line(part)))

    def stall(self):
        """Says nothing more, not even keep-alives, until the client leaves."""
        self._queue(Step("stall"))

    def refuse(self, code, body=None, headers=None):
        """The next connection is answered with this status."""
        self._queue(Step("status", Status(code, body or {}, headers or {})))

    def play(self, path):
        """Queues a script from a file."""
        self._queue(*(parse_step(line) for line in Path(path).read_bytes().splitlines()))

    def hang_up(self):
        """Cuts every socket now, whatever is queued: the cable is pulled."""
        with self._changed:
            for connection in self._sockets:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    # What tests wait for.

    @property
    def connected(self):
        return bool(self._streams)

    def wait_until(self, condition, what, timeout=10):
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                raise AssertionError(f"not within {timeout} s: {what}. {self}")

    def wait_until_connected(self, times=1):
        """Until there is a connection, the given one of all since the start."""
        self.wait_until(lambda: self.connections >= times and self.connected, f"connection {times}")

    def wait_until_disconnected(self):
        self.wait_until(lambda: not self.connected, "no connection")

    def wait_until_played(self):
        self.wait_until(lambda: not self._script and not self._playing, "script played")

    def wait_until_requested(self, times, path=STREAM_PATH):
        """Until so many requests of this path have come, whatever was answered."""
        self.wait_until(
            lambda: sum(request.path == path for request in self.requests) >= times,
            f"request {times} of {path}",
        )

    # What the threads of the connections call.

    def admit(self, stream):
        """What to answer instead of a stream, if anything."""
        with self._changed:
            refusal = self._find_refusal()
            if not refusal:
                self._streams.append(stream)
                self.connections += 1
            self._changed.notify_all()
            return refusal

    def _find_refusal(self):
        if self._script and self._script[0].kind == "status":
            return self._script.popleft().content
        if not self.rules.stored:
            return 409, NO_RULES
        # A client that left is seen here, even before its own thread has noticed.
        staying = [stream for stream in self._streams if not stream.client_left()]
        if not staying:
            return None
        if self.second == "refuse":
            return 429, TOO_MANY_CONNECTIONS
        for stream in staying:
            stream.connection.shutdown(socket.SHUT_RDWR)
        return None

    def take_step(self, stream):
        """The next step, for the newest connection and only when the last step is through."""
        with self._changed:
            if self._playing or stream not in self._streams[-1:]:
                return None
            if not self._script or self._script[0].kind == "status":
                return None
            self._playing = True
            return self._script.popleft()

    def end_step(self, again=None):
        with self._changed:
            self._playing = False
            if again:
                self._script.appendleft(again)
            for stream in self._streams[-1:]:
                stream.wake()
            self._changed.notify_all()

    def note_sent(self, line):
        with self._changed:
            self.sent.append(line)
            self._changed.notify_all()

    def note_keep_alive(self):
        with self._changed:
            self.keep_alives += 1
            self._changed.notify_all()

    def note_request(self, request):
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()

    def note_socket(self, connection):
        with self._changed:
            self._sockets.add(connection)
            if self._closing:
                connection.shutdown(socket.SHUT_RDWR)

    def drop_socket(self, connection):
        with self._changed:
            self._sockets.discard(connection)

    def forget(self, stream):
        with self._changed:
            if stream in self._streams:
                self._streams.remove(stream)
            self._changed.notify_all()

    def _queue(self, *steps):
        with self._changed:
            self._script.extend(steps)
            for stream in self._streams:
                stream.wake()


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m tests.x_server", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--script", help="file of stream lines and steps")
    parser.add_argument(
        "--rule", action="append", default=[], help="a rule X has: value or tag=value"
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument(
        "--seconds", type=float, default=600, help="ends after this time at the latest"
    )
    options = parser.parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with XServer(port=options.port, token=options.token) as x:
        for rule in options.rule:
            tag, _, value = rule.rpartition("=")
            x.rules.add(value, tag)
        if options.script:
            x.play(options.script)
        print(x.url, flush=True)
        ended.wait(options.seconds)
    print(json.dumps({"connections": x.connections, "sent": len(x.sent)}))


if __name__ == "__main__":
    sys.exit(main())
