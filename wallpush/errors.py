"""What can go wrong, named by what the caller can do about it.

WallpushError
    InvalidAddress      (ValueError) a push URL that can not be used; correct the setting
    InvalidChannel      (ValueError) the name breaks the grammar of `wallpush.channels`; never sent
    InvalidMessage      (ValueError) not one line of JSON, too large, or a bad event id; never sent
    PublisherClosed     `close()` was called before
    PublishError        a push node did not take it: `.node`, `.receipt`, `.others`
        Unreachable     retryable: nothing answers there, or not as a push node does
        TimedOut        retryable: no answer in time
        Overloaded      retryable: 429 or 5xx, usually a full shared memory; wait some seconds
        Refused         permanent: any other status; `.status` and `.explain` say why

`.retryable` tells whether the same call may succeed later. Each error survives pickling (Celery
carries errors between processes so) and then equals the original.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .outcomes import Receipt

__all__ = [
    "InvalidAddress",
    "InvalidChannel",
    "InvalidMessage",
    "Overloaded",
    "PublishError",
    "PublisherClosed",
    "Refused",
    "TimedOut",
    "Unreachable",
    "WallpushError",
]


class WallpushError(Exception):
    """Base of all errors of this library.

    A subclass hands exactly its own parameters to `Exception.__init__` and formats in `__str__`:
    unpickling calls the class with `args`.
    """

    retryable = False

    def _state(self) -> tuple[Any, ...]:
        return (type(self), self.args, self.__dict__)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WallpushError) and self._state() == other._state()

    def __hash__(self) -> int:
        return hash((type(self), self.args))


class InvalidAddress(WallpushError, ValueError):
    """A push URL that can not be used. The URL itself is not repeated: it may hold a password."""


class InvalidChannel(WallpushError, ValueError):
    """A name that is no channel, or a term that makes none."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        shown = self.name if len(self.name) <= 60 else self.name[:60] + "…"
        return f"{shown!r} can not be a channel: {self.reason}"


class InvalidMessage(WallpushError, ValueError):
    """A body or an event id that must not reach the push node."""


class PublisherClosed(WallpushError):
    """The publisher was used after `close()`."""

    def __str__(self) -> str:
        return "This publisher is closed; make a new one."


class PublishError(WallpushError):
    """A push node did not take the message.

    node: the address of the push node that failed.
    receipt: what the other nodes answered that did take it; None if there are none.
    others: the errors of further nodes that failed in the same call.
    """

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(node, reason)
        self.node = node
        self.reason = reason
        self.receipt: Receipt | None = None
        self.others: tuple[WallpushError, ...] = ()

    def __str__(self) -> str:
        return f"{self.node}: {self.reason}"


class Unreachable(PublishError):
    """Nothing answers at the address, or what answers is no push node."""

    retryable = True


class TimedOut(PublishError):
    """No answer within the publisher's `timeout`; subscribers may have received the message."""

    retryable = True


class AnswerError(PublishError):
    """A push node answered with another status than 200.

    explain: the header X-Nginx-PushStream-Explain, empty if there is none.
    """

    def __init__(self, node: str, status: int, explain: str) -> None:
        super().__init__(node, f"answered {status}" + (f" ({explain})" if explain else ""))
        self.args = (node, status, explain)
        self.status = status
        self.explain = explain


class Overloaded(AnswerError):
    """The push node can not take more now; a full shared memory is free again in about 15 s."""

    retryable = True


class Refused(AnswerError):
    """The push node refuses this for good."""

    def __str__(self) -> str:
        advice = REFUSAL_ADVICE.get(self.status, "Compare its configuration with nginx/push.conf.")
        return f"{super().__str__()}. {advice}"


REFUSAL_ADVICE = {
    404: "Is this the publish address of a push node, such as http://127.0.0.1:8001?",
    405: "Is this the publish address of a push node, such as http://127.0.0.1:8001?",
    413: "The message is larger than this node's client_max_body_size.",
}
