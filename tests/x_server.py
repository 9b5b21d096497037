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

Beside the script there is a world (x_world.py): posts that exist whether or not somebody is connected.

    message = x.world.compose("Hello #wall", author="ada_l")
    x.publish(message)                    # on the stream, if it matches rules and a client is there
    x.world.delete(message["data"]["id"])
    x.refuse_next(SEARCH_PATH, 429, headers={"x-rate-limit-reset": "1800000000"})

Search and lookup answer from it; `x.lists` are the lists that accounts keep (x_lists.py). `x.missed` holds the ids of posts that matched rules when nobody
was connected, `x.charged` per UTC day what X would ask money for. `x.dialect = "post"` makes every
answer speak with post.* names; otherwise REST speaks as it is asked, and the stream tweet.* names.

    python -m tests.x_server --script tests/samples/x_stream.jsonl --rule '#wall' --port 8999

To extend: a step that happens on an open connection is a method `_play_<kind>` of Stream
(x_stream.py), with a method of XServer that queues it and, for files, a line in `parse_step`;
a request is a line in ROUTES. What X says about rules is in x_rules.py.
"""

import argparse
import contextlib
import json
import signal
import socket
import ssl
import sys
import threading
from collections import defaultdict, deque
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from tests.x_lists import USER_AUTH_NEEDED, Lists
from tests.x_rules import PROBLEMS, Rules, refuse_parameter
from tests.x_stream import Offer, Status, Step, Stream, encode_line, parse_step
from tests.x_world import Meter, World, speak_post_dialect

STREAM_PATH = "/2/tweets/search/stream"
RULES_PATH = "/2/tweets/search/stream/rules"
COUNTS_PATH = "/2/tweets/search/stream/rules/counts"
SEARCH_PATH = "/2/tweets/search/recent"
LOOKUP_PATH = "/2/tweets"
APP_PATHS = (STREAM_PATH, RULES_PATH, COUNTS_PATH)
TOKEN = "AAAAAAAAAAAAAAAAAAAAAinvented%2Btoken%3D"

UNAUTHORIZED = {"title": "Unauthorized", "type": "about:blank", "status": 401}
APP_AUTH_NEEDED = {
    "title": "Unsupported Authentication",
    "detail": "Authenticating with OAuth 1.0a User Context is forbidden for this endpoint.  "
    "Supported authentication types are [OAuth 2.0 Application-Only].",
    "type": f"{PROBLEMS}/unsupported-authentication",
    "status": 403,
}
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

NAMES_OF_FIELDS = [f"{kind}.fields" for kind in ("tweet", "post", "user", "media", "poll", "place")]
PARAMETERS = {
    LOOKUP_PATH: ["ids", "expansions", *NAMES_OF_FIELDS],
    SEARCH_PATH: [
        *("query", "since_id", "until_id", "max_results", "next_token", "expansions"),
        *NAMES_OF_FIELDS,
    ],
}


def describe_status(code):
    title = HTTPStatus(code).phrase
    return {"title": title, "detail": title, "type": "about:blank", "status": code}


class Request(NamedTuple):
    """What was asked. Of the header with the token only whether it was right is kept.

    `user`: it was signed for an account instead of sent with the token of an app.
    """

    method: str
    path: str
    params: dict
    headers: dict
    authorized: bool
    body: object
    user: bool


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self._handle_request()

    do_POST = do_DELETE = do_GET

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
        request = self._read_request()
        self.server.x.note_request(request)
        refusal = self.server.x.take_refusal(request.path)
        route = ROUTES.get((request.method, request.path))
        action = self.server.x.lists.find_action(request.method, request.path)
        if refusal:
            self._answer(*refusal)
        elif not request.authorized:
            self._answer(401, UNAUTHORIZED)
        elif action:
            self._answer(*(action(request) if request.user else (403, USER_AUTH_NEEDED)))
        elif route and request.user and request.path in APP_PATHS:
            self._answer(403, APP_AUTH_NEEDED)
        elif route:
            route(self, request)
        else:
            self._answer(404, describe_status(404))

    def _read_request(self):
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        token = headers.pop("authorization", "")
        is_user = token.startswith("OAuth ")
        content = self.rfile.read(int(headers.get("content-length", 0)))
        return Request(
            method=self.command,
            path=url.path,
            params=dict(parse_qsl(url.query)),
            headers=headers,
            authorized=self._verify(token) if is_user else token == f"Bearer {self.server.x.token}",
            body=json.loads(content) if content else None,
            user=is_user,
        )

    def _verify(self, token):
        url = self.server.x.url + self.path
        return self.server.x.lists.verify(self.command, url, token)

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

    def _count_rules(self, _):
        self._answer(200, self.server.x.rules.count())

    def _search(self, request):
        self._answer_with_posts(request, self.server.x.world.search)

    def _look_up(self, request):
        self._answer_with_posts(request, self.server.x.world.look_up)

    def _answer_with_posts(self, request, find):
        for name, value in request.params.items():
            if name not in PARAMETERS[request.path]:
                message = f"The query parameter [{name}] is not one of {PARAMETERS[request.path]}"
                self._answer(*refuse_parameter(name, value, message))
                return
        code, body = find(request.params)
        self.server.x.charge(body)
        asked_new = self.server.x.dialect == "post" or "post.fields" in request.params
        self._answer(code, speak_post_dialect(body) if asked_new else body)

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


ROUTES = {
    ("GET", STREAM_PATH): Handler._stream,
    ("GET", RULES_PATH): Handler._list_rules,
    ("POST", RULES_PATH): Handler._change_rules,
    ("GET", COUNTS_PATH): Handler._count_rules,
    ("GET", SEARCH_PATH): Handler._search,
    ("GET", LOOKUP_PATH): Handler._look_up,
}


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
        self.world = World(announce=self._offer)
        self.lists = Lists(self.world)
        self.dialect = "tweet"
        self.requests = []
        self.sent = []
        self.missed = []
        self._meter = Meter(self.world)
        self._refusals = defaultdict(deque)
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

    # The world.

    def publish(self, message):
        """Files the post, and sends it if it matches rules and a client is being served now.

        The rules are those of this moment, unless the message names its own.
        """
        self.world.file(message)
        self._offer(message)
        return message["data"]["id"]

    def _offer(self, message):
        post_id = message["data"]["id"]
        rules = message.get("matching_rules")
        if rules is None:
            rules = self.world.find_matching_rules(message, self.rules.stored)
        if not rules or self.world.find_loss(post_id):
            return
        message = message | {"matching_rules": rules}
        line = encode_line(speak_post_dialect(message) if self.dialect == "post" else message)
        with self._changed:
            served = [stream for stream in self._streams[-1:] if not stream.client_left()]
            if served:
                self._queue(Step("offer", Offer(post_id, line, served[0])))
            else:
                self.missed.append(post_id)

    def refuse_next(self, path, code, body=None, headers=None, times=1):
        """The next requests of this path are answered with this status, whoever asks."""
        with self._changed:
            status = Status(code, body or describe_status(code), headers or {})
            self._refusals[path].extend([status] * times)

    @property
    def charged(self):
        """What was returned by stream, search and lookup, by UTC day."""
        with self._changed:
            return self._meter.read()

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
            while self._script and self._is_for_another(self._script[0], stream):
                self.missed.append(self._script.popleft().content.post_id)
            if not self._script or self._script[0].kind == "status":
                return None
            self._playing = True
            return self._script.popleft()

    @staticmethod
    def _is_for_another(step, stream):
        return step.kind == "offer" and step.content.stream is not stream

    def end_broken_step(self, step):
        """The client left: a step of the script is played on the next connection, a post is missed."""
        with self._changed:
            if step.kind in ("line", "keep_alive", "offer"):
                self._script.appendleft(step)
            self._drop_offers(lambda offer: offer is step.content)
            self.end_step()

    def _drop_offers(self, is_missed):
        """Takes out what nobody will get; a client that is gone does not hold up the script."""
        left = deque()
        for step in self._script:
            if step.kind == "offer" and is_missed(step.content):
                self.missed.append(step.content.post_id)
            else:
                left.append(step)
        self._script = left

    def end_step(self):
        with self._changed:
            self._playing = False
            for stream in self._streams[-1:]:
                stream.wake()
            self._changed.notify_all()

    def note_sent(self, line):
        with self._changed:
            self.sent.append(line)
            with contextlib.suppress(ValueError):  # a script may send what is no JSON
                self.charge(json.loads(line))
            self._changed.notify_all()

    def charge(self, body):
        if isinstance(body, dict):
            with self._changed:
                self._meter.charge(body)

    def take_refusal(self, path):
        with self._changed:
            refusals = self._refusals[path]
            return refusals.popleft() if refusals else None

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
            self._drop_offers(lambda offer: offer.stream is stream)
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
