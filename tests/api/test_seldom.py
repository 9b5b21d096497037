import logging

from api.seldom import Seldom


def test_seldom_tells_the_first_at_once_and_then_how_many(caplog):
    now = [1000.0]
    seldom = Seldom(logging.getLogger("api"), every=60, clock=lambda: now[0])

    seldom.warning("Another one.")
    for seconds in (0, 1, 59.9, 60, 61, 121):
        now[0] = 1000 + seconds
        seldom.warning("%s failed.", seconds)

    assert caplog.messages == [
        "Another one.",
        "0 failed.",
        "60 failed. (2 more since the last)",
        "121 failed. (1 more since the last)",
    ]
