"""Messages as X's stream sends them. What a test does not name is invented; ids count up."""

import itertools
import json

_numbers = itertools.count(2130000000000000001)

ADA = {
    "id": "101",
    "name": "Ada",
    "username": "ada_l",
    "profile_image_url": "https://pbs.twimg.com/profile_images/101/a_normal.jpg",
    "verified_type": "blue",
    "protected": False,
}


def make_message(*, includes=None, tags=("wall",), **data):
    tweet_id = data.pop("id", None) or str(next(_numbers))
    tweet = {
        "id": tweet_id,
        "text": f"Tweet {tweet_id}",
        "author_id": "101",
        "created_at": "2026-11-20T10:00:00.000Z",
        "edit_history_tweet_ids": [tweet_id],
        "lang": "en",
        "possibly_sensitive": False,
    }
    return {
        "data": tweet | data,
        "includes": {"users": [ADA]} | (includes or {}),
        "matching_rules": [{"id": str(number), "tag": tag} for number, tag in enumerate(tags, 1)],
    }


def make_line(**parts):
    return json.dumps(make_message(**parts)).encode()
