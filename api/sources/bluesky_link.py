"""One connection to a Jetstream, whose v1 wire is one JSON object in each WebSocket message."""

import contextlib
import logging
import socket
import threading
import time
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import CloseCode
from websockets.sync.client import ClientConnection, connect

COLLECTION = "app.bsky.feed.post"
BATCH = 500
# Frames that wait in memory at the most: each may be as large as a frame can be.
QUEUE = 32
# A record may have a megabyte, and JSON six bytes for one of them. A smaller limit would end the connection at the same
# post again and again.
MAX_FRAME_BYTES = 8_000_000
# The library would print every post of the network when debugging, and a traceback where a ping is not answered.
QUIET = logging.getLogger("api.sources.bluesky.wire")
QUIET.setLevel(logging.CRITICAL)


class Timing(NamedTuple):
    """Seconds. Pings find a dead link after 20 s, `silence` one that answers pings and sends nothing."""

    open: float = 10
    ping_every: float = 10
    ping: float = 10
    silence: float = 25
    close: float = 1


TIMING = Timing()


class LinkBroken(Exception):
    """The connection is over, or there was none. The sentence says why."""

    def __init__(self, sentence, status=0):
        super().__init__(sentence)
        self.status = status


def make_address(url, cursor):
    """`cursor`: microseconds since 1970, from which on to read; None for what happens from now on."""
    params = {"wantedCollections": COLLECTION}
    if cursor is not None:
        params["cursor"] = cursor
    return f"{url.rstrip('/')}/subscribe?{urlencode(params)}"


class Link:
    """For one thread; only `hang_up` may be called from any."""

    def __init__(self, url, timing=TIMING):
        self.host = urlsplit(url).netloc
        self._url = url
        self._timing = timing
        # From the moment there is a socket, and from the moment there is a WebSocket.
        self._connection = self._opened = None
        self._hung_up = threading.Event()
        self._heard_at = time.monotonic()

    def open(self, cursor):
        timing = self._timing
        try:
            self._opened = connect(
                make_address(self._url, cursor),
                open_timeout=timing.open,
                ping_interval=timing.ping_every,
                ping_timeout=timing.ping,
                close_timeout=timing.close,
                max_size=MAX_FRAME_BYTES,
                max_queue=QUEUE,
                logger=QUIET,
                create_connection=self._make_connection,
                legacy=True,  # a connection, as without it, but never one that opens again by itself
            )
        except InvalidStatus as error:
            status = error.response.status_code
            raise LinkBroken(f"{self.host} answered HTTP {status}.", status) from error
        except (OSError, WebSocketException) as error:
            raise LinkBroken(f"{self.host} can not be reached: {describe(error)}.") from error
        self._heard_at = time.monotonic()

    def receive(self, seconds):
        """The messages that have come, as bytes; waits for the first one so long. Raises LinkBroken."""
        frames = []
        try:
            frames.append(self._opened.recv(seconds, decode=False))
            while len(frames) < BATCH:
                frames.append(self._opened.recv(0, decode=False))
        except TimeoutError:
            pass  # that was all
        except (ConnectionClosed, OSError) as error:
            if not frames:
                raise LinkBroken(f"{self.host} is gone: {describe(error)}.") from error
        if frames:
            self._heard_at = time.monotonic()
        elif time.monotonic() - self._heard_at > self._timing.silence:
            raise LinkBroken(f"{self.host} has said nothing for {self._timing.silence:g} s.")
        return frames

    def close(self):
        if self._opened:
            self._opened.close()

    def hang_up(self):
        """Ends it from another thread, also while it is being opened."""
        self._hung_up.set()
        if self._connection:
            with contextlib.suppress(OSError):  # it was over already
                self._connection.socket.shutdown(socket.SHUT_RDWR)

    def _make_connection(self, *args, **options):
        self._connection = ClientConnection(*args, **options)
        if self._hung_up.is_set():
            self.hang_up()
        return self._connection


def describe(error):
    """In one line, without a full stop. What a server says is cut: it may say anything."""
    closed = isinstance(error, ConnectionClosed)
    if closed and error.sent and error.sent.code == CloseCode.INTERNAL_ERROR:
        return "it does not answer pings"
    text = " ".join(str((closed and error.__cause__) or error).split()) or type(error).__name__
    return text[:200].rstrip(".")
