import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "api" / "sources" / "sample" / "conference.jsonl"
FRONTEND = ROOT / "frontend"
PICTURES = sorted((FRONTEND / "sample").rglob("*.svg"))

CLAIMS = {
    "hashtags": lambda entity: "#" + entity["tag"],
    "cashtags": lambda entity: "$" + entity["tag"],
    "mentions": lambda entity: "@" + entity["username"],
    "urls": lambda entity: entity["url"],
}
SVG_TAGS = {
    "circle",
    "clipPath",
    "defs",
    "ellipse",
    "g",
    "linearGradient",
    "path",
    "radialGradient",
    "rect",
    "stop",
    "svg",
    "text",
}
TWITTER_EPOCH_MS = 1288834974657


@pytest.fixture(scope="module")
def messages():
    return [json.loads(line) for line in SAMPLE.read_text("utf-8").splitlines()]


def references(tweet):
    return tweet.get("referenced_tweets", []) + tweet.get("referenced_posts", [])


def history(tweet):
    return tweet.get("edit_history_tweet_ids") or tweet["edit_history_post_ids"]


def long_form(tweet):
    return tweet.get("note_tweet") or tweet.get("note_post")


def included(message, *names):
    return [item for name in names for item in message.get("includes", {}).get(name, [])]


def tweets(message):
    return [message["data"], *included(message, "tweets", "posts")]


def texts(message):
    for tweet in tweets(message):
        yield tweet["text"], tweet.get("entities", {})
        if note := long_form(tweet):
            yield note["text"], note["entities"]


def entities(messages, kind):
    return [e for m in messages for _, found in texts(m) for e in found.get(kind, [])]


def users(messages):
    return {user["id"]: user for m in messages for user in included(m, "users")}


def media(messages):
    return [item for m in messages for item in included(m, "media")]


def picture_addresses(messages):
    for user in users(messages).values():
        yield user["profile_image_url"]
    for item in media(messages):
        yield item.get("url") or item["preview_image_url"]


def test_every_line_is_a_stream_message(messages):
    known = {"data", "includes", "errors", "matching_rules"}
    assert len(messages) == 359
    assert [m for m in messages if not {"data", "matching_rules"} <= m.keys() <= known] == []


def test_every_entity_is_what_its_offsets_say(messages):
    wrong = [
        (text, entity)
        for message in messages
        for text, found in texts(message)
        for kind, items in found.items()
        for entity in items
        if text[entity["start"] : entity["end"]] != CLAIMS[kind](entity)
    ]
    assert wrong == []


def test_texts_are_html_escaped(messages):
    raw = re.compile(r"[<>]|&(?!(?:amp|lt|gt);)")
    assert [text for m in messages for text, _ in texts(m) if raw.search(text)] == []


def test_some_entities_follow_an_escape_or_an_astral_character(messages):
    shifted = Counter()
    for message in messages:
        for text, found in texts(message):
            starts = [entity["start"] for items in found.values() for entity in items]
            before = text[: max(starts, default=0)]
            shifted["escape"] += "&amp;" in before or "&lt;" in before
            shifted["astral"] += any(ord(char) > 0xFFFF for char in before)
            shifted["joined"] += "\u200d" in before
    assert {name for name, count in shifted.items() if count > 2} == {"escape", "astral", "joined"}


def test_ids_are_unique_and_rise_with_the_time(messages):
    ids = [int(message["data"]["id"]) for message in messages]
    assert ids == sorted(set(ids))


def test_ids_carry_the_time_of_creation(messages):
    def time_of(tweet_id):
        moment = datetime.fromtimestamp(((int(tweet_id) >> 22) + TWITTER_EPOCH_MS) / 1000, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    seen = [tweet for message in messages for tweet in tweets(message)]
    assert [t["created_at"] for t in seen] == [time_of(t["id"]) for t in seen]


def test_an_edit_names_the_version_that_came_before(messages):
    ids = [message["data"]["id"] for message in messages]
    chains = [history(m["data"]) for m in messages]
    edits = [chain for chain in chains if len(chain) > 1]
    assert len(edits) == 2
    assert [chain[-1] for chain in chains] == ids
    assert [first in ids[: ids.index(newest)] for first, newest in edits] == [True, True]


def test_everything_a_message_needs_is_included_or_reported_missing(messages):
    missing = []
    for message in messages:
        reported = {error["value"] for error in message.get("errors", [])}
        have = reported | {item["id"] for item in included(message, "users", "polls")}
        have |= {tweet["id"] for tweet in tweets(message)}
        have |= {item["media_key"] for item in included(message, "media")}
        need = [reference["id"] for reference in references(message["data"])]
        need += message["data"].get("attachments", {}).get("poll_ids", [])
        for tweet in tweets(message):
            need += [tweet["author_id"], *tweet.get("attachments", {}).get("media_keys", [])]
        missing += [(message["data"]["id"], item) for item in need if item not in have]
    assert missing == []


def test_counts_of_the_kinds(messages):
    data = [message["data"] for message in messages]
    attached = [tweet.get("attachments", {}) for tweet in data]
    own_keys = [tuple(key[0] for key in item.get("media_keys", [])) for item in attached]
    errors = [error["title"] for m in messages for error in m.get("errors", [])]
    kinds = Counter(reference["type"] for tweet in data for reference in references(tweet))
    assert kinds == {"replied_to": 54, "retweeted": 26, "quoted": 17}
    assert Counter(own_keys) == {
        (): 299,
        ("3",): 49,
        ("7",): 4,
        ("3", "3"): 1,
        ("3", "3", "3"): 2,
        ("3", "3", "3", "3"): 4,
    }
    assert sum("poll_ids" in item for item in attached) == 4
    assert sum(long_form(tweet) is not None for tweet in data) == 5
    assert sum("edit_history_post_ids" in tweet for tweet in data) == 36
    assert sum(tweet["possibly_sensitive"] for tweet in data) == 2
    assert sum("withheld" in tweet for tweet in data) == 2
    assert sorted(errors) == ["Forbidden", "Not Found Error"]


def test_many_voices_in_many_languages(messages):
    languages = Counter(message["data"]["lang"] for message in messages)
    assert set(languages) == {"ar", "de", "en", "es", "fr", "iw", "ja", "ko", "no", "pt"}
    assert len(users(messages)) == 47
    assert {user["verified_type"] for user in users(messages).values()} == {
        "blue",
        "business",
        "government",
        "none",
    }


def test_a_message_speaks_one_dialect(messages):
    old = {"edit_history_tweet_ids", "referenced_tweets", "note_tweet", "tweets"}
    new = {"edit_history_post_ids", "referenced_posts", "note_post", "posts"}
    mixed = []
    for message in messages:
        names = set(message.get("includes", {})).union(*tweets(message))
        if names & old and names & new:
            mixed.append(message["data"]["id"])
    assert mixed == []


def test_a_rule_matches_a_word_of_the_text(messages):
    wrong = []
    for message in messages:
        words = set(re.findall(r"\w+", " ".join(text for text, _ in texts(message)).casefold()))
        terms = [rule["tag"].removeprefix("wallpush:") for rule in message["matching_rules"]]
        wrong += [(message["data"]["id"], term) for term in terms if term not in words]
    assert wrong == []


def test_every_account_is_invented(messages):
    named = {user["username"] for user in users(messages).values()}
    mentioned = {entity["username"] for entity in entities(messages, "mentions")}
    assert mentioned - named == set()
    assert [name for name in named if not re.fullmatch(r"[a-z0-9]{2,11}_qby", name)] == []


def test_mentions_carry_the_id_of_their_account(messages):
    ids = {user["username"]: user["id"] for user in users(messages).values()}
    found = entities(messages, "mentions")
    assert [e for e in found if ids[e["username"]] != e["id"]] == []


def test_links_lead_to_reserved_hosts_or_invented_accounts_only(messages):
    named = {user["username"] for user in users(messages).values()}

    def is_harmless(address):
        parts = urlsplit(address)
        if parts.scheme == "https" and parts.hostname == "x.com":
            return parts.path.split("/")[1] in named or parts.path.startswith("/i/web/status/")
        return parts.scheme == "https" and parts.hostname in {"example.com", "example.org"}

    found = entities(messages, "urls")
    assert [e for e in found if not re.fullmatch(r"https://t\.co/\w{10}", e["url"])] == []
    assert [e for e in found if not is_harmless(e["expanded_url"])] == []
    bare = re.findall(
        r"https?://(?!t\.co/)[^\s\"]+", "".join(t for m in messages for t, _ in texts(m))
    )
    assert bare == []


def test_pictures_and_messages_need_each_other(messages):
    on_disk = {"/" + path.relative_to(FRONTEND).as_posix() for path in PICTURES}
    assert set(picture_addresses(messages)) == on_disk


def test_media_tell_the_size_of_the_picture_and_describe_it(messages):
    wrong = []
    for item in media(messages):
        address = item.get("url") or item["preview_image_url"]
        root = read_svg(FRONTEND / address.lstrip("/"))
        if root.get("viewBox") != f"0 0 {item['width']} {item['height']}" or not item["alt_text"]:
            wrong.append(address)
    assert wrong == []


def read_svg(path):
    return ElementTree.fromstring(path.read_text("utf-8"))  # noqa: S314 - our own files


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.parent.name + "-" + path.stem)
def test_a_picture_is_plain_drawing(path):
    nodes = list(read_svg(path).iter())
    values = [(name, value) for node in nodes for name, value in node.attrib.items()]
    tags = {node.tag.removeprefix("{http://www.w3.org/2000/svg}") for node in nodes}
    assert tags - SVG_TAGS == set()
    assert [name for name, _ in values if re.search(r"^on|href|^style$|^class$", name)] == []
    assert [v for _, v in values if "url(" in v and not re.fullmatch(r"url\(#\w+\)", v)] == []


def test_pictures_are_small():
    sizes = {path.stem: path.stat().st_size for path in PICTURES}
    assert {name: size for name, size in sizes.items() if size > 12 * 1024} == {}
    assert sum(sizes.values()) < 1_000_000
