"""The short form of the chaos: `make chaos` is the long one."""

from tests.e2e.chaos import cause
from tests.e2e.soak_x import make_environment
from tests.x_server import XServer

FAULTS = [
    *("kill_push_node", "kill_worker_of_push_node", "stop_worker_of_push_node"),
    *("kill_pool_process", "kill_front", "kill_gunicorn", "lock_database", "kill_worker"),
]


def test_everything_is_on_every_screen_once_whatever_dies(make_stack, chromium):
    with XServer() as x:
        stack = make_stack(**make_environment(x)).start()
        result = cause(stack, x, chromium, names=FAULTS, count=len(FAULTS), seed=5, rate=5)
        stack.stop()

    assert (result["lost"], result["twice"]) == (0, 0), stack.logs()
    assert result["faults"] == len(FAULTS)
    assert result["posts"] > 50
