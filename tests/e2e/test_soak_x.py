"""The short form of the soak: `make soak` is the long one."""

from tests.e2e.soak_x import make_environment, soak
from tests.x_server import XServer

# Those that pass within seconds: the others have their own tests.
QUICK = [
    *("close", "cut_in_a_line", "pull_the_cable", "repeat", "reorder", "report_a_problem"),
    *("change_dialect", "say_why_and_close", "change_tracks", "kill_the_worker"),
]


def test_nothing_is_lost_and_nothing_stored_twice(make_stack):
    with XServer() as x:
        x.world.index_lag = 2.0
        stack = make_stack(**make_environment(x)).start()
        result = soak(stack, x, seconds=30, seed=3, rate=10, names=QUICK, every=2.5)
        stack.stop()

    assert (result["missing"], result["stale"], result["twice"]) == (0, 0, 0), stack.logs()
    assert result["posts"] > 100
    assert result["faults"] > 5
