"""Follows channels over `/events/sub/`, the newline-delimited JSON that push nodes stream."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import requests
from urllib3.exceptions import ReadTimeoutError

from .address import parse_address
from .channels import check_channel
from .errors import Refused, TimedOut, Unreachable

__all__ = ["subscribe"]

CONNECT_SECONDS = 5
# nginx/push.conf sends a ping every 20 s.
SILENCE_SECONDS = 60
# A node ends each connection after some minutes, one that is broken at once: do not hurry.
PAUSE_SECONDS = 1.0


def subscribe(url: str, channels: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Each message as it comes: `text` (the message itself), its `id` in the channel, `eventid`.

    url: where `/events/sub/` is, such as http://127.0.0.1:8000. Begins with the next message and
    goes on after the last one seen when the server ends the connection. Raises InvalidAddress,
    InvalidChannel, Unreachable, TimedOut, Refused.
    """
    node = str(parse_address(url))
    path = "/events/sub/" + "/".join(map(check_channel, channels))
    with requests.Session() as session:
        session.trust_env = False
        while True:
            for envelope in stream(session, node, path):
                # It holds the date of the message, too: the place is found even if the id is gone.
                session.headers["Last-Event-ID"] = envelope["eventid"]
                yield envelope
            time.sleep(PAUSE_SECONDS)


def stream(session: requests.Session, node: str, path: str) -> Iterator[dict[str, Any]]:
    """The envelopes of one connection, until the server ends it."""
    for line in read_lines(session, node, path):
        envelope = parse_envelope(node, line)
        if envelope["id"] > 0:  # pings and "channel deleted" have negative ids
            yield envelope


def read_lines(session: requests.Session, node: str, path: str) -> Iterator[bytes]:
    """The one place that puts the errors of requests into ours."""
    timeout = (CONNECT_SECONDS, SILENCE_SECONDS)
    try:
        with session.get(
            node + path, stream=True, timeout=timeout, allow_redirects=False
        ) as answer:
            if answer.status_code != 200:
                explain = answer.headers.get("X-Nginx-PushStream-Explain", "")
                raise Refused(node, answer.status_code, explain)
            yield from filter(None, answer.iter_lines(chunk_size=None))
    except requests.exceptions.ChunkedEncodingError:
        return  # the server went away in the middle: the next attempt tells whether for good
    except requests.RequestException as exc:
        raise explain_failure(node, exc) from exc


def explain_failure(node: str, error: requests.RequestException) -> TimedOut | Unreachable:
    cause = error.args[0] if error.args else None
    if isinstance(error, requests.ReadTimeout) or isinstance(cause, ReadTimeoutError):
        return TimedOut(node, f"silent for {SILENCE_SECONDS} s.")
    return Unreachable(node, "no connection; does the server run?")


def parse_envelope(node: str, line: bytes) -> dict[str, Any]:
    try:
        envelope: dict[str, Any] = json.loads(line)
        return {"id": int(envelope["id"]), "eventid": envelope["eventid"], "text": envelope["text"]}
    except (KeyError, TypeError, ValueError) as exc:
        raise Unreachable(node, "what comes there is no stream of a push node.") from exc
