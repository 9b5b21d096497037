"""What push nodes answered, typed. Their JSON is read only when somebody asks for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, fields
from typing import Any

from .errors import PublishError, Unreachable, WallpushError

__all__ = ["ChannelInfo", "NodeAnswer", "NodeStatistics", "Outcome", "Receipt"]


@dataclass(frozen=True, slots=True)
class ChannelInfo:
    """A channel as a push node sees it. Messages are counted since the channel was created."""

    channel: str
    published_messages: int
    stored_messages: int
    subscribers: int


@dataclass(frozen=True, slots=True)
class NodeStatistics:
    """A push node's own counters. uptime: seconds since its start; workers: their process ids.

    messages_in_trash waits to be freed; if it never falls to 0, the node no longer delivers and
    must be restarted (push_stream.md §0).
    """

    node: str
    channels: int
    subscribers: int
    published_messages: int
    stored_messages: int
    messages_in_trash: int
    channels_in_trash: int
    uptime: int
    workers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeAnswer:
    """One push node took the message and answered so. The body is empty if it says no more."""

    node: str
    body: bytes

    @property
    def channels(self) -> tuple[ChannelInfo, ...]:
        """Each channel of the message at this node."""
        return read_channels(self.node, self.body)

    @property
    def subscribers(self) -> int:
        """Receivers at this node, over all channels: one of two channels counts twice."""
        return sum(info.subscribers for info in self.channels)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answers of the push nodes that took a message."""

    answers: tuple[NodeAnswer, ...] = ()

    @property
    def channels(self) -> tuple[ChannelInfo, ...]:
        """Each channel over all nodes: subscribers are added, counts of messages are the highest."""
        return merge_channels(info for answer in self.answers for info in answer.channels)

    @property
    def subscribers(self) -> int:
        """Receivers over all nodes and channels."""
        return sum(answer.subscribers for answer in self.answers)


@dataclass(frozen=True, slots=True)
class Outcome(Receipt):
    """What became of one message of `publish_many`: answers of some nodes, errors of others."""

    errors: tuple[WallpushError, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every push node took the message."""
        return not self.errors

    @property
    def error(self) -> WallpushError | None:
        """The error that decides: one that is worth a retry before one that is not."""
        retryable = (error for error in self.errors if error.retryable)
        return next(retryable, self.errors[0] if self.errors else None)

    def receipt(self) -> Receipt:
        """The answers alone. Raises `.error` if there is one, with what the other nodes did."""
        if self.error is not None:
            raise self._complete(self.error)
        return Receipt(self.answers)

    def _complete(self, error: WallpushError) -> WallpushError:
        """A copy: the same error may stand for a whole batch."""
        complete = copy(error)
        if isinstance(complete, PublishError):
            complete.receipt = Receipt(self.answers) if self.answers else None
            complete.others = tuple(other for other in self.errors if other is not error)
        return complete


@contextmanager
def reading(node: str) -> Iterator[None]:
    """Whatever is wrong with an answer's JSON: what sent it is no push node."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise Unreachable(node, "what answers there is no push node.") from exc


def read_channels(node: str, body: bytes) -> tuple[ChannelInfo, ...]:
    """The channels in the JSON of a push node: one object, or several under `infos`."""
    if not body:
        return ()
    with reading(node):
        answer = json.loads(body)
        return tuple(map(read_channel, answer.get("infos", [answer])))


def read_channel(info: Mapping[str, Any]) -> ChannelInfo:
    return ChannelInfo(
        channel=info["channel"],
        published_messages=int(info["published_messages"]),
        stored_messages=int(info["stored_messages"]),
        subscribers=int(info["subscribers"]),
    )


def merge_channels(infos: Iterable[ChannelInfo]) -> tuple[ChannelInfo, ...]:
    merged: dict[str, ChannelInfo] = {}
    for info in infos:
        known = merged.get(info.channel, info)
        merged[info.channel] = ChannelInfo(
            channel=info.channel,
            published_messages=max(known.published_messages, info.published_messages),
            stored_messages=max(known.stored_messages, info.stored_messages),
            subscribers=info.subscribers + (0 if known is info else known.subscribers),
        )
    return tuple(merged.values())


def read_statistics(node: str, body: bytes) -> NodeStatistics:
    with reading(node):
        counters = json.loads(body)
        workers = tuple(int(worker["pid"]) for worker in counters["by_worker"])
        numbers = {name: int(counters[name]) for name in COUNTERS}
        return NodeStatistics(node, **numbers, workers=workers)


COUNTERS = tuple(field.name for field in fields(NodeStatistics) if field.type == "int")
