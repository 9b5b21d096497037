"""Tracks over REST: who may, and what may be sent."""

import base64
import json

import pytest
import requests
from django.contrib.auth.models import Permission, User
from django.test import Client

from api.models import Ruling, Track
from api.tracks import add_track, find_track, sync_settings_tracks

pytestmark = pytest.mark.django_db


def texts():
    return list(Track.objects.order_by("pk").values_list("text", flat=True))


@pytest.fixture
def staff(admin_client):
    return admin_client


def post(client, body, **options):
    data = body if isinstance(body, bytes | str) else json.dumps(body)
    return client.post("/api/tracks/", data, content_type="application/json", **options)


def test_track_is_added_read_and_removed(staff, settings):
    settings.WALLPUSH_SOURCE = ["x"]

    added = post(staff, {"text": " #Wall "})
    resource = added.json()
    address = f"/api/tracks/{resource['id']}/"

    assert added.status_code == 201
    assert resource | {"id": "", "added_at": ""} == {
        "id": "",
        "text": "#Wall",
        "kind": "hashtag",
        "keyword": "wall",
        "channel": "keyword-wall",
        "origin": "added",
        "added_by": "admin",
        "added_at": "",
        "rulings": [
            {
                "source": "x",
                "state": "waiting",
                "reason": "X has not been asked yet.",
                "changed_at": None,
            }
        ],
    }
    assert post(staff, {"text": "#wall"}).status_code == 200
    assert staff.get(address).json() == resource
    assert staff.get("/api/tracks/").json() == {
        "results": [resource],
        "next": None,
        "previous": None,
    }
    removed = staff.delete(address)
    assert (removed.status_code, removed.content) == (204, b"")
    assert staff.get(address).status_code == staff.delete(address).status_code == 404
    assert texts() == []


def test_refusal_of_x_is_shown_where_it_was_entered(staff, settings):
    settings.WALLPUSH_SOURCE = ["x"]
    track, _ = add_track("#wall")
    Ruling.objects.create(track=track, source="x", state="refused", reason="No positive clause.")

    [ruling] = post(staff, {"text": "#wall"}).json()["rulings"]

    assert (ruling["state"], ruling["reason"]) == ("refused", "No positive clause.")


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        ({"text": "from:"}, 400, {"text": ["'from:' names no account: write from: and its name, as in from:ada_l."]}),
        ({"text": "x" * 1001}, 400, {"text": ["Up to 1000 characters."]}),
        ({"text": ["#wall"]}, 400, None),
        ({"text": None}, 400, None),
        ({"text": ""}, 400, None),
        ({"text": "\ud83d"}, 400, None),
        ({"text": "a\0b"}, 400, None),
        ({}, 400, None),
        ({"text": "#wall", "origin": "settings"}, 400, None),
        ({"\ud83d": 1}, 400, None),
        ([1], 400, None),
        (b"", 400, None),
        (b"{", 400, None),
        (b"\xff", 400, None),
        (b"[" * 9999, 400, None),
        (b" " * 10_001, 413, {"detail": "The body may have up to 10000 bytes."}),
    ],
)  # fmt: skip
def test_body_that_is_wrong_is_refused_with_a_sentence(staff, body, status, answer):
    refusal = post(staff, body)

    assert refusal.status_code == status
    assert answer is None or refusal.json() == answer
    assert all(sentence for sentence in refusal.json().values())
    assert texts() == []


def test_other_formats_are_refused(staff):
    assert staff.post("/api/tracks/", {"text": "#wall"}).status_code == 415


def test_track_of_the_settings_is_not_removed_over_rest(staff):
    sync_settings_tracks(["#wall"])

    refusal = staff.delete(f"/api/tracks/{find_track('#wall').pk}/")

    assert refusal.status_code == 409
    assert "take it out there" in refusal.json()["detail"]
    assert texts() == ["#wall"]


@pytest.mark.parametrize("id", ["0", "x", "٣", "9" * 30, "9" * 300])
def test_track_unknown_is_404(staff, id):
    answer = staff.get(f"/api/tracks/{id}/")

    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("No track has")


def test_tracks_are_paged(staff, django_assert_num_queries):
    for number in range(5):
        track, _ = add_track(f"term{number}")
        Ruling.objects.create(track=track, source="x", state="active")

    with django_assert_num_queries(4):  # two of them for the login
        page = staff.get("/api/tracks/?limit=3").json()
    rest = staff.get(page["next"]).json()

    assert [row["text"] for row in page["results"]] == ["term4", "term3", "term2"]
    assert [row["text"] for row in rest["results"]] == ["term1", "term0"]
    assert staff.get("/api/tracks/?limt=3").status_code == 400


# Who may.


def basic(name):
    token = base64.b64encode(f"{name}:secret".encode()).decode()
    return {"HTTP_AUTHORIZATION": f"Basic {token}"}


def make_user(name, *permissions, **fields):
    user = User.objects.create_user(name, password="secret", **fields)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))


def try_all(client, **headers):
    id = add_track("#kept")[0].pk
    added = post(client, {"text": "#wall"}, **headers).status_code
    seen = client.get("/api/tracks/", **headers).status_code
    return seen, added, client.delete(f"/api/tracks/{id}/", **headers).status_code


def test_nobody_without_a_login_sees_or_changes_tracks(client):
    assert try_all(client) == (401, 401, 401)
    assert try_all(client, **basic("nobody")) == (401, 401, 401)
    assert texts() == ["#kept"]


def test_who_is_no_staff_may_not(client):
    make_user("visitor", "add_track", "delete_track")

    assert try_all(client, **basic("visitor")) == (403, 403, 403)
    assert texts() == ["#kept"]


def test_staff_may_look_and_change_with_the_right_to_do_so(client):
    make_user("guest", is_staff=True)
    make_user("editor", "add_track", "delete_track", is_staff=True)

    assert try_all(client, **basic("guest")) == (200, 403, 403)
    assert try_all(client, **basic("editor")) == (200, 201, 204)
    assert Track.objects.get().added_by == "editor"


def test_login_of_the_admin_needs_its_csrf_token(admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    client.get("/admin/password_change/")  # a page with a form sets the cookie
    token = client.cookies["csrftoken"].value

    assert post(client, {"text": "#wall"}).status_code == 403
    assert post(client, {"text": "#wall"}, HTTP_X_CSRFTOKEN=token).status_code == 201
    evil = {"HTTP_X_CSRFTOKEN": token, "HTTP_ORIGIN": "https://evil.example.com"}
    assert post(client, {"text": "#evil"}, **evil).status_code == 403
    assert texts() == ["#wall"]


@pytest.mark.parametrize("path", ["/api/tweets/", "/api/stats/", "/api/wall/"])
def test_what_everybody_sees_needs_no_login_and_checks_none(client, path):
    assert client.get(path, **basic("nobody")).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_staff_add_and_remove_tracks_through_the_front(
    live_server, make_front, push_node, admin_user
):
    """The front hands on the body, the session, the token and the origin, and the login of a program."""
    front = make_front(push_node, django=live_server.url.removeprefix("http://"))
    login = f"{front.url}/admin/login/?next=/admin/"
    headers = {"Origin": front.url}
    with requests.Session() as browser:
        browser.get(login)
        form = {"username": "admin", "password": "password"}
        form["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
        browser.post(login, form, headers=headers).raise_for_status()
        headers["X-CSRFToken"] = browser.cookies["csrftoken"]

        added = browser.post(f"{front.url}/api/tracks/", json={"text": "#wall"}, headers=headers)
        headers["Origin"] = "http://evil.example.com"
        refused = browser.post(f"{front.url}/api/tracks/", json={"text": "#evil"}, headers=headers)
    basic = ("admin", "password")
    gone = requests.delete(f"{front.url}/api/tracks/{added.json()['id']}/", auth=basic, timeout=10)

    assert (added.status_code, refused.status_code, gone.status_code) == (201, 403, 204)
    assert texts() == []
