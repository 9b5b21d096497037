import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from django.utils import timezone

from api import celery_app
from api.models import (
    Gap,
    Lease,
    Position,
    ReadDay,
    Ruling,
    SetAside,
    SourceState,
    Tally,
    Track,
    Tweet,
)
from api.tracks import add_track
from tests.api.factories import START, make_author, make_keyword, make_tweet

TWEETS = reverse("admin:api_tweet_changelist")
TRACKS = reverse("admin:api_track_changelist")
ADD_TRACK = reverse("admin:api_track_add")
SOURCES = reverse("admin:api_sourcestate_changelist")
READ_ONLY = ["tweet", "author", "keyword", "setaside", "tally", "lease", "gap", "readday"]
MODELS = [*READ_ONLY, "track", "sourcestate"]


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
            Gap.objects.create(source="x", text=f"gap{number}", after=1, until=9)
            ReadDay.objects.create(day=START.date(), source=f"x{number}", posts=number)
            track, _ = add_track(f"term{number}")
            Ruling.objects.create(track=track, source="x", state="active")
            SourceState.objects.create(source=f"x{number}", state="connected")

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
QUERIES |= {"gap": 5, "readday": 5, "track": 6, "sourcestate": 5}


@pytest.mark.parametrize("model", READ_ONLY)
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


def test_tweet_removed_is_shown_as_removed_and_stays_so(admin_client, db):
    removed = make_tweet(text="", hidden_at=START, removed_at=START, removal="deleted")
    make_tweet(hidden_at=START)
    make_tweet()

    listed = admin_client.get(TWEETS).content.decode()
    page = moderate(admin_client, "show_again", [removed])

    assert [listed.count(f">{state}<") for state in ("removed (deleted)", "hidden", "shown")] == [
        1
    ] * 3
    assert "0 tweets are shown again." in page.content.decode()
    assert Tweet.objects.get(pk=removed.pk).hidden_at
    row = admin_client.get(reverse("admin:api_tweet_change", args=[removed.pk])).content.decode()
    assert ">deleted<" in row


# Tracks.


@pytest.fixture
def read_x(settings):
    settings.WALLPUSH_SOURCE = ["x"]


def read_messages(page):
    return [str(message) for message in page.context["messages"]]


def test_track_is_added_with_what_happens_next(admin_client, read_x):
    page = admin_client.post(ADD_TRACK, {"text": "  #Wall"}, follow=True)

    track = Track.objects.get()
    assert (track.text, track.term, track.added_by) == ("#Wall", "wall", "admin")
    assert read_messages(page)[0] == "X is told within seconds while a worker reads it."
    assert "x: waiting: X has not been asked yet." in page.content.decode()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("from:", "names no account"),
        ("#WALL", "#wall is watched for already. X refuses it: No &lt;b&gt;positive&lt;/b&gt; clause."),
        ("", "This field is required."),
    ],
)  # fmt: skip
def test_track_that_can_not_be_added_is_refused_where_it_was_entered(
    admin_client, read_x, text, sentence
):
    track, _ = add_track("#wall")
    reason = "No <b>positive</b> clause."
    Ruling.objects.create(track=track, source="x", state="refused", reason=reason)

    page = admin_client.post(ADD_TRACK, {"text": text})

    assert page.status_code == 200
    assert sentence in page.content.decode()
    assert Track.objects.get() == track


def test_refusal_of_x_stands_out_in_the_list(admin_client, read_x):
    track, _ = add_track("#wall")
    reason = "No <b>positive</b> clause."
    Ruling.objects.create(track=track, source="x", state="refused", reason=reason)

    for address in (TRACKS, reverse("admin:api_track_change", args=[track.pk])):
        page = admin_client.get(address).content.decode()
        red = (
            '<ul class="errorlist"><li>x: refused: No &lt;b&gt;positive&lt;/b&gt; clause.</li></ul>'
        )
        assert red in page
    assert (
        len(admin_client.get(TRACKS, {"rulings__state": "active"}).context["cl"].result_list) == 0
    )


def delete_tracks(client, *tracks):
    data = {"action": "stop_watching", "_selected_action": [track.pk for track in tracks]}
    return client.post(TRACKS, data, follow=True)


def test_tracks_are_removed_with_what_is_remembered_of_them(admin_client, read_x):
    tracks = [add_track(text)[0] for text in ("#wall", "#cafe", "#kept")]
    Position.objects.create(source="x", term="wall", value=5)

    page = delete_tracks(admin_client, *tracks[:2])

    assert read_messages(page) == [
        "Watched for no longer: #cafe, #wall. X is told within seconds while a worker reads it."
    ]
    assert not Position.objects.exists()
    deleted = reverse("admin:api_track_delete", args=[tracks[2].pk])
    assert "Are you sure" in admin_client.get(deleted).content.decode()
    admin_client.post(deleted, {"post": "yes"})
    assert not Track.objects.exists()


def test_track_of_the_settings_is_kept_with_the_reason(admin_client, read_x):
    track, _ = add_track("#wall", origin="settings")
    deleted = reverse("admin:api_track_delete", args=[track.pk])
    sentence = "#wall stands in WALLPUSH_KEYWORDS: take it out there and start the worker again."

    assert read_messages(delete_tracks(admin_client, track)) == [sentence]
    assert read_messages(admin_client.post(deleted, {"post": "yes"}, follow=True)) == [sentence]
    assert Track.objects.get() == track
    assert "delete_selected" not in admin_client.get(TRACKS).content.decode()


@pytest.fixture
def guest(client, db):
    user = User.objects.create_user("guest", is_staff=True)
    views = Permission.objects.filter(codename__in=["view_track", "view_sourcestate"])
    user.user_permissions.set(views)
    client.force_login(user)
    return client


def test_tracks_can_not_be_changed_by_who_may_only_look(guest):
    track, _ = add_track("#wall")

    delete_tracks(guest, track)

    assert guest.get(TRACKS).status_code == 200
    assert guest.get(ADD_TRACK).status_code == 403
    assert guest.post(reverse("admin:api_track_delete", args=[track.pk])).status_code == 403
    assert Track.objects.get() == track


# What sources cost, and whether they are read.


def test_days_show_what_they_cost(admin_client, db):
    ReadDay.objects.create(day=START.date(), source="x", posts=100, users=31)
    ReadDay.objects.create(day=START.date(), source="bluesky", posts=100, users=31)

    page = admin_client.get(reverse("admin:api_readday_changelist")).content.decode()

    assert ">0.81<" in page
    assert ">0.00<" in page


def save_source(client, state, **fields):
    return client.post(reverse("admin:api_sourcestate_change", args=[state.pk]), fields)


def test_source_is_stopped_started_and_given_a_budget(admin_client, db):
    state = SourceState.objects.create(source="x", state="connected")

    def read():
        state.refresh_from_db()
        return state.wanted, state.budget, state.start_asked_at is not None

    assert save_source(admin_client, state, budget="2.5").status_code == 302
    assert read() == (False, 2.5, False)
    save_source(admin_client, state, wanted="on", budget="")
    assert read() == (True, None, True)
    assert save_source(admin_client, state, wanted="on", budget="-1").status_code == 200
    assert read() == (True, None, True)


def test_saving_a_source_leaves_what_the_reader_wrote_meanwhile(admin_client, db):
    state = SourceState.objects.create(source="x", state="connected")
    page = reverse("admin:api_sourcestate_change", args=[state.pk])
    admin_client.get(page)
    SourceState.objects.update(state="waiting", lag=3)

    admin_client.post(page, {"wanted": "on", "budget": "7", "state": "connected"})

    state.refresh_from_db()
    assert (state.state, state.lag, state.budget) == ("waiting", 3, 7)


@pytest.mark.parametrize(("action", "wanted"), [("start", True), ("stop", False)])
def test_sources_are_started_and_stopped_from_the_list(admin_client, db, action, wanted):
    state = SourceState.objects.create(source="x", wanted=not wanted)

    admin_client.post(SOURCES, {"action": action, "_selected_action": [state.pk]})

    state.refresh_from_db()
    assert state.wanted == wanted
    assert bool(state.start_asked_at) == wanted


def test_sources_can_not_be_changed_by_who_may_only_look(guest):
    state = SourceState.objects.create(source="x", state="connected")

    guest.post(SOURCES, {"action": "stop", "_selected_action": [state.pk]})

    assert guest.get(SOURCES).status_code == 200
    assert save_source(guest, state).status_code == 403
    assert guest.get(reverse("admin:api_sourcestate_add")).status_code == 403
    state.refresh_from_db()
    assert state.wanted


AUTHORS = reverse("admin:api_author_changelist")


def remove_for_good(client, address, row, **more):
    return client.post(
        address, {"action": "remove_for_good", "_selected_action": row.pk} | more, follow=True
    )


def test_tweet_is_removed_for_good_once_it_is_confirmed(
    admin_client, announced, django_capture_on_commit_callbacks
):
    tweet = make_tweet(text="<b>Oh</b> no")

    asked = remove_for_good(admin_client, TWEETS, tweet)
    assert "&lt;b&gt;Oh&lt;/b&gt; no" in asked.content.decode()
    assert Tweet.objects.get().removed_at is None

    with django_capture_on_commit_callbacks(execute=True):
        done = remove_for_good(admin_client, TWEETS, tweet, confirmed="yes")
    assert "1 tweet was removed, or changed because they quoted one." in done.content.decode()
    assert (Tweet.objects.get().removal, Tweet.objects.get().text) == ("purged", "")
    assert announced() == [tweet.pk]


def test_author_is_removed_for_good_with_their_tweets(admin_client, db):
    author = make_author()
    make_tweet(author=author)
    kept = make_tweet()

    remove_for_good(admin_client, AUTHORS, author, confirmed="yes")

    assert list(Tweet.objects.filter(removed_at=None)) == [kept]


def test_many_are_not_removed_for_good_at_once(admin_client, db, monkeypatch):
    monkeypatch.setattr("api.admin.MAX_PURGED", 0)
    tweet = make_tweet()

    answer = remove_for_good(admin_client, TWEETS, tweet, confirmed="yes")

    assert "Up to 0 are removed at a time: choose fewer." in answer.content.decode()
    assert Tweet.objects.get().removed_at is None


def test_nothing_is_removed_for_good_by_who_may_only_hide(client, db):
    user = User.objects.create_user("mo", is_staff=True)
    names = ["view_tweet", "change_tweet"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    tweet = make_tweet()

    remove_for_good(client, TWEETS, tweet, confirmed="yes")

    assert Tweet.objects.get().removed_at is None
