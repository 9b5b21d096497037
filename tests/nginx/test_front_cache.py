"""What the front shares among walls that come back together: real nginx before the real Django."""

import json
import socket
import time
from contextlib import ExitStack

import pytest
import requests

from api.models import Tweet
from api.publish import hide_tweets
from tests.api.factories import make_tweet
from tests.conftest import free_ports
from tests.frontend.django_server import DjangoServer

WALLS = 300
# What no answer may be older than, and a moment for nginx's clock.
AGE = 1.1


class CountingDjango(DjangoServer):
    """Notes the addresses that reach it."""

    def __init__(self, port):
        super().__init__(port)
        self.asked = []

    def start(self):
        super().start()
        application = self.server.get_app()

        def count(environ, start_response):
            self.asked.append(f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}")
            return application(environ, start_response)

        self.server.set_app(count)
        return self


@pytest.fixture
def django(transactional_db):
    [port] = free_ports(1)
    server = CountingDjango(port).start()
    yield server
    server.stop()


@pytest.fixture
def front(make_front, push_node, django):
    return make_front(push_node, django=django.address)


def ask(front, headers=None, **parameters):
    answer = requests.get(
        f"{front.url}/api/tweets/", params=parameters, headers=headers, timeout=20
    )
    assert answer.status_code == 200, answer.text
    return answer


def find_resume_point(front):
    return ask(front).json()["after"]


def ask_together(front, path, count):
    """The bodies of what so many walls are answered that have all asked before any reads."""
    request = f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()
    with ExitStack() as stack:
        walls = [
            stack.enter_context(socket.create_connection(("127.0.0.1", front.port), timeout=20))
            for _ in range(count)
        ]
        for wall in walls:
            wall.sendall(request)
        return [read_body(wall) for wall in walls]


def read_body(wall):
    with wall.makefile("rb") as answer:
        head, _, body = answer.read().partition(b"\r\n\r\n")
    assert b" 200 " in head.splitlines()[0], head
    return body


def test_walls_that_come_back_together_are_one_request_a_second_for_django(front, django):
    tweets = [make_tweet() for _ in range(50)]
    after = find_resume_point(front)
    django.asked.clear()
    started = time.monotonic()
    bodies = ask_together(front, f"/api/tweets/?after={after}&limit=200", WALLS)
    seconds = time.monotonic() - started
    assert len(set(bodies)) == 1
    assert len(json.loads(bodies[0])["results"]) == len(tweets)
    # One for each second in which somebody asked, be it only its end.
    assert len(django.asked) <= seconds + 2
    assert len(django.asked) < WALLS / 10


def test_hidden_tweet_is_given_to_nobody_who_asks_a_second_later(front, django):
    tweet = make_tweet()
    after = find_resume_point(front)
    [shown] = ask(front, after=after).json()["results"]
    hide_tweets([tweet.pk])
    hidden_at = time.monotonic()
    while True:
        asked_at = time.monotonic()
        [item] = ask(front, after=after).json()["results"]
        if item["type"] == "delete":
            break
        assert asked_at - hidden_at < AGE, "it was shown to one who asked too late"
    assert (shown["type"], item["id"]) == ("tweet", tweet.source_id)


def test_answer_that_takes_long_is_no_older_than_any_other(front, django):
    """The second is that of the asking: walls that ask while Django is slow do not share what it began before."""
    tweet = make_tweet()
    after = find_resume_point(front)
    slow = django.server.get_app()
    answers = []

    def hide_meanwhile(environ, start_response):
        body = slow(environ, start_response)
        if not answers:
            answers.append(body)
            hide_tweets([tweet.pk])
            time.sleep(AGE)
        return body

    django.server.set_app(hide_meanwhile)
    [first] = ask(front, after=after).json()["results"]
    [next_] = ask(front, after=after).json()["results"]
    assert (first["type"], next_["type"]) == ("tweet", "delete")


@pytest.mark.parametrize("parameters", [{}, {"limit": "60"}, {"keyword": "wall", "limit": "60"}])
def test_first_page_is_always_fresh(front, parameters):
    tweet = make_tweet(keywords=["wall"])
    assert ask(front, **parameters).json()["results"]
    hide_tweets([tweet.pk])
    assert ask(front, **parameters).json()["results"] == []


def test_answers_are_shared_among_those_only_who_ask_the_same(front):
    make_tweet(keywords=["wall"])
    after = find_resume_point(front)
    page = ask(front, {"Accept": "text/html"}, after=after)
    data = ask(front, after=after)
    other = ask(front, after=after, keyword="other")
    elsewhere = ask(front, {"Host": "127.0.0.1:1"}, after=after)
    assert page.headers["Content-Type"].startswith("text/html")
    assert data.headers["Content-Type"] == "application/json"
    assert (len(data.json()["results"]), other.json()["results"]) == (1, [])
    assert elsewhere.json() == data.json()


def test_refusal_is_not_kept(front, django):
    for _ in range(2):
        answer = requests.get(f"{front.url}/api/tweets/?after=spoilt", timeout=20)
        assert answer.status_code == 400
    assert django.asked.count("/api/tweets/?after=spoilt") == 2


def test_walls_catch_up_when_django_is_back(front, django):
    make_tweet()
    after = find_resume_point(front)
    django.stop()
    assert requests.get(f"{front.url}/api/tweets/?after={after}", timeout=20).status_code == 502
    django.start()
    assert len(ask(front, after=after).json()["results"]) == Tweet.objects.count()
