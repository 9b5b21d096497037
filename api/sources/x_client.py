"""One connection to X's filtered stream through tweepy, whose own parsing and waiting are not used."""

import contextlib
import logging
import socket
import sys
import time

import requests
import tweepy
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from .x_backoff import Ended, read_reset
from .x_problem import describe_failure, describe_problem, read_problem

log = logging.getLogger(__name__)

TWEEPY_HOST = "https://api.twitter.com"
# Seconds to connect, and to wait for a byte: X sends a keep-alive every 20 s.
TIMEOUT = (10, 21)
# Names that the stream still documents; with them X answers in its older dialect.
FIELDS = {
    "tweet_fields": "created_at,author_id,entities,attachments,referenced_tweets,note_tweet,lang,"
    "possibly_sensitive,withheld,conversation_id,in_reply_to_user_id",
    "expansions": "author_id,attachments.media_keys,attachments.poll_ids,referenced_tweets.id,"
    "referenced_tweets.id.author_id,referenced_tweets.id.attachments.media_keys",
    "user_fields": "name,username,profile_image_url,verified,verified_type,protected",
    "media_fields": "type,url,preview_image_url,width,height,alt_text,variants,duration_ms",
}


def drop_debug(record):
    return record.levelno >= logging.INFO


# At DEBUG tweepy logs the bearer token. A filter stays, whatever level a configuration sets later.
logging.getLogger("tweepy.client").addFilter(drop_debug)


class HostRewrite(HTTPAdapter):
    """Sends what tweepy sends to its fixed host to another one; keeps the last response at hand."""

    def __init__(self, base_url, timeout):
        self._base_url = base_url
        self._timeout = timeout
        self._socket = None
        self.response = None
        self.is_left = False
        super().__init__()

    def init_poolmanager(self, *args, **options):
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": track_connections(urllib3.HTTPConnectionPool, self._note_socket),
            "https": track_connections(urllib3.HTTPSConnectionPool, self._note_socket),
        }

    def _note_socket(self, connected):
        self._socket = connected
        if self.is_left:  # while it was being connected
            self.hang_up()

    def send(self, request, **options):
        request.url = request.url.replace(TWEEPY_HOST, self._base_url, 1)
        options["timeout"] = self._timeout  # tweepy sets none when it asks for rules
        options["proxies"] = get_environ_proxies(request.url)  # not those for the fixed host
        self.response = super().send(request, **options)
        return self.response

    def hang_up(self):
        """Ends what is being waited for or read, from another thread."""
        self.is_left = True
        response = self.response
        # Any of these says that it is over already.
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            if response is not None:
                response.raw.shutdown()
        with contextlib.suppress(OSError):
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)


def track_connections(pool_class, note):
    """The pool, whose connections tell their sockets: until X answers, nothing else leads to them."""

    class Connection(pool_class.ConnectionCls):
        def connect(self):
            super().connect()
            note(self.sock)

    class Pool(pool_class):
        ConnectionCls = Connection

    return Pool


class StreamClient(tweepy.StreamingClient):
    """`read` is one connection; whether and when another one follows is for the source to decide.

    `office` is told: `admit()` before the first line, False if it is not wanted any more; `take(line)`;
    `note_activity()`.
    """

    def __init__(self, token, *, base_url, timeout, office):
        super().__init__(token, return_type=dict)
        self._adapter = HostRewrite(base_url, timeout)
        self.session.mount(TWEEPY_HOST, self._adapter)
        self.session.max_redirects = 0  # elsewhere the token is not accepted, or not to be sent
        self._office = office
        self._leaving = False
        self._connected_at = None
        self._ended = None
        self._failure = None

    def read(self):
        """Why it ended; None after `leave`. Raises what `office.take` raises."""
        self._leaving = self._adapter.is_left = False
        self._connected_at = self._ended = self._failure = None
        self.filter(**FIELDS)
        if self._failure:
            raise self._failure
        return self._ended

    def leave(self):
        """Ends the connection from any thread, also while it waits for X to say something."""
        self._leaving = True
        self.disconnect()
        self._adapter.hang_up()

    def describe(self, status):
        """Why a request was refused, without the token."""
        problem = read_problem(self._adapter.response, (self.bearer_token,))
        return f"HTTP {status}: {describe_problem(problem)}"

    def _end(self, cause, reason, status=0, reset=0):
        self.disconnect()
        if not self._leaving:
            lasted = time.monotonic() - self._connected_at if self._connected_at else 0.0
            self._ended = Ended(cause, reason, status, lasted, reset)

    # What tweepy calls.

    def on_connect(self):
        self._connected_at = time.monotonic()
        self._office.note_activity()
        if not self._office.admit():
            self._leaving = True
            self.disconnect()

    def on_data(self, raw_data):
        self._office.note_activity()
        if self._leaving:
            return
        try:
            self._office.take(raw_data)
        except Exception as error:  # tweepy would take some for a network error and log others
            self._failure = error
            self.disconnect()

    def on_keep_alive(self):
        self._office.note_activity()

    def on_closed(self, response):
        self._end("closed", "X closed the stream.")

    def on_connection_error(self):
        reason = describe_failure(sys.exception())
        if self._connected_at:
            self._end("closed", f"The connection to X broke: {reason}.")
        else:
            self._end("network", f"X can not be reached: {reason}.")

    def on_request_error(self, status_code):
        told = f"X refused the stream, {self.describe(status_code)}"
        self._end("status", told, status_code, read_reset(self._adapter.response.headers))

    def on_exception(self, exception):
        if self._leaving:
            return
        network = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
        if isinstance(exception, network):
            self.on_connection_error()
        else:
            self._failure = exception

    def on_disconnect(self):
        pass
