import json

import pytest
from django.test import Client
from django.utils import timezone

from api.models import Lease, SourceState, Tweet
from api.serializers.resource import render_tweet, with_parts
from tests.api.factories import START, make_author, make_tweet

pytestmark = pytest.mark.django_db
HOSTILE = 'a < b & "c" </script> 🎉 \u2028 é'


@pytest.fixture
def tweet():
    make_tweet(
        source_id="2120000000000000006",
        version_id="2120000000000000007",
        text=HOSTILE,
        author=make_author(name=HOSTILE),
        keywords=["wall", "café"],
        content={"media": [{"type": "photo", "url": "/sample/a.jpg", "width": 1, "height": 1, "alt": HOSTILE}]},
    )  # fmt: skip
    return with_parts(Tweet.objects.all()).get()


@pytest.mark.parametrize("id", ["2120000000000000006", "2120000000000000007"])
def test_tweet_is_the_message_byte_for_byte(client, tweet, id):
    answer = client.get(f"/api/tweets/{id}/")

    assert answer.content == render_tweet(tweet)
    assert answer["Content-Type"] == "application/json"


def test_tweets_hold_each_message_byte_for_byte(client, tweet):
    make_tweet()
    bodies = [render_tweet(row) for row in with_parts(Tweet.objects.order_by("-created_at"))]

    answer = client.get("/api/tweets/")

    assert answer.content.startswith(b'{"results":[' + b",".join(bodies) + b'],"next":null,')


def test_changes_hold_each_message_byte_for_byte(client, tweet):
    after = client.get("/api/tweets/").json()["after"]
    Tweet.objects.update(hidden_at=timezone.now())
    deletion = b'{"type":"delete","id":"2120000000000000006"}'

    answer = client.get("/api/tweets/", {"after": after})

    assert answer.content.startswith(b'{"results":[' + deletion + b'],"after":"')


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/api/tweets/7/", "No tweet has the id 7."),
        ("/api/tweets/%00/", "No tweet has this id."),
        (f"/api/tweets/{'7' * 300}/", "No tweet has this id."),
        ("/api/authors/7/", "No author has the id 7."),
        ("/api/authors/%00/", "No author has this id."),
        ("/api/nothing/", "There is nothing at /api/nothing/. See /api/ for what there is."),
        ("/api/tweets/7/8/", "There is nothing at /api/tweets/7/8/. See /api/ for what there is."),
    ],
)
def test_what_does_not_exist_is_404_with_a_sentence(client, path, sentence):
    answer = client.get(path)

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/json"
    assert answer.json() == {"detail": sentence}


def test_tweet_hidden_is_404(client):
    make_tweet(source_id="7", hidden_at=START)

    assert client.get("/api/tweets/7/").status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("path", ["/api/tweets/", "/api/tweets/7/", "/api/stats/", "/api/"])
def test_writing_is_405_with_a_sentence(client, path, method):
    answer = getattr(client, method)(path, b"{}", content_type="application/json")

    assert answer.status_code == 405
    assert answer.json() == {"detail": f'Method "{method.upper()}" not allowed.'}


def test_failure_is_500_with_a_sentence(monkeypatch):
    def fail():
        raise RuntimeError

    monkeypatch.setattr("api.views.read_stats", fail)
    answer = Client(raise_request_exception=False).get("/api/stats/")

    assert answer.status_code == 500
    assert answer.json() == {
        "detail": "Something went wrong here. It was logged; please try again later."
    }


def test_host_unknown_is_400_with_a_sentence(client):
    answer = client.get("/api/wall/", HTTP_HOST="evil.example.com")

    assert answer.status_code == 400
    assert answer.json() == {"detail": "This host name is not one of WALLPUSH_ALLOWED_HOSTS."}


def test_request_out_of_bounds_is_400_with_a_sentence(client):
    answer = client.get("/api/tweets/?" + "&".join(f"p{number}=1" for number in range(1001)))

    assert answer.status_code == 400
    assert answer.json() == {"detail": "This request can not be understood."}


def test_pages_outside_of_the_api_are_no_json(client):
    answer = client.get("/nothing")

    assert answer.status_code == 404
    assert answer["Content-Type"] == "text/html; charset=utf-8"


def test_address_without_slash_is_redirected(client):
    assert client.get("/api/tweets").headers["Location"] == "/api/tweets/"


def test_browser_gets_pages_and_curl_gets_json(client, tweet):
    html = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

    assert (
        client.get("/api/tweets/", HTTP_ACCEPT=html)["Content-Type"] == "text/html; charset=utf-8"
    )
    assert client.get("/api/tweets/", HTTP_ACCEPT="*/*")["Content-Type"] == "application/json"
    assert client.get("/api/tweets/", HTTP_ACCEPT="image/png").status_code == 406


def test_page_for_a_browser_escapes_what_people_wrote(client, tweet):
    page = client.get("/api/tweets/", HTTP_ACCEPT="text/html").content.decode()

    assert "</script> 🎉" not in page
    assert "&lt;/script&gt; 🎉" in page


def test_root_lists_what_there_is(client):
    names = (
        *("tweets", "authors", "keywords", "tracks", "stats", "health", "metrics", "wall"),
        *("schema", "docs"),
    )

    answer = client.get("/api/").json()

    assert answer == {name: f"http://testserver/api/{name}/" for name in names}
    statuses = {name: client.get(address).status_code for name, address in answer.items()}
    # Without a login, and without anybody who reads.
    assert statuses == dict.fromkeys(names, 200) | {"tracks": 401, "health": 503}


def test_links_follow_the_front(client):
    make_tweet()
    make_tweet()
    front = {"HTTP_HOST": "127.0.0.1:8000", "HTTP_X_FORWARDED_PROTO": "https"}

    page = client.get("/api/tweets/?limit=1", **front).json()

    assert page["next"].startswith("https://127.0.0.1:8000/api/tweets/?cursor=")


def test_author_is_the_author_of_its_tweets(client, tweet):
    answer = client.get(f"/api/authors/{tweet.author.source_id}/")

    assert answer.json() == json.loads(render_tweet(tweet))["author"]


def test_wall_tells_what_the_page_needs(client, settings):
    settings.WALLPUSH_WALL_TITLE = "PyConf"
    settings.WALLPUSH_WALL_SUBTITLE = "#pyconf"
    settings.WALLPUSH_EVENTS_URL = "https://push.example.com"
    settings.WALLPUSH_SOURCE = ["x", "bluesky"]

    assert client.get("/api/wall/").json() == {
        "title": "PyConf",
        "subtitle": "#pyconf",
        "events_url": "https://push.example.com",
        "sources": ["x", "bluesky"],
    }


@pytest.mark.parametrize(
    ("path", "queries"),
    [
        ("/api/tweets/", 3),
        ("/api/tweets/?keyword=wall&author=ada", 5),
        ("/api/tweets/?after={after}", 3),
        ("/api/tweets/0/", 2),
        ("/api/authors/", 1),
        ("/api/authors/0/", 1),
        ("/api/keywords/", 1),
        ("/api/stats/", 9),
        ("/api/wall/", 0),
    ],
)
def test_queries_do_not_grow_with_the_rows(client, django_assert_num_queries, path, queries):
    address = path.format(after=client.get("/api/tweets/").json()["after"])
    for numbers in ([0], [1, 2]):
        for number in numbers:
            author = make_author(username="ada", source_id=str(number))
            make_tweet(source_id=str(number), author=author, keywords=["wall", f"term{number}"])
            now = timezone.now()
            Lease.objects.create(source=f"source{number}", acquired_at=now, heartbeat_at=now)
            SourceState.objects.create(source=f"source{number}", state="connected")
        with django_assert_num_queries(queries):
            assert client.get(address).status_code == 200
