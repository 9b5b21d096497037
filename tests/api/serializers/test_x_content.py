import pytest

from api.serializers.x_content import Includes, read_author, read_media
from tests.api.x_messages import ADA


def read_video(*variants, **parts):
    video = {"media_key": "7_9", "type": "video", "variants": list(variants), **parts}
    tweet = {"attachments": {"media_keys": ["7_9"]}}
    return read_media(tweet, Includes({"media": [video]}))


def mp4(bit_rate, name):
    return {"bit_rate": bit_rate, "content_type": "video/mp4", "url": f"https://v.example/{name}"}


STREAM = {"content_type": "application/x-mpegURL", "url": "https://v.example/a.m3u8"}


@pytest.mark.parametrize(
    ("variants", "url"),
    [
        ([STREAM, mp4(256_000, "low"), mp4(2_176_000, "mid"), mp4(10_368_000, "high")], "mid"),
        ([mp4(10_368_000, "high"), mp4(25_000_000, "higher")], "high"),
        ([mp4(0, "gif")], "gif"),
        ([mp4(None, "bare")], "bare"),
    ],
)
def test_video_takes_the_best_film_within_the_limit(variants, url):
    assert [item["url"] for item in read_video(*variants)] == [f"https://v.example/{url}"]


def test_video_without_a_film_shows_its_preview():
    [item] = read_video(STREAM, preview_image_url="https://p.example/a.jpg")

    assert (item["url"], item["preview_url"]) == ("", "https://p.example/a.jpg")


def test_video_with_nothing_to_show_is_dropped():
    assert read_video(STREAM, preview_image_url="http://p.example/a.jpg") == []


@pytest.mark.parametrize(
    ("user", "verified"),
    [
        ({"verified_type": "business"}, "business"),
        ({"verified_type": "government"}, "government"),
        ({"verified_type": "none", "verified": True}, ""),
        ({"verified_type": "gold"}, ""),
        ({"verified_type": None, "verified": True}, "blue"),
    ],
)
def test_author_verified(user, verified):
    assert read_author("101", Includes({"users": [ADA | user]}))["verified"] == verified


@pytest.mark.parametrize(
    ("url", "avatar"),
    [
        ("https://p.example/a_normal.jpg", "https://p.example/a_400x400.jpg"),
        ("https://p.example/a_normal", "https://p.example/a_400x400"),
        ("https://p.example/normal_a.png", "https://p.example/normal_a.png"),
        ("/sample/avatars/ada.svg", "/sample/avatars/ada.svg"),
        ("http://p.example/a_normal.jpg", ""),
    ],
)
def test_author_avatar(url, avatar):
    assert (
        read_author("101", Includes({"users": [ADA | {"profile_image_url": url}]}))["avatar"]
        == avatar
    )


@pytest.mark.parametrize("username", ["", "a b", "<b>", "a/b", "a" * 51, None, 5])
def test_author_with_an_impossible_username_is_unknown(username):
    author = read_author("101", Includes({"users": [ADA | {"username": username}]}))

    assert (author["username"], author["name"]) == ("", "")
