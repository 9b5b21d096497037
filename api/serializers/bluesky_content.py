"""The text of a post of Bluesky, and what hangs on it.

Nothing here fails: whatever is not as it should be is left out, and a card with a gap is better than none.
"""

import re

from api.sources.bluesky_events import DID, read_dict, read_dicts

from .rich_text import without_overlaps
from .sanitize import (
    clean_count,
    clean_line,
    clean_lines,
    clean_text,
    link_address,
    picture_address,
)

FACET_LIMIT = 200
FEATURE_LIMIT = 20
MEDIA_LIMIT = 10
LABEL_LIMIT = 50
USERNAME_LIMIT = 100

SENSITIVE_LABELS = frozenset({"porn", "sexual", "nudity", "graphic-media"})

_HANDLE = re.compile(r"(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{1,63}", re.ASCII)
_CID = re.compile(r"[A-Za-z0-9]{20,120}", re.ASCII)
_LANG = re.compile(r"([A-Za-z]{2,8})(?:-[A-Za-z0-9]{1,8}){0,5}", re.ASCII)


def make_url(did, key):
    return f"https://bsky.app/profile/{did}/post/{key}"


# Authors.


def read_author(did, profile):
    """The author's columns. One without a profile has an id and nothing else."""
    handle = read_handle(profile.get("handle"))
    if not handle:
        return {
            "source_id": did,
            "username": "",
            "name": "",
            "avatar": "",
            "verified": "",
            "protected": False,
        }
    # A name with more characters than there is room for is none that can be cut: it would be another's.
    username = handle if len(handle) <= USERNAME_LIMIT else did
    return {
        "source_id": did,
        "username": username,
        "name": clean_line(profile.get("displayName"), 200) or username,
        "avatar": picture_address(profile.get("avatar"), 1000),
        "verified": "",
        "protected": False,
    }


def read_handle(value):
    usable = isinstance(value, str) and len(value) <= 253 and _HANDLE.fullmatch(value)
    return value if usable else ""


def is_marked_sensitive(record, *labelled):
    """By its author, or by a label of the API on one of these."""
    values = [item.get("val") for item in read_dicts(read_dict(record, "labels"), "values", 20)]
    for item in labelled:
        labels = item.get("labels")
        values += labels[:LABEL_LIMIT] if isinstance(labels, list) else ()
    return any(isinstance(value, str) and value in SENSITIVE_LABELS for value in values)


# Text.


def read_text(record, text):
    """The text made harmless, and its entities in code points of it: sorted, apart from each other."""
    parts, entities, length, position = [], [], 0, 0
    for start, end, entity in without_overlaps(_read_spans(record, text)):
        before, piece = clean_text(text[position:start]), clean_text(text[start:end])
        position = end
        parts += before, piece
        entity["start"] = length + len(before)
        entity["end"] = length = entity["start"] + len(piece)
        if piece:
            entities.append(entity)
    parts.append(clean_text(text[position:]))
    return "".join(parts), entities


def _read_spans(record, text):
    """(start, end, entity) for each facet that marks whole characters, in code points of the raw text."""
    facets = read_dicts(record, "facets", FACET_LIMIT)
    places = _find_places(text) if facets else {}
    for facet in facets:
        index = read_dict(facet, "index")
        start, end = (_read_place(places, index.get(name)) for name in ("byteStart", "byteEnd"))
        if start is None or end is None or start >= end:
            continue
        entity = _read_entity(facet, text[start:end])
        if entity:
            yield start, end, entity


def _find_places(text):
    """Where each character begins: facets count bytes of UTF-8, everything else here counts characters."""
    places, offset = {}, 0
    for place, character in enumerate(text):
        places[offset] = place
        offset += len(character.encode("utf-8", "surrogatepass"))
    places[offset] = len(text)
    return places


def _read_place(places, offset):
    return places.get(offset) if type(offset) is int else None


def _read_entity(facet, piece):
    """The first feature that a card can show."""
    for feature in read_dicts(facet, "features", FEATURE_LIMIT):
        kind = feature.get("$type")
        read = _READERS.get(kind) if isinstance(kind, str) else None
        entity = read(feature, piece) if read else None
        if entity:
            return entity
    return None


def _read_tag(feature, piece):
    tag = clean_line(feature.get("tag"), 300).lstrip("#\uff03")
    return {"type": "hashtag", "start": 0, "end": 0, "tag": tag} if tag else None


def _read_mention(feature, piece):
    did = feature.get("did")
    if not isinstance(did, str) or not DID.fullmatch(did):
        return None
    handle = read_handle(clean_text(piece).removeprefix("@"))
    username = handle if len(handle) <= USERNAME_LIMIT else ""
    return {"type": "mention", "start": 0, "end": 0, "username": username, "id": did}


def _read_link(feature, piece):
    url = link_address(feature.get("uri"))
    if not url:
        return None
    return {
        "type": "url",
        "start": 0,
        "end": 0,
        "url": url,
        "expanded_url": url,
        # What the author wrote stays what is read.
        "display_url": clean_text(piece),
        "title": "",
    }


_READERS = {
    "app.bsky.richtext.facet#tag": _read_tag,
    "app.bsky.richtext.facet#mention": _read_mention,
    "app.bsky.richtext.facet#link": _read_link,
}


def read_lang(record):
    """The language alone, as X writes it: the wall is filtered by it."""
    langs = record.get("langs")
    first = langs[0] if isinstance(langs, list) and langs else ""
    found = _LANG.fullmatch(first) if isinstance(first, str) else None
    return found[1].lower() if found else ""


# Pictures.


def read_media(record, did):
    embed = read_dict(record, "embed")
    if embed.get("$type") == "app.bsky.embed.recordWithMedia":
        embed = read_dict(embed, "media")
    if embed.get("$type") == "app.bsky.embed.images":
        images = read_dicts(embed, "images", MEDIA_LIMIT)
        return [photo for image in images if (photo := _read_photo(image, did))]
    if embed.get("$type") == "app.bsky.embed.video":
        return _read_video(embed, did)
    return []


def _read_photo(image, did):
    cid = _read_cid(image, "image")
    if not cid:
        return None
    url = f"https://cdn.bsky.app/img/feed_thumbnail/plain/{did}/{cid}@jpeg"
    return {"type": "photo", "url": url, **_read_size(image), "alt": _read_alt(image)}


def _read_video(embed, did):
    """Its picture: what plays it comes in pieces that a browser can not put together by itself."""
    cid = _read_cid(embed, "video")
    if not cid:
        return []
    folder = f"https://video.bsky.app/watch/{did.replace('%', '%25').replace(':', '%3A')}/{cid}"
    return [
        {
            "type": "video",
            "url": "",
            "preview_url": f"{folder}/thumbnail.jpg",
            **_read_size(embed),
            "alt": _read_alt(embed),
            "duration_ms": 0,
        }
    ]


def _read_cid(item, name):
    cid = read_dict(read_dict(item, name), "ref").get("$link")
    return cid if isinstance(cid, str) and _CID.fullmatch(cid) else ""


def _read_size(item):
    ratio = read_dict(item, "aspectRatio")
    return {name: clean_count(ratio.get(name), 100_000) for name in ("width", "height")}


def _read_alt(item):
    return clean_lines(item.get("alt"), 2000)
