import copy
import pickle

import pytest

import wallpush.errors
from wallpush import (
    InvalidAddress,
    InvalidChannel,
    InvalidMessage,
    NodeAnswer,
    Overloaded,
    PublisherClosed,
    PublishError,
    Receipt,
    Refused,
    TimedOut,
    Unreachable,
    WallpushError,
)

NODE = "http://127.0.0.1:8001"

ERRORS = [
    WallpushError("anything"),
    InvalidAddress("no URL"),
    InvalidChannel("a.b", "wrong"),
    InvalidMessage("too large"),
    PublisherClosed(),
    PublishError(NODE, "failed"),
    Unreachable(NODE, "nothing listens there"),
    TimedOut(NODE, "no answer within 5 s."),
    Overloaded(NODE, 500, "shared memory"),
    Refused(NODE, 403, "Channel id not authorized for this method."),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error):
    back = pickle.loads(pickle.dumps(error))  # noqa: S301

    assert (back, str(back), back.retryable) == (error, str(error), error.retryable)
    assert hash(back) == hash(error)
    assert copy.copy(error) == error


def test_pickling_keeps_what_the_other_nodes_did():
    error = Refused(NODE, 413, "")
    error.receipt = Receipt((NodeAnswer("http://127.0.0.1:9001", b"{}"),))
    error.others = (TimedOut("http://127.0.0.1:9002", "no answer within 5 s."),)

    back = pickle.loads(pickle.dumps(error))  # noqa: S301

    assert (back, back.receipt, back.others) == (error, error.receipt, error.others)
    assert back != Refused(NODE, 413, "")


def test_errors_of_another_kind_or_node_differ():
    assert Unreachable(NODE, "gone") != TimedOut(NODE, "gone")
    assert Unreachable(NODE, "gone") != Unreachable("http://127.0.0.1:9001", "gone")
    assert InvalidMessage("gone") != "gone"


def test_every_error_is_pickled_above():
    kinds = {
        kind
        for kind in vars(wallpush.errors).values()
        if isinstance(kind, type) and issubclass(kind, WallpushError)
    }

    assert kinds - {wallpush.errors.AnswerError} == {type(error) for error in ERRORS}


def test_retryable_errors():
    retryable = {type(error) for error in ERRORS if error.retryable}

    assert retryable == {Unreachable, TimedOut, Overloaded}


def test_invalid_input_is_a_value_error():
    kinds = {type(error) for error in ERRORS if isinstance(error, ValueError)}

    assert kinds == {InvalidAddress, InvalidChannel, InvalidMessage}


def test_a_refusal_says_what_to_do():
    assert str(Refused(NODE, 404, "")) == (
        "http://127.0.0.1:8001: answered 404. "
        "Is this the publish address of a push node, such as http://127.0.0.1:8001?"
    )
    assert str(Refused(NODE, 403, "Channel id not authorized for this method.")) == (
        "http://127.0.0.1:8001: answered 403 (Channel id not authorized for this method.). "
        "Compare its configuration with nginx/push.conf."
    )
