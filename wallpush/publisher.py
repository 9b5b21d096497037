"""Publishes to nginx push nodes. See `Publisher`."""

from __future__ import annotations

import math
import ssl
from collections.abc import Container, Iterable, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

from .address import Address, parse_addresses
from .channels import check_channel
from .delivery import Delivery, Node, Request
from .errors import InvalidAddress, InvalidChannel, InvalidMessage, PublisherClosed, Refused
from .loop import run_together
from .message import Message, check_body, check_event_id
from .outcomes import (
    ChannelInfo,
    NodeAnswer,
    NodeStatistics,
    Outcome,
    Receipt,
    merge_channels,
    read_statistics,
)

__all__ = ["NullPublisher", "Publisher", "make_publisher"]

# nginx/push.conf takes no more, and a longer request line has no room in nginx's buffer.
MAX_CHANNELS_PATH = 2000


class Publisher:
    """Publishes to one push node, or the same to each of several.

        with Publisher("http://127.0.0.1:8001") as publisher:
            publisher.publish(["global", "user-1"], {"hello": "wall"})

    urls: addresses of push nodes, as a list or between commas; https works, a path before
        `/events/pub/` is allowed.
    timeout: seconds. `publish` is over after that; a batch is given up when no further answer
        came for so long, and at the latest after `timeout` and once more for every 500 messages.
    patience: seconds that the others are waited for once a push node has taken a whole batch;
        those that are slower have TimedOut. Default: no limit but `timeout`.
    ssl_context: for https, default `ssl.create_default_context()`.

    Safe with threads, and after fork: a child opens connections of its own. A message is sent
    with one POST to all of its channels. After a lost connection it may be sent a second time:
    subscribers merge by event id. Raises InvalidAddress for a URL that can not be used.
    """

    def __init__(
        self,
        urls: str | Iterable[str],
        *,
        timeout: float = 5.0,
        patience: float = math.inf,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        addresses = parse_addresses(urls)
        if not addresses:
            raise InvalidAddress("No push URL is given; without any, use make_publisher().")
        if not 0 < timeout < math.inf:
            raise ValueError("timeout is a number of seconds greater than 0")
        self._timeout = timeout
        self._patience = patience
        self._nodes = make_nodes(addresses, ssl_context)
        self._is_open = True

    @property
    def nodes(self) -> tuple[str, ...]:
        """The push nodes by the names that answers and errors give them: their addresses."""
        return tuple(node.name for node in self._nodes)

    def publish(
        self,
        channels: str | Iterable[str],
        message: Any,
        *,
        event_id: str | None = None,
    ) -> Receipt:
        """Publish one message to one channel or several, at each push node.

        message: anything that JSON can hold, or bytes made by `encode_message`.
        event_id: see `make_event_id`.

        Raises InvalidChannel or InvalidMessage before anything is sent; a PublishError after
        every push node was tried: `.receipt` and `.others` say what the other nodes did.
        """
        request = make_request(Message(channels, message, event_id))
        [outcome] = self._send_all([request])
        return outcome.receipt()

    def publish_many(
        self, messages: Iterable[Message], *, nodes: Container[str] | None = None
    ) -> list[Outcome]:
        """Publish a batch, pipelined. One outcome for each message, in order.

        nodes: names, if not every push node is to get it.

        Nothing that happens to one message is raised: what is invalid is never sent, and
        `outcome.error` says so; the others go out.
        """
        requests = [make_request_or_error(message) for message in messages]
        valid = [request for request in requests if isinstance(request, Request)]
        sent = iter(self._send_all(valid, nodes))
        return [
            next(sent) if isinstance(request, Request) else Outcome(errors=(request,))
            for request in requests
        ]

    def channel_info(self, channel: str) -> ChannelInfo | None:
        """The channel over all push nodes, None if none knows it at the moment.

        Raises InvalidChannel, PublishError.
        """
        receipt = self._ask(b"GET", b"/events/pub/%b" % channels_path(channel))
        infos = merge_channels(info for answer in receipt.answers for info in answer.channels)
        return infos[0] if infos else None

    def statistics(self, *, nodes: Container[str] | None = None) -> tuple[NodeStatistics, ...]:
        """Each push node's counters. Raises PublishError if one does not answer.

        nodes: names, if not every push node is asked.
        """
        receipt = self._ask(b"GET", b"/events/stats", nodes)
        return tuple(read_statistics(answer.node, answer.body) for answer in receipt.answers)

    def delete_channel(self, channel: str) -> bool:
        """Remove a channel and its stored messages; its subscribers are disconnected.

        Returns whether a push node knew it. Raises InvalidChannel, PublishError.
        """
        return bool(self._ask(b"DELETE", b"/events/pub/%b" % channels_path(channel)).answers)

    def close(self) -> None:
        """Close idle connections; those in use close when their batch is done."""
        self._is_open = False
        for node in self._nodes:
            node.pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, method: bytes, path: bytes, nodes: Container[str] | None = None) -> Receipt:
        """A question to each push node; 404 is no answer and no error."""
        [outcome] = self._send_all([Request(method, path)], nodes)
        errors = tuple(error for error in outcome.errors if not is_absence(error))
        return Outcome(outcome.answers, errors).receipt()

    def _send_all(
        self, requests: Sequence[Request], nodes: Container[str] | None = None
    ) -> list[Outcome]:
        if not self._is_open:
            raise PublisherClosed
        deliveries = [
            Delivery(node, requests, self._timeout)
            for node in self._nodes
            if nodes is None or node.name in nodes
        ]
        run_together((delivery.run() for delivery in deliveries), self._patience)
        return [collect(deliveries, index) for index in range(len(requests))]


class NullPublisher(Publisher):
    """Publishes nowhere: for a project without nginx. What is invalid is still told."""

    def __init__(self) -> None:
        self._timeout = 0.0
        self._patience = math.inf
        self._nodes = ()
        self._is_open = True


def make_publisher(
    urls: str | Iterable[str],
    *,
    timeout: float = 5.0,
    patience: float = math.inf,
    ssl_context: ssl.SSLContext | None = None,
) -> Publisher:
    """A Publisher, or a NullPublisher if no URL is given. Raises InvalidAddress."""
    given = tuple(urls.split(",") if isinstance(urls, str) else urls)
    if not any(url.strip() for url in given):
        return NullPublisher()
    return Publisher(given, timeout=timeout, patience=patience, ssl_context=ssl_context)


def make_nodes(
    addresses: Sequence[Address], ssl_context: ssl.SSLContext | None
) -> tuple[Node, ...]:
    if ssl_context is None and any(address.is_secure for address in addresses):
        ssl_context = ssl.create_default_context()
    return tuple(Node(address, ssl_context) for address in addresses)


def make_request(message: Message) -> Request:
    """Raises InvalidChannel or InvalidMessage: what is wrong here never reaches the wire."""
    channels, body, event_id = message
    path = b"/events/pub/%b" % make_path(channels)
    headers = b"" if event_id is None else b"Event-Id: %b\r\n" % check_event_id(event_id).encode()
    return Request(b"POST", path, headers, check_body(body))


def make_request_or_error(message: Message) -> Request | InvalidChannel | InvalidMessage:
    try:
        return make_request(message)
    except (InvalidChannel, InvalidMessage) as error:
        return error


def make_path(channels: str | Iterable[str]) -> bytes:
    try:
        return channels_path(channels if isinstance(channels, str) else tuple(channels))
    except TypeError as exc:
        raise InvalidChannel(repr(channels), "channels are one string or several.") from exc


@lru_cache(maxsize=1024)
def channels_path(channels: str | tuple[str, ...]) -> bytes:
    """Each channel once, as they stand in the URL. Cached: a wall has few sets of channels."""
    names = (channels,) if isinstance(channels, str) else channels
    if not names:
        raise InvalidChannel("", "a message needs a channel.")
    path = "/".join(dict.fromkeys(map(check_channel, names)))
    if len(path) > MAX_CHANNELS_PATH:
        raise InvalidChannel(path, f"{len(names)} channels are too many for one message.")
    return path.encode()


def collect(deliveries: Sequence[Delivery], index: int) -> Outcome:
    """What each push node did with one message."""
    answers, errors = [], []
    for delivery in deliveries:
        result = delivery.results[index]
        if isinstance(result, bytes):
            answers.append(NodeAnswer(delivery.node.name, result))
        else:
            errors.append(result)
    return Outcome(tuple(answers), tuple(errors))


def is_absence(error: Exception) -> bool:
    return isinstance(error, Refused) and error.status == 404
