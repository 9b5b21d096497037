"""Text with entities, from X's escaped form to the resource's plain one.

X counts entities in code points of the escaped text. Pieces are cut there first and unescaped one by
one, so that the offsets of the result are counted again instead of shifted.
"""

import re
import unicodedata

from .sanitize import clean_line, clean_text, link_address

ENTITY_LIMIT = 200

_ESCAPES = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
_ESCAPE = re.compile("|".join(_ESCAPES))
_USERNAME = re.compile(r"[A-Za-z0-9_]{1,50}")
_USER_ID = re.compile(r"[0-9]{1,20}")
_STATUS = re.compile(
    r"https://(?:www\.|mobile\.)?(?:x|twitter)\.com/(?:i/web|\w+)/status/([0-9]+)(/(?:photo|video)/[0-9])?"
)
_TRAILING_LINK = re.compile(r"https://t\.co/\w{1,30}\Z", re.ASCII)


def unescape(text):
    if "&" in text:
        text = _ESCAPE.sub(lambda found: _ESCAPES[found[0]], text)
    return clean_text(text)


def read_username(value):
    return value if isinstance(value, str) and _USERNAME.fullmatch(value) else ""


def _same_word(written, claimed):
    if written == claimed:
        return True
    return _fold_word(written) == _fold_word(claimed)


def _fold_word(word):
    return unicodedata.normalize("NFKC", word).casefold()


def _read_tagged(kind, signs):
    def read(item, piece):
        tag = item.get("tag")
        if isinstance(tag, str) and tag and piece[0] in signs and _same_word(piece[1:], tag):
            return {"type": kind, "start": 0, "end": 0, "tag": clean_line(tag, 300)}
        return None

    return read


def _read_mention(item, piece):
    username = read_username(item.get("username"))
    if not username or piece[0] not in "@\uff20" or not _same_word(piece[1:], username):
        return None
    user_id = str(item.get("id", ""))
    if not _USER_ID.fullmatch(user_id):
        user_id = ""
    return {"type": "mention", "start": 0, "end": 0, "username": username, "id": user_id}


def _read_link(item, piece):
    url = link_address(item.get("url"))
    if not url or url not in (piece, unescape(piece)):
        return None
    return {
        "type": "url",
        "start": 0,
        "end": 0,
        "url": url,
        "expanded_url": link_address(item.get("expanded_url")),
        "display_url": clean_line(item.get("display_url"), 300),
        "title": clean_line(item.get("title"), 300),
    }


# Each sign also in the full width that East Asian keyboards write.
_READERS = {
    "urls": _read_link,
    "hashtags": _read_tagged("hashtag", "#\uff03"),
    "mentions": _read_mention,
    "cashtags": _read_tagged("cashtag", "$\uff04"),
}


def _read_spans(raw, entities):
    """Entities whose piece of the text is what they claim, as (start, end, entity)."""
    for kind, read in _READERS.items():
        items = entities.get(kind)
        if not isinstance(items, list):
            continue
        for item in items[:ENTITY_LIMIT]:
            start, end = _offsets(item)
            if 0 <= start < end <= len(raw) and (entity := read(item, raw[start:end])):
                yield start, end, entity


def _offsets(item):
    if not isinstance(item, dict):
        return 0, 0
    start, end = item.get("start"), item.get("end")
    return (start, end) if type(start) is int and type(end) is int else (0, 0)


def without_overlaps(spans):
    """Those of (start, end, …) that begin where none before them is, sorted."""
    kept, position = [], 0
    for span in sorted(spans, key=lambda span: span[0]):
        if span[0] >= position:
            kept.append(span)
            position = span[1]
    return kept


def _drop_trailing_links(raw, spans, own_ids, quoted_id, has_media):
    """The text without the links that X appends for what the card shows itself."""
    raw = raw.rstrip()
    while spans and spans[-1][1] == len(raw):
        if not _is_appended(spans[-1][2], own_ids, quoted_id, has_media):
            return raw, spans
        raw = raw[: spans[-1][0]].rstrip()
        spans = spans[:-1]
    if has_media or quoted_id:
        # White space before it by rstrip(): a pattern would search every long gap again from each of its places.
        raw = _TRAILING_LINK.sub("", raw).rstrip()
    return raw, spans


def _is_appended(entity, own_ids, quoted_id, has_media):
    found = entity["type"] == "url" and _STATUS.match(entity["expanded_url"])
    if not found:
        return False
    if found[2]:
        return has_media
    return found[1] == quoted_id or found[1] in own_ids


def _unescape_spans(raw, spans):
    text, position, entities = [], 0, []
    length = 0
    for start, end, entity in spans:
        before, piece = unescape(raw[position:start]), unescape(raw[start:end])
        text += before, piece
        entity["start"] = length + len(before)
        entity["end"] = length = entity["start"] + len(piece)
        entities.append(entity)
        position = end
    text.append(unescape(raw[position:]))
    return "".join(text), entities


def read_text(raw, entities, *, own_ids, quoted_id="", has_media=False):
    """Plain text and its entities: sorted, apart from each other, in code points of that text."""
    spans = _read_spans(raw, entities) if isinstance(entities, dict) else ()
    raw, spans = _drop_trailing_links(raw, without_overlaps(spans), own_ids, quoted_id, has_media)
    return _unescape_spans(raw, spans)
