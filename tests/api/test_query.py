"""The parameters of /api/tweets/: what each selects, and what is said to a wrong one."""

import pytest

from api import query
from api.models import Author
from tests.api.factories import START, make_author, make_keyword, make_tweet

pytestmark = pytest.mark.django_db
PHOTO = {"type": "photo", "url": "https://example.com/a.jpg", "width": 4, "height": 3, "alt": ""}


@pytest.fixture
def ids(client):
    """The ids that /api/tweets/ lists."""

    def list_ids(path="/api/tweets/", **parameters):
        answer = client.get(path, parameters)
        assert answer.status_code == 200, answer.content
        return [item["id"] for item in answer.json()["results"]]

    return list_ids


def test_tweets_come_newest_first_and_not_when_hidden(ids):
    make_tweet(source_id="1")
    make_tweet(source_id="2", hidden_at=START)
    make_tweet(source_id="3")

    assert ids() == ["3", "1"]


@pytest.mark.parametrize("author", ["ada_l", "ADA_L", "@Ada_L", "101"])
def test_author_is_found_by_username_in_any_case_and_by_id(ids, author):
    ada = make_author(source_id="101", username="Ada_L")
    make_tweet(source_id="1", author=ada)
    make_tweet(source_id="2")
    make_tweet(source_id="3", author=ada)

    assert ids(author=author) == ["3", "1"]


def test_author_of_digits_may_be_a_username_or_an_id(ids):
    make_tweet(source_id="1", author=make_author(source_id="101"))
    make_tweet(source_id="2", author=make_author(source_id="102", username="101"))

    assert ids(author="101") == ["2", "1"]
    assert ids(author="@101") == ["2"]


def test_author_who_does_not_exist_has_no_tweets(ids):
    make_tweet()

    assert ids(author="nobody") == []


@pytest.mark.parametrize("keyword", ["café", "#CAFÉ", "cafe\u0301"])
def test_keyword_is_normalised(ids, keyword):
    make_tweet(source_id="1", keywords=["café", "wall"])
    make_tweet(source_id="2", keywords=["wall"])
    make_tweet(source_id="3", keywords=["café"])

    assert ids(keyword=keyword) == ["3", "1"]


def test_keyword_that_does_not_exist_has_no_tweets(ids):
    make_tweet(keywords=["wall"])
    make_tweet(keywords=[])

    assert ids(keyword="other") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("grüsse", ["1"]),
        ("GRÜSSE aus", ["1"]),
        ("straße", ["1"]),
        ("aus strasse", ["1"]),
        ("üss", ["1"]),
        ("aus hello", []),
        ("ПРИВЕТ", ["2"]),
        ("100%", ["3"]),
        ("0%", ["3"]),
        ("a_b", ["3"]),
        ("axb", []),
        ("%", ["3"]),
        ("\\", ["3"]),
        ("bold", ["4"]),
        ("cafe\u0301", ["4"]),
        ("the original", ["5"]),
        ("🎉", ["2"]),
    ],
)
def test_text_has_all_words_in_any_case_and_script(ids, text, found):
    make_tweet(source_id="1", text="Grüße aus der STRASSE")
    make_tweet(source_id="2", text="Привет мир 🎉")
    make_tweet(source_id="3", text="100% of a_b \\ here")
    make_tweet(source_id="4", text="\U0001d401\U0001d428\U0001d425\U0001d41d café")
    make_tweet(
        source_id="5",
        text="RT @ada_l: The…",
        content={"retweet_of": {"id": "9", "text": "The whole original"}},
    )

    assert ids(text=text) == found


def test_text_follows_an_edit(ids):
    tweet = make_tweet(source_id="1", text="before")
    tweet.text = "AFTER"
    tweet.save()

    assert (ids(text="before"), ids(text="after")) == ([], ["1"])


@pytest.mark.parametrize(("lang", "found"), [("pt", ["1"]), ("en", ["2"]), ("de", [])])
def test_lang(ids, lang, found):
    make_tweet(source_id="1", lang="pt")
    make_tweet(source_id="2", lang="en")

    assert ids(lang=lang) == found


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"since": "2024-11-20"}, ["3", "2"]),
        ({"since": "2024-11-20T00:00:00Z"}, ["3", "2"]),
        ({"since": "2024-11-20T00:00:00.001Z"}, ["3"]),
        ({"since": "2024-11-20T02:00:00+02:00"}, ["3", "2"]),
        ({"since": "2024-11-20T23:59:59"}, []),
        ({"until": "2024-11-20"}, ["1"]),
        ({"until": "2024-11-20T00:00:00.001Z"}, ["2", "1"]),
        ({"since": "2024-11-19", "until": "2024-11-20"}, ["1"]),
        ({"since": "2024-11-19", "until": "2024-11-20", "keyword": "wall"}, ["1"]),
        ({"since": "2024-11-20", "keyword": "wall"}, ["3", "2"]),
    ],
)
def test_since_is_inclusive_and_until_is_not(ids, parameters, found):
    midnight = START.replace(hour=0)
    make_tweet(source_id="1", created_at=midnight.replace(day=19), keywords=["wall"])
    make_tweet(source_id="2", created_at=midnight, keywords=["wall"])
    make_tweet(source_id="3", created_at=midnight.replace(hour=12), keywords=["wall"])

    assert ids(**parameters) == found


def test_retweets_and_media(ids):
    make_tweet(source_id="1")
    make_tweet(source_id="2", content={"retweet_of": {"id": "9", "missing": True}})
    make_tweet(source_id="3", content={"media": [PHOTO]})

    assert ids(retweets="true") == ["2"]
    assert ids(retweets="false") == ["3", "1"]
    assert ids(media="true") == ["3"]
    assert ids(media="false") == ["2", "1"]


def test_parameters_narrow_each_other(ids):
    ada = make_author(username="ada")
    make_tweet(source_id="1", author=ada, keywords=["wall"], lang="de", text="Hallo")
    make_tweet(source_id="2", author=ada, keywords=["wall"], lang="de", text="Tschüss")
    make_tweet(source_id="3", author=ada, lang="de", text="Hallo")
    make_tweet(source_id="4", keywords=["wall"], lang="de", text="Hallo")

    assert ids(author="ada", keyword="wall", lang="de", text="hallo", media="false") == ["1"]


def test_parameters_narrow_changes_too(client):
    after = client.get("/api/tweets/").json()["after"]
    ada = make_author(username="ada")
    make_tweet(source_id="1", author=ada, keywords=["wall"])
    make_tweet(source_id="2", keywords=["wall"])
    make_tweet(source_id="3", author=ada, hidden_at=START)

    def changes(**parameters):
        return client.get("/api/tweets/", {"after": after} | parameters).json()["results"]

    assert [(item["type"], item["id"]) for item in changes(author="@ADA")] == [
        ("tweet", "1"),
        ("delete", "3"),
    ]
    assert [item["id"] for item in changes(keyword="wall", limit=1)] == ["1"]


@pytest.mark.parametrize(
    ("parameters", "name", "sentence"),
    [
        ("limit=0", "limit", query.LIMIT),
        ("limit=201", "limit", query.LIMIT),
        ("limit=-1", "limit", query.LIMIT),
        ("limit=ten", "limit", query.LIMIT),
        ("limit=", "limit", query.LIMIT),
        ("limit=1&limit=2", "limit", query.ONCE),
        ("cursor=", "cursor", query.CURSOR),
        ("cursor=nonsense", "cursor", query.CURSOR),
        ("cursor=%C3%A9%C3%A9", "cursor", query.CURSOR),
        ("after=nonsense", "after", query.AFTER),
        ("author=", "author", query.AUTHOR),
        ("author=@", "author", query.AUTHOR),
        ("author=a%00b", "author", query.TOO_LONG),
        ("author=" + "a" * 201, "author", query.TOO_LONG),
        ("keyword=%23", "keyword", query.KEYWORD),
        ("keyword=" + "%C3%A9" * 100, "keyword", query.KEYWORD),
        ("text=", "text", query.TEXT),
        ("text=+", "text", query.TEXT),
        ("text=" + "a+" * 11, "text", query.TEXT),
        ("text=%00", "text", query.TOO_LONG),
        ("lang=e", "lang", query.LANG),
        ("lang=english", "lang", query.LANG),
        ("since=yesterday", "since", query.SINCE),
        ("since=2024-02-30", "since", query.SINCE),
        ("since=2024-11-20T25:00:00", "since", query.SINCE),
        ("since=0001-01-01T00:00:00%2B14:00", "since", query.SINCE),
        ("until=9999-12-31T23:59:59-14:00", "until", query.UNTIL),
        ("since=2024-11-20&until=2024-11-20", "until", query.ORDER),
        ("retweets=1", "retweets", query.RETWEETS),
        ("media=True", "media", query.MEDIA),
    ],
)
def test_parameter_wrong_is_named_with_what_is_allowed(client, parameters, name, sentence):
    answer = client.get(f"/api/tweets/?{parameters}")

    assert answer.status_code == 400
    assert answer.json() == {name: [sentence]}


def test_parameters_wrong_are_all_named(client):
    answer = client.get("/api/tweets/?limit=x&media=x&since=x")

    assert sorted(answer.json()) == ["limit", "media", "since"]


@pytest.mark.parametrize(
    ("path", "known"),
    [
        (
            "/api/tweets/",
            "limit, cursor, after, author, keyword, text, lang, since, until, retweets, media",
        ),
        ("/api/authors/", "limit, cursor, username"),
        ("/api/keywords/", "limit, cursor"),
    ],
)
def test_parameter_unknown_is_named(client, path, known):
    answer = client.get(path, {"page": "2"})

    assert answer.status_code == 400
    assert answer.json() == {"page": [f"There is no such parameter. There are {known}."]}


@pytest.mark.parametrize("path", ["/api/stats/", "/api/wall/", "/api/tweets/1/", "/api/"])
def test_parameter_is_refused_where_there_are_none(client, path):
    make_tweet(source_id="1")

    answer = client.get(path, {"page": "2"})

    assert answer.status_code == 400
    assert answer.json() == {"page": ["There is no such parameter. There are none."]}


def test_cursor_and_after_exclude_each_other(client):
    make_tweet()
    make_tweet()
    page = client.get("/api/tweets/?limit=1").json()
    both = page["next"] + "&after=" + page["after"]

    assert client.get(both).json() == {"after": [query.AFTER]}


def test_username_finds_authors(ids):
    make_author(source_id="101", username="Ada_L")
    make_author(source_id="102", username="bob")

    assert ids("/api/authors/", username="@ada_l") == ["101"]
    assert ids("/api/authors/") == ["102", "101"]
    assert Author.objects.count() == 2


def test_keywords_come_with_their_channel(client):
    make_keyword("wall")
    make_keyword("café")

    assert client.get("/api/keywords/").json() == {
        "results": [
            {"term": "café", "channel": "keyword-caf~C3~A9"},
            {"term": "wall", "channel": "keyword-wall"},
        ],
        "next": None,
        "previous": None,
    }
