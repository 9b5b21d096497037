"""The body of a message and its event id: what a push node and its subscribers can take.

A body is one line of JSON in UTF-8: the envelope holds it raw, and a newline makes EventSource see
several envelopes, a `<` breaks the iframe transport (push_stream.md §6).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

from .errors import InvalidMessage

__all__ = ["MAX_MESSAGE_BYTES", "Message", "encode_message", "make_event_id"]

MAX_MESSAGE_BYTES = 64 * 1024
"""nginx/push.conf: client_max_body_size; a push node answers 413 to more."""

MAX_EVENT_ID = 200


class Message(NamedTuple):
    """One message for `Publisher.publish_many`.

    channels: one name or several; the message goes to each.
    body: anything that JSON can hold, or bytes that `encode_message` made.
    event_id: up to 200 printable ASCII characters, see `make_event_id`.
    """

    channels: str | Iterable[str]
    body: Any
    event_id: str | None = None


def encode_message(obj: Any) -> bytes:
    """The object as one line of JSON, as it is pushed and as REST returns it.

    Text stays UTF-8; `<`, U+2028 and U+2029 are escaped, half a surrogate pair becomes U+FFFD.
    Raises InvalidMessage for what JSON can not hold, NaN and Infinity among it.
    """
    try:
        text = _encode(obj)
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidMessage(f"The message can not be written as JSON: {exc}.") from exc
    text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def make_event_id(message_id: str, now: float | None = None, lag: float = 3.0) -> str:
    """`<HTTP date>|<message id>`: lets nginx resume by id and, if that is gone, by date.

    now: Unix time in seconds, default the clock. lag: seconds that the date lies before it: a
    date ahead of the push node's clock skips messages, one behind it only repeats some
    (push_stream.md §3). Raises InvalidMessage if the id does not fit into a header.
    """
    moment = time.time() if now is None else now
    return check_event_id(f"{_http_date(int(moment - lag))}|{message_id}")


def check_body(body: Any) -> bytes:
    """The bytes to send. Raises InvalidMessage with the reason."""
    encoded = check_encoded(body) if isinstance(body, bytes) else encode_message(body)
    if len(encoded) > MAX_MESSAGE_BYTES:
        raise InvalidMessage(
            f"The message has {len(encoded)} bytes; {MAX_MESSAGE_BYTES} are allowed."
        )
    return encoded


def check_encoded(body: bytes) -> bytes:
    """Bytes that are already encoded, if `encode_message` could have made them."""
    if b"\n" in body or b"\r" in body:
        raise InvalidMessage("The message holds a line break; encode_message() makes one line.")
    if b"<" in body:
        raise InvalidMessage("The message holds a raw '<'; encode_message() escapes it.")
    try:
        _decode(body.decode())
    except (ValueError, RecursionError) as exc:
        raise InvalidMessage(f"The message is no JSON: {exc}. Use encode_message().") from exc
    return body


def check_event_id(event_id: str) -> str:
    """The event id itself. Raises InvalidMessage if it would break a header or the envelope."""
    if not isinstance(event_id, str) or not _is_event_id(event_id):
        raise InvalidMessage(
            f"An event id is 1 to {MAX_EVENT_ID} printable ASCII characters without quotes, "
            "backslashes, '<' and outer spaces."
        )
    return event_id


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


@lru_cache(maxsize=8)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
# Quotes and backslashes would break the JSON of the envelope, which holds the id unescaped.
_is_event_id = re.compile(r"(?! )[ !#-;=-\[\]-~]{1,200}(?<! )").fullmatch
