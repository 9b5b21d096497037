r"""A stand-in for Bluesky's Jetstream and its public API: a real WebSocket and real HTTP over real sockets.

    with JetstreamServer() as jetstream:             # jetstream.url, jetstream.api_url
        jetstream.add_account("did:plc:ada", "ada.example", displayName="Ada")
        event = jetstream.publish("did:plc:ada", "Hello #wall", facets=[make_tag("Hello #wall", "#wall")])
        jetstream.update(event, text="Hello again #wall")
        jetstream.delete(event)
        jetstream.lose("did:plc:ada", "takendown")   # an account event
        jetstream.rename("did:plc:ada", "a.example") # an identity event
        jetstream.send(b"not JSON")                  # a message as it is
        jetstream.hang_up()                          # cuts every connection
        jetstream.stall()                            # present connections hear nothing more
        jetstream.refuse(503)                        # the next connection is answered with this status
        jetstream.fail_api(500)                      # the API answers so until fail_api(200)

What was sent is a log, as at Jetstream: a connection with a cursor is sent all that is not older, one
without only what comes from then on. `connections` holds what was asked by each, `api_requests` what
the API was asked. The `wait_…` methods wait for a condition.
"""

import contextlib
import itertools
import json
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

PATH = "/subscribe"
POSTS = "app.bsky.feed.post"
KEPT = 36 * 3600 * 1_000_000
GROUP = 25
TID_LETTERS = "234567abcdefghijklmnopqrstuvwxyz"
HANDLE = re.compile(r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z][a-zA-Z0-9-]*")


def make_tid(microseconds):
    """A key or revision as Bluesky makes them of a time: sorted as it."""
    value = microseconds << 10
    return "".join(TID_LETTERS[value >> shift & 31] for shift in range(60, -1, -5))


def make_facet(text, piece, feature, **fields):
    """Marks the first place of the piece in the text; offsets count bytes."""
    start = len(text[: text.index(piece)].encode())
    return {
        "index": {"byteStart": start, "byteEnd": start + len(piece.encode())},
        "features": [{"$type": f"app.bsky.richtext.facet#{feature}", **fields}],
    }


def make_tag(text, piece):
    return make_facet(text, piece, "tag", tag=piece.lstrip("#"))


def make_mention(text, piece, did):
    return make_facet(text, piece, "mention", did=did)


def make_link(text, piece, uri):
    return make_facet(text, piece, "link", uri=uri)


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        url = urlsplit(self.path)
        status, body = self.server.jetstream.answer(url.path, parse_qs(url.query))
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def setup(self):
        super().setup()
        self.server.jetstream.note_api_socket(self.connection)

    def log_message(self, *args):
        pass

    def handle(self):
        with contextlib.suppress(OSError):  # the client is gone, or the server closes
            super().handle()

    def finish(self):
        with contextlib.suppress(OSError):
            super().finish()
        self.server.jetstream.drop_api_socket(self.connection)


class ApiServer(ThreadingHTTPServer):
    daemon_threads = False  # closing the server joins the threads of all connections


class JetstreamServer:
    def __init__(self):
        self.log = []
        self.connections = []
        self.api_requests = []
        self.accounts = {}
        self.posts = {}
        self._open = []
        self._stalled = set()
        self._dead = []
        self._refusals = []
        self._api_status = 200
        self._api_held = False
        self._api_sockets = set()
        self._closing = False
        self._last = 0
        self._changed = threading.Condition()
        self._server = serve(
            self._stream, "127.0.0.1", 0, process_request=self._admit, close_timeout=0.2
        )
        self._api = ApiServer(("127.0.0.1", 0), Api)
        self._api.jetstream = self
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"
        self.api_url = f"http://127.0.0.1:{self._api.server_address[1]}"
        self._threads = [
            threading.Thread(target=self._server.serve_forever),
            threading.Thread(target=self._api.serve_forever, args=(0.01,)),
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        with self._changed:
            self._closing = True
            self._api_held = False
            for connection in self._api_sockets:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.notify_all()
        self.hang_up()
        self._api.shutdown()
        self._api.server_close()
        self._server.shutdown()
        for thread in self._threads:
            thread.join()

    def __repr__(self):
        return (
            f"<JetstreamServer: {len(self.log)} messages, asked {self.connections}, "
            f"now {len(self._open)} connections, API asked {self.api_requests}>"
        )

    # What happens on Bluesky.

    def add_account(self, did, handle, **profile):
        self.accounts[did] = {"did": did, "handle": handle, **profile}

    def publish(self, did, text, *, rkey=None, time_us=None, **record):
        """A new post. Returns its event."""
        return self._commit(did, "create", rkey, time_us, {"text": text, **record})

    def update(self, event, **record):
        """Another version of the post of this event."""
        commit = event["commit"]
        return self._commit(event["did"], "update", commit["rkey"], None, commit["record"] | record)

    def delete(self, event):
        return self._commit(event["did"], "delete", event["commit"]["rkey"], None, None)

    def lose(self, did, status):
        account = {"active": False, "did": did, "status": status}
        return self._send_event(did, "account", account=account)

    def rename(self, did, handle):
        self.accounts[did]["handle"] = handle
        return self._send_event(did, "identity", identity={"did": did, "handle": handle})

    def repeat(self, event):
        """Sends the message of the event again."""
        self.send(json.dumps(event).encode(), event["time_us"])

    def send(self, frame, time_us=None):
        """Whatever it is, in one message, and to those who come back for it, too."""
        with self._changed:
            self.log.append((time_us or self._last, frame))
            self._changed.notify_all()

    def _commit(self, did, operation, rkey, time_us, record):
        time_us = time_us or self._make_time()
        commit = {
            "rev": make_tid(time_us),
            "operation": operation,
            "collection": POSTS,
            "rkey": rkey or make_tid(time_us),
        }
        if record is not None:
            created_at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time_us // 1_000_000))
            start = {"$type": POSTS, "createdAt": f"{created_at}.000Z", "langs": ["en"]}
            commit |= {"record": start | record, "cid": "bafyreiinvented"}
        event = self._send_event(did, "commit", time_us, commit=commit)
        uri = f"at://{did}/{POSTS}/{commit['rkey']}"
        self.posts.pop(uri, None)
        if record is not None:
            self.posts[uri] = event
        return event

    def _send_event(self, did, kind, time_us=None, **parts):
        event = {"did": did, "time_us": time_us or self._make_time(), "kind": kind, **parts}
        self.repeat(event)
        return event

    def _make_time(self):
        self._last = max(time.time_ns() // 1000, self._last + 1)
        return self._last

    # What goes wrong.

    def hang_up(self):
        """Cuts every connection."""
        with self._changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.socket.shutdown(socket.SHUT_RDWR)
            while self._dead:  # who does not read would not notice
                self._dead.pop().recv_flow_control.release()

    def stall(self, *, dead=False):
        """The present connections hear nothing more; if the link is dead not even answers to their pings."""
        with self._changed:
            self._stalled |= set(self._open)
            for connection in self._open if dead else ():
                connection.recv_flow_control.acquire()
                self._dead.append(connection)

    def refuse(self, status, times=1):
        self._refusals += [status] * times

    def fail_api(self, status):
        """The API answers with this status until it is told 200; 0 is an answer that is no JSON."""
        self._api_status = status

    def hold_api(self, held=True):
        """The API does not answer until it is told otherwise."""
        with self._changed:
            self._api_held = held
            self._changed.notify_all()

    # What tests wait for.

    def wait_until(self, condition, what, timeout=10):
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                raise AssertionError(f"not within {timeout} s: {what}. {self}")

    def wait_until_connected(self, times=1):
        """Until there is a connection, the given one of all since the start."""
        self.wait_until(
            lambda: len(self.connections) >= times and self._open, f"connection {times}"
        )

    def wait_until_disconnected(self):
        self.wait_until(lambda: not self._open, "no connection")

    def wait_until_api_asked(self, times=1):
        self.wait_until(lambda: len(self.api_requests) >= times, f"request {times} of the API")

    # What the threads of the connections call.

    def _admit(self, connection, request):
        """Answers what is no subscription, and what is to be refused."""
        url = urlsplit(request.path)
        if url.path != PATH:
            return connection.respond(404, "Not found\n")
        if self._closing or self._refusals:
            return connection.respond(self._refusals.pop(0) if self._refusals else 503, "No\n")
        params = parse_qs(url.query)
        cursor = params.get("cursor", [""])[0]
        if cursor and not cursor.isdecimal():
            return connection.respond(400, "invalid cursor\n")
        return None

    def _stream(self, connection):
        params = parse_qs(urlsplit(connection.request.path).query)
        wanted = params.get("wantedCollections", [])
        with self._changed:
            position = self._find_start(params.get("cursor", [None])[0])
            self.connections.append({name: values[0] for name, values in params.items()})
            self._open.append(connection)
            self._changed.notify_all()
        try:
            while (frames := self._wait_for_frames(connection, position)) is not None:
                for frame in frames:
                    position += 1
                    if is_wanted(frame, wanted):
                        connection.send(frame.decode() if is_text(frame) else frame)
        except (ConnectionClosed, OSError):
            pass  # the client is gone, or the cable was pulled
        finally:
            with self._changed:
                self._open.remove(connection)
                self._changed.notify_all()

    def _find_start(self, cursor):
        if cursor is None:
            return len(self.log)
        oldest = max(int(cursor), time.time_ns() // 1000 - KEPT)
        times = (moment for moment, _ in self.log)
        return next(itertools.compress(itertools.count(), map(oldest.__le__, times)), len(self.log))

    def _wait_for_frames(self, connection, position):
        """What comes next; None at the end."""
        with self._changed:
            while connection.recv_events_thread.is_alive() and not self._closing:
                if len(self.log) > position and connection not in self._stalled:
                    return [frame for _, frame in self.log[position:]]
                self._changed.wait(0.05)
        return None

    def answer(self, path, params):
        """Status and body of the API's answer."""
        with self._changed:
            self.api_requests.append((path.rpartition(".")[2], *params.values()))
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._api_held)
        if self._api_status != 200:
            return self._api_status or 200, {"error": "Invented"} if self._api_status else b"<html>"
        match path:
            case "/xrpc/app.bsky.actor.getProfiles":
                return self._answer_profiles(params.get("actors", []))
            case "/xrpc/app.bsky.feed.getPosts":
                return self._answer_posts(params.get("uris", []))
        return 404, {"error": "MethodNotImplemented"}

    def _answer_profiles(self, actors):
        usable = all(actor.startswith("did:") or HANDLE.fullmatch(actor) for actor in actors)
        if not usable or not 1 <= len(actors) <= GROUP:
            return 400, {"error": "InvalidRequest"}
        names = {actor.lower() for actor in actors}
        known = self.accounts.values()
        found = [it for it in known if not names.isdisjoint((it["did"], it["handle"].lower()))]
        return 200, {"profiles": found}

    def _answer_posts(self, uris):
        if not 1 <= len(uris) <= GROUP:
            return 400, {"error": "InvalidRequest"}
        return 200, {"posts": [self._show_post(uri) for uri in uris if uri in self.posts]}

    def _show_post(self, uri):
        event = self.posts[uri]
        record = event["commit"]["record"]
        author = self.accounts.get(event["did"], {"did": event["did"], "handle": "handle.invalid"})
        return {"uri": uri, "author": author, "record": record, "indexedAt": record["createdAt"]}

    def note_api_socket(self, connection):
        with self._changed:
            self._api_sockets.add(connection)
            if self._closing:
                connection.shutdown(socket.SHUT_RDWR)

    def drop_api_socket(self, connection):
        with self._changed:
            self._api_sockets.discard(connection)


def is_text(frame):
    try:
        frame.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_wanted(frame, collections):
    """As at Jetstream: accounts and identities always are."""
    try:
        collection = json.loads(frame)["commit"]["collection"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return True
    return not collections or collection in collections
