"""Canaries at real push nodes: some deliver, are away, hang, or have a worker that does."""

import os
import signal
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from api import canary as canary_module
from api.canary import Canary
from api.management.commands.run import PushNodeWatch
from api.models import PushNodeState
from api.push_nodes import PushNode, is_silent, note_failure, note_proof, read_push_nodes
from tests.api.waiting import wait_for
from tests.e2e.processes import children

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def in_a_hurry(monkeypatch):
    """Where a canary waits in vain."""
    monkeypatch.setattr(canary_module, "TIMEOUT", 0.5)


@pytest.fixture
def make_canary():
    canaries = []

    def make(push_node, subscribe_url=None):
        url = subscribe_url or push_node.subscribe_url
        canaries.append(Canary(PushNode(1, push_node.publish_url, url, False)))
        return canaries[-1]

    yield make
    for canary in canaries:
        canary._finish()


@pytest.fixture
def stop_process():
    """Stops processes for as long as the test lasts."""
    stopped = []

    def stop(pid):
        stopped.append(pid)
        os.kill(pid, signal.SIGSTOP)

    yield stop
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)


def workers_of(push_node):
    """They are there a moment after its ports are."""
    return wait_for(lambda: children(push_node.pid), "its workers")


def fly(canary):
    """The state after one round."""
    canary._work()
    return PushNodeState.objects.get()


def fly_to_every_worker(canary, count):
    return wait_for(lambda: (state := fly(canary)).workers == count and state, "every worker")


def test_push_node_that_delivers_is_proved(make_canary, push_node):
    before = timezone.now() - timedelta(seconds=1)

    state = fly(make_canary(push_node))

    assert state.node == push_node.publish_url
    assert before < state.proved_at <= timezone.now()
    assert (state.proved_at, state.failing_since, state.problem) == (state.tried_at, None, "")
    assert 0 < state.round_trip < 500
    assert state.workers == 1


def test_canaries_of_several_workers_do_not_disturb_each_other(make_canary, push_node):
    canaries = [make_canary(push_node) for _ in range(3)]
    assert [fly(canary).problem for canary in canaries * 2] == [""] * 6


def test_each_worker_of_nginx_is_proved(make_canary, make_push_node):
    push_node = make_push_node(workers=2)
    canary = make_canary(push_node)
    fly_to_every_worker(canary, 2)
    assert fly(canary).workers == 2


def test_subscriptions_are_used_again_and_renewed_in_time(make_canary, push_node, monkeypatch):
    canary = make_canary(push_node)
    fly(canary)
    [first] = canary._perches
    fly(canary)
    assert canary._perches == [first]
    monkeypatch.setattr(canary_module, "RENEW_AFTER", 0)
    assert fly(canary).problem == ""
    assert canary._perches != [first]


def test_push_node_that_is_away(make_canary, push_node):
    canary = make_canary(push_node)
    fly(canary)
    push_node.stop()

    state = fly(canary)
    assert state.problem == "It takes no messages: no connection."
    assert state.proved_at < state.failing_since == state.tried_at
    since = state.failing_since
    assert fly(canary).failing_since == since

    push_node.start()
    assert (
        wait_for(lambda: (state := fly(canary)).problem == "" and state, "proof").failing_since
        is None
    )


@pytest.mark.usefixtures("in_a_hurry")
def test_push_node_that_hangs(make_canary, push_node, stop_process):
    canary = make_canary(push_node)
    fly(canary)
    [worker] = workers_of(push_node)
    stop_process(worker)
    assert fly(canary).problem == "It takes no messages: no answer in time."


@pytest.mark.usefixtures("in_a_hurry")
def test_worker_of_nginx_that_hangs_beside_another(make_canary, make_push_node, stop_process):
    push_node = make_push_node(workers=2)
    canary = make_canary(push_node)
    fly_to_every_worker(canary, 2)
    # The one that a new connection reaches, to publish and to ask, is not that which stops.
    stop_process(workers_of(push_node)[0])

    wait_for(
        lambda: fly(canary).problem == "1 of its 2 nginx workers delivers nothing.", "the silence"
    )


@pytest.mark.usefixtures("in_a_hurry")
def test_push_node_that_takes_messages_and_delivers_none(make_canary, make_push_node):
    """What is heard is another push node's: nothing of what is published here comes out there."""
    push_node, other = make_push_node(), make_push_node()
    state = fly(make_canary(push_node, other.subscribe_url))
    assert state.problem == "It takes messages and delivers none."


def test_push_node_to_which_nobody_can_subscribe(make_canary, make_push_node, push_node):
    away = make_push_node(start=False)
    state = fly(make_canary(push_node, away.subscribe_url))
    assert state.problem == "Nobody can subscribe to it: no connection."


@pytest.mark.usefixtures("in_a_hurry")
def test_push_node_that_accepts_no_subscription_in_time(
    make_canary, make_push_node, push_node, stop_process
):
    other = make_push_node()
    [worker] = workers_of(other)
    stop_process(worker)
    state = fly(make_canary(push_node, other.subscribe_url))
    assert state.problem == "Nobody can subscribe to it: no answer in time."


def test_address_that_is_no_subscribe_address(make_canary, push_node, front):
    state = fly(make_canary(push_node, front.url))
    assert state.problem == (
        "It has no place for canaries (HTTP 403): give it the configuration of nginx/push.conf."
    )


def test_push_node_that_is_restarted_is_proved_again(make_canary, push_node):
    canary = make_canary(push_node)
    fly(canary)
    push_node.stop()
    push_node.start()
    wait_for(lambda: fly(canary).problem == "", "proof")


def test_silence_is_told_once_and_its_end(make_canary, push_node, caplog):
    canary = make_canary(push_node)
    fly(canary)
    push_node.stop()
    fly(canary)
    assert caplog.messages == []

    for _ in range(3):
        fly(canary)
    push_node.start()
    wait_for(lambda: fly(canary).problem == "", "proof")

    url = push_node.publish_url
    assert caplog.messages == [
        f"push node 1 ({url}) does not deliver. It takes no messages: no connection."
        f" ({url}: nothing listens there; start the push node.)",
        f"push node 1 ({url}) delivers again.",
    ]


def test_canary_flies_by_itself_and_ends(make_canary, push_node, monkeypatch):
    monkeypatch.setattr(canary_module, "INTERVAL", 0.02)
    canary = make_canary(push_node)
    canary.start()
    wait_for(lambda: PushNodeState.objects.exclude(proved_at=None).exists(), "proof")
    start = time.monotonic()
    canary.stop()
    assert time.monotonic() - start < 5
    assert canary._perches == []


def find(**columns):
    now = timezone.now()
    return PushNodeState(node="http://a", **{"tried_at": now, "proved_at": now} | columns)


@pytest.mark.parametrize(
    ("tried", "failing", "silent"),
    [(1, 16, True), (1, 5, False), (1, None, False), (30, 60, False), (None, None, False)],
)
def test_silence_is_that_which_lasts_and_is_looked_at(tried, failing, silent):
    now = timezone.now()
    tried_at, failing_since = (
        None if seconds is None else now - timedelta(seconds=seconds)
        for seconds in (tried, failing)
    )
    assert is_silent(find(tried_at=tried_at, failing_since=failing_since), now) is silent


def test_what_a_worker_before_has_found_is_no_part_of_a_silence():
    note_failure("http://a", "It takes no messages.")
    long_ago = timezone.now() - timedelta(hours=1)
    PushNodeState.objects.update(failing_since=long_ago)
    note_failure("http://a", "It takes no messages.")
    assert PushNodeState.objects.get().failing_since == long_ago
    note_failure("http://a", "It takes no messages.", is_first=True)
    assert PushNodeState.objects.get().failing_since > long_ago
    note_proof("http://a", 1.5, 1)
    assert PushNodeState.objects.get().failing_since is None


def test_subscribe_address_of_the_push_node_here_is_known(settings):
    settings.WALLPUSH_PUSH_PORT, settings.WALLPUSH_SUBSCRIBE_PORT = 8101, 8102
    settings.WALLPUSH_PUBLISH_URLS = ["http://push-a:1", "http://localhost:8101", "http://push-a:1"]

    nodes = read_push_nodes()

    assert [(node.number, node.name, node.subscribe_url, node.is_local) for node in nodes] == [
        (1, "http://push-a:1", "", False),
        (2, "http://localhost:8101", "http://127.0.0.1:8102", True),
    ]
    settings.WALLPUSH_SUBSCRIBE_URLS = ["http://push-a:2", "http://push-b:2", "http://push-a:3"]
    assert [node.subscribe_url for node in read_push_nodes()] == [
        "http://push-a:2",
        "http://push-b:2",
    ]


@pytest.fixture
def make_silent(settings):
    """The push node here, as a canary finds it that has not come through for so many seconds."""
    settings.WALLPUSH_PUBLISH_URLS = [
        "http://push-a:1",
        f"http://127.0.0.1:{settings.WALLPUSH_PUSH_PORT}",
    ]

    def make(seconds, name=settings.WALLPUSH_PUBLISH_URLS[1]):
        since = timezone.now() - timedelta(seconds=seconds)
        columns = {"tried_at": timezone.now(), "failing_since": since}
        PushNodeState.objects.update_or_create(node=name, defaults=columns)

    return make


def look(watch):
    watch.look_at = 0
    return watch.sees_silence()


def test_push_node_here_is_restarted_when_it_is_silent(make_silent):
    watch = PushNodeWatch()
    assert look(watch) is False
    make_silent(60, name="http://push-a:1")
    make_silent(5)
    assert look(watch) is False
    make_silent(16)
    assert look(watch) is True


def test_push_node_that_stays_silent_is_given_more_and_more_time(make_silent):
    watch = PushNodeWatch()
    make_silent(16)
    pauses = []
    for _ in range(7):
        assert look(watch) is True
        pauses.append(round(watch.restart_at - time.monotonic()))
        assert look(watch) is False
        watch.restart_at = 0
    assert pauses == [30, 60, 120, 240, 480, 600, 600]

    make_silent(0)
    assert look(watch) is False
    make_silent(16)
    assert look(watch) is True
    assert round(watch.restart_at - time.monotonic()) == 30


def test_watch_looks_now_and_then(make_silent, django_assert_num_queries):
    watch = PushNodeWatch()
    assert look(watch) is False
    make_silent(16)
    with django_assert_num_queries(0):
        assert watch.sees_silence() is False


def test_watch_sees_nothing_in_a_database_that_is_away(make_silent):
    watch = PushNodeWatch()
    make_silent(16)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE api_pushnodestate RENAME TO away")
    try:
        assert look(watch) is False
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO api_pushnodestate")
    assert look(watch) is True
