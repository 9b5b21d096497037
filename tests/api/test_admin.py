import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from django.utils import timezone

from api import celery_app
from api.models import Lease, SetAside, Tally, Tweet
from tests.api.factories import START, make_author, make_keyword, make_tweet

TWEETS = reverse("admin:api_tweet_changelist")
MODELS = ["tweet", "author", "keyword", "setaside", "tally", "lease"]


@pytest.fixture
def rows(db):
    """One row of each kind, or `count` of them."""

    def make(numbers):
        for number in numbers:
            author = make_author(source_id=f"a{number}", username=f"Ada{number}")
            make_tweet(
                source_id=str(number), author=author, keywords=["wall"], raw={"data": {"id": "<b>"}}
            )
            make_keyword(f"term{number}")
            SetAside.objects.create(source="x", kind="rejected", reason="no text", message="{}")
            Tally.objects.create(day=START.date(), source="x", outcome=f"kind{number}")
            Lease.objects.create(source=f"x{number}", acquired_at=START, heartbeat_at=START)

    return make


@pytest.mark.parametrize("model", MODELS)
def test_list_takes_the_same_queries_for_one_row_and_three(
    admin_client, rows, model, django_assert_num_queries
):
    address = reverse(f"admin:api_{model}_changelist")
    rows([1])
    admin_client.get(address)
    with django_assert_num_queries(QUERIES[model]):
        assert len(admin_client.get(address).context["cl"].result_list) >= 1
    rows([2, 3])
    with django_assert_num_queries(QUERIES[model]):
        assert len(admin_client.get(address).context["cl"].result_list) >= 3


QUERIES = {"tweet": 4, "author": 4, "keyword": 4, "setaside": 5, "tally": 6, "lease": 4}


@pytest.mark.parametrize("model", MODELS)
def test_nothing_can_be_added_changed_or_deleted(admin_client, rows, model):
    rows([1])
    opts = f"admin:api_{model}"
    pk = admin_client.get(reverse(f"{opts}_changelist")).context["cl"].result_list[0].pk
    row = reverse(f"{opts}_change", args=[pk])

    assert admin_client.get(reverse(f"{opts}_add")).status_code == 403
    assert admin_client.get(row).status_code == 200
    assert admin_client.post(row, {"text": "other"}).status_code == 403
    assert admin_client.post(reverse(f"{opts}_delete", args=[pk])).status_code == 403
    assert "delete_selected" not in admin_client.get(reverse(f"{opts}_changelist")).content.decode()


def test_tweet_shows_what_came_from_the_source_escaped(admin_client, rows):
    rows([1])

    page = admin_client.get(reverse("admin:api_tweet_change", args=[Tweet.objects.get().pk]))

    assert "&quot;id&quot;: &quot;&lt;b&gt;&quot;" in page.content.decode()
    assert ">wall<" in page.content.decode()


@pytest.mark.parametrize(
    ("search", "found"),
    [("ÜBER", ["1"]), ("all über", ["1"]), ("@ADA", ["2"]), ("2", ["2"]), ("77", ["3"]), ("x", [])],
)
def test_tweets_are_found_by_words_username_and_id(admin_client, db, search, found):
    make_tweet(source_id="1", text="Über all")
    make_tweet(source_id="2", text="Hello", author=make_author(username="Ada"))
    make_tweet(source_id="3", text="Room 77")

    page = admin_client.get(TWEETS, {"q": search})

    assert [tweet.source_id for tweet in page.context["cl"].result_list] == found


@pytest.mark.parametrize("search", ["@Ada", "ADA", "a1"])
def test_authors_are_found_by_username_and_id(admin_client, db, search):
    make_author(source_id="a1", username="Ada")
    make_author(source_id="a2", username="bob")

    page = admin_client.get(reverse("admin:api_author_changelist"), {"q": search})

    assert [author.source_id for author in page.context["cl"].result_list] == ["a1"]


def moderate(client, action, tweets):
    data = {"action": action, "_selected_action": [tweet.pk for tweet in tweets]}
    return client.post(TWEETS, data, follow=True)


@pytest.fixture
def announced():
    """The keys that workers are asked to publish, taken from the broker."""
    with celery_app.connection_for_read() as connection:
        queue = connection.SimpleQueue("celery")
        queue.clear()

        def read():
            [pks], *_ = queue.get(timeout=5).payload
            return pks

        yield read
        queue.close()


def test_tweets_hidden_are_announced_after_the_commit(
    admin_client, announced, django_capture_on_commit_callbacks
):
    tweets = [make_tweet(published_at=timezone.now()) for _ in range(3)]

    with django_capture_on_commit_callbacks(execute=True):
        page = moderate(admin_client, "hide_from_every_wall", tweets[:2])

    assert "2 tweets are hidden from every wall." in page.content.decode()
    hidden = Tweet.objects.filter(hidden_at__isnull=False, published_at=None)
    assert list(hidden.values_list("pk", flat=True)) == [tweet.pk for tweet in tweets[:2]]
    assert announced() == [tweet.pk for tweet in tweets[:2]]


def test_tweet_hidden_leaves_the_api_and_returns(
    admin_client, announced, django_capture_on_commit_callbacks
):
    tweet = make_tweet(source_id="7")
    after = admin_client.get("/api/tweets/").json()["after"]

    def read():
        tweets = admin_client.get("/api/tweets/").json()["results"]
        changes = admin_client.get("/api/tweets/", {"after": after}).json()["results"]
        return [item["id"] for item in tweets], [(item["type"], item["id"]) for item in changes]

    with django_capture_on_commit_callbacks(execute=True):
        moderate(admin_client, "hide_from_every_wall", [tweet])
        hidden = read()
        page = moderate(admin_client, "show_again", [tweet])

    assert hidden == ([], [("delete", "7")])
    assert read() == (["7"], [("tweet", "7")])
    assert "1 tweet is shown again." in page.content.decode()


def test_tweets_can_not_be_hidden_by_who_may_only_look(client, db):
    user = User.objects.create_user("guest", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_tweet"))
    client.force_login(user)
    tweet = make_tweet()

    moderate(client, "hide_from_every_wall", [tweet])

    assert client.get(TWEETS).status_code == 200
    assert Tweet.objects.get().hidden_at is None
