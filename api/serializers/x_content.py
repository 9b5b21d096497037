"""What hangs on a tweet of X: authors, pictures, polls, the tweets it refers to.

Nothing here fails: the stream leaves out what is suspended, deleted or protected, and a card with a
gap is better than none.
"""

import re

from .rich_text import read_username
from .sanitize import clean_count, clean_line, clean_lines, picture_address

INCLUDE_LIMIT = 200
MEDIA_LIMIT = 10
OPTION_LIMIT = 10
COUNTRY_LIMIT = 300
# More than this stutters on a hall's network; X offers the same film in up to 25 Mbit/s.
BIT_RATE_LIMIT = 2_500_000
# Stands for the author of a message that names none. No account has it.
NO_AUTHOR_ID = "0"

_ID = re.compile(r"[1-9][0-9]{0,19}", re.ASCII)
_SMALL_AVATAR = re.compile(r"_normal(\.\w+)?\Z")
_COUNTRY = re.compile(r"[A-Z]{2}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
VERIFIED_TYPES = ("blue", "business", "government")


def read_id(value):
    """An id as X writes it, a string of digits (an integer is accepted), or an empty string."""
    if type(value) is int and 0 < value < 10**20:
        return str(value)
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def read_dict(value):
    return value if isinstance(value, dict) else {}


def read_dicts(value, limit):
    """The objects of a list; of anything else none."""
    if not isinstance(value, list):
        return []
    return [item for item in value[:limit] if isinstance(item, dict)]


class Includes:
    """The objects that came along with a tweet, by id."""

    def __init__(self, includes):
        self.users = _by_id(includes.get("users"), "id")
        self.tweets = _by_id(includes.get("tweets"), "id")
        self.media = _by_id(includes.get("media"), "media_key")
        self.polls = _by_id(includes.get("polls"), "id")


def _by_id(items, key):
    if not items:
        return {}
    return {str(item.get(key))[:100]: item for item in read_dicts(items, INCLUDE_LIMIT)}


def read_author(author_id, includes):
    """The author's columns. One that the message does not describe has an id and nothing else."""
    user = includes.users.get(author_id)
    username = read_username(user.get("username")) if user else ""
    if not username:
        return {
            "source_id": author_id,
            "username": "",
            "name": "",
            "avatar": "",
            "verified": "",
            "protected": False,
        }
    return {
        "source_id": author_id,
        "username": username,
        "name": clean_line(user.get("name"), 200) or username,
        "avatar": picture_address(_large_avatar(user.get("profile_image_url")), 1000),
        "verified": _read_verified(user),
        "protected": user.get("protected") is True,
    }


def show_author(author):
    """The author as the resource has it."""
    shown = {"id": author["source_id"]}
    shown.update((name, author[name]) for name in ("username", "name", "avatar", "verified"))
    return shown


def _large_avatar(url):
    return _SMALL_AVATAR.sub(r"_400x400\1", url) if isinstance(url, str) else ""


def _read_verified(user):
    kind = user.get("verified_type")
    if kind is None and user.get("verified") is True:
        return "blue"
    return kind if kind in VERIFIED_TYPES else ""


def read_media(tweet, includes):
    keys = read_dict(tweet.get("attachments")).get("media_keys")
    if not isinstance(keys, list):
        return []
    found = (includes.media.get(str(key)) for key in keys[:MEDIA_LIMIT])
    shown = (_read_medium(item) for item in found if item)
    return [medium for medium in shown if medium]


def _read_medium(item):
    kind = item.get("type")
    if kind == "photo":
        return _read_photo(item)
    return _read_video(item) if kind in ("video", "animated_gif") else None


def _read_photo(item):
    url = picture_address(item.get("url"))
    return (
        {"type": "photo", "url": url, **_read_size(item), "alt": _read_alt(item)} if url else None
    )


def _read_video(item):
    url = _best_variant(read_dicts(item.get("variants"), 20))
    preview = picture_address(item.get("preview_image_url"))
    if not url and not preview:
        return None
    return {
        "type": item["type"],
        "url": url,
        "preview_url": preview,
        **_read_size(item),
        "alt": _read_alt(item),
        "duration_ms": clean_count(item.get("duration_ms"), 10**9),
    }


def _read_size(item):
    return {name: clean_count(item.get(name), 100_000) for name in ("width", "height")}


def _read_alt(item):
    return clean_lines(item.get("alt_text"), 2000)


def _best_variant(variants):
    """The finest MP4 within the limit, else the coarsest above it."""
    films = []
    for variant in variants:
        url = variant.get("content_type") == "video/mp4" and picture_address(variant.get("url"))
        if url:
            films.append((clean_count(variant.get("bit_rate"), 10**9), url))
    within = [film for film in films if film[0] <= BIT_RATE_LIMIT]
    if within:
        return max(within)[1]
    return min(films)[1] if films else ""


def read_poll(tweet, includes):
    ids = read_dict(tweet.get("attachments")).get("poll_ids")
    poll = includes.polls.get(str(ids[0])) if isinstance(ids, list) and ids else None
    options = read_dicts(poll.get("options"), OPTION_LIMIT) if poll else []
    if not options:
        return None
    options.sort(key=lambda option: clean_count(option.get("position"), 100))
    ends_at = poll.get("end_datetime")
    return {
        "id": clean_line(str(ids[0]), 40),
        "status": "closed" if poll.get("voting_status") == "closed" else "open",
        "ends_at": ends_at if isinstance(ends_at, str) and _MOMENT.fullmatch(ends_at) else None,
        "options": [
            {
                "label": clean_line(option.get("label"), 100),
                "votes": clean_count(option.get("votes"), 10**12),
            }
            for option in options
        ],
    }


def read_references(tweet):
    """The ids of the tweets it replies to, quotes and repeats, by X's word for each."""
    found = {}
    for reference in read_dicts(tweet.get("referenced_tweets"), 10):
        reference_id = read_id(reference.get("id"))
        if reference_id and isinstance(reference.get("type"), str):
            found.setdefault(reference["type"], reference_id)
    return found


def read_reply(tweet, reply_id, includes):
    original = includes.tweets.get(reply_id, {})
    author_id = read_id(original.get("author_id")) or read_id(tweet.get("in_reply_to_user_id"))
    username = read_author(author_id, includes)["username"] or _mentioned(tweet, author_id)
    return {"id": reply_id, "author": {"id": author_id or NO_AUTHOR_ID, "username": username}}


def _mentioned(tweet, author_id):
    """X does not include the author of the tweet replied to when that tweet is gone: the text still names them."""
    mentions = read_dicts(read_dict(tweet.get("entities")).get("mentions"), INCLUDE_LIMIT)
    names = (
        read_username(item.get("username"))
        for item in mentions
        if read_id(item.get("id")) == author_id
    )
    return next(filter(None, names), "") if author_id else ""


def read_withheld(tweet):
    codes = read_dict(tweet.get("withheld")).get("country_codes")
    if not isinstance(codes, list):
        return []
    return [
        code for code in codes[:COUNTRY_LIMIT] if isinstance(code, str) and _COUNTRY.fullmatch(code)
    ]
