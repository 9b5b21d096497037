"""The stand-in's lists, asked with tweepy by an account that signs its requests."""

import pytest
import requests
import tweepy
from requests_oauthlib import OAuth1

from tests.x_lists import USER_AUTH_NEEDED
from tests.x_server import STREAM_PATH, UNAUTHORIZED, XServer

ME = "/2/users/me"
OWNER = "2072000000000000001"


@pytest.fixture
def x():
    with XServer() as server:
        server.world.add_user("ada_l")
        server.world.add_user("bob_ar")
        yield server


class Session(requests.Session):
    """Asks the stand-in, and signs for it: a signature holds for one address."""

    def __init__(self, x):
        super().__init__()
        self.x = x

    def prepare_request(self, request):
        request.url = request.url.replace("https://api.twitter.com", self.x.url, 1)
        return super().prepare_request(request)


@pytest.fixture
def client(x):
    client = tweepy.Client(**x.lists.credentials._asdict(), return_type=dict)
    with Session(x) as client.session:
        yield client


def ask(x, path=ME, **wrong):
    auth = OAuth1(*(x.lists.credentials._replace(**wrong)))
    return requests.get(x.url + path, auth=auth, timeout=5)


def test_signed_request_is_answered(x):
    assert ask(x).json()["data"]["username"] == "the_wall"
    assert [(request.authorized, request.user) for request in x.requests] == [(True, True)]


@pytest.mark.parametrize(
    "name", ["consumer_key", "consumer_secret", "access_token", "access_token_secret"]
)
def test_every_credential_counts(x, name):
    answer = ask(x, **{name: "wrong-wrong-wrong"})

    assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)


def sign(x, path):
    """The header of a request to this path."""
    request = requests.Request("GET", x.url + path, auth=OAuth1(*x.lists.credentials))
    return {"Authorization": request.prepare().headers["Authorization"]}


@pytest.mark.parametrize(
    ("paths", "statuses"), [((ME, ME), [200, 401]), ((f"{ME}?a=b", ME), [401, 401])]
)
def test_signature_holds_for_one_address_and_once(x, paths, statuses):
    headers = sign(x, ME)
    answers = [requests.get(x.url + path, headers=headers, timeout=5) for path in paths]

    assert [answer.status_code for answer in answers] == statuses


def test_signature_holds_for_a_query_too(x):
    assert ask(x, f"{ME}?user.fields=name").status_code == 200


def test_token_of_an_app_is_refused(x):
    headers = {"Authorization": f"Bearer {x.token}"}
    answer = requests.get(x.url + ME, headers=headers, timeout=5)

    assert (answer.status_code, answer.json()) == (403, USER_AUTH_NEEDED)


def test_list_is_made_and_shown_to_its_owner(x, client):
    made = client.create_list("wall", private=True)["data"]
    x.lists.create("not ours", owner_id="5")
    owned = client.get_owned_lists(OWNER, list_fields="private,member_count", user_auth=True)

    assert owned["data"] == [{"id": made["id"], "name": "wall", "private": True, "member_count": 0}]
    assert "data" not in client.get_owned_lists("101", user_auth=True)


def test_lists_come_page_by_page(x, client):
    for number in range(3):
        x.lists.create(f"list {number}")
    first = client.get_owned_lists(OWNER, max_results=2, user_auth=True)
    token = first["meta"]["next_token"]
    last = client.get_owned_lists(OWNER, max_results=2, pagination_token=token, user_auth=True)

    assert [one["name"] for one in first["data"] + last["data"]] == ["list 0", "list 1", "list 2"]
    assert "next_token" not in last["meta"]


def test_name_that_is_too_long_is_refused(client):
    with pytest.raises(tweepy.BadRequest, match="between 1 and 25"):
        client.create_list("x" * 26)


def test_members_come_and_go(x, client):
    made = x.lists.create("wall")
    added = [client.add_list_member(made.id, user_id) for user_id in ("101", "102", "101")]
    members = client.get_list_members(made.id, user_auth=True)["data"]
    removed = client.remove_list_member(made.id, "101")

    assert added == [{"data": {"is_member": True}}] * 3
    assert [member["username"] for member in members] == ["ada_l", "bob_ar"]
    assert (removed, made.members) == ({"data": {"is_member": False}}, ["102"])


def test_users_who_are_gone_or_say_no_are_refused(x, client):
    made = x.lists.create("wall")
    x.world.suspend("101")
    x.lists.refuse("102", 403, "You have been blocked.")
    with pytest.raises(tweepy.NotFound, match=r"Could not find user with user_id: \[101\]"):
        client.add_list_member(made.id, "101")
    with pytest.raises(tweepy.Forbidden, match="You have been blocked"):
        client.add_list_member(made.id, "102")

    assert made.members == []


def test_lists_of_others_are_not_written(x, client):
    theirs = x.lists.create("theirs", owner_id="5")
    with pytest.raises(tweepy.Forbidden, match="You are not the owner"):
        client.add_list_member(theirs.id, "101")
    with pytest.raises(tweepy.NotFound, match=r"Could not find list with id: \[7\]"):
        client.add_list_member("7", "101")


def test_full_list_takes_nobody(x, client):
    made = x.lists.create("wall")
    made.members = [str(number) for number in range(1000, 6000)]
    with pytest.raises(tweepy.Forbidden, match="the most members"):
        client.add_list_member(made.id, "101")


def test_adds_are_limited_within_a_window(x, client):
    made = x.lists.create("wall")
    x.lists.limit_adds(1, window=900)
    client.add_list_member(made.id, "101")
    with pytest.raises(tweepy.TooManyRequests) as caught:
        client.add_list_member(made.id, "102")
    x.lists.limit_adds(1, window=0)

    assert caught.value.response.headers["x-rate-limit-remaining"] == "0"
    assert made.members == ["101"]


def test_stream_is_not_for_accounts(x):
    assert ask(x, STREAM_PATH).status_code == 403
