"""Publish to nginx push-stream from Python.

    from wallpush import Publisher, user_channel

    with Publisher("http://127.0.0.1:8001") as publisher:
        publisher.publish(["global", user_channel(1)], {"hello": "wall"})

Channels are in `wallpush.channels`, errors in `wallpush.errors`, the shell in `python -m wallpush`.
"""

from .channels import (
    CHANNEL_PATTERN,
    GLOBAL,
    check_channel,
    decode_term,
    encode_term,
    keyword_channel,
    normalize_term,
    user_channel,
)
from .errors import (
    InvalidAddress,
    InvalidChannel,
    InvalidMessage,
    Overloaded,
    PublisherClosed,
    PublishError,
    Refused,
    TimedOut,
    Unreachable,
    WallpushError,
)
from .message import MAX_MESSAGE_BYTES, Message, encode_message, make_event_id
from .outcomes import ChannelInfo, NodeAnswer, NodeStatistics, Outcome, Receipt
from .publisher import NullPublisher, Publisher, make_publisher

__all__ = [
    "CHANNEL_PATTERN",
    "GLOBAL",
    "MAX_MESSAGE_BYTES",
    "ChannelInfo",
    "InvalidAddress",
    "InvalidChannel",
    "InvalidMessage",
    "Message",
    "NodeAnswer",
    "NodeStatistics",
    "NullPublisher",
    "Outcome",
    "Overloaded",
    "PublishError",
    "Publisher",
    "PublisherClosed",
    "Receipt",
    "Refused",
    "TimedOut",
    "Unreachable",
    "WallpushError",
    "check_channel",
    "decode_term",
    "encode_message",
    "encode_term",
    "keyword_channel",
    "make_event_id",
    "make_publisher",
    "normalize_term",
    "user_channel",
]
